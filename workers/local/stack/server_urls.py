"""The addresses of the three servers."""

from __future__ import annotations

from typing import Final, NamedTuple


class ServerUrls(NamedTuple):
    """URLs with their passwords; an empty one names no server."""

    database: str = ""
    broker: str = ""
    redis: str = ""


NO_URLS: Final = ServerUrls()
