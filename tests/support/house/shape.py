"""How large folders, files and functions are, and which class names are taken twice."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median

from tests.support.house.bars import KERNELS, LONG_BODY, OUTSIDE
from tests.support.house.layers import is_inside
from tests.support.house.source import Count, Function, Source, find_docstring, walk_functions


def count_modules_per_folder(source: Source) -> Count:
    """Modules of the fullest folder, without its `__init__.py`."""
    paths = [Path(module.path) for module in source.modules]
    sizes = Counter(path.parent.as_posix() for path in paths if path.name != "__init__.py")
    return _worst_first(sizes)


def count_lines_per_file(source: Source) -> Count:
    """Lines of the longest file that is no kernel."""
    return _worst_first(
        Counter({m.path: m.lines for m in source.modules if not m.path.startswith(KERNELS)})
    )


def _worst_first(sizes: Counter[str]) -> Count:
    ranking = sizes.most_common()
    return Count(ranking[0][1] if ranking else 0, [f"{place}: {size}" for place, size in ranking])


def count_functions(source: Source) -> Count:
    return Count(sum(1 for _ in walk_functions(source)), [])


def measure_median_body(source: Source) -> Count:
    """Lines of the median body."""
    lengths = [count_body_lines(function) for _, function in walk_functions(source)]
    return Count(median(lengths) if lengths else 0, [])


def measure_long_bodies(source: Source) -> Count:
    """Percentage of functions whose body has more than 50 lines."""
    bodies = [(count_body_lines(f), m.place(f), f.name) for m, f in walk_functions(source)]
    long = sorted((body for body in bodies if body[0] > LONG_BODY), reverse=True)
    places = [f"{place} {name}: {lines}" for lines, place, name in long]
    return Count(round(100 * len(long) / len(bodies), 2) if bodies else 0, places)


def count_body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the end; 0 when there is none."""
    body = function.body[1:] if find_docstring(function) else function.body
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0


def count_repeated_classes(source: Source) -> Count:
    """Class names that are defined more than once, outside of the package that is for others."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in source.modules:
        for node in () if is_inside(module.name, OUTSIDE) else module.nodes:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module.place(node))
    repeated = {name: at for name, at in sorted(places.items()) if len(at) > 1}
    return Count(len(repeated), [f"{name}: {', '.join(at)}" for name, at in repeated.items()])
