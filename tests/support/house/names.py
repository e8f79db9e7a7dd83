"""How functions and variables are named, and which words no name or docstring should use."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean

from tests.support.house.bars import DEAD_LETTER, METAPHORS, SPELLING_FOLDERS, VAGUE_VARIABLES
from tests.support.house.source import (
    Count,
    Definition,
    Module,
    Source,
    find_docstring,
    is_public,
    walk_functions,
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def measure_words_per_public_function(source: Source) -> Count:
    """Mean number of words in the names of functions and methods without a leading underscore."""
    return _mean_words([f.name for _, f in walk_functions(source) if is_public(f.name)])


def measure_words_per_function(source: Source) -> Count:
    return _mean_words([f.name for _, f in walk_functions(source)])


def _mean_words(names: Sequence[str]) -> Count:
    counts = [len([word for word in name.split("_") if word]) for name in names]
    return Count(round(mean(counts), 2) if counts else 0, [])


def count_vague_variables(source: Source) -> Count:
    """Bindings of variables, arguments and attributes whose name says nothing, by file."""
    files = {module.path: _count_vague_names(module) for module in source.modules}
    ranking = sorted(files.items(), key=lambda item: -item[1].total())
    places = [
        f"{path}: {names.total()} ({', '.join(f'{n} {name}' for name, n in names.most_common())})"
        for path, names in ranking
        if names
    ]
    return Count(sum(names.total() for names in files.values()), places)


def _count_vague_names(module: Module) -> Counter[str]:
    names = (name.lstrip("_") for _, name in walk_bindings(module.nodes))
    return Counter(name for name in names if name in VAGUE_VARIABLES)


def walk_bindings(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
    """Line and name of all that is assigned, passed as an argument, caught or imported under it."""
    for node in nodes:
        match node:
            case ast.Name(ctx=ast.Store(), id=name) | ast.Attribute(ctx=ast.Store(), attr=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield node.lineno, name
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield node.lineno, name


def count_metaphors(source: Source) -> Count:
    """Definitions, bindings, modules and docstrings with a banned word; a text counts per word."""
    places = [
        f"{module.path}:{line} {word}"
        for module in source.modules
        for line, text in _walk_texts(module)
        for word in find_metaphors(text, spelling=module.path.startswith(SPELLING_FOLDERS))
    ]
    return Count(len(places), places)


def _walk_texts(module: Module) -> Iterator[tuple[int, str]]:
    """Line and text of the module's name, of every defined name and of every docstring."""
    yield 1, Path(module.path).stem
    yield from walk_bindings(module.nodes)
    for node in module.nodes:
        if isinstance(node, Definition):
            yield node.lineno, node.name
        if isinstance(node, ast.Module | Definition) and (text := find_docstring(node)):
            yield text.lineno, str(text.value)


def find_metaphors(text: str, *, spelling: bool = False) -> list[str]:
    """The banned words of an identifier or a text; `spelling`: alphabetic ones pass."""
    words = [word.lower() for word in _WORD.findall(text)]
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if word in METAPHORS and not (word in DEAD_LETTER and (spelling or before == "dead"))
    ]
