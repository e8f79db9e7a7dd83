"""The lexicon holds words, merchants, billers and banks' own wordings, each with its category."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from models import corpus
from models.corpus import tables


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry is one line of the lexicon.

    `kind` is word, merchant, biller or bank; `direction` is out, in or any.
    """

    text: str
    category: str
    kind: str
    direction: str


def read_entries() -> list[Entry]:
    """Return every entry of every topic in a stable order, without repeats.

    An entry is a repeat when text, category and direction are equal.
    """
    distinct: dict[tuple[str, str, str], Entry] = {}
    for entry in _read_topics():
        distinct.setdefault((entry.text, entry.category, entry.direction), entry)
    return list(distinct.values())


def _read_topics() -> Iterator[Entry]:
    topics = sorted(f.name for f in files(corpus).joinpath("lexicon").iterdir())
    for topic in topics:
        if topic.endswith(".tsv"):
            for row in tables.read_rows(f"lexicon/{topic}"):
                yield Entry(row["text"], row["category"], row["kind"], row["direction"])
