"""Requests generated from the document: no answer is a defect, and none is undocumented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.raw_client import RawClient

_SECONDS = 30  # for all phases; what is left after one pass is spent on more examples
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "allow_header_conformance",
    "unsupported_method",
)


def test_no_generated_request_gets_a_defect_or_an_undocumented_answer(
    client: RawClient, base: str, tmp_path: Path
) -> None:
    """Links from one answer to the next request are followed too."""
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run", f"{base}/openapi.json",
            "--header", f"Authorization: {client.headers['Authorization']}",
            "--checks", ",".join(_CHECKS),
            "--max-examples", "5", "--max-time", str(_SECONDS), "--seed", "1",
            "--warnings", "off", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=4 * _SECONDS, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert "API Links:" in run.stdout
