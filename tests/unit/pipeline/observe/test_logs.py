"""Log lines: JSON, with the ids, without the words of errors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from io import StringIO
from typing import Any

from pipeline.observe import logs
from tests.support.chunks import clock

Lines = Callable[[], list[dict[str, Any]]]


def test_a_request_is_told_with_what_it_pushed(lines: Lines) -> None:
    ingest, sent = clock.make_uuid7(), clock.make_uuid7()
    logs.log_request("r-2", "ingest.push", 202, 0.0021, logs.Pushed(ingest, [sent], 5, 1))
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
    logs.log.info("chunk", rows=1)
    logs.log_request("r", "health.live", 200, 0.1, None)
    logging.getLogger("library").warning("not so well")
    lines = written.getvalue().splitlines()
    assert [logs.is_routine(line) for line in lines] == [True, True, False]
