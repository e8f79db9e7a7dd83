"""A few people on real processes: all that they pushed is stored, and what they took is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pipeline.settings import Settings


def test_a_simulated_user_base_loses_nothing_and_says_what_it_cost(
    own: Settings, tmp_path: Path
) -> None:
    # When a few people live a day within some seconds, and then twice as many
    arguments = ["--users", "100000", "--scale-to", "200000", "--days", "1", "--minutes", "0.1"]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.simulation", "--json", *arguments],
        env=own.make_child_environment() | {"SPENDLINE_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    assert run.returncode == 0, run.stderr[-2_000:]
    result = json.loads(run.stdout)
    assert [(load["users"], load["people"]) for load in result["loads"]] == [
        (100_000, 7),
        (200_000, 14),
    ]
    for load in result["loads"]:
        assert load["transactions"] > 0
        assert load["lost"] == load["errors"] == 0
        assert load["cpu_s"]["api"] > 0
        assert load["visible_ms"]["p50"] >= load["post_ms"]["p50"] > 0
    # And of servers that are not its own nothing is seen, so nothing is estimated
    assert result["cost"] is None
    assert result["estimates"] == []
