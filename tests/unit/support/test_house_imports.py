"""Imports, layers and journeys of small checkouts."""

from __future__ import annotations

import pytest

from tests.support.house import imports, journey, layers
from tests.support.house.bars import Leg
from tests.unit.support.conftest import WriteTree


@pytest.mark.parametrize(
    ("code", "imported"),
    [
        ("import api.http.bodies", "api.http.bodies"),
        ("from api.http import bodies", "api.http.bodies"),
        ("from api.http.bodies import read", "api.http.bodies"),
        ("from api.http import read", "api.http"),
        ("from .bodies import read", "api.http.bodies"),
        ("from . import bodies", "api.http.bodies"),
        ("from .. import http", "api.http"),
        ("from ..http.bodies import read", "api.http.bodies"),
        ("def f():\n    from api.http import bodies", "api.http.bodies"),
        ("import numpy.typing as npt", "numpy.typing"),
    ],
)
def test_an_import_is_read_as_the_module_it_means(
    write_tree: WriteTree, code: str, imported: str
) -> None:
    source = write_tree(
        {"api/http/__init__.py": "", "api/http/bodies.py": "", "api/http/a.py": code}
    )
    assert [(i.importer, i.imported) for i in imports.read_imports(source)] == [
        ("api.http.a", imported)
    ]


def test_circles_are_found_between_modules_and_between_folders(write_tree: WriteTree) -> None:
    # Given three modules in a circle, and two folders whose modules are in none
    source = write_tree(
        {"models/a.py": "import models.b", "models/b.py": "import models.c",
         "models/c.py": "import models.a", "models/d.py": "import models.a",
         "api/x/a.py": "import api.y.a", "api/y/a.py": "", "api/y/b.py": "import api.x.b",
         "api/x/b.py": ""}
    )  # fmt: skip
    # Then each is a circle of its own kind
    assert imports.count_module_circles(source).places == ["models.a <-> models.b <-> models.c"]
    assert imports.count_package_circles(source).places == ["api.x <-> api.y"]


def test_a_package_and_what_is_inside_are_no_neighbours(write_tree: WriteTree) -> None:
    source = write_tree({"api/x/__init__.py": "import api.x.a", "api/x/a.py": "import api.b",
                         "api/b.py": ""})  # fmt: skip
    assert imports.count_package_circles(source).value == 0


@pytest.mark.parametrize(
    ("path", "imported", "climbs"),
    [
        ("pipeline/store/a.py", "pipeline.queue.a", True),
        ("pipeline/database/a.py", "pipeline.store.a", True),
        ("pipeline/settings.py", "pipeline.transactions.a", True),
        ("pipeline/settings.py", "pipeline.errors", False),
        ("pipeline/store/a.py", "pipeline.database.a", False),
        ("pipeline/store/a.py", "pipeline.store.b", False),
        ("pipeline/store/a.py", "api.a", True),
        ("api/a.py", "categorizer.a", True),
        ("api/a.py", "pipeline.store.a", False),
        ("workers/a.py", "models.a", False),
        ("benchmarks/a.py", "api.a", False),
        ("benchmarks/a.py", "tests.a", True),
        ("models/a.py", "benchmarks.a", True),
    ],
)
def test_without_contracts_the_layers_of_the_design_hold(
    write_tree: WriteTree, path: str, imported: str, *, climbs: bool
) -> None:
    source = write_tree({"pipeline/transactions/a.py": "", path: f"import {imported}"})
    assert layers.count_climbs(source).value == climbs


def test_a_flat_pipeline_knows_no_inner_layers(write_tree: WriteTree) -> None:
    source = write_tree({"pipeline/database.py": "import pipeline.cache", "pipeline/cache.py": ""})
    assert layers.count_climbs(source).value == 0


CONTRACTS = """
[importlinter:contract:layers]
type = layers
layers =
    (top)
    left | right
    one : other
    bottom
containers = pipeline
[importlinter:contract:forbidden]
type = forbidden
source_modules = api
forbidden_modules = sklearn
ignore_imports = api.a -> sklearn
[importlinter:contract:parts]
type = independence
modules =
    models.x
    models.y
"""


@pytest.mark.parametrize(
    ("importer", "imported", "climbs"),
    [
        ("pipeline.bottom.a", "pipeline.top", True),
        ("pipeline.top.a", "pipeline.bottom", False),
        ("pipeline.left.a", "pipeline.right", True),
        ("pipeline.one.a", "pipeline.other", False),
        ("pipeline.database.a", "pipeline.store", False),
        ("api.a", "sklearn.base", True),
        ("models.y.a", "models.x", True),
        ("api.a", "workers.a", True),
    ],
)
def test_contracts_of_the_checkout_replace_the_layers_of_the_design(
    write_tree: WriteTree, importer: str, imported: str, *, climbs: bool
) -> None:
    # Given contracts of every kind, one with an exception
    path = importer.replace(".", "/") + ".py"
    source = write_tree({"setup.cfg": CONTRACTS, "pipeline/transactions/a.py": "",
                         path: f"import {imported}"})  # fmt: skip
    # Then an import climbs when a contract, or the order of the top level, forbids it
    assert layers.count_climbs(source).value == climbs


LEG = Leg(
    "process", ("api.push", "api.parse", "pipeline.queue.a", "pipeline.cache.a"), ("api.app",)
)


def walk(write_tree: WriteTree, files: dict[str, str]) -> list[journey.Step]:
    source = write_tree(files)
    return journey.walk_leg(LEG, imports.build_graph(source), layers.read_rules(source))


def test_a_step_is_joined_by_a_caller_before_it_or_by_a_root(write_tree: WriteTree) -> None:
    # Given a handler that calls two modules in turn, and a root that joins the last two
    steps = walk(write_tree, {
        "api/push.py": "import api.parse, pipeline.queue.a", "api/parse.py": "",
        "pipeline/queue/a.py": "", "pipeline/cache/a.py": "",
        "api/app.py": "import pipeline.queue.a, pipeline.cache.a",
    })  # fmt: skip
    # Then no step is broken
    assert [step.caller for step in steps] == ["process", "api.push", "api.push", "api.app"]
    assert not any(step.broken for step in steps)


def test_a_step_is_broken_when_absent_when_nobody_joins_it_and_when_it_climbs(
    write_tree: WriteTree,
) -> None:
    steps = walk(write_tree, {
        "pipeline/transactions/a.py": "", "api/parse.py": "",
        "pipeline/queue/a.py": "import pipeline.cache.a", "pipeline/cache/a.py": "",
    })  # fmt: skip
    absent, _, unjoined, climbing = steps
    assert all(step.broken for step in steps)
    assert absent.absent
    assert unjoined.caller is None
    assert climbing.climbs
