"""The corpus reads the tab-separated tables that stand beside its code."""

import csv
import gzip
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from models import corpus


def read_rows(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a table; `name` is a path below this folder, `.tsv` or `.tsv.gz`."""
    raw = files(corpus).joinpath(name).read_bytes()
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    return csv.DictReader(text.decode().splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)


@cache
def read_words(name: str) -> tuple[str, ...]:
    """Return the words of a list, lower case."""
    return tuple(files(corpus).joinpath(name).read_text(encoding="utf-8").split())
