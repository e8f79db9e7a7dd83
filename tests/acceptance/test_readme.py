"""The README's commands, run as written."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

_README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"<!-- curl: begin -->\n```sh\n(.*?)```\n<!-- curl: end -->", re.DOTALL)


def test_the_curl_examples_work_as_written(caller):
    # Given a system and a token
    (script,) = _BLOCK.findall(_README.read_text(encoding="utf-8"))
    # When the block is pasted into a shell
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        env=os.environ | caller,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Then every call succeeds, and its answers hold what was pushed
    assert done.returncode == 0, done.stderr + done.stdout
    receipt, feed, sync, spending = done.stdout.splitlines()
    assert '"status":"stored"' in receipt
    assert "BLUE BOTTLE" in feed
    assert "BLUE BOTTLE" in sync
    assert '"by_category"' in spending
