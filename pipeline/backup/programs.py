"""PostgreSQL's own programs, which connect to the database of a URL.

Passwords are passed in the environment, because everybody on a machine can read command lines.
"""

from __future__ import annotations

import shutil
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryFile
from typing import IO, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline.database.programs import find_postgres
from pipeline.errors import BackupFailed, ServersMissing

# The parameters of a URL that libpq reads from a variable. All others are session settings.
_VARIABLES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "database": "PGDATABASE",
    "dbname": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "application_name": "PGAPPNAME",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


@asynccontextmanager
async def run_program(
    name: str, *arguments: str, url: str, settings: dict[str, str]
) -> AsyncIterator[Process]:
    """Run the program with pipes to its input and output, and wait for its end after the block.

    `settings` are those of its database session. Raises ServersMissing when the program is not
    installed, and BackupFailed with its first error message.
    """
    environment = connection_variables(url, settings)
    with TemporaryFile() as messages:
        process = await create_subprocess_exec(
            _find_program(name),
            *arguments,
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=messages,
        )
        try:
            yield process
        except (BrokenPipeError, ConnectionResetError):
            pass  # the program ended early, and its messages say why
        except BaseException:
            process.kill()
            raise
        finally:
            status = await _wait_for_exit(process)
        if status:
            raise BackupFailed(_read_error(name, messages))


def connection_variables(url: str, settings: dict[str, str]) -> dict[str, str]:
    """The environment of a program that connects to `url` with these session settings."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    servers = [urlsplit(f"//{host}") for host in hosts.split(",") if host]
    parameters = {
        "user": unquote(user),
        "password": unquote(password),
        "host": ",".join(unquote(server.hostname or "") for server in servers),
        "port": ",".join(str(server.port or 5432) for server in servers),
        "dbname": unquote(parts.path.lstrip("/")),
    }
    parameters = {name: value for name, value in parameters.items() if value}
    parameters |= dict(parse_qsl(parts.query))
    session = {k: value for k, value in parameters.items() if k not in _VARIABLES} | settings
    options = " ".join(f"-c {name}={_escape(value)}" for name, value in session.items())
    variables = {_VARIABLES[k]: value for k, value in parameters.items() if k in _VARIABLES}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"} | variables | {"PGOPTIONS": options}


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _find_program(name: str) -> str:
    """The path of the program, preferably beside the server's. Raises ServersMissing."""
    servers = find_postgres()
    path = shutil.which(name, path=str(servers.folder)) if servers else None
    path = path or shutil.which(name)
    if path is None:
        raise ServersMissing(f"{name} not found: apt-get install postgresql-client")
    return path


async def _wait_for_exit(process: Process) -> int:
    if process.stdin is not None:
        process.stdin.close()
    return await process.wait()


def _read_error(name: str, messages: IO[bytes]) -> str:
    """The first error message of the program; later ones may quote rows."""
    messages.seek(0)
    lines = messages.read().decode(errors="replace").splitlines()
    errors = (line.partition("error: ")[2] for line in lines)
    return f"{name}: {next(filter(None, errors), 'ended without a message')}"
