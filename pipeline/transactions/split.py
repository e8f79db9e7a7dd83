"""Chunks cut into pieces, so that a bad row does not take its neighbours with it.

The id of a piece follows from its chunk and its rows, so that cutting twice gives the same pieces.
A part of a piece is numbered by its first row: two pieces of one chunk never share a number.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.transactions.chunk import CODE, Chunk, Part
from pipeline.transactions.columns import chunk_column

Rows = NDArray[np.intp]

_OFFSET_BITS: Final = 16  # of a part's number; an ingest has fewer parts than that


def piece(chunk: Chunk, rows: Rows) -> Chunk:
    """A chunk of its own of these rows, ascending; without the removals."""
    changed = _columns(chunk, rows) | {"chunk_id": _derived(chunk.chunk_id, rows)}
    parts = _parts(chunk, rows, removals=False)
    nothing = {"removed_account": b"", "removed_transaction_id": []}
    return msgspec.structs.replace(chunk, parts=parts, **changed, **nothing)


def rest(chunk: Chunk, rows: Rows) -> Chunk:
    """The same chunk, under its own id and with its removals, of these rows alone."""
    parts = _parts(chunk, rows, removals=True)
    return msgspec.structs.replace(chunk, parts=parts, **_columns(chunk, rows))


def halves(chunk: Chunk) -> tuple[Chunk, Chunk]:
    """Two chunks of their own; the first one has the removals."""
    rows = np.arange(len(chunk))
    first, second = rows[: len(chunk) // 2], rows[len(chunk) // 2 :]
    named = msgspec.structs.replace(chunk, chunk_id=_derived(chunk.chunk_id, first))
    return rest(named, first), piece(chunk, second)


def culprits(chunk: Chunk, fails: Callable[[Chunk], bool], most: int) -> list[int]:
    """The rows that fail alone, of a chunk that fails.

    Empty when the failure is not theirs: nothing smaller fails, or more than `most` rows, or all.
    """
    found: list[int] = []
    failing = [np.arange(len(chunk))]
    while failing:
        rows = failing.pop()
        if len(rows) == 1:
            found.append(int(rows[0]))
        else:
            failing += [half for half in np.array_split(rows, 2) if fails(piece(chunk, half))]
        if len(found) + len(failing) > most:
            return []
    return sorted(found) if len(found) < len(chunk) else []


def _columns(chunk: Chunk, rows: Rows) -> dict[str, Any]:
    return {
        "account": chunk.account_places()[rows].tobytes(),
        "currency": np.frombuffer(chunk.currency, CODE)[rows].tobytes(),
        "columns": {name: _chosen(chunk, name, rows) for name in chunk.columns},
    }


def _chosen(chunk: Chunk, name: str, rows: Rows) -> bytes | list[str]:
    if chunk_column(name).kind.is_text:
        texts = chunk.texts(name)
        return [texts[row] for row in rows.tolist()]
    return chunk.numbers(name)[rows].tobytes()


def _parts(chunk: Chunk, rows: Rows, *, removals: bool) -> list[Part]:
    """Each part with what is left of it; where nothing is, its number says so."""
    ends = np.cumsum([part.rows for part in chunk.parts])
    bounds = np.searchsorted(rows, [0, *ends.tolist()])
    parts = []
    for part, end, low, high in zip(
        chunk.parts, ends.tolist(), bounds.tolist(), bounds[1:].tolist(), strict=False
    ):
        first = int(rows[low]) - (end - part.rows) if high > low else part.rows
        number = part.number + (first << _OFFSET_BITS)
        kept = part.removals if removals else 0
        if high > low or kept:
            parts.append(Part(part.ingest_id, number, high - low, kept))
    return parts


def _derived(chunk_id: bytes, rows: Rows) -> bytes:
    """A UUIDv7 of the same time."""
    digest = bytearray(sha1(chunk_id + rows.astype("<i8").tobytes()).digest()[:8])  # noqa: S324
    digest[0] = digest[0] & 0x3F | 0x80
    return chunk_id[:8] + bytes(digest)
