"""Log lines: JSON, with the ids, without the words of errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import msgspec
import pytest
import structlog

from pipeline.observe import logs
from pipeline.transactions.chunk import Part
from tests.support.chunks import chunk, clock

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What is written at level info."""
    root, stream = logging.getLogger(), StringIO()
    before = root.level, root.handlers[:]
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("info")
    monkeypatch.setattr(logs, "log", structlog.get_logger())
    yield stream
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    structlog.reset_defaults()


@pytest.fixture
def lines(written: StringIO) -> Lines:
    """The lines written so far."""
    return lambda: [msgspec.json.decode(line) for line in written.getvalue().splitlines()]


def test_a_chunk_is_told_with_the_requests_of_its_ingests(lines: Lines) -> None:
    # Given a chunk of two ingests, one of which names its request
    one, other = clock.uuid7(), clock.uuid7()
    sent = chunk(3, parts=[Part(one, 0, 1, 0), Part(other, 0, 2, 0)], trace={one.hex(): "r-1"})
    # When it is stored
    logs.chunk_stored(sent, 0.25)
    # Then its line names both, and no row
    (line,) = lines()
    assert (line["event"], line["level"], line["rows"], line["ms"]) == ("chunk", "info", 3, 250)
    assert list(line["requests"].values()) == ["r-1", ""]
    assert "TESCO" not in str(line)


def test_a_request_is_told_with_what_it_pushed(lines: Lines) -> None:
    ingest, sent = clock.uuid7(), clock.uuid7()
    logs.request_answered("r-2", "ingest.push", 202, 0.0021, logs.Pushed(ingest, [sent], 5, 1))
    (line,) = lines()
    assert line["ingest_id"].replace("-", "") == ingest.hex()
    assert [c.replace("-", "") for c in line["chunk_ids"]] == [sent.hex()]
    assert (line["request_id"], line["status"], line["ms"], line["removals"]) == (
        "r-2",
        202,
        2.1,
        1,
    )


def test_an_error_of_a_library_is_told_by_kind_and_place(lines: Lines) -> None:
    # When a library logs an error whose words quote a row
    try:
        int("SECRET SHOP 12.34")
    except ValueError:
        logging.getLogger("library").exception("Task failed\nexception=ValueError('SECRET SHOP')")
    # Then the line tells where it happened, and nothing of the row
    (line,) = lines()
    assert (line["event"], line["error"], line["logger"]) == (
        "Task failed",
        "ValueError",
        "library",
    )
    assert line["at"][0].startswith("test_logs.py:")
    assert "SECRET" not in str(line)


def test_lines_below_the_level_are_not_written(lines: Lines) -> None:
    logging.getLogger("library").debug("chatter")
    logs.log.debug("chatter")
    assert lines() == []


def test_lines_of_work_that_went_well_are_routine(written: StringIO) -> None:
    logs.chunk_stored(chunk(1), 0.1)
    logs.request_answered("r", "health.live", 200, 0.1, None)
    logging.getLogger("library").warning("not so well")
    lines = written.getvalue().splitlines()
    assert [logs.routine(line) for line in lines] == [True, True, False]
