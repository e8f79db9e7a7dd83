"""Named blocks of SQL, each file beside the modules that use it.

`-- name: feed_page` in `pipeline/reads/reads.sql` is `load_queries("pipeline.reads", "reads")["feed_page"]`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load_queries(package: str, topic: str) -> dict[str, str]:
    """The blocks of the package's `<topic>.sql` by name."""
    text = files(package).joinpath(f"{topic}.sql").read_text(encoding="utf-8")
    _, *pieces = _NAME.split(text)
    return {name: body.strip() for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
