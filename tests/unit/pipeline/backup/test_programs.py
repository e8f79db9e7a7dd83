"""The environment of PostgreSQL programs holds all of a URL, and the command line none of it."""

from __future__ import annotations

import pytest

from pipeline.backup.programs import connection_variables


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ann:p%40ss@db.example:6432/spendline?sslmode=verify-full",
            {
                "PGUSER": "ann",
                "PGPASSWORD": "p@ss",
                "PGHOST": "db.example",
                "PGPORT": "6432",
                "PGDATABASE": "spendline",
                "PGSSLMODE": "verify-full",
            },
        ),
        (
            "postgresql://a,b:6000/x?target_session_attrs=primary",
            {
                "PGHOST": "a,b",
                "PGPORT": "5432,6000",
                "PGDATABASE": "x",
                "PGTARGETSESSIONATTRS": "primary",
            },
        ),
        ("postgresql:///x?host=/run/pg&user=u", {"PGHOST": "/run/pg", "PGUSER": "u"}),
        ("postgresql://[::1]:5432/x", {"PGHOST": "::1"}),
        ("postgresql://h/x?role=a b", {"PGOPTIONS": r"-c role=a\ b -c work_mem=1MB"}),
    ],
)
def test_a_url_becomes_variables(url: str, expected: dict[str, str]) -> None:
    variables = connection_variables(url, {"work_mem": "1MB"})
    assert variables.items() >= expected.items()
