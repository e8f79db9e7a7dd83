"""The modules that a chunk and a read pass, and whether every step is joined and leads down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.support.house.bars import JOURNEYS, LAYERS, Leg
from tests.support.house.imports import Graph, build_graph
from tests.support.house.layers import Rule, is_inside, read_rules
from tests.support.house.source import Count, Source


class Step(NamedTuple):
    """One module of a leg. `caller` imports it, or is the root that joins it; None: nobody does."""

    module: str
    caller: str | None
    by_root: bool = False
    climbs: bool = False
    absent: bool = False

    @property
    def broken(self) -> bool:
        return self.absent or self.climbs or not self.caller


def count_broken_steps(source: Source) -> Count:
    """Steps of the journeys whose module is absent, that nobody joins, or that climb."""
    graph, rules = build_graph(source), read_rules(source)
    steps = [
        step
        for legs in JOURNEYS.values()
        for leg in legs
        for step in walk_leg(leg, graph, rules)
        if step.broken
    ]
    return Count(len(steps), [f"{step.module}: {_explain(step)}" for step in steps])


def walk_leg(leg: Leg, graph: Graph, rules: Sequence[Rule]) -> list[Step]:
    """The steps of one process, in order; the first is where the leg begins."""
    return [_take_step(leg, index, graph, rules) for index in range(len(leg.modules))]


def _take_step(leg: Leg, index: int, graph: Graph, rules: Sequence[Rule]) -> Step:
    module, before = leg.modules[index], leg.modules[:index]
    if module not in graph:
        return Step(module, None, absent=True)
    if not before:
        return Step(module, leg.title)
    for caller in reversed(before):
        if module in graph.get(caller, ()):
            return Step(module, caller, climbs=_climbs(caller, module, rules))
    roots = (root for root in leg.roots if {module, before[-1]} <= {root, *graph.get(root, ())})
    root = next(roots, None)
    return Step(module, root, by_root=root is not None)


def _climbs(caller: str, module: str, rules: Sequence[Rule]) -> bool:
    forbidden = any(rule.forbids(caller, module) for rule in rules)
    return forbidden or find_height(module) > find_height(caller)


def find_height(module: str) -> int:
    """Index of the module's layer from the bottom; -1 when it is in none."""
    heights = [
        height
        for height, layer in enumerate(LAYERS)
        if any(is_inside(module, package) for package in layer.packages)
    ]
    return heights[0] if heights else -1


def draw_journeys(source: Source) -> Iterator[str]:
    """The lines of the picture: one arrow a step, with the layer and who joins it."""
    graph, rules = build_graph(source), read_rules(source)
    for title, legs in JOURNEYS.items():
        yield f"{title}:"
        for number, leg in enumerate(legs):
            yield from ["     ~~>"] if number else []
            yield f"  [{leg.title}]"
            steps = walk_leg(leg, graph, rules)
            yield from (_draw_step(step, "-->" if n else "") for n, step in enumerate(steps))
        yield ""


def _draw_step(step: Step, arrow: str) -> str:
    height = find_height(step.module)
    layer = f"{height} {LAYERS[height].title}" if height >= 0 else "-"
    reason = _explain(step) if arrow or step.broken else "begins"
    return f"    {arrow:3} {step.module:34} {layer:13} {reason}"


def _explain(step: Step) -> str:
    if step.absent:
        return "ABSENT"
    if not step.caller:
        return "NOT JOINED"
    if step.climbs:
        return f"CLIMBS from {step.caller}"
    return f"joined by {step.caller}" if step.by_root else f"called by {step.caller}"


def judge_journeys(source: Source) -> str:
    """One sentence on all steps."""
    broken = count_broken_steps(source)
    if not broken.value:
        return "Every step is joined, and none climbs back up."
    climbing = sum("CLIMBS" in place for place in broken.places)
    return f"{broken.value:.0f} steps are broken; {climbing} of them climb back up."
