"""The programs of `examples/`, run as their README says."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from tests.acceptance.workers import start_worker
from tests.support.waiting import until
from workers.local.stack.server import find_free_ports
from workers.local.supervisor import System

_EXAMPLES = Path(__file__).parents[2] / "examples"
_SAMPLE = _EXAMPLES / "transactions.csv"
_DATE = re.compile(r",\d{4}-\d\d-\d\d,")
ROWS = 10
SECONDS = 60


def _run(caller: dict[str, str], program: str, *arguments: object) -> str:
    """The standard output of an example that ends well."""
    done = subprocess.run(
        [sys.executable, _EXAMPLES / program, *map(str, arguments)],
        env=os.environ | caller,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def serving(own, tmp_path):
    """A system of one API process and one worker, ready to answer."""
    (port,) = find_free_ports(1)
    with System(replace(own, api_port=port), tmp_path) as system:
        system.start_process("api", "api")
        start_worker(system, "worker")
        system.wait_until_ready()
        yield system


@pytest.fixture
def caller(serving):
    """The environment of a client: the address of the system and a token."""
    address = f"http://{serving.settings.api_host}:{serving.settings.api_port}"
    return {"API": address, "TOKEN": asyncio.run(_create_token(serving.settings.database_url))}


async def _create_token(url: str) -> str:
    async with await open_pool(url, size=1, name="test", timeout=10) as pool:
        token = await Tokens(pool).create_token("examples", SCOPES, expires_in=timedelta(hours=1))
    assert token is not None
    return token.text


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """The sample file with the date of today, which every system accepts."""
    today = f",{datetime.now(UTC).date()},"
    file = tmp_path / "transactions.csv"
    file.write_text(_DATE.sub(today, _SAMPLE.read_text()))
    return file


@pytest.fixture
def user(caller, sample):
    """The id of a user whose feed holds the sample."""
    return _run(caller, "push_file.py", sample, "--user", "ann").split()[-1]


def test_a_push_waits_for_an_api_that_is_away(serving, caller, sample, tmp_path):
    # Given a system whose API has died
    serving.kill_process("api")
    complaints = tmp_path / "complaints"
    # When a file is pushed, and the API comes back after the first try
    with complaints.open("w") as errors:
        push = subprocess.Popen(
            [sys.executable, _EXAMPLES / "push_file.py", sample, "--user", "ann"],
            env=os.environ | caller,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    until(lambda: "POST /v1/users is tried again" in complaints.read_text(), seconds=SECONDS)
    serving.restart_ended()
    output, _ = push.communicate(timeout=SECONDS)
    # Then all rows are stored
    assert push.returncode == 0, complaints.read_text()
    assert output.startswith(f"{ROWS} added 0 modified 0 unchanged\n")


def test_a_file_that_is_pushed_twice_is_counted_once_in_the_report(caller, sample, user):
    # Given a user whose feed holds the sample
    # When the file is pushed again, and the month's report is printed
    output = _run(caller, "push_file.py", sample, "--user", "ann")
    report = _run(caller, "spending_report.py", user)
    # Then every row is unchanged, and the report counts each row once
    assert output == f"0 added 0 modified {ROWS} unchanged\n{user}\n"
    assert f"{datetime.now(UTC):%Y-%m}, USD" in report
    assert re.search(rf"FOOD_AND_DRINK_GROCERIES\W+{ROWS}\W+1783\.61", report)
    assert re.search(r"spending\W+-1783\.61", report)


def test_a_refused_file_ends_with_the_answer_of_the_api(caller, tmp_path):
    # Given an amount with more decimals than its currency has
    bad = tmp_path / "bad.csv"
    bad.write_text("transaction_id,date,description,amount\n1,2026-11-02,COFFEE,-4.505\n")
    # When it is pushed
    done = subprocess.run(
        [sys.executable, _EXAMPLES / "push_file.py", bad, "--user", "ann"],
        env=os.environ | caller,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    # Then the program fails and names the value
    assert done.returncode == 1
    assert "the file is not stored: 422" in done.stderr
    assert "/transactions/0/amount" in done.stderr


def test_the_feed_is_followed_from_the_kept_cursor(caller, sample, user, tmp_path):
    # Given a follower that has read everything
    follow = ("follow_feed.py", user, "--cursor", tmp_path / "cursor", "--once")
    first = [json.loads(line) for line in _run(caller, *follow).splitlines()]
    # When one row changes, and the follower starts again
    unchanged = _run(caller, *follow)
    sample.write_text(sample.read_text().replace("-86.12", "-86.13"))
    _run(caller, "push_file.py", sample, "--user", "ann")
    (change,) = [json.loads(line) for line in _run(caller, *follow).splitlines()]
    # Then it prints that change alone
    assert [line["change"] for line in first] == ["added"] * ROWS
    assert unchanged == ""
    assert (change["change"], change["amount"]) == ("modified", "-86.13")


def test_a_file_is_categorized_without_a_server():
    # Given no address and no token
    # When the sample is categorized
    rows = list(csv.DictReader(_run({}, "categorize_csv.py", _SAMPLE).splitlines()))
    # Then each row has a category, and the plain ones have the right one
    predicted = {row["description"]: row["predicted"] for row in rows}
    assert len(rows) == ROWS
    assert predicted["SAFEWAY #1456 OAKLAND CA"] == "FOOD_AND_DRINK_GROCERIES"
    assert predicted["ACME CORP PAYROLL PPD ID 1234567890"] == "INCOME_SALARY"
