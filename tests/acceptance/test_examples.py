"""The programs of `examples/`, run as their README says."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.waiting import until

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
    serving.kill("api")
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
    until(lambda: "retry of /v1/users: no connection" in complaints.read_text(), seconds=SECONDS)
    serving.mend()
    output, _ = push.communicate(timeout=SECONDS)
    # Then all rows are stored
    assert push.returncode == 0, complaints.read_text()
    assert output.startswith(f"{ROWS} added 0 modified 0 unchanged\n")


def test_a_file_that_is_pushed_again_changes_nothing(caller, sample, user):
    # Given a user whose feed holds the sample
    # When the file is pushed again
    output = _run(caller, "push_file.py", sample, "--user", "ann")
    # Then every row is unchanged, and the user is the earlier one
    assert output == f"0 added 0 modified {ROWS} unchanged\n{user}\n"


def test_a_refused_file_ends_with_the_answer_of_the_api(caller, tmp_path):
    # Given a file with an amount that is no number
    bad = tmp_path / "bad.csv"
    bad.write_text("transaction_id,date,description,amount\n1,2026-11-02,COFFEE,many\n")
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
    assert "/v1/transactions is refused with 422" in done.stderr
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


def test_the_report_shows_the_spending_of_the_month(caller, user):
    # Given a user whose feed holds the sample
    # When the report of the current month is printed
    report = _run(caller, "spending_report.py", user)
    # Then it has a line for the category, and the totals
    assert f"{datetime.now(UTC):%Y-%m}, USD" in report
    assert re.search(rf"FOOD_AND_DRINK_GROCERIES\W+{ROWS}\W+1783\.61", report)
    assert re.search(r"spending\W+-1783\.61", report)


def test_a_file_is_categorized_without_a_server():
    # Given no address and no token
    # When the sample is categorized
    rows = list(csv.DictReader(_run({}, "categorize_csv.py", _SAMPLE).splitlines()))
    # Then each row has a category, and the plain ones have the right one
    predicted = {row["description"]: row["predicted"] for row in rows}
    assert len(rows) == ROWS
    assert predicted["SAFEWAY #1456 OAKLAND CA"] == "FOOD_AND_DRINK_GROCERIES"
    assert predicted["ACME CORP PAYROLL PPD ID 1234567890"] == "INCOME_SALARY"
