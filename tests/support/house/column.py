"""In how many places a new optional column of a transaction would have to be spelled."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.house.bars import COLUMN_FOLDERS, COLUMN_SPELLINGS
from tests.support.house.source import Count, Source


def count_column_places(source: Source) -> Count:
    """Statements that spell the column as an identifier or as a whole string."""
    places = [
        module.place(statement)
        for module in source.modules
        if module.path.startswith(COLUMN_FOLDERS)
        for statement in module.nodes
        if isinstance(statement, ast.stmt) and _spells_column(statement)
    ]
    return Count(len(places), places)


def _spells_column(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return False  # a docstring
    return any(name in COLUMN_SPELLINGS for node in _walk_own(statement) for name in _names(node))


def _walk_own(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is inside, except statements inside, which are places of their own."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt):
            yield from _walk_own(child)


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            yield name
        case ast.keyword(arg=str(name)) | ast.Constant(value=str(name)):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
