"""SQL stands in `.sql` files, every block of them is used, and each names the columns that it reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "categorizer", "models", "api", "workers")
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|GRANT|REVOKE|VACUUM|ANALYZE|COPY|LOCK|SHOW|SET)\s+\w"
)
BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FILES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.sql")
    if "migrations" not in path.parts
)


def texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module, its docstrings apart; of an f-string its constant parts."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_statement_stands_in_python(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [text for text in texts(tree) if STATEMENT.match(text)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_block_is_used(path: Path) -> None:
    code = "".join(source.read_text(encoding="utf-8") for source in path.parent.glob("*.py"))
    names = BLOCK.findall(path.read_text(encoding="utf-8"))
    assert names
    assert [name for name in names if not re.search(rf"""['\"]{name}['\"]""", code)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_statement_names_the_columns_of_its_tables(path: Path) -> None:
    """All columns of a named subquery may be taken: they are written out inside of it."""
    text = path.read_text(encoding="utf-8")
    subqueries = set(re.findall(r"^\s*\) (\w+)(?: ON true)?$", text, re.MULTILINE))
    taken = re.findall(
        r"(?:(\w+)\.)?\*(?=,|\s+FROM|\s*$)", re.sub(r"count\(\*\)", "", text), re.MULTILINE
    )
    assert set(taken) <= subqueries
