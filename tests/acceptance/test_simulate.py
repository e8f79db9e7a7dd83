"""A small user base on real processes: all that was pushed is stored."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pipeline.settings import Settings

SPENDLINE = Path(sys.executable).parent / "spendline"


def test_a_simulated_user_base_loses_nothing_and_says_what_it_cost(
    own: Settings, tmp_path: Path
) -> None:
    # When a few users live a day within some seconds
    arguments = ["--users", "200", "--days", "1", "--sample", "20", "--minutes", "0.1"]
    run = subprocess.run(
        [str(SPENDLINE), "simulate", "--json", "--scale-to", "1000", *arguments],
        env=own.environment_of_children() | {"SPENDLINE_DATA_FOLDER": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    assert run.returncode == 0, run.stderr[-2_000:]
    told = json.loads(run.stdout)
    assert told["measured"]["pushed"] > 0
    assert told["measured"]["lost"] == told["measured"]["errors"] == 0
    assert told["cost"]["per_thousand_users_a_day"]["api"] > 0
    assert [estimate["users"] for estimate in told["estimates"]] == [200, 1_000]
