"""The categorizer on one core, beside what anyone would pick instead.

    python -m benchmarks.categorizer [--rows N] [--rounds N] [--json]

Ours reads, names, scores and calibrates; the peers only choose a code. All of them know the same
codes and see the same distinct descriptions, real and generated. Rounds
count the processor time of the one core, best of some, so that a busy machine treats them alike.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness.machine import describe_origin, read_server_versions
from benchmarks.harness.progress import Step, show_steps
from benchmarks.harness.report import parse_arguments, publish_result
from benchmarks.harness.running import open_servers
from benchmarks.harness.workload import read_purchases
from benchmarks.peers.classifiers import match_in_sql, train_fasttext, train_sklearn
from benchmarks.peers.labels import read_brands
from categorizer import taxonomy
from categorizer.columns import Columns
from categorizer.scorer import Scorer
from categorizer.training.export import restore_estimator

SEED = 7
_MODEL = Path(__file__).parent.parent / "models" / "shipped"
_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_SQL_ROWS = 50
_STEPS = 7


def read_examples() -> tuple[list[str], list[str]]:
    """Texts and codes that peers are fitted on: the lexicon, and the name of every code."""
    texts, codes = (
        [c.name for c in taxonomy.load_taxonomy().detailed],
        list(taxonomy.load_taxonomy().index),
    )
    for topic in sorted(Path(str(resources.files("models.corpus") / "lexicon")).glob("*.tsv")):
        for line in topic.read_text(encoding="utf-8").splitlines()[1:]:
            text, code = line.split("\t")[:2]
            texts.append(text)
            codes.append(code)
    return texts, codes


def generate_descriptions(rows: int, names: Sequence[str], draw: random.Random) -> list[str]:
    """Distinct descriptions as cards print them: a brand, a store, a place, cut and dressed."""
    fronts = ("", "", "", "POS DEBIT ", "SQ *", "CHECKCARD 0312 ", "TST* ", "PAYPAL *")
    places = ("SEATTLE WA", "AUSTIN TX", "LONDON GB", "BROOKLYN NY", "TORONTO ON", "")
    descriptions = (
        f"{draw.choice(fronts)}{draw.choice(names)[:22].upper()} {row:06d} {draw.choice(places)}"
        for row in range(rows)
    )
    return [" ".join(text.split()) for text in descriptions]


def build_columns(descriptions: Sequence[str], amounts: Sequence[int] | None = None) -> Columns:
    size = len(descriptions)
    return Columns(
        descriptions,
        np.full(size, -1250) if amounts is None else np.array(amounts),
        np.zeros(size, dtype=np.int16),
        ["GBP"] * size,
    )


def time_call(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    began = clock()
    work()
    return clock() - began


def measure_cost_by_size(
    scorer: Scorer, descriptions: Sequence[str]
) -> Iterator[tuple[int, float]]:
    """Microseconds per row of calls of so many fresh distinct rows."""
    for size in _SIZES:
        calls = [descriptions[at : at + size] for at in range(0, len(descriptions), size)][:20]
        batches = [build_columns(rows) for rows in calls]
        best = min(time_call(lambda batch=batch: scorer.categorize(batch)) for batch in batches)  # type: ignore[misc]
        yield size, round(best / size * 1e6, 3)


def has_same_answers(scorer: Scorer, batch: Columns) -> bool:
    """Whether the serving form answers as the estimator does, code by code."""
    slow = restore_estimator(scorer.weights)
    served, confidences = scorer.predict(batch)
    expected = slow.predict_primary_proba(batch).max(axis=1)
    return bool(
        (served == slow.predict(batch)).all() and np.allclose(confidences, expected, atol=1e-6)
    )


def read_peak_megabytes() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def measure_sql_rate(descriptions: Sequence[str]) -> tuple[float, dict[str, str]]:
    """And the versions of the servers."""
    with open_servers() as (_, urls):
        spent = time_call(
            lambda: asyncio.run(match_in_sql(urls.database, read_brands(), descriptions)),
            time.perf_counter,
        )
        return round(len(descriptions) / spent, 1), asyncio.run(read_server_versions(urls))


def measure_categorizer(rows: int, rounds: int, step: Step) -> dict[str, Any]:
    draw = random.Random(SEED)
    scorer = Scorer.load(_MODEL)
    scorer.warm()
    names = [name for name, _ in read_brands()]
    stream = read_purchases()
    real = list(dict.fromkeys(purchase.merchant for purchase in stream))
    distinct = [*real, *generate_descriptions(max(rows - len(real), 0), names, draw)][:rows]
    batch = build_columns(distinct)
    repeating = build_columns([p.merchant for p in stream], [p.amount for p in stream])
    step(f"calls of 1,000 to {_SIZES[-1]:,} rows")
    flat = dict(measure_cost_by_size(scorer, generate_descriptions(_SIZES[-1], names, draw)))
    peak = read_peak_megabytes()
    step("fitting the peers")
    contestants: dict[str, tuple[int, Callable[[], object]]] = {
        "rows_per_s": (len(batch), lambda: scorer.categorize(batch)),
        "rows_per_s_repeating": (len(repeating), lambda: scorer.categorize(repeating)),
    }
    for name, make in (("sklearn", train_sklearn), ("fasttext", train_fasttext)):
        predict = make(*read_examples())
        contestants[f"{name}_rows_per_s"] = (rows, lambda predict=predict: predict(distinct))  # type: ignore[misc]
    best: dict[str, int] = {}
    for name, (size, work) in contestants.items():
        step(f"{name}, {rounds} rounds")
        best[name] = round(size / min(time_call(work) for _ in range(rounds)))
    step("rules in SQL")
    sql, versions = measure_sql_rate(draw.sample(real, _SQL_ROWS))
    return {
        **best,
        "sql_rows_per_s": sql,
        "times_sklearn": round(best["rows_per_s"] / best["sklearn_rows_per_s"], 2),
        "times_fasttext": round(best["rows_per_s"] / best["fasttext_rows_per_s"], 2),
        "times_repeating": round(best["rows_per_s_repeating"] / best["rows_per_s"], 2),
        "same_answers": has_same_answers(scorer, batch),
        "microseconds_per_row_by_size": flat,
        "peak_megabytes": peak,
        "cores_used": 1,
        "rows": rows,
        "codes": len(taxonomy.load_taxonomy().detailed),
        "servers": versions,
    }


def main() -> None:
    options = parse_arguments(__doc__, rows=20_000, rounds=5)
    origin = describe_origin(SEED)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with threadpool_limits(1), show_steps("categorizer", _STEPS) as step:
        result = measure_categorizer(options.rows, options.rounds, step)
    publish_result("categorizer", result | origin, options)


if __name__ == "__main__":
    main()
