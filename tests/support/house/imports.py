"""Who imports whom, and where the imports run in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from tests.support.house.source import Count, Module, Source

Graph = Mapping[str, set[str]]


class Import(NamedTuple):
    """One imported module, by its full dotted name."""

    importer: str
    imported: str
    place: str


def read_imports(source: Source) -> list[Import]:
    """All imports, also those inside functions, of our own modules and of others."""
    names = {module.name for module in source.modules}
    return [
        Import(module.name, imported, module.place(node))
        for module in source.modules
        for node in module.nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for imported in sorted(set(_read_targets(module, node, names)))
    ]


def _read_targets(
    module: Module, node: ast.Import | ast.ImportFrom, names: set[str]
) -> Iterator[str]:
    """`from a import b` imports the module a.b when there is one, else a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = _resolve_base(module, node)
    for alias in node.names:
        full = f"{base}.{alias.name}"
        yield full if full in names else base


def _resolve_base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    parents = parts[: len(parts) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def count_module_circles(source: Source) -> Count:
    """Groups of modules that import one another."""
    return _list_circles(find_circles(build_graph(source)))


def count_package_circles(source: Source) -> Count:
    """Groups of neighbours in one folder that import one another, where one of them is a folder."""
    folders = {module.package for module in source.modules}
    graphs = build_sibling_graphs(build_graph(source)).values()
    circles = [circle for graph in graphs for circle in find_circles(graph)]
    return _list_circles([circle for circle in circles if folders & {*circle}])


def build_graph(source: Source) -> dict[str, set[str]]:
    """Module -> the modules of this source that it imports."""
    graph: dict[str, set[str]] = {module.name: set() for module in source.modules}
    for link in read_imports(source):
        if link.imported in graph and link.imported != link.importer:
            graph[link.importer].add(link.imported)
    return graph


def build_sibling_graphs(graph: Graph) -> dict[str, dict[str, set[str]]]:
    """Folder -> the imports between its children, where a child stands for all that is inside."""
    folders: dict[str, dict[str, set[str]]] = {}
    for importer, targets in graph.items():
        for imported in targets:
            folder, child, sibling = _split_from_common(importer, imported)
            if child and sibling:
                children = folders.setdefault(folder, {})
                children.setdefault(child, set()).add(sibling)
                children.setdefault(sibling, set())
    return folders


def _split_from_common(one: str, other: str) -> tuple[str, str, str]:
    """The deepest package of both, and the child of it that each is in; "" is the package itself."""
    ones, others = one.split("."), other.split(".")
    pairs = zip(ones, others, strict=False)
    depth = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    child, sibling = (
        ".".join(parts[: depth + 1]) if len(parts) > depth else "" for parts in (ones, others)
    )
    return ".".join(ones[:depth]), child, sibling


def _list_circles(circles: list[list[str]]) -> Count:
    return Count(len(circles), [" <-> ".join(circle) for circle in circles])


def find_circles(graph: Graph) -> list[list[str]]:
    """Sorted members of every strongly connected component with more than one node."""
    reached = {node: _reach(graph, node) for node in graph}
    circles = {
        tuple(sorted({node, *(n for n in reached[node] if node in reached[n])})) for node in graph
    }
    return [list(circle) for circle in sorted(circles) if len(circle) > 1]


def _reach(graph: Graph, start: str) -> set[str]:
    """All nodes that can be reached from the start by one step or more."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = graph[waiting.pop()] - seen
        seen |= fresh
        waiting += fresh
    return seen
