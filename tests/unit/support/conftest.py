"""Checkouts of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.house.bars import CODE
from tests.support.house.source import Source, read_source

WriteTree = Callable[..., Source]


@pytest.fixture
def write_tree(tmp_path: Path) -> WriteTree:
    """Writes files, path -> text, and reads the code among them."""

    def write(files: dict[str, str]) -> Source:
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text), encoding="utf-8")
        return read_source(tmp_path, CODE)

    return write
