"""Small results, of the shape that the benchmarks write."""

_SOURCE = {
    "commit": "abc1234",
    "cores": 2,
    "processor": "Abacus",
    "measured_at": "2026-11-24T10:00:00+00:00",
}


def _quantiles(p50, p99):
    return {"p50_ms": p50, "p99_ms": p99, "p999_ms": None, "max_ms": p99, "count": 200}


def _level(rate, p50):
    return {
        "offered_tx_per_s": rate,
        "tx_per_s": rate,
        "post": _quantiles(p50, p50 * 3),
        "visible": _quantiles(p50 * 4, p50 * 9),
    }


LATENCY = _SOURCE | {
    "at_half_load": {"post_p99_by_p50": 3.0, "visible_p99_ms": 90.0, "errors": 0},
    "levels": {"10%": _level(1_000, 5.0), "50%": _level(5_000, 10.0), "80%": _level(8_000, 40.0)},
}


def _growth(unit):
    costs = {"us_per_tx": unit, "cpu_us_per_tx": unit * 1.5}
    return {"by_rows": {"10000": costs, "1000000": costs}, "flat": 1.0}


PIPELINE = _SOURCE | {
    "workers": 2,
    "ratio": 0.25,
    "copy_tx_per_s": 80_000,
    "pipeline_tx_per_s": 20_000,
    "naive_tx_per_s": 180.0,
    "celery_tx_per_s": 190.0,
    "sql_tx_per_s": 800.0,
    "times_naive": 111.1,
    "times_celery": 105.3,
    "times_sql": 25.0,
    "growth": _growth(40.0),
    "one_worker": {"growth": _growth(60.0)},
}

CACHE = _SOURCE | {"same_answers": True, "database_cpu_saved": 0.9}
