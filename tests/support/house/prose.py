"""How docstrings read: who has one, how long their sentences are, and how they begin."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from inspect import cleandoc

from tests.support.house.bars import LONG_SENTENCE
from tests.support.house.source import (
    Count,
    Definition,
    Function,
    Module,
    Source,
    find_docstring,
    is_public,
)

_SENTENCE_END = re.compile(
    r"""(?:(?<=[.!?])|(?<=[.!?][)"'`]))(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z`"'(0-9*])"""
)
_ITEM = re.compile(r"(?:[-*]|\d+[.)])\s")
_DRAWING = re.compile(r" |.*\S {3,}\S")  # indented, or in columns


def measure_documented(source: Source) -> Count:
    """Percentage of public modules, classes and functions that have a docstring."""
    public = [(m, node) for m in source.modules for node in _walk_public(m.tree)]
    bare = [_describe(m, node) for m, node in public if not find_docstring(node)]
    share = 100 * (len(public) - len(bare)) / len(public) if public else 100
    return Count(round(share, 2), bare)


def _walk_public(node: ast.Module | ast.ClassDef) -> Iterator[ast.Module | Definition]:
    """The node, then its public definitions; a module without statements is skipped."""
    if node.body:
        yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef) and is_public(child.name):
            yield from _walk_public(child)
        elif isinstance(child, Function) and is_public(child.name):
            yield child


def _describe(module: Module, node: ast.Module | Definition) -> str:
    if isinstance(node, ast.Module):
        return module.path
    return f"{module.place(node)} {node.name}"


def count_long_sentences(source: Source) -> Count:
    """Sentences of docstrings with more than 25 words."""
    long = sorted(
        (
            (words, place, sentence)
            for place, text in _walk_docstrings(source)
            for sentence in split_sentences(text)
            if (words := count_words(sentence)) > LONG_SENTENCE
        ),
        reverse=True,
    )
    places = [f"{place} {words} words: {sentence[:60]}" for words, place, sentence in long]
    return Count(len(long), places)


def count_same_openings(source: Source) -> Count:
    """Docstrings that begin with "The same"."""
    docstrings = _walk_docstrings(source)
    places = [place for place, text in docstrings if text.split()[:2] == ["The", "same"]]
    return Count(len(places), places)


def _walk_docstrings(source: Source) -> Iterator[tuple[str, str]]:
    """Place and cleaned text of every docstring, private ones too."""
    for module in source.modules:
        for node in module.nodes:
            if isinstance(node, ast.Module | Definition) and (text := find_docstring(node)):
                yield module.place(text), cleandoc(str(text.value))


def split_sentences(text: str) -> list[str]:
    """The sentences of a cleaned docstring. What is indented or stands in columns is a drawing."""
    return [s for block in _split_blocks(text) for s in _SENTENCE_END.split(block)]


def count_words(sentence: str) -> int:
    """Tokens between blanks that hold an alphanumeric character."""
    return sum(1 for token in sentence.split() if re.search(r"\w", token))


def _split_blocks(text: str) -> list[str]:
    """Paragraphs and list items, each on one line."""
    blocks = [""]
    for line in text.splitlines():
        if not line.strip():
            blocks.append("")
        elif _ITEM.match(line):
            blocks.append(line)
        elif _ITEM.match(blocks[-1]) or not _DRAWING.match(line):
            blocks[-1] += f" {line.strip()}"
    return [block.strip() for block in blocks if block]
