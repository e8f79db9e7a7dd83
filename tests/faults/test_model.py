"""A model that is not whole is refused at the start: no row is ever categorized by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.conftest import OpenSite

SHIPPED = Path("models/shipped")


@pytest.mark.skipif(not SHIPPED.exists(), reason="no model is shipped yet")
async def test_a_worker_with_a_corrupt_artifact_does_not_start(
    make_site: OpenSite, tmp_path: Path
) -> None:
    # Given a copy of the shipped model with one byte flipped
    broken = tmp_path / "model"
    shutil.copytree(SHIPPED, broken)
    weights = max(broken.iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 0xFF
    weights.write_bytes(content)
    async with make_site(model_folder=str(broken.absolute())) as site:
        # When a worker starts with it
        worker = site.system.start_process("worker", "workers")
        await site.eventually(lambda: not worker.is_alive)
        # Then it ends, and says why
        assert worker.wait() == 1
        assert "worker cannot start" in (site.folder / "worker.log").read_text()
