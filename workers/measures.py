"""Each chunk counts once in the metrics and has one line in the log."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np

from pipeline.observe import logs
from pipeline.observe import metrics as telemetry
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.ids import count_seconds_since
from pipeline.transactions.rows import Scored

_MOST_IDS: Final = 50  # ingests in one line; the line of a request names its chunks too


def measure_wait(chunk: Chunk, now: datetime) -> float:
    """Observe how long the chunk has waited for a worker; returns that, in seconds."""
    seconds = count_seconds_since(chunk.chunk_id, now)
    telemetry.QUEUE_AGE.observe(seconds)
    return seconds


def measure_scoring(scored: Scored, seconds: float) -> None:
    """Count the verdicts of a chunk, which took `seconds`."""
    telemetry.SCORING_SECONDS.observe(seconds)
    for source, rows in Counter(scored.source).items():
        telemetry.CATEGORIZED.labels(source).inc(rows)
    telemetry.NEEDS_REVIEW.inc(int(np.count_nonzero(scored.needs_review)))
    telemetry.CONFIDENCE.observe(scored.confidence)


def measure_commit(chunk: Chunk, committed: datetime, visible: datetime) -> None:
    """Observe and log how long the oldest ingest of a stored chunk has taken."""
    oldest = min((part.ingest_id for part in chunk.parts), default=chunk.chunk_id)
    seconds = count_seconds_since(oldest, visible)
    telemetry.CHUNK_ROWS.observe(len(chunk) + len(chunk.removed_transaction_id))
    telemetry.COMMIT_DELAY.observe(count_seconds_since(oldest, committed))
    telemetry.VISIBLE_DELAY.observe(seconds)
    _log_chunk(chunk, seconds)


def _log_chunk(chunk: Chunk, seconds: float) -> None:
    requests = {
        str(UUID(bytes=part.ingest_id)): chunk.trace.get(part.ingest_id.hex(), "")
        for part in chunk.parts[:_MOST_IDS]
    }
    logs.log.info(
        "chunk",
        chunk_id=str(UUID(bytes=chunk.chunk_id)),
        rows=len(chunk),
        removals=len(chunk.removed_transaction_id),
        ms=round(1000 * seconds, 2),
        ingests=len(chunk.parts),
        requests=requests,
    )
