"""Ids that hold the time of their making: UUIDv7, 16 bytes, ordered by that time."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def make_uuid7(micros: int) -> bytes:
    """An id of the time `micros`, in microseconds since 1970.

    The 12 bits after the version hold the microseconds within the millisecond, the others are
    random. Ids of different microseconds therefore sort by time.
    """
    millis, rest = divmod(micros, 1000)
    high = (millis << 16) | 0x7000 | rest
    low = secrets.randbits(62) | 1 << 63
    return (high << 64 | low).to_bytes(16, "big")


def read_uuid7_time(uuid7: bytes) -> datetime:
    """The time held by one of our UUIDv7, to the microsecond."""
    high = int.from_bytes(uuid7[:8], "big")
    return _EPOCH + timedelta(milliseconds=high >> 16, microseconds=high & 0xFFF)


def count_seconds_since(uuid7: bytes, now: datetime) -> float:
    """Seconds from the making of one of our UUIDv7 to `now`; 0 where a clock is behind."""
    return max((now - read_uuid7_time(uuid7)) / timedelta(seconds=1), 0.0)


def make_earliest_uuid7(when: datetime) -> bytes:
    """The smallest id made at or after `when`: a lower bound for ranges of ids."""
    millis = int((when - _EPOCH).total_seconds() * 1000)
    return (millis << 80 | 0x7 << 76 | 1 << 63).to_bytes(16, "big")
