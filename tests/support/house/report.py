"""All figures of a checkout beside their bars, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.support.house import column, imports, journey, layers, names, prose, shape
from tests.support.house.bars import CODE, TESTS
from tests.support.house.source import Count, Source, read_source

_SHOWN = 78  # characters of a place in the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing to count, and the bar that its figure has to keep, if it has one."""

    title: str
    count: Callable[[Source], Count]
    most: float | None = None
    least: float | None = None

    def keeps(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (
            self.least is None or value >= self.least
        )

    @property
    def bar(self) -> str:
        """The bar as the table shows it."""
        if self.most is not None:
            return f"<= {self.most:g}"
        return "-" if self.least is None else f">= {self.least:g}"


MEASURES = {
    "modules_per_folder": Measure(
        title="modules of the fullest folder", count=shape.count_modules_per_folder, most=12
    ),
    "lines_per_file": Measure(
        title="lines of the longest file", count=shape.count_lines_per_file, most=300
    ),
    "functions": Measure(title="functions", count=shape.count_functions),
    "median_body": Measure(
        title="lines of the median body", count=shape.measure_median_body, most=9
    ),
    "long_bodies": Measure(
        title="% of bodies above 50 lines", count=shape.measure_long_bodies, most=3
    ),
    "words_per_public_function": Measure(
        title="words per public function name",
        count=names.measure_words_per_public_function,
        least=1.55,
    ),
    "words_per_function": Measure(
        title="words per function name", count=names.measure_words_per_function
    ),
    "repeated_classes": Measure(
        title="class names defined twice", count=shape.count_repeated_classes, most=0
    ),
    "vague_variables": Measure(
        title="variables found, told, known, given, made",
        count=names.count_vague_variables,
        most=0,
    ),
    "metaphors": Measure(title="banned metaphors", count=names.count_metaphors, most=0),
    "documented": Measure(
        title="% of public things with a docstring",
        count=prose.measure_documented,
        least=75,
    ),
    "long_sentences": Measure(
        title="sentences above 25 words", count=prose.count_long_sentences, most=0
    ),
    "same_openings": Measure(
        title='docstrings that begin "The same"', count=prose.count_same_openings, most=0
    ),
    "climbs": Measure(title="arrows back up", count=layers.count_climbs, most=0),
    "module_circles": Measure(
        title="circles of modules", count=imports.count_module_circles, most=0
    ),
    "package_circles": Measure(
        title="circles of packages", count=imports.count_package_circles, most=0
    ),
    "column_places": Measure(
        title="places that spell the column authorized_date", count=column.count_column_places
    ),
    "broken_steps": Measure(
        title="broken steps of the journeys", count=journey.count_broken_steps, most=0
    ),
}
# What speaks of the shipped packages only.
_CODE_ONLY = {"climbs", "column_places", "broken_steps"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one checkout. `kept` is None where there is no bar, `tests` where it is moot."""

    key: str
    title: str
    value: float
    bar: str
    kept: bool | None
    places: list[str]
    tests: float | None


def measure_checkout(root: Path) -> list[Figure]:
    """Measure the code of a checkout, and its tests beside it. Raises SyntaxError."""
    code, tests = read_source(root, CODE), read_source(root, TESTS)
    return [_measure(key, measure, code, tests) for key, measure in MEASURES.items()]


def _measure(key: str, measure: Measure, code: Source, tests: Source) -> Figure:
    value, places = measure.count(code)
    kept = None if measure.bar == "-" else measure.keeps(value)
    beside = None if key in _CODE_ONLY else measure.count(tests).value
    return Figure(key, measure.title, value, measure.bar, kept, places, beside)


def draw_table(figures: list[Figure], *, places: int) -> Iterator[str]:
    """The lines of the table; under a figure that is not kept stand its worst places."""
    yield f"{'':44} {'code':>8} {'bar':>8} {'kept':>5} {'tests':>8}"
    for figure in figures:
        kept = {None: "-", True: "yes", False: "NO"}[figure.kept]
        tests = "-" if figure.tests is None else f"{figure.tests:g}"
        yield f"{figure.title:44} {figure.value:8g} {figure.bar:>8} {kept:>5} {tests:>8}"
        shown = figure.places[:places] if figure.kept is False else []
        yield from (f"    {place[:_SHOWN]}" for place in shown)


def list_figures(figures: list[Figure]) -> list[dict[str, object]]:
    """The figures as JSON has them, with all places."""
    return [asdict(figure) for figure in figures]
