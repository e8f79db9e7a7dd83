"""Descriptions become one byte buffer, which is the form that the compiled passes read.

Most rows are ASCII and go in unchanged: the passes fold their case. Other rows are folded here.
Accents and compatibility forms are dropped, letters of any script stay, all else becomes a blank.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LONGEST: Final = 200
_SPECIAL: Final = str.maketrans(
    {0xF8: "o", 0x111: "d", 0x142: "l", 0xE6: "ae", 0x153: "oe", 0x131: "i", 0x2019: "'"}
)
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_NOT_TEXT: Final = re.compile(r"[^\x20-\x7e\w]|_")


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer holds the text of all rows and where each of them begins."""

    text: NDArray[np.uint8]
    """UTF-8 of all rows; a line feed ends each row."""
    bounds: NDArray[np.int64]
    """Offset of every row and of the end, so one more than there are rows."""

    def __len__(self) -> int:
        return len(self.bounds) - 1


def pack_descriptions(descriptions: Sequence[str]) -> Buffer:
    """Return the buffer of the descriptions; line feeds inside a row become blanks."""
    joined = "\n".join(descriptions)
    if joined.count("\n") >= max(len(descriptions), 1):
        joined = "\n".join([row.replace("\n", " ") for row in descriptions])
    if not joined.isascii():
        joined = "\n".join(
            [row if row.isascii() else _fold_description(row) for row in joined.split("\n")]
        )
    text = np.frombuffer((joined + "\n").encode("ascii" if joined.isascii() else "utf-8"), np.uint8)
    bounds = np.zeros(len(descriptions) + 1, dtype=np.int64)
    if descriptions:
        np.add(np.flatnonzero(text == ord("\n")), 1, out=bounds[1:])
    return Buffer(text, bounds)


@functools.lru_cache(maxsize=1 << 14)
def _fold_description(description: str) -> str:
    row = _ACCENTS.sub("", unicodedata.normalize("NFKD", description[:_LONGEST]))
    row = unicodedata.normalize("NFKC", row).casefold().translate(_SPECIAL)
    return _NOT_TEXT.sub(" ", row)
