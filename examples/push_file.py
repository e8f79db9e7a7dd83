"""Push the transactions of a CSV file, and wait for the receipt of each push.

    API=http://127.0.0.1:8080 TOKEN=... python examples/push_file.py FILE.csv --user ann

The file has the columns transaction_id, date, description and amount; mcc is optional. The last line
of the output is the user id. A push is safe to repeat: a stored transaction does not change.
"""

import argparse
import asyncio
import csv
import logging
import os
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from client import Account, Client, ClientError, NewTransaction, Retries

PATIENT = Retries(tries=20, seconds=120.0)


def read_transactions(file: Path, account: Account) -> Iterator[NewTransaction]:
    """Yield the transactions of the file, in the currency of the account."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            yield NewTransaction(
                transaction_id=row["transaction_id"],
                account_id=account.account_id,
                date=date.fromisoformat(row["date"]),
                amount=Decimal(row["amount"]),
                currency=account.currency,
                description=row["description"],
                mcc=row.get("mcc") or None,
            )


async def push_file(file: Path, user: str, account: str, currency: str) -> None:
    """Open the account, push the file, and print what each receipt counts."""
    url = os.environ.get("API", "http://127.0.0.1:8080")
    async with Client(url, os.environ["TOKEN"], retries=PATIENT) as client:
        owner = await client.create_user(user)
        opened = await client.create_account(owner.user_id, account, currency)
        for push in await client.push(read_transactions(file, opened)):
            counts = await client.wait_for_receipt(push.ingest_id)
            print(f"{counts.added} added {counts.modified} modified {counts.unchanged} unchanged")
    print(owner.user_id)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)  # the client logs each try that it repeats
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, help="the CSV file")
    parser.add_argument("--user", required=True, help="your own id of the user")
    parser.add_argument("--account", default="checking", help="your own id of the account")
    parser.add_argument("--currency", default="USD", help="the ISO 4217 code")
    try:
        asyncio.run(push_file(**vars(parser.parse_args())))
    except (ClientError, InvalidOperation, ValueError) as error:
        sys.exit(f"the file is not stored: {error}")
