"""Fixtures that read what the log holds."""

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

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What is written at level info."""
    root, stream = logging.getLogger(), StringIO()
    before = root.level, root.handlers[:]
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure_logs("info")
    monkeypatch.setattr(logs, "log", structlog.get_logger())
    yield stream
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    structlog.reset_defaults()


@pytest.fixture
def lines(written: StringIO) -> Lines:
    """The lines written so far."""
    return lambda: [msgspec.json.decode(line) for line in written.getvalue().splitlines()]
