"""Kernels are compiled at first use, for one signature, and run without the interpreter lock.

Importing a kernel compiles nothing and writes nothing. Machine code is kept in numba's cache
folder if one is set, else below the package, else in the user's cache folder. So only the first
process of a checkout compiles, and many may start at once. Where no folder can be written, each
process compiles for itself.

The folder's name carries a hash of the kernels' sources. Numba alone would not notice a change
in a kernel that is called from another file.
"""

import hashlib
import os
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Self

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.compiler_lock import global_compiler_lock

_PACKAGE: Final = Path(__file__).parent
_SOURCES: Final = ("compiled.py", "hashing.py", "words.py", "passes.py", "scores.py")


class Kernel:
    """A kernel is a function for one signature; its first call compiles it or loads its machine code.

    Kernels call one another: numba asks for the type of the callee, which then compiles it.
    """

    def __init__(self, function: Callable[..., Any], signature: str) -> None:
        self.function = function
        self._signature = signature

    def __call__(self, *values: Any) -> Any:
        return self._dispatcher(*values)

    @property
    def _numba_type_(self) -> Any:
        return self._dispatcher._numba_type_

    @cached_property
    def _dispatcher(self) -> Any:
        with global_compiler_lock:
            dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(self.function)
            if _find_cache_folder() is not None:
                dispatcher._cache = _KernelCache(self.function)  # type: ignore[no-untyped-call]  # noqa: SLF001
            dispatcher.compile(self._signature)
            dispatcher.disable_compile()
            return dispatcher


def compile_kernel(signature: str) -> Callable[[Callable[..., Any]], Kernel]:
    """Return a decorator that makes a function a kernel for this signature in numba's notation."""
    return lambda function: Kernel(function, signature)


def _hash_sources() -> str:
    """Return the hash of the sources of all kernels: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for source in _SOURCES:
        digest.update((_PACKAGE / source).read_bytes())
    return digest.hexdigest()[:16]


class _KernelLocator(_CacheLocator):
    """The locator tells numba where the machine code of a kernel lies and when it is out of date."""

    def __init__(self, folder: Path, line: int) -> None:
        self._folder = folder
        self._line = line

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Self | None:  # noqa: ARG003
        folder = _find_cache_folder()
        return None if folder is None else cls(folder, py_func.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def get_disambiguator(self) -> str:
        return str(self._line)


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_KernelLocator]  # noqa: RUF012


class _KernelCache(FunctionCache):
    _impl_class = _KernelCacheImpl


@cache
def _find_cache_folder() -> Path | None:
    """Return the first folder that this process may write; it is created for its user alone."""
    name = f"kernels-{_hash_sources()}"
    for place in _list_cache_places():
        folder = place / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _list_cache_places() -> list[Path]:
    places = [_PACKAGE / "__pycache__"]
    if chosen := numba.config.CACHE_DIR:  # type: ignore[attr-defined]
        places.insert(0, Path(chosen))
    try:
        places.append(Path("~/.cache/spendline").expanduser())
    except RuntimeError:  # the user has no home folder
        return places
    return places
