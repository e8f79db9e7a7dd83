"""The phrases of `phrases.toml` become the table in which the compiled passes look up words."""

import functools
import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from categorizer.kernels import words
from categorizer.kernels.hashing import hash_phrase

FEATURES_VERSION: Final = 3
"""The number rises with every change to the compiled passes that changes a row's features."""


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """A phrase table holds the traits of every phrase and the names of the processors."""

    phrases: NDArray[np.int64]
    """Open-addressed table of (phrase hash, traits), shape (slots, 2)."""
    processors: tuple[str, ...]
    """Names by the number above `PROCESSOR_SHIFT`; number 0 means no processor."""
    content_hash: str


@functools.cache
def load_phrases() -> PhraseTable:
    """Return the phrase table of the package; it is read once per process."""
    content = resources.files("categorizer").joinpath("phrases.toml").read_bytes()
    document = tomllib.loads(content.decode())
    processors = ("", *sorted({*document["processor"], *document["starred"]}))
    traits: dict[str, int] = {}
    for phrase, trait in _list_traits(document, processors):
        traits[phrase] = traits.get(phrase, 0) | trait
    return PhraseTable(_build_table(traits), processors, hashlib.sha256(content).hexdigest())


def _list_traits(
    document: dict[str, Any], processors: tuple[str, ...]
) -> Iterator[tuple[str, int]]:
    for phrase in document["lead"]:
        yield phrase, words.LEAD
    for section, trait in (("starred", words.STARRED), ("processor", words.PROCESSOR)):
        for name, phrases in document[section].items():
            for phrase in phrases:
                yield phrase, trait | processors.index(name) << words.PROCESSOR_SHIFT
    for name, phrases in document["words"].items():
        for phrase in phrases:
            yield phrase, getattr(words, name.upper())


def _build_table(traits: dict[str, int]) -> NDArray[np.int64]:
    hashes: dict[int, int] = {}
    for phrase, trait in traits.items():
        parts = phrase.encode().split()
        hashes[hash_phrase(parts)] = hashes.get(hash_phrase(parts), 0) | trait
        if len(parts) > 1:
            opener = hash_phrase(parts[:1])
            hashes[opener] = hashes.get(opener, 0) | words.OPENS
    table = np.zeros((1 << (4 * len(hashes)).bit_length(), 2), dtype=np.int64)
    for state, trait in hashes.items():
        slot = (state ^ (state >> 32)) & (len(table) - 1)
        while table[slot, 1]:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = state, trait
    return table
