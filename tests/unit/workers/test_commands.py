"""The command line: commands are files, help is cheap, errors are one line."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from pipeline.errors import InvalidSettings, MigrationLocked, StoreUnavailable
from workers.commands import main

HEAVY = {"numpy", "sklearn", "numba", "asyncpg", "dramatiq", "aiohttp"}


def test_help_names_every_command_with_its_first_line() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert "migrate" in shown
    assert "Bring the database" in shown


def test_help_imports_nothing_heavy() -> None:
    # Given a fresh interpreter
    code = (
        "import sys; from click.testing import CliRunner; from workers.commands import main; "
        "CliRunner().invoke(main, ['--help']); print(*sys.modules)"
    )
    # When it shows the help
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    # Then no library of the commands was loaded for it
    assert HEAVY & set(loaded.stdout.split()) == set()


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_can_be_loaded_and_explains_itself(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_an_unknown_command_is_refused() -> None:
    assert CliRunner().invoke(main, ["no-such"]).exit_code == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InvalidSettings("SPENDLINE_X is wrong"), "Error: SPENDLINE_X is wrong\n"),
        (MigrationLocked("wait"), "Error: wait\n"),
        (
            StoreUnavailable("PostgreSQL: gone"),
            "Error: PostgreSQL: gone; `spendline doctor` says what is missing\n",
        ),
    ],
)
def test_an_error_of_ours_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    # Given a command that fails
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(main, "get_command", lambda *_: failing)
    # When it runs
    ended = CliRunner().invoke(main, ["migrate"])
    # Then the message is told without a traceback
    assert (ended.exit_code, ended.output) == (1, said)
