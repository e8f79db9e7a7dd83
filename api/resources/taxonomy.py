"""The categories that a transaction can have."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from api.dependencies import answer, services


class CategoryEntry(Struct):
    code: str
    primary: str
    name: str
    description: str
    parent: str | None


class Taxonomy(Struct):
    categories: list[CategoryEntry]


async def index(request: web.Request) -> web.Response:
    return answer({"categories": await services(request).categories.all()})
