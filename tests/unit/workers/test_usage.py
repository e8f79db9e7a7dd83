"""What processes cost: CPU of a whole family, and the peak of memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.children import running
from workers.local.usage import measure_cpu_seconds, measure_peak_megabytes

pytestmark = pytest.mark.slow

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
# Reaps one busy child, keeps another one running, and costs little itself.
FAMILY = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
busy = subprocess.Popen([sys.executable, "-c", {BURN!r} + "print('up', flush=True); input()"])
busy.wait()
"""


def test_the_cost_of_a_process_includes_its_descendants_and_those_it_has_reaped() -> None:
    # Given a process with one child that has ended and one that waits
    command = [sys.executable, "-c", FAMILY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(command, **pipes) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        # When its cost is asked for once, and twice in one call
        once = measure_cpu_seconds([parent.pid])
        twice = measure_cpu_seconds([parent.pid, parent.pid])
    # Then the cost of both children is in it, and counts once
    assert once > 0.55  # of 0.6, which the kernel counts in ticks of a hundredth
    assert twice < 1.5 * once


def test_a_process_that_has_ended_costs_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert measure_cpu_seconds([process.pid]) == 0


def test_the_peak_of_memory_is_that_of_the_process() -> None:
    assert 10 < measure_peak_megabytes(os.getpid()) < 100_000
