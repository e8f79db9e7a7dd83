"""Bodies are bounded in bytes and in time, and refused with a clear reason."""

from __future__ import annotations

import asyncio
import gzip
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from api.http.bodies import Intake, decode_json, read_raw_body, refuse_repeated_keys, unpack_gzip
from api.http.problems import Invalid, Malformed, Overloaded, TooLarge, TooSlow
from pipeline.transactions.money import MAX_BODY


def test_a_path_in_a_struct_becomes_a_json_pointer() -> None:
    class Inner(msgspec.Struct):
        values: list[int]

    with pytest.raises(Invalid) as refusal:
        decode_json(msgspec.json.Decoder(dict[str, list[Inner]]), b'{"a": [{"values": [1, "x"]}]}')
    (fault,) = refusal.value.faults
    assert fault.pointer.endswith("/0/values/1")


def test_a_gzip_bomb_stops_at_the_limit() -> None:
    with pytest.raises(TooLarge):
        unpack_gzip(gzip.compress(bytes(1000)), 999)
    assert unpack_gzip(gzip.compress(bytes(1000)), 1000) == bytes(1000)


def test_bodies_beyond_the_room_are_refused_until_others_are_done() -> None:
    def request(length: int | None, **headers: str) -> Any:
        return SimpleNamespace(content_length=length, headers=headers)

    intake = Intake(MAX_BODY + 10)
    with intake.reserve_room(request(None)):
        with pytest.raises(Overloaded), intake.reserve_room(request(11)):
            pass
        with (
            pytest.raises(Overloaded),
            intake.reserve_room(request(5, **{"Content-Encoding": "gzip"})),
        ):
            pass
        with intake.reserve_room(request(10)):
            pass
    with intake.reserve_room(request(11)):
        pass


async def test_a_body_that_does_not_come_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.bodies._BODY_SECONDS", 0.001)
    with pytest.raises(TooSlow):
        await read_raw_body(SimpleNamespace(read=asyncio.Event().wait))  # type: ignore[arg-type]


def test_huge_numbers_do_not_break_the_search_for_repeated_keys() -> None:
    refuse_repeated_keys(b'{"a": ' + b"9" * 10_000 + b"}")
    with pytest.raises(Malformed):
        refuse_repeated_keys(b'{"a": {"b": 1, "b": 1}}')
