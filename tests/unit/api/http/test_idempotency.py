"""Which answers are kept for a key, and that what is kept tells nothing by itself."""

from __future__ import annotations

from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from api.http.bodies import INTAKE, Intake
from api.http.idempotency import HEADER, answer_once, open_answer, seal_answer
from api.http.problems import Forbidden, Gone, render_problem
from api.http.requests import PRINCIPAL, REQUEST_ID
from api.services import IDEMPOTENCY
from pipeline.access.idempotency import KeyClaim
from pipeline.access.tokens import Principal
from pipeline.errors import BrokerUnavailable
from pipeline.transactions.money import MAX_BODY


@pytest.fixture
def keys() -> AsyncMock:
    """One key that nobody has."""
    return AsyncMock(**{"claim_key.return_value": KeyClaim(uuid4(), same=True, answer=None)})


@pytest.fixture
def request_(keys: AsyncMock) -> web.Request:
    app = web.Application()
    app[IDEMPOTENCY], app[INTAKE] = keys, Intake(MAX_BODY)
    headers = {HEADER: "k", "Authorization": "Bearer t"}
    request = make_mocked_request("POST", "/v1/users", headers=headers, app=app)
    request[PRINCIPAL] = Principal(uuid4(), frozenset(), None, None)
    request[REQUEST_ID] = "r"
    request._read_bytes = b"{}"
    return request


@pytest.mark.parametrize("error", [BrokerUnavailable("away"), RuntimeError("defect")])
async def test_an_outcome_that_is_unknown_frees_the_key(
    request_: web.Request, keys: AsyncMock, error: Exception
) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise error

    with pytest.raises(type(error)):
        await answer_once(request_, handler)
    (key, _), _ = keys.release_key.call_args
    assert key.text == "k"
    keys.keep_answer.assert_not_called()


async def test_a_refusal_is_kept(request_: web.Request, keys: AsyncMock) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise Forbidden("no")

    assert (await answer_once(request_, handler)).status == 403
    keys.keep_answer.assert_called_once()
    keys.release_key.assert_not_called()


SECRET, PLACE, PLAIN = b"secret", b"place", bytes(range(100))


def test_a_seal_opens_with_its_secret_at_its_place_only() -> None:
    sealed = seal_answer(PLAIN, SECRET, PLACE)
    assert open_answer(sealed, SECRET, PLACE) == PLAIN
    assert PLAIN not in sealed
    assert seal_answer(PLAIN, SECRET, PLACE) != sealed
    for secret, place in ((b"other", PLACE), (SECRET, b"other")):
        with pytest.raises(InvalidTag):
            open_answer(sealed, secret, place)


@given(st.integers(0, len(seal_answer(PLAIN, SECRET, PLACE)) - 1), st.integers(1, 255))
def test_an_altered_byte_is_noticed(at: int, change: int) -> None:
    sealed = bytearray(seal_answer(PLAIN, SECRET, PLACE))
    sealed[at] ^= change
    with pytest.raises(InvalidTag):
        open_answer(bytes(sealed), SECRET, PLACE)


@pytest.mark.parametrize("kept", [b"", bytes(12), bytes(40)])
async def test_a_kept_answer_that_cannot_be_read_is_gone_and_nothing_runs_again(
    request_: web.Request, keys: AsyncMock, kept: bytes
) -> None:
    # Given
    keys.claim_key.return_value = KeyClaim(None, same=True, answer=kept)
    handler = AsyncMock()
    # When
    with pytest.raises(Gone) as refusal:
        await answer_once(request_, handler)
    # Then
    assert render_problem(refusal.value, "r").status == 410
    handler.assert_not_called()
    keys.release_key.assert_not_called()
