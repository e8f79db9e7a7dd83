"""From the POST of the first row to the visibility of the last: the whole system on this machine.

    python -m benchmarks.pipeline [--rows N] [--batch N] [--workers N] [--quick] [--json]

All processes run on this machine, with identity, positions, ledger and event. The run also measures the
yardstick, the peers, other numbers of workers and sizes of batches. It shows the growth of the
cost up to a million rows. With --quick it measures the first figure and the yardstick only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Any

import uvloop

from benchmarks.harness.bank_feed import open_feed
from benchmarks.harness.flood import PushCost, measure_cost
from benchmarks.harness.machine import describe_origin
from benchmarks.harness.progress import Step, show_steps
from benchmarks.harness.report import parse_arguments, publish_result
from benchmarks.harness.running import Running, find_pid, start_system, vacuum_database
from benchmarks.harness.workload import Purchase, generate_purchases
from benchmarks.harness.yardstick import measure_copy
from benchmarks.peers import measure as peers
from workers.local.usage import measure_peak_megabytes

SEED = 7
_PEER_ROWS = 1_500
_ROUNDS = 5
_BY_BATCH = {1: 5_000, 50: 25_000, 500: 50_000, 5_000: 100_000}  # batch: rows
_GROWTH_BATCH = 500
# Rows: runs. Short ones differ most.
_TIMES = {1: 5, 100: 5, 1_000: 5, 10_000: 15, 100_000: 5, 1_000_000: 1}
_TIMES_SINGLE = {1: 5, 100: 5, 1_000: 5, 10_000: 3, 100_000: 1}
_COPIES = 5  # of the real purchases, interleaved: people who are active at a time
_BY_COPIES, _BY_USERS_ROWS = (1, 5, 50), 50_000
_FLAT_FROM = 10_000  # below it the time is the way of one batch, not work
_STEPS = 4 + _ROUNDS + len(_BY_BATCH) + len(_BY_COPIES) + len(_TIMES) + len(_TIMES_SINGLE)


async def _main(
    target: Running, rows: int, batch: int, step: Step, rounds_wanted: int = _ROUNDS
) -> dict[str, Any]:
    """An odd number of rounds, each beside its own yardstick; the result is that of the median ratio."""
    rounds = [await _round(target, rows, batch, number, step) for number in range(rounds_wanted)]
    ratios = [whole.per_second / copy for whole, copy in rounds]
    whole, copy = rounds[ratios.index(median(ratios))]
    return whole.to_dict() | {
        "pipeline_tx_per_s": round(whole.per_second),
        "copy_tx_per_s": round(copy),
        "ratio": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "receipts": whole.receipts,
        "cpu_seconds": _rounded(whole.cpu, 1),
        "cpu_s_per_1000_tx": _rounded(whole.cpu, 1_000 / rows),
        "peak_megabytes": _peaks(target),
    }


async def _round(
    target: Running, rows: int, batch: int, number: int, step: Step
) -> tuple[PushCost, float]:
    """New users' rows through the pipeline, and as many by a bare COPY, into emptied tables."""
    step(f"{rows:,} rows in batches of {batch:,}, then a bare COPY: round {number + 1}")
    async with open_feed(target.settings) as feed:
        await measure_cost(target, feed, _load(2_000, f"warm-{number}-"), 500)
        whole = await measure_cost(target, feed, _load(rows, f"round-{number}-"), batch)
    return whole, await measure_copy(target.settings, target.settings.chunk_rows)


async def _growth(target: Running, sizes: Mapping[int, int], step: Step) -> dict[str, Any]:
    """The cost per transaction of runs of so many rows, each on top of those before it.

    At any time as many people are active in a long run as in a short one: see `by_users`.
    """
    by_rows: dict[int, dict[str, Any]] = {}
    async with open_feed(target.settings) as feed:
        for rows, times in sizes.items():
            step(f"{times} x {rows:,} rows")
            await vacuum_database(target.settings)
            loads = (_load(rows, f"{rows}.{run}-", _COPIES) for run in range(times))
            runs = [await measure_cost(target, feed, load, _GROWTH_BATCH) for load in loads]
            by_rows[rows] = _unit_costs(runs)
    level = [unit for rows, unit in by_rows.items() if rows >= _FLAT_FROM]
    units = ("us_per_tx", "cpu_us_per_tx")
    flat = {f"flat_{name}": _spread([unit[name] for unit in level]) for name in units}
    return {
        "batch": _GROWTH_BATCH,
        "by_rows": {str(rows): unit for rows, unit in by_rows.items()},
        **flat,
        "flat": max(flat.values()),
        "peak_megabytes": _peaks(target),
    }


def _unit_costs(runs: list[PushCost]) -> dict[str, Any]:
    """Microseconds per transaction: of time, the median run; of CPU, all runs, as its clock is coarse."""
    rows = sum(run.rows for run in runs)
    cpu = {kind: sum(run.cpu[kind] for run in runs) / rows for kind in runs[0].cpu}
    seconds = median(run.seconds / run.rows for run in runs)
    return {
        "us_per_tx": round(seconds * 1e6, 1),
        "cpu_us_per_tx": round(sum(cpu.values()) * 1e6, 1),
        "cpu_us_by_process": {kind: round(spent * 1e6, 1) for kind, spent in cpu.items()},
    }


async def _by_batch(target: Running, step: Step) -> dict[str, Any]:
    costs = {}
    async with open_feed(target.settings) as feed:
        for batch, rows in _BY_BATCH.items():
            step(f"{rows:,} rows in batches of {batch:,}")
            of = await measure_cost(target, feed, _load(rows, f"batch-{batch}-"), batch)
            costs[str(batch)] = of.to_dict()
    return costs


async def _by_users(target: Running, step: Step) -> dict[str, Any]:
    """The cost of rows of few users, many each in a batch, and of rows of many users."""
    costs = []
    async with open_feed(target.settings) as feed:
        for copies in _BY_COPIES:
            load = _load(_BY_USERS_ROWS, f"users-{copies}-", copies)
            step(f"{_BY_USERS_ROWS:,} rows of {len({p.card for p in load}):,} users")
            costs.append(await measure_cost(target, feed, load, _GROWTH_BATCH))
    return {str(of.users): of.to_dict() for of in costs}


def _load(rows: int, label: str, copies: int | None = None) -> list[Purchase]:
    return generate_purchases(rows, seed=SEED, label=label, copies=copies)


def _spread(values: list[float]) -> float:
    return round(max(values) / min(values), 2)


def _peaks(target: Running) -> dict[str, float]:
    names = (*target.apis, *target.workers)
    return {name: measure_peak_megabytes(find_pid(target.system.get_child(name))) for name in names}


def _rounded(cpu: Mapping[str, float], factor: float) -> dict[str, float]:
    return {kind: round(spent * factor, 5) for kind, spent in cpu.items()}


def measure_first_figure(rows: int, batch: int, workers: int) -> dict[str, Any]:
    """The first figure and the yardstick, on a fresh system."""
    with show_steps("pipeline", 1 + _ROUNDS) as step, _started(workers, step) as target:
        result = uvloop.run(_main(target, rows, batch, step))
    return {"workers": workers, "apis": 1} | result | {"servers": target.versions}


def measure_all_figures(rows: int, batch: int, workers: int) -> dict[str, Any]:
    """All figures; three systems, one after the other."""
    with show_steps("pipeline", _STEPS) as step:
        with _started(workers, step) as target:
            result = uvloop.run(_main(target, rows, batch, step))
            result["by_batch"] = uvloop.run(_by_batch(target, step))
            result["by_users"] = uvloop.run(_by_users(target, step))
            result["growth"] = uvloop.run(_growth(target, _TIMES, step))
        with _started(1, step) as target:
            single = uvloop.run(_main(target, rows, batch, step, 1))
            single["growth"] = uvloop.run(_growth(target, _TIMES_SINGLE, step))
        step(f"the peers, {_PEER_ROWS:,} rows each")
        speeds = peers.measure_peers(_PEER_ROWS, SEED)
    return (
        {"workers": workers, "apis": 1}
        | result
        | {"one_worker": single, "peer_rows": _PEER_ROWS}
        | _beside(result["pipeline_tx_per_s"], speeds)
        | {"servers": target.versions}
    )


@contextmanager
def _started(workers: int, step: Step) -> Iterator[Running]:
    step(f"starting a system, worker processes: {workers}")
    with start_system(workers=workers) as target:
        yield target


def _beside(ours: float, speeds: Mapping[str, float]) -> dict[str, float]:
    """The speed of each peer, and how many times that ours is."""
    times = {
        f"times_{name.removesuffix('_tx_per_s')}": round(ours / per_second, 1)
        for name, per_second in speeds.items()
    }
    return {name: round(per_second, 1) for name, per_second in speeds.items()} | times


def main() -> None:
    options = parse_arguments(__doc__, rows=100_000, batch=2_000, workers=2, quick=False)
    work = measure_first_figure if options.quick else measure_all_figures
    origin = describe_origin(SEED)
    publish_result("pipeline", work(options.rows, options.batch, options.workers) | origin, options)


if __name__ == "__main__":
    main()
