"""Where a worker under test ends at once, as if the machine had lost power there.

The settings refuse a fail-point unless the environment is a test, so none can be armed in
production.
"""

from __future__ import annotations

import os
from typing import Final, Literal

Place = Literal[
    "copied",  # rows copied, nothing committed
    "committed",  # rows committed, nobody told
    "announced",  # readers told, nothing acknowledged to the broker
    "unannounced",  # ends nothing: the event after the commit is lost
]

EXIT: Final = 86


class FailPoint:
    """One armed place, or none."""

    def __init__(self, armed: str) -> None:
        self._armed = armed

    def reach(self, place: Place) -> None:
        """End the process if this is the armed place."""
        if self._armed == place:
            os._exit(EXIT)

    def loses(self, place: Place) -> bool:
        """Whether what happens here is to be left out."""
        return self._armed == place


NEVER: Final = FailPoint("")
