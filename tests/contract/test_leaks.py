"""Logs, metrics and refusals hold no description, no amount and no token, even when debugging."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest

from pipeline.settings import Settings
from tests.support.raw_client import RawClient, purchase
from workers.local.supervisor import System

Account = dict[str, str]
WORDS = "ZYXWORDS"
AMOUNT = "48271.93"
SECRETS = (WORDS, AMOUNT, AMOUNT.replace(".", ""), WORDS.lower())


@pytest.fixture(scope="module")
def talkative(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An API and a worker that log all they can."""
    with socket.socket() as probe:
        probe.bind((own.api_host, 0))
        port = probe.getsockname()[1]
    prefix = f"{own.key_prefix}-leaks"
    settings = replace(own, api_port=port, key_prefix=prefix, log_level="debug")
    with System(settings, tmp_path_factory.mktemp("leaks")) as processes:
        processes.start_process("api", "api")
        processes.start_process("worker", "tests.support.doubles")
        processes.wait_until_ready()
        yield processes


@pytest.fixture
async def speaker(talkative: System, client: RawClient) -> AsyncIterator[RawClient]:
    """The client, speaking with the talkative API."""
    address = f"http://{talkative.settings.api_host}:{talkative.settings.api_port}"
    async with aiohttp.ClientSession(address) as http:
        speaker = RawClient(http, "", client.token_id)
        speaker.headers = client.headers
        yield speaker


def marked(account: Account, **fields: Any) -> dict[str, Any]:
    """A right transaction in which every text is a secret."""
    return purchase(
        account, description=WORDS, merchant_name=WORDS, category=WORDS, amount=f"-{AMOUNT}",
        transaction_id=f"{WORDS}-{uuid4()}", metadata={WORDS: WORDS},
    ) | fields  # fmt: skip


def bad_pushes(account: Account) -> Iterator[tuple[Any, Mapping[str, str]]]:
    """Pushes that are refused, most of them, with secrets wherever a value can be."""
    for name in (*marked(account), "surprise"):
        for value in (f"{WORDS}\x00", [WORDS], {WORDS: AMOUNT}, f"{WORDS} {AMOUNT}" * 2000):
            yield {"transactions": [marked(account, **{name: value})]}, {}
    yield {"removed": [{"account_id": WORDS, "transaction_id": WORDS}]}, {}
    yield {"surprise": AMOUNT}, {}
    text = msgspec.json.encode({"transactions": [marked(account)]})
    yield text[:-3], {}
    yield text.replace(b'"amount":', b'"amount":"1","amount":'), {}
    yield text, {"Content-Encoding": "gzip"}
    yield text, {"Content-Encoding": WORDS}
    yield text, {"Content-Type": f"text/{WORDS}"}
    yield text + b"\n" + WORDS.encode(), {"Content-Type": "application/x-ndjson"}
    yield text, {"Idempotency-Key": WORDS * 100}
    yield text, {"Authorization": f"Bearer {WORDS}"}
    yield text, {"Authorization": WORDS}


def bad_reads(account: Account) -> Iterator[tuple[str, dict[str, str]]]:
    feed = f"/v1/users/{account['user_id']}/transactions"
    for name in ("cursor", "category", "account_id", "limit", "from", "min_amount", "surprise"):
        yield feed, {name: WORDS}
    yield f"{feed}/sync", {"cursor": WORDS}
    yield f"{feed}/{WORDS}", {}
    yield f"/v1/users/{account['user_id']}/insights/spending", {"month": WORDS}
    yield f"/v1/ingests/{WORDS}", {}
    yield f"/{WORDS}", {}


def logged(system: System) -> bytes:
    return b"".join(file.read_bytes() for file in system.folder.glob("*.log"))


async def test_nothing_that_is_said_holds_what_was_pushed(
    speaker: RawClient, talkative: System, account: Account
) -> None:
    # Given
    refusals = []
    # When good and bad requests were made, and one of each was stored
    await speaker.push(*(marked(account) for _ in range(120)))
    feed = f"/v1/users/{account['user_id']}/transactions"
    assert (await speaker.get(feed)).body["transactions"][0]["description"] == WORDS
    made = await speaker.post(f"/v1/users/{account['user_id']}/tokens", {"scopes": ["read"]})
    for body, headers in bad_pushes(account):
        refusals.append(await speaker.post("/v1/transactions", body, headers))
    for path, query in bad_reads(account):
        refusals.append(await speaker.get(path, **query))
    # Then
    assert {400, 401, 404, 415, 422} <= {refusal.status for refusal in refusals}
    assert max(refusal.status for refusal in refusals) < 500
    while b'"event":"chunk"' not in (logs := logged(talkative)):  # another worker may take a chunk
        await speaker.push(marked(account))
    assert b'"event":"request"' in logs
    said = logs + b"".join(msgspec.json.encode(refusal.body) for refusal in refusals)
    tokens = (speaker.headers["Authorization"].split()[1], made.body["token"])
    passwords = [url.split("@")[0].split(":")[-1] for url in servers_of(talkative.settings)]
    for secret in (*SECRETS, *tokens, *passwords):
        place = said.find(secret.encode())
        assert place < 0, said[max(0, place - 300) : place + 100]


def servers_of(settings: Settings) -> list[str]:
    urls = (settings.database_url, settings.broker_url, settings.redis_url)
    return [url for url in urls if "@" in url]
