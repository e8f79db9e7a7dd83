"""PostgreSQL's own programs, run with the connection of one of our URLs.

What they need to connect is in their environment: a command line can be read by everybody.
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

# Parameters of a URL that libpq reads from a variable; all others are settings of the session.
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
async def running(
    name: str, *arguments: str, url: str, settings: dict[str, str]
) -> AsyncIterator[Process]:
    """The program with pipes to its input and output; `settings` are those of its session.

    It ends before we go on. Raises BackupFailed with its first complaint, ServersMissing when it is
    not there.
    """
    environment = connection_variables(url, settings)
    with TemporaryFile() as words:
        process = await create_subprocess_exec(
            _path(name), *arguments, env=environment, stdin=PIPE, stdout=PIPE, stderr=words
        )
        try:
            yield process
        except (BrokenPipeError, ConnectionResetError):
            pass  # it ended before we did: its words say why
        except BaseException:
            process.kill()
            raise
        finally:
            status = await _ended(process)
        if status:
            raise BackupFailed(_complaint(name, words))


def connection_variables(url: str, settings: dict[str, str]) -> dict[str, str]:
    """The environment of a program that connects to `url`."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    places = [urlsplit(f"//{host}") for host in hosts.split(",") if host]
    given = {
        "user": unquote(user),
        "password": unquote(password),
        "host": ",".join(unquote(place.hostname or "") for place in places),
        "port": ",".join(str(place.port or 5432) for place in places),
        "dbname": unquote(parts.path.lstrip("/")),
    }
    given = {name: value for name, value in given.items() if value} | dict(parse_qsl(parts.query))
    session = {name: value for name, value in given.items() if name not in _VARIABLES} | settings
    options = " ".join(f"-c {name}={_escaped(value)}" for name, value in session.items())
    known = {_VARIABLES[name]: value for name, value in given.items() if name in _VARIABLES}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"} | known | {"PGOPTIONS": options}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _path(name: str) -> str:
    servers = find_postgres()
    found = shutil.which(name, path=str(servers.folder)) if servers else None
    found = found or shutil.which(name)
    if found is None:
        raise ServersMissing(f"{name} not found: apt-get install postgresql-client")
    return found


async def _ended(process: Process) -> int:
    if process.stdin is not None:
        process.stdin.close()
    return await process.wait()


def _complaint(name: str, words: IO[bytes]) -> str:
    """Its first line that names an error; later lines may quote rows."""
    words.seek(0)
    lines = words.read().decode(errors="replace").splitlines()
    told = (line.partition("error: ")[2] for line in lines)
    return f"{name}: {next(filter(None, told), 'ended without a word')}"
