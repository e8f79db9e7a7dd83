"""The code blocks of the pages for readers: found, run in the order of their page, and compared.

A page's `sh` and `python` blocks run in one shell; variables of the shell are in the environment of
the Python blocks. A `json` or `text` block shows what the block before it printed last. Any other
block with a language, and one that cannot run in a test, follows `<!-- not run: reason -->`.
"""

from __future__ import annotations

import doctest
import json
import math
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).parents[2]
RUN: Final = frozenset({"sh", "python"})
SHOWN: Final = frozenset({"json", "text"})
_EXCUSE: Final = re.compile(r"<!-- not run: (.+) -->\n")
_MARK: Final = "\x1e"  # begins the output of a block
_SECONDS: Final = 180


@dataclass(frozen=True, slots=True)
class Block:
    """One fence of a page; `excuse` says why it is not run."""

    line: int
    language: str
    text: str
    excuse: str | None


def list_pages() -> list[Path]:
    """All pages with instructions; decisions tell of the past."""
    above = [ROOT / name for name in ("README.md", "RUNBOOK.md", "SECURITY.md", "CONTRIBUTING.md")]
    below = (page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md"))
    hidden = {"_build", "decisions"}
    return above + sorted(ROOT / "docs" / page for page in below if page.parts[0] not in hidden)


def read_blocks(page: Path) -> list[Block]:
    """The fences with a language; directives of Sphinx and pictures are none."""
    fences, excuse = [], None
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.info and not token.info.startswith("{"):
            line = token.map[0] + 1 if token.map else 0
            fences.append(Block(line, token.info.strip(), token.content, excuse))
        match = _EXCUSE.fullmatch(token.content) if token.type == "html_block" else None
        excuse = match[1] if match else None
    return fences


def run_page(page: Path, environment: Mapping[str, str]) -> list[str]:
    """Run the page in the root of the repository; returns what each of its run blocks printed.

    AssertionError names the line of a block that failed or printed something else than is shown.
    """
    there = read_blocks(page)
    to_run = [block for block in there if block.language in RUN and not block.excuse]
    done = subprocess.run(
        ["bash", "-c", _write_script(to_run)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    outputs = done.stdout.split(_MARK)[1:]
    last = to_run[len(outputs) - 1]
    assert done.returncode == 0, f"{page.name}:{last.line}\n{done.stderr}{outputs[-1:]}"
    _compare_outputs(page, there, dict(zip(to_run, outputs, strict=True)))
    return outputs


def _write_script(to_run: Sequence[Block]) -> str:
    """All blocks as one script that ends at the first failure."""
    lines = ["set -o errexit -o nounset -o pipefail -o allexport"]
    for block in to_run:
        lines.append(rf"printf '\{ord(_MARK):o}'")
        text = block.text
        lines.append(f"python3 - <<'PYTHON'\n{text}PYTHON" if block.language == "python" else text)
    return "\n".join(lines)


def _compare_outputs(page: Path, there: Sequence[Block], outputs: Mapping[Block, str]) -> None:
    for before, block in zip([None, *there], there, strict=False):
        if block.language in SHOWN and before in outputs:
            differ = _compare_block(block, outputs[before])
            assert not differ, f"{page.name}:{block.line}: {differ}"


def _compare_block(block: Block, output: str) -> list[str]:
    if block.language == "json":
        return list(find_differences(json.loads(block.text), json.loads(output.splitlines()[-1])))
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return [] if doctest.OutputChecker().check_output(block.text, output, options) else [output]


def find_differences(shown: Any, real: Any, pointer: str = "") -> Iterator[str]:
    """JSON Pointers where `real` is not as `shown`, with the real value.

    `"..."` stands for any value and, at the end of a list, for any others. What is not shown may be there. Numbers
    that are no integers agree within a tenth.
    """
    match shown:
        case "...":
            return
        case dict() if isinstance(real, dict):
            for key, value in shown.items():
                yield from find_differences(value, real.get(key), f"{pointer}/{key}")
        case [*items, "..."] if isinstance(real, list):
            yield from find_differences(items, real[: len(items)], pointer)
        case list() if isinstance(real, list):
            for index, (one, other) in enumerate(zip_longest(shown, real)):
                yield from find_differences(one, other, f"{pointer}/{index}")
        case float() if isinstance(real, float) and math.isclose(shown, real, abs_tol=0.1):
            return
        case _ if shown != real or type(shown) is not type(real):
            yield f"{pointer}: {real!r}"
