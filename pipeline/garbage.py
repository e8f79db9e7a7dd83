"""Python's cycle collector, told what it need not look at."""

from __future__ import annotations

import gc

_NEW_OBJECTS = (
    50_000  # before a first look; the rows of a few chunks, freed by their reference counts
)


def leave_the_started_alone() -> None:
    """Once everything is open: what lives until the end is never traversed again, the rest seldom.

    Batches are thousands of short-lived objects without cycles: at the default of 700 a seventh of
    an API's time went into looking for cycles among them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
