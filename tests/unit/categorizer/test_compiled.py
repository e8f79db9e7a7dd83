"""Kernels compile at first use; their machine code is kept, and dropped when a source changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import categorizer

pytestmark = pytest.mark.slow

# `emit_feature` calls kernels of another file, `words`, which calculate with the constants of a third.
USE_A_KERNEL = """
import numpy as np
from categorizer.kernels import passes
keys = np.zeros(1, np.int64)
passes.emit_feature(1, passes.F_WORD, 0, keys, np.zeros(1, np.int8))
print(keys[0])
"""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package alone in a folder, without machine code."""
    shutil.copytree(
        Path(categorizer.__file__).parent,
        tmp_path / "categorizer",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def start(root: Path, **environment: str) -> subprocess.Popen[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    return subprocess.Popen(
        [sys.executable, "-B", "-c", USE_A_KERNEL],
        cwd=root,
        env=own | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    words, complaints = process.communicate()
    assert process.returncode == 0, complaints
    return words.strip()


def kept(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}


def test_a_second_process_loads_what_the_first_compiled(copied: Path) -> None:
    # Given
    answer(start(copied))
    before = kept(copied)
    # When
    answer(start(copied))
    # Then
    assert before
    assert kept(copied) == before


def test_many_processes_may_start_at_once(copied: Path) -> None:
    processes = [start(copied) for _ in range(4)]
    assert len({answer(process) for process in processes}) == 1


def test_a_change_of_a_kernel_in_another_file_is_noticed(copied: Path) -> None:
    # Given
    first = answer(start(copied))
    hashing = copied / "categorizer" / "kernels" / "hashing.py"
    source = hashing.read_text()
    # When
    hashing.write_text(source.replace("PRIME: Final = ", "PRIME: Final = 2 + "))
    changed = answer(start(copied))
    hashing.write_text(source)
    # Then
    assert answer(start(copied)) == first != changed


def test_machine_code_is_kept_where_numba_is_told_to(copied: Path, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    answer(start(copied, NUMBA_CACHE_DIR=str(place)))
    assert kept(place)
    assert not kept(copied / "categorizer")


def test_kernels_work_where_nothing_can_be_written(copied: Path) -> None:
    # Given: files stand where folders would be, which also stops an administrator
    (copied / "categorizer" / "kernels" / "__pycache__").write_text("")
    (copied / "home").write_text("")
    # When
    key = answer(start(copied, HOME=str(copied / "home")))
    # Then
    assert int(key) > 0
    assert not kept(copied)
