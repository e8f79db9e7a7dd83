"""Whether one commit is faster than another: the same benchmark on both, turn by turn.

    python -m benchmarks.compare BASE HEAD [--bench NAME] [--rounds N] [--own-benchmarks] [--json]

The benchmarks of HEAD measure both commits, in worktrees of their own, with the packages of this
environment. With --own-benchmarks each commit's own benchmark measures it. That is for a BASE in
which modules have other names, and it is right only if the benchmark itself has not changed.
Each round gives one ratio of two neighbours in time, HEAD by BASE. The verdict is the
median of the ratios with a bootstrapped interval of 95 %.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.machine import describe_origin
from pipeline.errors import SpendlineError

SEED = 19
_RESAMPLES = 10_000


class Figure(NamedTuple):
    """What is compared of a benchmark's result: the way to it, and whether more is better."""

    arguments: tuple[str, ...]
    way: tuple[str, ...]
    more_is_better: bool = True


FIGURES = {
    "pipeline": Figure(("--quick",), ("pipeline_tx_per_s",)),
    "categorizer": Figure((), ("rows_per_s",)),
    "ingest": Figure((), ("posts_per_s",)),
    "cache": Figure((), ("runs", "on", "postgres_cpu"), more_is_better=False),
    "latency": Figure((), ("at_half_load", "visible_p99_ms"), more_is_better=False),
}


class Failed(SpendlineError):
    """A benchmark did not end well; the message has its last words."""


def judge_ratios(ratios: Sequence[float], *, more_is_better: bool) -> dict[str, Any]:
    """The median ratio, its interval, and what follows from it."""
    draw = np.random.default_rng(SEED)
    samples = draw.choice(np.array(ratios), (_RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(samples, axis=1), [0.025, 0.975])
    better, worse = ("faster", "slower") if more_is_better else ("slower", "faster")
    verdict = better if low > 1 else worse if high < 1 else "no difference"
    return {
        "ratio": round(float(np.median(ratios)), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
        "verdict": verdict,
    }


def compare_commits(
    base: str, head: str, bench: str, rounds: int, *, own_benchmarks: bool = False
) -> dict[str, Any]:
    """Rounds of BASE and HEAD, after one of each that does not count: it compiles."""
    figure = FIGURES[bench]
    values: dict[str, list[float]] = {"base": [], "head": []}
    with tempfile.TemporaryDirectory(prefix="spendline-compare-") as folder:
        trees = {"base": Path(folder, "base"), "head": Path(folder, "head")}
        base_benchmarks = base if own_benchmarks else head
        with _worktree(trees["base"], base, base_benchmarks), _worktree(trees["head"], head, head):
            for number in range(rounds + 1):
                for side, tree in trees.items():
                    value = _measured(tree, bench, figure)
                    _say(f"round {number or 'to warm up'}: {side} {value:,.1f}")
                    values[side] += [value] if number else []
    ratios = [h / b for b, h in zip(values["base"], values["head"], strict=True)]
    return {
        "bench": bench,
        "figure": ".".join(figure.way),
        "own_benchmarks": own_benchmarks,
        "base": {"commit": _commit(base), "values": values["base"]},
        "head": {"commit": _commit(head), "values": values["head"]},
        "ratios": [round(ratio, 3) for ratio in ratios],
        **judge_ratios(ratios, more_is_better=figure.more_is_better),
    }


@contextmanager
def _worktree(tree: Path, commit: str, benchmarks_of: str) -> Iterator[None]:
    """A checkout of `commit` with the benchmarks of another, gone afterwards."""
    _git("worktree", "add", "--detach", "--quiet", str(tree), _commit(commit))
    try:
        _git("-C", str(tree), "checkout", "--quiet", _commit(benchmarks_of), "--", "benchmarks")
        yield
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _measured(tree: Path, bench: str, figure: Figure) -> float:
    """One figure of one run. The tree comes before what is installed, here and in children."""
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{bench}", "--json", *figure.arguments],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise Failed(f"{bench} of {tree.name} failed:\n{run.stderr[-2_000:]}")
    result = json.loads(run.stdout)
    return float(reduce(lambda part, name: part[name], figure.way, result))


def _commit(name: str) -> str:
    return _git("rev-parse", "--verify", "--short", f"{name}^{{commit}}")


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise Failed(f"git {' '.join(arguments)}: {run.stderr.strip()}")
    return run.stdout.strip()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", metavar="BASE")
    parser.add_argument("head", metavar="HEAD")
    parser.add_argument("--bench", choices=FIGURES, default="pipeline")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--own-benchmarks",
        action="store_true",
        help="measure each commit with its own benchmark, not with that of HEAD",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        result = compare_commits(
            options.base,
            options.head,
            options.bench,
            options.rounds,
            own_benchmarks=options.own_benchmarks,
        )
    except Failed as error:
        sys.exit(str(error))
    if options.json:
        print(json.dumps(result | describe_origin(SEED), indent=2))
    else:
        print(_sentence(result))


def _sentence(result: dict[str, Any]) -> str:
    low, high = result["interval"]
    return (
        f"{result['figure']}: {result['head']['commit']} is {result['ratio']:.3f} times "
        f"{result['base']['commit']} ({low:.3f} to {high:.3f}): {result['verdict']}"
    )


if __name__ == "__main__":
    main()
