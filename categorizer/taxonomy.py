"""The taxonomy holds the category codes: v2 (18 primary, 123 detailed) and its map to v1.

A detailed code is stored by its index in `taxonomy.toml`, so that file only grows at its end.
Foreign codes are never refused: an unknown code becomes `OTHER_OTHER`.
"""

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

OTHER = "OTHER_OTHER"

_V1_OF_OTHER_IN = "TRANSFER_IN_OTHER_TRANSFER_IN"


@dataclass(frozen=True, slots=True)
class PrimaryCategory:
    """A primary category is one of the 18 broad groups."""

    code: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class DetailedCategory:
    """A detailed category has one primary; `ambiguous` marks a map to v1 that loses or guesses."""

    code: str
    primary: str
    name: str
    description: str
    v1: str
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class CategoryTaxonomy:
    """A taxonomy holds all categories in their stored order, and finds them by any code."""

    version: int
    content_hash: str
    primaries: tuple[PrimaryCategory, ...]
    detailed: tuple[DetailedCategory, ...]
    primary_of: NDArray[np.int16]
    """Index of the primary of each detailed code, shape (123,)."""
    index: Mapping[str, int]
    """Maps a detailed v2 code to its index."""
    _codes_by_name: Mapping[str, int]

    def fold_code(self, code: str) -> int:
        """Return the index of the v2 code nearest to any v2, v1 or primary code, or of OTHER."""
        return self._codes_by_name.get(code.strip().upper(), self.index[OTHER])

    def fold_primary(self, code: str) -> str:
        """Return the primary v2 code of any code, `OTHER` when the code is unknown."""
        return self.detailed[self.fold_code(code)].primary

    def to_v1(self, index: int, *, money_in: bool) -> str:
        """Return the detailed v1 code; the direction of the money decides for OTHER."""
        category = self.detailed[index]
        return _V1_OF_OTHER_IN if category.code == OTHER and money_in else category.v1

    def to_v1_primary(self, index: int, *, money_in: bool) -> str:
        """Return the primary v1 code; v1 has neither loan disbursements nor OTHER."""
        return self.primary_of_v1(self.to_v1(index, money_in=money_in))

    def primary_of_v1(self, code: str) -> str:
        """Return the primary v1 code of a detailed v1 code; v1 has 16 of the v2 primaries."""
        return next(p.code for p in self.primaries if code.startswith(p.code + "_"))

    def from_v1(self, code: str) -> tuple[int, bool]:
        """Return the index of the v2 code for a v1 code, and whether several v2 codes map to it."""
        sources = [c for c in self.detailed if c.v1 == code]
        return self.fold_code(code), len(sources) != 1


@functools.cache
def load_taxonomy() -> CategoryTaxonomy:
    """Return the taxonomy of the package; it is read once per process."""
    content = resources.files("categorizer").joinpath("taxonomy.toml").read_bytes()
    document = tomllib.loads(content.decode())
    primaries = tuple(PrimaryCategory(**entry) for entry in document["primary"])
    detailed = tuple(_read_category(entry, primaries) for entry in document["detailed"])
    index = {category.code: i for i, category in enumerate(detailed)}
    codes = [primary.code for primary in primaries]
    return CategoryTaxonomy(
        version=document["version"],
        content_hash=hashlib.sha256(content).hexdigest(),
        primaries=primaries,
        detailed=detailed,
        primary_of=np.array([codes.index(c.primary) for c in detailed], dtype=np.int16),
        index=MappingProxyType(index),
        _codes_by_name=MappingProxyType(_index_codes(detailed, index)),
    )


def _read_category(
    entry: dict[str, str | bool], primaries: tuple[PrimaryCategory, ...]
) -> DetailedCategory:
    code = str(entry["code"])
    return DetailedCategory(
        code=code,
        primary=next(p.code for p in primaries if code.startswith(p.code + "_")),
        name=str(entry["name"]),
        description=str(entry["description"]),
        v1=str(entry["v1"]),
        ambiguous=bool(entry.get("ambiguous", False)),
    )


def _index_codes(detailed: tuple[DetailedCategory, ...], index: dict[str, int]) -> dict[str, int]:
    """Return the index of every code; a primary code maps to its last detailed code, its `other`."""
    primaries = {category.primary: i for i, category in enumerate(detailed)}
    exact_v1 = {category.v1: i for i, category in enumerate(detailed) if not category.ambiguous}
    return primaries | exact_v1 | index
