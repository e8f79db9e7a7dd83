"""A fail point ends a worker under test at once, as if the machine had lost power.

The settings refuse a fail point unless the environment is a test, so production cannot arm one.
"""

from __future__ import annotations

import os
from typing import Final, Literal

Place = Literal[
    "copied",  # rows copied, nothing committed
    "committed",  # rows committed, no event published
    "announced",  # event published, nothing acknowledged to the broker
    "unannounced",  # the process goes on: only the event after the commit is lost
]

EXIT: Final = 86


class FailPoint:
    """Holds one armed place, or none."""

    def __init__(self, armed: str) -> None:
        self._armed = armed

    def reach(self, place: Place) -> None:
        """End the process if this is the armed place."""
        if self._armed == place:
            os._exit(EXIT)

    def is_armed(self, place: Place) -> bool:
        """Whether the caller must skip what happens at this place."""
        return self._armed == place


NEVER: Final = FailPoint("")
