"""The image of the API names what it needs."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[3]
OURS = {"api", "pipeline"}
OPTIONAL = {"opentelemetry"}  # traces are imported only where they are installed


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_by_the_api() -> set[str]:
    """Distributions behind each import, also of a later one, that starting the API can reach."""
    graph = grimp.build_graph(
        *sorted(OURS), include_external_packages=True, exclude_type_checking_imports=True
    )
    tops = {module.split(".")[0] for module in graph.find_upstream_modules("api", as_package=True)}
    owners = packages_distributions()
    third_party = tops - OURS - OPTIONAL - sys.stdlib_module_names
    return {normalize(owner) for top in third_party for owner in owners[top]}


def test_all_that_the_api_imports_is_required_by_its_image() -> None:
    lines = (ROOT / "docker/requirements-api.in").read_text(encoding="utf-8").splitlines()
    required = {normalize(line) for line in lines if line and not line.startswith("#")}
    imported = imported_by_the_api()
    assert {"aiohttp", "asyncpg", "aio-pika"} <= imported
    assert imported - required == set()
