"""Chunks are cut into pieces, so that a faulty row does not fail the other rows.

The id of a piece derives from its chunk and its rows, so that a second cut gives equal pieces. The
number of a part includes its first row, so that two pieces of a chunk never share a number.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.transactions.chunk import CODE, Chunk, Part
from pipeline.transactions.columns import get_chunk_column

Rows = NDArray[np.intp]

_OFFSET_BITS: Final = 16  # for the number of a part; an ingest has fewer parts


def cut_piece(chunk: Chunk, rows: Rows) -> Chunk:
    """A new chunk of these ascending rows, without the removals."""
    changed = _select_columns(chunk, rows) | {"chunk_id": _derive_id(chunk.chunk_id, rows)}
    parts = _cut_parts(chunk, rows, removals=False)
    nothing = {"removed_account": b"", "removed_transaction_id": []}
    return msgspec.structs.replace(chunk, parts=parts, **changed, **nothing)


def keep_rows(chunk: Chunk, rows: Rows) -> Chunk:
    """The chunk with these rows only; it keeps its id and its removals."""
    parts = _cut_parts(chunk, rows, removals=True)
    return msgspec.structs.replace(chunk, parts=parts, **_select_columns(chunk, rows))


def halve_chunk(chunk: Chunk) -> tuple[Chunk, Chunk]:
    """Two new chunks, of which the first one has the removals."""
    rows = np.arange(len(chunk))
    first, second = rows[: len(chunk) // 2], rows[len(chunk) // 2 :]
    named = msgspec.structs.replace(chunk, chunk_id=_derive_id(chunk.chunk_id, first))
    return keep_rows(named, first), cut_piece(chunk, second)


def find_culprits(chunk: Chunk, fails: Callable[[Chunk], bool], most: int) -> list[int]:
    """Find the rows that fail alone in a chunk that fails.

    The list is empty when no smaller piece fails, when more than `most` rows fail, or when all do.
    """
    faulty: list[int] = []
    failing = [np.arange(len(chunk))]
    while failing:
        rows = failing.pop()
        if len(rows) == 1:
            faulty.append(int(rows[0]))
        else:
            failing += [half for half in np.array_split(rows, 2) if fails(cut_piece(chunk, half))]
        if len(faulty) + len(failing) > most:
            return []
    return sorted(faulty) if len(faulty) < len(chunk) else []


def _select_columns(chunk: Chunk, rows: Rows) -> dict[str, Any]:
    return {
        "account": chunk.account_places()[rows].tobytes(),
        "currency": np.frombuffer(chunk.currency, CODE)[rows].tobytes(),
        "columns": {name: _select_values(chunk, name, rows) for name in chunk.columns},
    }


def _select_values(chunk: Chunk, name: str, rows: Rows) -> bytes | list[str]:
    if get_chunk_column(name).kind.is_text:
        texts = chunk.texts(name)
        return [texts[row] for row in rows.tolist()]
    return chunk.numbers(name)[rows].tobytes()


def _cut_parts(chunk: Chunk, rows: Rows, *, removals: bool) -> list[Part]:
    """The parts of the chunk that have some of these rows, or removals to keep."""
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


def _derive_id(chunk_id: bytes, rows: Rows) -> bytes:
    """A UUIDv7 with the time of the chunk's id."""
    digest = bytearray(sha1(chunk_id + rows.astype("<i8").tobytes()).digest()[:8])  # noqa: S324
    digest[0] = digest[0] & 0x3F | 0x80
    return chunk_id[:8] + bytes(digest)
