"""Accounts: created and listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from api.http.answers import answer_json
from api.http.bodies import read_json
from api.http.problems import Fault, Invalid, require_found
from api.http.requests import PRINCIPAL, read_user_id
from api.resources.users import ExternalId
from api.services import ACCOUNTS
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


async def create_account(request: web.Request) -> web.Response:
    new = await read_json(request, NewAccount)
    if new.currency not in CURRENCIES:
        raise Invalid([Fault("/currency", "not an active ISO 4217 code")])
    bound = request[PRINCIPAL].user_id
    row = None
    if bound in {None, new.user_id}:
        row = await request.app[ACCOUNTS].create_account(
            new.user_id, new.external_id, new.name, new.type, new.currency
        )
    if row is None:
        raise Invalid([Fault("/user_id", "there is no such user")])
    return answer_json(_account(row), 201 if row["created"] else 200)


async def list_accounts(request: web.Request) -> web.Response:
    rows = require_found(await request.app[ACCOUNTS].list_accounts(read_user_id(request)))
    return answer_json(AccountList([_account(row) for row in rows]))


def _account(row: Mapping[str, Any]) -> Account:
    return Account(**{name: row[name] for name in Account.__struct_fields__})
