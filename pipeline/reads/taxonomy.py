"""The categories of the model in use, which `spendline migrate` has stored."""

from __future__ import annotations

import msgspec

from pipeline.reads.source import ReadSource


async def read_taxonomy(source: ReadSource) -> list[dict[str, str]]:
    """The categories in use: code, primary, name, description, parent. Raises StoreUnavailable."""
    rows = await source.fetch_rows("taxonomy")
    text = rows[0]["categories"] if rows else "[]"
    return msgspec.json.decode(text, type=list[dict[str, str]])
