"""`python -m api`: one API process; start several on one port to use several cores."""

from __future__ import annotations

import logging
import sys

import uvloop

from api.app import serve
from pipeline.errors import SpendlineError
from pipeline.settings import Settings


def main() -> int:
    try:
        settings = Settings.from_environment()
        settings.require_servers()
        _configure_logging(settings.log_level)
        uvloop.run(serve(settings, _say))
    except (SpendlineError, OSError) as error:
        _say(f"api cannot start: {error}")
        return 1
    return 0


def _configure_logging(level: str) -> None:
    """Lines on standard error; the broker client's own complaints are told by readyz."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - for whoever started it


if __name__ == "__main__":
    sys.exit(main())
