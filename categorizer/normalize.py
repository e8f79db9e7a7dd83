"""From what a bank prints to the merchant's name, a stable key and the processor.

The same reading of words feeds the model, see `words`. Exact before fuzzy: where a part of a
description cannot be told from a name, it stays in the name, so that two merchants never share
a key by guesswork.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from categorizer.kernels.buffer import pack_descriptions
from categorizer.kernels.passes import name_merchants
from categorizer.phrases import load_phrases


@dataclass(frozen=True, slots=True)
class Normalized:
    """Names row by row; empty where a description holds no word."""

    merchants: list[str]
    keys: list[str]
    processors: list[str]


def normalize_descriptions(descriptions: Sequence[str]) -> Normalized:
    buffer = pack_descriptions(descriptions)
    table = load_phrases()
    merchants, keys = (np.empty(len(buffer.text) + 1, dtype=np.uint8) for _ in range(2))
    processors = np.empty(len(buffer), dtype=np.int16)
    sizes = np.zeros(2, dtype=np.int64)
    name_merchants(buffer.text, buffer.bounds, table.phrases, merchants, keys, processors, sizes)
    return Normalized(
        split_lines(merchants, int(sizes[0])),
        split_lines(keys, int(sizes[1])),
        [table.processors[i] for i in processors.tolist()],
    )


def split_lines(buffer: NDArray[np.uint8], size: int) -> list[str]:
    """The strings of a buffer in which each is ended by a line feed."""
    return buffer[:size].tobytes().decode("utf-8", "replace").split("\n")[:-1]
