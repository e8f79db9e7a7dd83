"""The client has one method for each request that the API answers."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import msgspec

from client import answers, pushes
from client.errors import (
    ClientError,
    PushFailedError,
    ReceiptTimeoutError,
    UnavailableError,
    UnreadableAnswerError,
)
from client.queries import Id, TransactionFilter, build_path, build_query
from client.retries import Retries
from client.transport import Observe, Request, Transport

T = TypeVar("T")

_LOOK_SECONDS: Final = 20.0  # one request waits this long for a receipt; the API allows 30
_A_DAY: Final = dt.timedelta(days=1)
_MOST_ROWS: Final = 1000  # the API sends no larger page


_ALL_ROWS: Final = TransactionFilter()


class Client:
    """A client speaks to one API with one token, inside `async with`.

    Every method raises ClientError. `timeout` (seconds) bounds one try; `retries` bounds how often
    a safe request is repeated. At most `connections` requests are on their way at a time.
    Answers with an ETag are kept up to `kept_bytes` bytes, and are sent again only if they
    have changed. `observe` is called after each try.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        connections: int = 16,
        retries: Retries = Retries(),  # noqa: B008 - frozen
        kept_bytes: int = 16 * 2**20,
        observe: Observe | None = None,
    ) -> None:
        self._transport = Transport(
            base_url,
            token,
            timeout=timeout,
            connections=connections,
            retries=retries,
            kept_bytes=kept_bytes,
            observe=observe,
        )

    def __repr__(self) -> str:
        return f"Client({self._transport.base_url!r})"

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def create_user(self, external_id: str | None = None) -> answers.User:
        """Create a user, or return the one that has this external id."""
        return await self._post(answers.User, build_path("users"), {"external_id": external_id})

    async def get_user(self, user_id: Id) -> answers.User:
        return await self._get(answers.User, build_path("users", user_id))

    async def erase_user(self, user_id: Id) -> None:
        """Erase everything of a user. The client does not repeat this by itself; you safely can."""
        path = build_path("users", user_id)
        await self._transport.send(Request(method="DELETE", path=path, repeatable=False))

    async def create_user_token(
        self, user_id: Id, scopes: Collection[str], *, expires_in: dt.timedelta = _A_DAY
    ) -> answers.AppToken:
        """Create a token for the user's own app, with the scopes `read`, `ingest` or both."""
        body = {"scopes": sorted(scopes), "expires_in": int(expires_in.total_seconds())}
        return await self._post(answers.AppToken, build_path("users", user_id, "tokens"), body)

    async def create_account(
        self,
        user_id: Id,
        external_id: str,
        currency: str,
        *,
        name: str | None = None,
        account_type: str | None = None,
    ) -> answers.Account:
        """Create an account, or return the user's one that has this external id."""
        body = {
            "user_id": str(user_id),
            "external_id": external_id,
            "currency": currency,
            "name": name,
            "type": account_type,
        }
        return await self._post(answers.Account, build_path("accounts"), body)

    async def list_accounts(self, user_id: Id) -> tuple[answers.Account, ...]:
        listed = await self._get(answers.AccountsAnswer, build_path("users", user_id, "accounts"))
        return listed.accounts

    async def push(
        self,
        transactions: Iterable[pushes.NewTransaction],
        removed: Iterable[pushes.NewRemoval] = (),
        *,
        ndjson: bool = False,
        gzip: bool = False,
    ) -> list[answers.AcceptedPush]:
        """Push in as many requests as needed, one after another; return the answer to each.

        The broker holds all rows when this returns. After an error it may hold some of them, and
        pushing everything again is safe.
        """
        accepted = []
        for body in pushes.split_push(transactions, removed, ndjson=ndjson):
            sent = await asyncio.to_thread(body.compress) if gzip else body
            accepted.append(await self.push_body(sent))
        return accepted

    async def push_body(self, body: pushes.PushBody) -> answers.AcceptedPush:
        """Push a body that is encoded already."""
        headers = {"Content-Type": body.media_type}
        if body.gzipped:
            headers["Content-Encoding"] = "gzip"
        request = Request(
            method="POST", path=build_path("transactions"), body=body.content, headers=headers
        )
        return _decode(answers.AcceptedPush, await self._transport.send(request))

    async def get_receipt(self, ingest_id: str, *, wait: float = 0.0) -> answers.PushReceipt:
        """Return the receipt of a push; wait up to `wait` seconds (at most 30) while it is queued."""
        query = {"wait": f"{wait:.3f}"}
        return await self._get(
            answers.PushReceipt, build_path("ingests", ingest_id), query, wait=wait
        )

    async def wait_for_receipt(
        self, ingest_id: str, *, seconds: float = 120.0
    ) -> answers.PushReceipt:
        """Return the receipt once the push is stored. Raises PushFailedError, ReceiptTimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            receipt = await self.get_receipt(ingest_id, wait=min(left, _LOOK_SECONDS))
            if receipt.status == "failed":
                raise PushFailedError(receipt)
            if receipt.status != "queued":
                return receipt
            if left == 0:
                raise ReceiptTimeoutError(f"ingest {ingest_id} is still queued after {seconds} s")

    async def get_feed_page(
        self,
        user_id: Id,
        rows: TransactionFilter = _ALL_ROWS,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> answers.TransactionPage:
        """Return up to `limit` (1 to 1000) rows, newest first."""
        query = rows.build_query() | build_query(limit=limit, cursor=cursor)
        path = build_path("users", user_id, "transactions")
        return await self._get(answers.TransactionPage, path, query)

    async def iterate_feed(
        self, user_id: Id, rows: TransactionFilter = _ALL_ROWS, *, page_rows: int = _MOST_ROWS
    ) -> AsyncIterator[answers.Transaction]:
        """Yield all rows, newest first, fetched page by page.

        A row that changes meanwhile can be left out or come twice; `iterate_changes` is exact.
        """
        cursor: str | None = None
        while True:
            page = await self.get_feed_page(user_id, rows, limit=page_rows, cursor=cursor)
            for row in page.transactions:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def get_changes(
        self, user_id: Id, cursor: str | None = None, *, limit: int = 100
    ) -> answers.ChangePage:
        """Return up to `limit` (1 to 1000) changes since `cursor`, or since the beginning."""
        path = build_path("users", user_id, "transactions", "sync")
        return await self._get(answers.ChangePage, path, build_query(cursor=cursor, limit=limit))

    async def iterate_changes(
        self, user_id: Id, cursor: str | None = None, *, page_rows: int = _MOST_ROWS
    ) -> AsyncIterator[answers.ChangePage]:
        """Yield the pages of changes since `cursor`, up to the end of the feed.

        Apply each page with `ChangePage.apply_to`, which also obeys `reset`. A `next_cursor` never
        expires, so reading can go on from any page.
        """
        more = True
        while more:
            page = await self.get_changes(user_id, cursor, limit=page_rows)
            cursor, more = page.next_cursor, page.has_more
            yield page

    async def get_transaction(self, user_id: Id, transaction: Id) -> answers.ExplainedTransaction:
        """Return one transaction by the id that the API issued, and what decided its category."""
        path = build_path("users", user_id, "transactions", transaction)
        return await self._get(answers.ExplainedTransaction, path)

    async def get_spending(
        self,
        user_id: Id,
        *,
        month: str | None = None,
        first: dt.date | None = None,
        last: dt.date | None = None,
    ) -> answers.SpendingReport:
        """Sum what the money of a month (`2026-11`), or from `first` to `last`, went on.

        Without arguments, the report covers the current month.
        """
        query = build_query(month=month, first=first, last=last)
        path = build_path("users", user_id, "insights", "spending")
        return await self._get(answers.SpendingReport, path, query)

    async def get_taxonomy(self) -> tuple[answers.TaxonomyCategory, ...]:
        return (await self._get(answers.TaxonomyAnswer, build_path("taxonomy"))).categories

    async def is_alive(self) -> bool:
        """Ask once whether an API process answers."""
        try:
            await self._transport.send(Request(method="GET", path="/livez", repeatable=False))
        except ClientError:
            return False
        return True

    async def check_readiness(self) -> answers.Readiness:
        """Ask once whether the system can do its work, and which part can not."""
        request = Request(method="GET", path="/readyz", repeatable=False)
        try:
            return _decode(answers.Readiness, await self._transport.send(request))
        except UnavailableError as error:
            parts = {fault.pointer.rpartition("/")[2]: fault.detail for fault in error.errors}
            return answers.Readiness("not ready", parts)

    async def get_version(self) -> str:
        return (await self._get(answers.VersionAnswer, "/version")).version

    async def _get(
        self, kind: type[T], path: str, query: Mapping[str, str] = {}, *, wait: float = 0.0
    ) -> T:
        request = Request(method="GET", path=path, query=query, wait=wait)
        return _decode(kind, await self._transport.send(request))

    async def _post(self, kind: type[T], path: str, body: Mapping[str, Any]) -> T:
        """Send all tries with one key, so that the API acts only once."""
        request = Request(
            method="POST",
            path=path,
            body=msgspec.json.encode({k: v for k, v in body.items() if v is not None}),
            headers={"Content-Type": pushes.JSON, "Idempotency-Key": uuid4().hex},
        )
        return _decode(kind, await self._transport.send(request))


def _decode(kind: type[T], body: bytes) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UnreadableAnswerError(f"the answer is no {kind.__name__}") from None
