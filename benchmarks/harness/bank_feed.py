"""How benchmarks speak to a system: the typed client, and a leaner path for what is timed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, NamedTuple

import aiohttp
import msgspec

from benchmarks.harness.workload import Purchase
from client import NO_RETRIES, AcceptedPush, Account, Client, PushReceipt
from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from workers.local.demo.bounded import gather_bounded

_SECONDS: Final = 120  # of one request
_CONNECTIONS: Final = 256  # of the typed client, at most
_ACCOUNTS_AT_ONCE: Final = 16
_JSON: Final = {"Content-Type": "application/json"}
_BUSY: Final = (429, 503)


class BankFeed:
    """Pushes ready bodies and waits for their receipts over a bare session.

    Each request takes about a tenth less CPU than with the typed client. The generator shares
    its cores with the system, so all requests whose cost matters go this way.
    """

    def __init__(self, session: aiohttp.ClientSession, client: Client) -> None:
        self._session = session
        self.client = client

    async def push(self, body: bytes) -> str:
        """Push one batch until it is accepted; returns the ingest id."""
        while True:
            answer = await post_body(self._session, body)
            if answer.status == 202:
                return msgspec.json.decode(answer.content, type=AcceptedPush).ingest_id
            if answer.status not in _BUSY:
                raise RuntimeError(f"{answer.status}: {answer.content[:500]!r}")
            await asyncio.sleep(answer.retry_after)

    async def wait_for_receipt(self, ingest_id: str) -> PushReceipt:
        """The receipt of a push, once its rows are stored or dead letters."""
        while True:
            async with self._session.get(f"/v1/ingests/{ingest_id}?wait=20") as response:
                response.raise_for_status()
                receipt = msgspec.json.decode(await response.read(), type=PushReceipt)
                if receipt.status != "queued":
                    return receipt


class PushAnswer(NamedTuple):
    """An answer to a push of any status; `retry_after` is in seconds."""

    status: int
    content: bytes
    retry_after: float


async def post_body(session: aiohttp.ClientSession, body: bytes) -> PushAnswer:
    """Post a body of transactions, and read the answer to its end."""
    async with session.post("/v1/transactions", data=body, headers=_JSON) as response:
        retry_after = float(response.headers.get("Retry-After", "1"))
        return PushAnswer(response.status, await response.read(), retry_after)


@asynccontextmanager
async def open_session(url: str, token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """A bare session with any number of connections."""
    async with aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=_SECONDS),
    ) as session:
        yield session


@asynccontextmanager
async def open_feed(settings: Settings) -> AsyncIterator[BankFeed]:
    """A feed of the system with these settings; its token has all scopes.

    Its client neither tries again nor keeps answers, so that each call is one request.
    """
    url, token = api_url(settings), await create_token(settings)
    async with (
        Client(url, token, connections=_CONNECTIONS, retries=NO_RETRIES, kept_bytes=0) as client,
        open_session(url, token) as session,
    ):
        yield BankFeed(session, client)


def api_url(settings: Settings) -> str:
    return f"http://{settings.api_host}:{settings.api_port}"


async def create_token(settings: Settings) -> str:
    """A new token of all scopes."""
    async with await open_pool(settings.database_url, size=1, name="bench", timeout=10) as pool:
        token = await Tokens(pool).create_token("bench", SCOPES, expires_in=timedelta(days=1))
    if token is None:
        raise RuntimeError("the database gave no token")
    return token.text


async def open_accounts(client: Client, names: Iterable[tuple[str, str]]) -> list[Account]:
    """An account for each pair of external ids: the user's and the account's."""

    async def open_account(user_name: str, account_name: str) -> Account:
        user = await client.create_user(user_name)
        return await client.create_account(user.user_id, account_name, "GBP")

    return await gather_bounded((open_account(*pair) for pair in names), _ACCOUNTS_AT_ONCE)


async def open_card_accounts(
    client: Client, purchases: Sequence[Purchase], name_person: Callable[[str], str] = str
) -> dict[str, Account]:
    """An account by card, for the person whose external id `name_person` makes of the card."""
    cards = list(dict.fromkeys(purchase.card for purchase in purchases))
    accounts = await open_accounts(client, [(name_person(card), card) for card in cards])
    return dict(zip(cards, accounts, strict=True))
