"""How the kernels are compiled: ahead, for one signature, without the interpreter lock.

Machine code is kept below the package, or in the user's cache folder, or, where neither can be
written, in a private folder below the system's temporary one; so only the first process of a
checkout pays for compilation, and many may start at once. The folder carries a hash of their
sources, because numba itself notices no change in a kernel that another file's kernel calls.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba

_PACKAGE: Final = Path(__file__).parent
_SOURCES: Final = ("compiled.py", "hashing.py", "words.py", "passes.py", "scores.py")


def compiled(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compiles a function for one signature, or loads what was compiled before."""
    return numba.njit(signature, cache=True, nogil=True, error_model="numpy")


def _source_hash() -> str:
    digest = hashlib.sha256()
    for source in _SOURCES:
        digest.update((_PACKAGE / source).read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    """The first folder that this process may write, created for its user alone."""
    name = f"kernels-{_source_hash()}"
    places = (_PACKAGE / "__pycache__", Path("~/.cache/spendline").expanduser())
    for place in places:
        folder = place / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, RuntimeError):
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix=name))


numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
