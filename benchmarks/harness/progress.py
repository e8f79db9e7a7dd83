"""How far a benchmark is, on stderr: a bar in a terminal, else a line for each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

Step = Callable[[str], None]


@contextmanager
def show_steps(name: str, total: int) -> Iterator[Step]:
    """Yields what is called with the name of each step as it begins.

    The bar is drawn anew at each step only: no thread of its own runs beside what is measured.
    """
    console = Console(stderr=True, soft_wrap=True)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, auto_refresh=False, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(name, total=total)
        began, done = time.monotonic(), 0

        def step(what: str) -> None:
            nonlocal done
            progress.update(task, completed=done, description=f"{name}: {what}", refresh=True)
            done += 1
            if not console.is_terminal:
                console.print(f"{name} {done}/{total}, {time.monotonic() - began:.0f} s: {what}")

        yield step
        progress.update(task, completed=total, description=name, refresh=True)
