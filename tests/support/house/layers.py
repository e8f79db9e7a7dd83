"""Which import climbs: the contracts of `setup.cfg`, and the layers where it has no such contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from fnmatch import fnmatchcase
from itertools import permutations
from typing import NamedTuple

from tests.support.house.bars import ALLOWED_IMPORTS, ERROR_ROOT, LAYERS
from tests.support.house.imports import read_imports
from tests.support.house.source import Count, Source

_CONTRACT = "importlinter:contract:"


class Rule(NamedTuple):
    """Nothing in `importer` may import anything in `imported`."""

    importer: str
    imported: str

    def forbids(self, importer: str, imported: str) -> bool:
        return is_inside(importer, self.importer) and is_inside(imported, self.imported)


def is_inside(module: str, package: str) -> bool:
    """Whether the module is the package or below it; the package may hold wildcards."""
    return fnmatchcase(module, package) or fnmatchcase(module, f"{package}.*")


def count_climbs(source: Source) -> Count:
    """Direct imports that a rule forbids."""
    rules = read_rules(source)
    places = [
        f"{link.place} {link.importer} -> {link.imported}"
        for link in read_imports(source)
        if link.imported != ERROR_ROOT
        and any(rule.forbids(link.importer, link.imported) for rule in rules)
    ]
    return Count(len(places), places)


def read_rules(source: Source) -> list[Rule]:
    """The rules between top-level packages, those of `setup.cfg`, and those inside the pipeline."""
    config = ConfigParser()
    config.read(source.root / "setup.cfg", encoding="utf-8")
    contracts = [config[name] for name in config.sections() if name.startswith(_CONTRACT)]
    rules = [*_list_top_rules(), *(rule for c in contracts for rule in _read_contract(c))]
    if not any(_orders_pipeline(contract) for contract in contracts):
        rules += _list_layer_rules({module.package for module in source.modules})
    return rules


def _orders_pipeline(contract: Mapping[str, str]) -> bool:
    names = contract.get("containers", "") + contract.get("layers", "")
    return contract["type"] == "layers" and "pipeline" in names


def _list_top_rules() -> Iterator[Rule]:
    for importer, allowed in ALLOWED_IMPORTS.items():
        for imported in {*ALLOWED_IMPORTS, "tests"} - allowed - {importer}:
            yield Rule(importer, imported)


def _list_layer_rules(folders: set[str]) -> Iterator[Rule]:
    """Our own layers hold once the transactions of the pipeline have a folder."""
    if "pipeline.transactions" not in folders:
        return
    yield from _order(
        [[name for name in layer.packages if name.startswith("pipeline.")] for layer in LAYERS]
    )
    for layer in LAYERS:
        if layer.independent:
            yield from _part(layer.packages)


def _read_contract(contract: Mapping[str, str]) -> Iterator[Rule]:
    """The rules of a contract of import-linter; an exception in it is no excuse."""
    match contract["type"]:
        case "forbidden":
            for importer in contract["source_modules"].split():
                for imported in contract["forbidden_modules"].split():
                    yield Rule(importer, imported)
        case "independence":
            yield from _part(contract["modules"].split())
        case "layers":
            yield from _read_layers(contract)


def _read_layers(contract: Mapping[str, str]) -> Iterator[Rule]:
    """Layers are written from the top; `a | b` are independent, `a : b` are not."""
    lines = [line for line in contract["layers"].splitlines() if line.strip()]
    for container in contract.get("containers", "").split() or [""]:
        prefix = f"{container}." if container else ""
        layers = [[f"{prefix}{name}" for name in _split_layer(line)] for line in lines]
        yield from _order(layers[::-1])
        for line, names in zip(lines, layers, strict=True):
            if "|" in line:
                yield from _part(names)


def _split_layer(line: str) -> list[str]:
    return line.replace("|", " ").replace(":", " ").replace("(", " ").replace(")", " ").split()


def _order(layers: Sequence[Sequence[str]]) -> Iterator[Rule]:
    """No layer imports one above; the first is the lowest."""
    for height, lower in enumerate(layers):
        for higher in layers[height + 1 :]:
            yield from (Rule(below, above) for below in lower for above in higher)


def _part(packages: Sequence[str]) -> Iterator[Rule]:
    """No package imports another."""
    yield from (Rule(one, other) for one, other in permutations(packages, 2))
