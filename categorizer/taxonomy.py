"""The category codes: v2 (18 primary, 123 detailed), their names, and the crosswalk to v1.

A detailed code is stored by its index in `taxonomy.toml`, whose order only ever grows at its end.
Codes from outside are folded, never refused: what is unknown becomes `OTHER_OTHER`.
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
    code: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class DetailedCategory:
    """One detailed code; `ambiguous` says that its map to v1 loses or guesses."""

    code: str
    primary: str
    name: str
    description: str
    v1: str
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class Taxonomy:
    version: int
    content_hash: str
    primaries: tuple[PrimaryCategory, ...]
    detailed: tuple[DetailedCategory, ...]
    primary_of: NDArray[np.int16]
    """Index of the primary of each detailed code, shape (123,)."""
    index: Mapping[str, int]
    """Detailed v2 code -> its index."""
    _codes_by_name: Mapping[str, int]

    def fold_code(self, code: str) -> int:
        """Index of the v2 code nearest to any v2, v1 or primary code; unknown ones are OTHER."""
        return self._codes_by_name.get(code.strip().upper(), self.index[OTHER])

    def fold_primary(self, code: str) -> str:
        """Primary v2 code of any code, `OTHER` when unknown."""
        return self.detailed[self.fold_code(code)].primary

    def to_v1(self, index: int, *, money_in: bool) -> str:
        """Detailed v1 code; the direction of the money decides for OTHER."""
        category = self.detailed[index]
        return _V1_OF_OTHER_IN if category.code == OTHER and money_in else category.v1

    def to_v1_primary(self, index: int, *, money_in: bool) -> str:
        """Primary v1 code; v1 knows neither loan disbursements nor OTHER."""
        return self.primary_of_v1(self.to_v1(index, money_in=money_in))

    def primary_of_v1(self, code: str) -> str:
        """Primary v1 code of a detailed v1 code: v1 primaries are 16 of the v2 ones."""
        return next(p.code for p in self.primaries if code.startswith(p.code + "_"))

    def from_v1(self, code: str) -> tuple[int, bool]:
        """Index of the v2 code for a v1 code, and whether v2 knows several for it."""
        sources = [c for c in self.detailed if c.v1 == code]
        return self.fold_code(code), len(sources) != 1


@functools.cache
def load() -> Taxonomy:
    content = resources.files("categorizer").joinpath("taxonomy.toml").read_bytes()
    document = tomllib.loads(content.decode())
    primaries = tuple(PrimaryCategory(**entry) for entry in document["primary"])
    detailed = tuple(_read_category(entry, primaries) for entry in document["detailed"])
    index = {category.code: i for i, category in enumerate(detailed)}
    codes = [primary.code for primary in primaries]
    return Taxonomy(
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
    """A primary code folds to its last detailed code, which is its `other`."""
    primaries = {category.primary: i for i, category in enumerate(detailed)}
    exact_v1 = {category.v1: i for i, category in enumerate(detailed) if not category.ambiguous}
    return primaries | exact_v1 | index
