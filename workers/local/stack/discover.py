"""Chooses servers: those of the settings, else programs of this machine, which it may install."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.settings import Settings, redact_url
from workers.local.stack.binaries import SERVERS, list_missing
from workers.local.stack.install import install_servers
from workers.local.stack.local_stack import LocalStack
from workers.local.stack.server_urls import ServerUrls


def discover_servers(
    settings: Settings,
    folder: Path,
    *,
    keep: bool = True,
    say: Callable[[str], None] = print,
) -> LocalStack:
    """A stack of the servers that the settings do not name; entering it gives the URLs of all.

    `say` gets a line for each choice. Raises ServersMissing.
    """
    external = ServerUrls(settings.database_url, settings.broker_url, settings.redis_url)
    for name, url in zip(SERVERS, external, strict=True):
        if url:
            say(f"{name}: {redact_url(url)} (settings)")
    needed = tuple(name for name, url in zip(SERVERS, external, strict=True) if not url)
    if absent := list_missing(needed):
        install_servers(absent, say)
    if needed:
        say(f"{', '.join(needed)}: a private stack of this machine's programs")
    return LocalStack(folder, external=external, keep=keep, say=say)
