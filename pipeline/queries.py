"""Named blocks of SQL: `-- name: feed_page` in `sql/reads.sql` is `queries("reads")["feed_page"]`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries(topic: str) -> dict[str, str]:
    """The blocks of `pipeline/sql/<topic>.sql` by name."""
    text = files("pipeline.sql").joinpath(f"{topic}.sql").read_text(encoding="utf-8")
    _, *pieces = _NAME.split(text)
    return {name: body.strip() for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
