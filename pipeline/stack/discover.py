"""Chooses the servers: those of the settings, else programs of this machine, else installed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.settings import Settings, redacted
from pipeline.stack.binaries import SERVERS, missing
from pipeline.stack.install import install
from pipeline.stack.local import LocalStack, ServerUrls


@contextmanager
def discover(
    settings: Settings,
    folder: Path,
    *,
    keep: bool = True,
    say: Callable[[str], None] = print,
) -> Iterator[ServerUrls]:
    """The servers' URLs for as long as the block lasts; the choice is told through `say`.

    Raises ServersMissing, AlreadyUp, ServerFailed.
    """
    given = ServerUrls(settings.database_url, settings.broker_url, settings.redis_url)
    for name, url in zip(SERVERS, given, strict=True):
        if url:
            say(f"{name}: {redacted(url)} (settings)")
    needed = tuple(name for name, url in zip(SERVERS, given, strict=True) if not url)
    if not needed:
        yield given
        return
    if absent := missing(needed):
        install(absent, say)
    say(f"{', '.join(needed)}: a private stack of this machine's programs")
    with LocalStack(folder, only=needed, keep=keep, say=say) as own:
        yield ServerUrls(*(ours or theirs for ours, theirs in zip(own, given, strict=True)))
