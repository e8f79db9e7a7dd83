"""Print what the money of a month went on, as a table for each currency.

API=http://127.0.0.1:8080 TOKEN=... python examples/spending_report.py USER_ID --month 2026-11

The month is the current one when none is named.
"""

import argparse
import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from client import Client, SpendingReport


async def read_spending(user: str, month: str) -> SpendingReport:
    """Read the sums of one month by category; refunds are taken off."""
    async with Client(
        os.environ.get("API", "http://127.0.0.1:8080"), os.environ["TOKEN"]
    ) as client:
        return await client.get_spending(user, month=month)


def draw_tables(report: SpendingReport, month: str) -> Iterator[Table]:
    """Yield one table for each currency, with the largest outflow first."""
    for currency, total in report.currency_totals.items():
        table = Table("category", "transactions", "amount", title=f"{month}, {currency}")
        table.columns[1].justify = table.columns[2].justify = "right"
        for row in sorted(report.by_category, key=lambda row: row.amount):
            if row.currency == currency:
                table.add_row(row.category, str(row.count), str(row.amount))
        table.add_section()
        table.add_row("income", "", str(total.income))
        table.add_row("spending", "", str(total.spending))
        yield table


def main(user: str, month: str) -> None:
    """Print the report of one user and month."""
    tables = list(draw_tables(asyncio.run(read_spending(user, month)), month))
    for table in tables:
        Console().print(table)
    if not tables:
        print(f"no transactions in {month}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("user", help="the user id that the API has issued")
    parser.add_argument("--month", default=f"{datetime.now(UTC):%Y-%m}", help="YYYY-MM")
    main(**vars(parser.parse_args()))
