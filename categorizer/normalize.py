"""A description is normalized to the merchant's name, a stable key and the payment processor.

The model's features come from the same reading of words, see `words`. What cannot be separated
from a name for certain stays in the name. So two merchants never share a key by guesswork.
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
    """Names are held row by row; they are empty where a description holds no word."""

    merchants: list[str]
    keys: list[str]
    processors: list[str]


def normalize_descriptions(descriptions: Sequence[str]) -> Normalized:
    """Return merchant, key and processor of each description, in their order."""
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
    """Return the strings of a buffer in which a line feed ends each string."""
    return buffer[:size].tobytes().decode("utf-8", "replace").split("\n")[:-1]
