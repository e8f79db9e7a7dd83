"""Two commits are measured, each by the benchmarks that were asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.compare import Failed, compare_commits, judge_ratios

_BENCHMARK = """
import json
from {module} import ROWS_PER_S
print(json.dumps({{"rows_per_s": ROWS_PER_S}}))
"""


def _commit(repository: Path, module: str, rows_per_s: int) -> str:
    """A commit of a program in `module` and the benchmark that measures it; returns its id."""
    for old in repository.glob("*.py"):
        old.unlink()
    (repository / f"{module}.py").write_text(f"ROWS_PER_S = {rows_per_s}\n")
    (repository / "benchmarks").mkdir(exist_ok=True)
    (repository / "benchmarks" / "__init__.py").touch()
    (repository / "benchmarks" / "categorizer.py").write_text(_BENCHMARK.format(module=module))
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for arguments in (("add", "--all"), (*author, "commit", "--quiet", "-m", module)):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    )
    return head.stdout.strip()


@pytest.fixture
def commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A repository in which the second commit has moved the module that is measured."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return _commit(tmp_path, "before", 100), _commit(tmp_path, "after", 150)


def test_each_commit_is_measured_by_its_own_benchmark(commits: tuple[str, str]) -> None:
    base, head = commits

    result = compare_commits(base, head, "categorizer", 2, own_benchmarks=True)

    assert result["base"]["values"] == [100, 100]
    assert result["head"]["values"] == [150, 150]
    assert result["verdict"] == "faster"


def test_the_benchmark_of_head_cannot_measure_a_base_with_other_modules(
    commits: tuple[str, str],
) -> None:
    base, head = commits

    with pytest.raises(Failed, match="No module named 'after'"):
        compare_commits(base, head, "categorizer", 1)


@pytest.mark.parametrize(
    ("ratios", "more_is_better", "verdict"),
    [
        ([1.2, 1.3, 1.25], True, "faster"),
        ([1.2, 1.3, 1.25], False, "slower"),
        ([0.8, 0.7, 0.75], True, "slower"),
        ([0.9, 1.1, 1.0], True, "no difference"),
    ],
)
def test_the_interval_of_the_ratios_decides(
    ratios: list[float], verdict: str, *, more_is_better: bool
) -> None:
    assert judge_ratios(ratios, more_is_better=more_is_better)["verdict"] == verdict
