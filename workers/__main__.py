"""`python -m workers`: one worker process."""

from __future__ import annotations

import logging
import os
import sys

from pipeline.errors import SpendlineError
from pipeline.observe import tracing
from pipeline.settings import Settings

# Worker threads already use all cores, so BLAS gets one thread. numpy reads these variables when
# it is imported, which `logs` and `app` do.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def main() -> int:
    """Run a worker process and return its exit status."""
    from pipeline.observe import logs  # noqa: PLC0415 - after the threads are set
    from workers import app  # noqa: PLC0415

    try:
        settings = Settings.from_environment()
        logs.configure_logs(settings.log_level)
        with tracing.export_spans(settings, "spendline-worker"):
            return app.run_worker(settings)
    except SpendlineError as error:
        print(f"worker cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)  # daemon threads must not delay the exit
