"""How a worker process begins."""

from __future__ import annotations

import os
import subprocess
import sys

_THREADS = """
import workers.__main__, sys
assert "numpy" not in sys.modules, "imported before its threads are set"
import os
print(os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"])
"""


def test_the_threads_of_blas_are_set_before_numpy_is_imported() -> None:
    given = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    run = subprocess.run(
        [sys.executable, "-c", _THREADS], env=given, capture_output=True, text=True, check=False
    )
    assert run.stdout.split() == ["1", "1"], run.stderr
