"""The Celery peer: one task a transaction. `celery -A benchmarks.peers.naive_celery worker`."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.peers import ordinary

app = Celery("peer", broker=os.environ["PEER_BROKER_URL"])
app.conf.task_default_queue = os.environ["PEER_QUEUE"]
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False


@app.task(name="categorize")  # type: ignore[untyped-decorator]
def categorize(row: dict[str, str]) -> None:
    ordinary.store_row(row)
