"""The verb that measures everything, with benchmarks that only write or crash."""

import json
from subprocess import CompletedProcess

import pytest

from benchmarks import __main__ as verb
from tests.unit.benchmarks.results import LATENCY, PIPELINE


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The folder of results; there is an older one of the pipeline."""
    (tmp_path / "pipeline.json").write_text(json.dumps(PIPELINE))
    monkeypatch.setattr(verb, "RESULTS", tmp_path)
    return tmp_path


@pytest.fixture
def ran(results, monkeypatch):
    """What ran: latency ends well, everything else crashes."""
    names = []

    def started(command, **_):
        names.append(command[2].removeprefix("benchmarks."))
        if names[-1] != "latency":
            return CompletedProcess(command, 1)
        (results / "latency.json").write_text(json.dumps(LATENCY))
        return CompletedProcess(command, 0)

    monkeypatch.setattr(verb.subprocess, "run", started)
    return names


def test_a_crash_is_told_after_the_others_ran_and_old_results_are_not_shown(ran, results, capsys):
    failed = verb.report_benchmarks(["pipeline", "latency"], measure=True, as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert ran == ["pipeline", "latency"]
    assert failed == printed["failed"] == ["pipeline"]
    assert {claim["benchmark"] for claim in printed["claims"]} == {"latency"}
    assert [path.name for path in results.glob("*.svg")] == ["load.svg"]


def test_kept_results_are_shown_without_measuring(ran, capsys):
    failed = verb.report_benchmarks(verb.NAMES, measure=False, as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert (ran, failed, printed["measured_now"]) == ([], [], False)
    assert {claim["benchmark"] for claim in printed["claims"]} == {"pipeline"}


def test_a_missed_bar_is_said_plainly_and_is_no_failure(results, capsys):
    failed = verb.report_benchmarks(["pipeline"], measure=False, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    missed = [line for line in lines if line.startswith("Missed: ")]
    assert failed == []
    assert missed == [
        "Missed: pipeline, speed by that of a bare COPY (ratio): 0.25, the bar is >= 0.4",
        "Missed: pipeline, times rules in SQL (times_sql): 25.0, the bar is >= 30",
    ]


def test_progress_says_which_benchmark_of_how_many(ran, results, capsys):
    verb.run_benchmarks(["ingest", "latency"])

    said = capsys.readouterr().err
    assert "benchmark 1/2: ingest" in said
    assert "benchmark 2/2: latency" in said
    assert "ingest failed with status 1" in said
