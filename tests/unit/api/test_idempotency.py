"""Which answers are kept for a key, and that what is kept tells nothing by itself."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from api.bodies import Intake
from api.idempotency import HEADER, answer_once, seal
from api.problems import Forbidden
from api.services import PRINCIPAL, REQUEST_ID, SERVICES
from pipeline.errors import BrokerUnavailable
from pipeline.idempotency import Claim
from pipeline.tokens import Principal
from pipeline.transactions import MAX_BODY


@pytest.fixture
def keys() -> AsyncMock:
    """One key that nobody has."""
    return AsyncMock(**{"claim.return_value": Claim(uuid4(), same=True, answer=None)})


@pytest.fixture
def request_(keys: AsyncMock) -> web.Request:
    app = web.Application()
    app[SERVICES] = SimpleNamespace(keys=keys, intake=Intake(MAX_BODY))  # type: ignore[assignment]
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
    (key, _), _ = keys.release.call_args
    assert key.text == "k"
    keys.keep.assert_not_called()


async def test_a_refusal_is_kept(request_: web.Request, keys: AsyncMock) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise Forbidden("no")

    assert (await answer_once(request_, handler)).status == 403
    keys.keep.assert_called_once()
    keys.release.assert_not_called()


def test_a_seal_opens_with_its_secret_and_nonce_only() -> None:
    plain, nonce = bytes(range(100)), bytes(16)
    sealed = seal(plain, b"secret", nonce)
    assert seal(sealed, b"secret", nonce) == plain
    assert plain not in {sealed, seal(sealed, b"other", nonce), seal(sealed, b"secret", b"\1" * 16)}
    assert len(seal(bytes(5), b"", nonce)) == 5
