"""Each file in a folder below this one is a command of `spendline`.

A file is imported only when its command runs; `--help` reads the first line of its docstring. Each
file exposes a click command named `command`.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from pipeline.errors import MigrationLocked, SpendlineError, Transient

_FOLDER = Path(__file__).parent


class LazyGroup(click.Group):
    """A group that finds its commands as files."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(file.stem.replace("_", "-") for file in _FOLDER.glob("*/[!_]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        file = _file(cmd_name)
        module = import_module(f"workers.commands.{file.parent.name}.{file.stem}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(name)) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Print an error of Spendline as one line, and exit with status 1."""
        try:
            return super().invoke(ctx)
        except MigrationLocked as error:
            raise click.ClickException(str(error)) from None
        except Transient as error:
            raise click.ClickException(
                f"{error}; `spendline doctor` says what is missing"
            ) from None
        except SpendlineError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spendline")
def main() -> None:
    """Spendline categorizes bank transactions and serves feeds and insights."""


def _file(command: str) -> Path:
    (file,) = _FOLDER.glob(f"*/{command.replace('-', '_')}.py")
    return file


def _summary(command: str) -> str:
    docstring = ast.get_docstring(ast.parse(_file(command).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]
