"""The categories that a transaction can have."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from api.http.answers import answer_json
from api.lookups import CATEGORIES


class CategoryEntry(Struct):
    code: str
    primary: str
    name: str
    description: str
    parent: str | None


class Taxonomy(Struct):
    categories: list[CategoryEntry]


async def list_categories(request: web.Request) -> web.Response:
    return answer_json({"categories": await request.app[CATEGORIES].list_all()})
