"""The compiled loop of the write path, which turns fields in column order into rows.

Only workers import it, because the API's image has no numba. An import compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, cast

import numba
import numpy as np
from numpy.typing import NDArray

_SIGNATURE: Final = "void(uint8[:, ::1], uint8[::1], int64[:, ::1], int32[:, ::1], uint8[::1])"

Interleave = Callable[
    [NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8]],
    None,
]


@cache
def load_interleave() -> Interleave:
    """Compile the loop, or load the machine code that an earlier process has cached."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        kernel = numba.njit(_SIGNATURE, cache=True, **options)(_interleave)
    except RuntimeError:  # numba finds no folder that it can write machine code to
        kernel = numba.njit(_SIGNATURE, **options)(_interleave)
    return cast("Interleave", kernel)


def _interleave(
    block: NDArray[np.uint8],
    fields: NDArray[np.uint8],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int32],
    out: NDArray[np.uint8],
) -> None:
    """Write each row into `out`: its line of `block`, then each field after its length.

    Field c of row r is `lengths[c, r]` bytes of `fields` from `starts[c, r]` on. A length of -1
    stands for NULL and has no bytes.
    """
    at = 0
    for row in range(block.shape[0]):
        for byte in range(block.shape[1]):
            out[at + byte] = block[row, byte]
        at += block.shape[1]
        for column in range(lengths.shape[0]):
            length = lengths[column, row]
            for byte in range(4):
                out[at + byte] = (length >> (24 - 8 * byte)) & 0xFF
            at += 4
            start = starts[column, row]
            for byte in range(length):
                out[at + byte] = fields[start + byte]
            at += max(length, 0)
