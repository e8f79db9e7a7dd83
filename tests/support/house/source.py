"""The modules of a checkout, parsed from their text."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


class Count(NamedTuple):
    """A measured value, and the places it speaks of, the worst first."""

    value: float
    places: list[str]


@dataclass(frozen=True, slots=True)
class Module:
    """One file. `path` is relative to the checkout, `name` is the dotted name of the module.

    `nodes` are all nodes of the tree, parents before their children.
    """

    path: str
    name: str
    tree: ast.Module = field(repr=False)
    nodes: tuple[ast.AST, ...] = field(repr=False)
    lines: int

    @property
    def package(self) -> str:
        """The dotted name of the folder."""
        return ".".join(Path(self.path).parts[:-1])

    def place(self, node: ast.stmt | ast.expr | ast.arg) -> str:
        return f"{self.path}:{node.lineno}"


@dataclass(frozen=True, slots=True)
class Source:
    """The modules below some folders of a checkout."""

    root: Path
    modules: tuple[Module, ...]


def read_source(root: Path, folders: Sequence[str]) -> Source:
    """Parse every Python file below the folders that exist. Raises SyntaxError."""
    files = [file for folder in folders for file in sorted((root / folder).rglob("*.py"))]
    return Source(root, tuple(_read_module(root, file) for file in files))


def _read_module(root: Path, file: Path) -> Module:
    text = file.read_text(encoding="utf-8")
    path = file.relative_to(root)
    parts = path.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    tree = ast.parse(text, str(file))
    return Module(path.as_posix(), name, tree, tuple(ast.walk(tree)), len(text.splitlines()))


def walk_functions(source: Source) -> Iterator[tuple[Module, Function]]:
    """Every function and method, nested ones too."""
    for module in source.modules:
        for node in module.nodes:
            if isinstance(node, Function):
                yield module, node


def find_docstring(node: ast.Module | Definition) -> ast.Constant | None:
    """The expression that is the docstring of a module, class or function."""
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str()) as text), *_]:
            return text
    return None


def is_public(name: str) -> bool:
    return not name.startswith("_")
