"""`spendline backup` and `spendline restore`: what they write, and what they refuse to touch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from zipfile import ZIP_STORED, ZipFile

import asyncpg
import pytest
from click.testing import CliRunner, Result

from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from pipeline.store.writer import Store
from tests.support.chunks import chunk, register
from tests.unit.pipeline.builders import scored
from workers.commands import main
from workers.commands.data import restore
from workers.preparation import prepare_database

T = TypeVar("T")
ROWS = 40


def spendline(settings: Settings, *arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)], env=settings.to_environment())


def asked(url: str, use: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(url)
        try:
            return await use(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def value(settings: Settings, question: str, *values: object) -> Any:
    return asked(settings.database_url, lambda c: c.fetchval(question, *values))


def databases(settings: Settings) -> set[str]:
    """The names of ours and of those that restores have made of it."""
    name = settings.database_url.rpartition("/")[2]
    question = "SELECT array_agg(datname::text) FROM pg_database WHERE starts_with(datname, $1)"
    return set(asked(settings.database_url, lambda c: c.fetchval(question, name)))


async def fill(url: str) -> None:
    await prepare_database(url, 1)
    async with await open_pool(url, size=2, name="test", timeout=20) as pool:
        message = chunk(ROWS, users=[b"%16d" % n for n in range(3)])
        await register(pool, message)
        await Store(pool).store_chunk(message, scored(message))


@pytest.fixture(scope="module")
def full(settings: Settings, make_database: Callable[[], str]) -> Iterator[Settings]:
    """A system that holds something."""
    ours = replace(settings, database_url=make_database(), months_ahead=1)
    asyncio.run(fill(ours.database_url))
    yield ours
    name = ours.database_url.rpartition("/")[2]
    for other in databases(ours) - {name}:
        asked(ours.database_url, lambda c, other=other: c.execute(f'DROP DATABASE "{other}"'))


@pytest.fixture(scope="module")
def file(full: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("backup") / "system.backup"
    assert spendline(full, "backup", "--to", made).exit_code == 0
    return made


def test_a_backup_says_what_it_holds_and_is_ours_alone(full: Settings, tmp_path: Path) -> None:
    # When
    made = tmp_path / "a.backup"
    done = spendline(full, "backup", "--to", made, "--json")
    # Then
    said = json.loads(done.stdout)
    assert (said["rows"]["transactions"], said["rows"]["users"]) == (ROWS, 3)
    assert (said["model_version"], said["bytes"]) == (3, made.stat().st_size)
    assert made.stat().st_mode & 0o777 == 0o600
    assert f"{ROWS} transactions of 3 users" in done.stderr
    assert list(tmp_path.iterdir()) == [made]
    noted = "SELECT details ->> 'sha256' FROM audit WHERE act = 'database.backed_up' AND actor ~ $1"
    assert value(full, f"{noted} ORDER BY audit_id DESC LIMIT 1", "^operator") == said["sha256"]


def test_a_backup_never_takes_the_place_of_a_file(full: Settings, file: Path) -> None:
    before = file.read_bytes()
    refused = spendline(full, "backup", "--to", file)
    assert (refused.exit_code, "File exists" in refused.stderr) == (1, True)
    assert file.read_bytes() == before


def _cut(whole: Path, spoilt: Path) -> None:
    spoilt.write_bytes(whole.read_bytes()[:-100])


def _flip(whole: Path, spoilt: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[len(data) // 2] ^= 1
    spoilt.write_bytes(data)


def _other_dump(whole: Path, spoilt: Path) -> None:
    with ZipFile(whole) as old, ZipFile(spoilt, "w") as new:
        new.writestr("database.dump", old.read("database.dump") + b"x")
        new.writestr("manifest.json", old.read("manifest.json"))


def _with_manifest(whole: Path, spoilt: Path, **changed: object) -> None:
    with ZipFile(whole) as old, ZipFile(spoilt, "w", ZIP_STORED) as new:
        new.writestr("database.dump", old.read("database.dump"))
        manifest = json.loads(old.read("manifest.json"))
        new.writestr("manifest.json", json.dumps(manifest | changed))


def _of_a_newer_version(whole: Path, spoilt: Path) -> None:
    _with_manifest(whole, spoilt, migrations={"9999_future": "x"})


def _of_another_format(whole: Path, spoilt: Path) -> None:
    _with_manifest(whole, spoilt, format="spendline backup 2")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_cut, "damaged"),
        (_flip, "damaged"),
        (_other_dump, "damaged"),
        (_of_a_newer_version, "9999_future"),
        (_of_another_format, "spendline backup 2"),
        (lambda _, spoilt: spoilt.write_text("hello"), "not a backup of ours"),
        (lambda _, spoilt: ZipFile(spoilt, "w").close(), "not a backup of ours"),
        (lambda *_: None, "No such file"),
    ],
)
def test_a_file_that_is_not_a_whole_backup_is_refused(
    full: Settings, file: Path, tmp_path: Path, spoil: Any, said: str
) -> None:
    spoilt = tmp_path / "spoilt.backup"
    spoil(file, spoilt)
    refused = spendline(full, "restore", spoilt, "--replace")
    assert (refused.exit_code, said in refused.stderr) == (1, True), refused.stderr
    assert str(spoilt) in refused.stderr


def test_what_is_there_is_replaced_only_on_demand(full: Settings, file: Path) -> None:
    refused = spendline(full, "restore", file)
    assert (refused.exit_code, "--replace" in refused.stderr) == (1, True)


def test_a_database_in_use_is_not_replaced(full: Settings, file: Path) -> None:
    async def refused(_: asyncpg.Connection) -> Result:
        return await asyncio.to_thread(spendline, full, "restore", file, "--replace")

    done = asked(full.database_url, refused)
    assert (done.exit_code, "is in use: stop" in done.stderr) == (1, True)


def test_a_restore_that_fails_half_way_leaves_everything_as_it_was(
    full: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    async def fail(*_: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(restore, "prepare_database", fail)
    before = databases(full)
    # When
    done = spendline(full, "restore", file, "--replace")
    # Then
    assert str(done.exception) == "half way"
    assert databases(full) == before
    assert value(full, "SELECT count(*) FROM restores") == 0


def test_a_restore_brings_back_the_rows_and_keeps_what_it_replaced(
    full: Settings, file: Path
) -> None:
    # Given a row more, a key of a request, and a later look at the feeds
    value(full, "INSERT INTO users (external_id) VALUES ('later')")
    value(full, "INSERT INTO tokens (digest, name, scopes) VALUES ('', 'x', '{}')")
    value(
        full,
        "INSERT INTO idempotency SELECT token_id, 'k', '', gen_random_uuid(), now() FROM tokens",
    )
    # When
    done = spendline(full, "restore", file, "--replace", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    # Then
    assert value(full, "SELECT count(*) FROM users") == said["rows"]["users"] == 3
    assert value(full, "SELECT count(*) FROM idempotency") == 0
    assert said["replaced"] in databases(full)
    assert f'DROP DATABASE "{said["replaced"]}"' in done.stderr
    noted = "SELECT details ->> 'backed_up_at' FROM audit WHERE act = 'database.restored'"
    assert value(full, noted)
    # And every feed goes on beyond what it gave out, and no role has other rights than before
    assert value(full, "SELECT bool_and(position > 2 ^ 50 AND undone @> 40::bigint) FROM feeds")
    assert value(full, "SELECT has_table_privilege('spendline_api', 'feeds', 'SELECT')")
    assert value(
        full, "SELECT has_function_privilege('spendline_worker', 'create_month(date)', 'EXECUTE')"
    )
    assert not value(
        full, "SELECT has_function_privilege('public', 'create_month(date)', 'EXECUTE')"
    )
