"""Raw requests to the API for tests, which also send what the typed client refuses to send."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import aiohttp
import msgspec


class Answer(NamedTuple):
    """An answer as it came; `body` is the decoded JSON, or None."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def pointers(self) -> list[str]:
        return [error["pointer"] for error in self.body["errors"]]


class RawClient:
    """Sends any method, path, header and body with one token."""

    def __init__(self, http: aiohttp.ClientSession, token: str, token_id: UUID) -> None:
        self._http = http
        self.token_id = token_id
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, headers: Mapping[str, str] = {}, **query: Any) -> Answer:
        return await self.ask("GET", path, headers=headers, params=query)

    async def post(self, path: str, body: Any, headers: Mapping[str, str] = {}) -> Answer:
        """Objects are sent as JSON, bytes as they are."""
        data = BytesIO(body if isinstance(body, bytes) else msgspec.json.encode(body))
        headers = {"Content-Type": "application/json", **headers}
        return await self.ask("POST", path, data=data, headers=headers)

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] = {}, **more: Any
    ) -> Answer:
        headers = {**self.headers, **headers}
        async with self._http.request(method, path, headers=headers, **more) as response:
            content = await response.read()
            body = msgspec.json.decode(content) if content else None
            return Answer(response.status, body, response.headers)

    async def new_account(self, external_user: str, **fields: str) -> dict[str, str]:
        user = await self.post("/v1/users", {"external_id": external_user})
        body = {"user_id": user.body["user_id"], "external_id": "main", "currency": "GBP"} | fields
        created = await self.post("/v1/accounts", body)
        assert created.status in {200, 201}, created
        account: dict[str, str] = created.body
        return account

    async def push(self, *transactions: Any, removed: Any = ()) -> Answer:
        """Push rows, wait until they are stored, and return the receipt."""
        body = {"transactions": transactions, "removed": removed}
        accepted = await self.post("/v1/transactions", body)
        assert accepted.status == 202, accepted
        receipt = await self.get(accepted.headers["Location"], wait=20)
        assert receipt.body["status"] == "stored", receipt
        return receipt


def purchase(account: Mapping[str, str], **fields: Any) -> dict[str, Any]:
    """A valid transaction of the account, without the fields that are None."""
    transaction = {
        "transaction_id": uuid4().hex,
        "account_id": account["account_id"],
        "date": "2026-11-20",
        "amount": "-4.50",
        "currency": "GBP",
        "description": "SQ *BLUE BOTTLE 4829 OAKLAND CA",
    }
    return {name: value for name, value in (transaction | fields).items() if value is not None}
