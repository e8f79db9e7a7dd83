"""One root for the errors of all packages."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

from pipeline.errors import SpendlineError


@pytest.mark.parametrize(
    "package", ["pipeline", "categorizer", "models", "api", "workers", "benchmarks"]
)
def test_every_error_of_a_package_has_the_one_root(package: str) -> None:
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if module.name.endswith("__main__") or ".peers." in module.name:  # programs
            continue
        for kind in vars(import_module(module.name)).values():
            if isinstance(kind, type) and kind.__module__ == module.name:
                ours = issubclass(kind, SpendlineError)
                assert ours or not issubclass(kind, BaseException), kind
