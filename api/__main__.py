"""`python -m api` runs one API process; several can share one port to use several cores."""

from __future__ import annotations

import sys

import uvloop

from api.app import serve
from pipeline.errors import SpendlineError
from pipeline.observe import logs, tracing
from pipeline.settings import Settings


def main() -> int:
    try:
        settings = Settings.from_environment()
        settings.require_servers()
        logs.configure_logs(settings.log_level)
        with tracing.export_spans(settings, "spendline-api"):
            uvloop.run(serve(settings, _say))
    except (SpendlineError, OSError) as error:
        _say(f"api cannot start: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the operator reads it


if __name__ == "__main__":
    sys.exit(main())
