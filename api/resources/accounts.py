"""Accounts of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from api.dependencies import answer, caller, known, services, user_in_path
from api.http.bodies import read_json
from api.http.problems import Fault, Invalid
from api.resources.users import ExternalId
from pipeline.transactions.money import CURRENCIES

Label = Annotated[str, Meta(max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class NewAccount(Struct, forbid_unknown_fields=True):
    user_id: UUID
    external_id: ExternalId
    currency: Annotated[str, Meta(description="ISO 4217")]
    name: Label | None = None
    type: Label | None = None


class Account(Struct):
    account_id: UUID
    user_id: UUID
    external_id: str
    name: str | None
    type: str | None
    currency: str


class AccountList(Struct):
    accounts: list[Account]


async def create(request: web.Request) -> web.Response:
    wanted = await read_json(request, NewAccount)
    if wanted.currency not in CURRENCIES:
        raise Invalid([Fault("/currency", "not an active ISO 4217 code")])
    bound = caller(request).user_id
    row = None
    if bound in {None, wanted.user_id}:
        row = await services(request).accounts.create_account(
            wanted.user_id, wanted.external_id, wanted.name, wanted.type, wanted.currency
        )
    if row is None:
        raise Invalid([Fault("/user_id", "there is no such user")])
    return answer(_account(row), 201 if row["created"] else 200)


async def index(request: web.Request) -> web.Response:
    rows = known(await services(request).accounts.accounts(user_in_path(request)))
    return answer(AccountList([_account(row) for row in rows]))


def _account(row: Mapping[str, Any]) -> Account:
    return Account(**{name: row[name] for name in Account.__struct_fields__})
