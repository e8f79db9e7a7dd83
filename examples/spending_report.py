"""Print what the money of a month went on, as a table for each currency.

API=http://127.0.0.1:8080 TOKEN=... python examples/spending_report.py USER_ID --month 2026-11

The month is the current one when none is named.
"""

import argparse
import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table


async def read_spending(user: str, month: str) -> dict[str, Any]:
    """Read the sums of one month by category; refunds are taken off."""
    base = os.environ.get("API", "http://127.0.0.1:8080")
    header = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with (
        aiohttp.ClientSession(base, headers=header) as http,
        http.get(f"/v1/users/{user}/insights/spending", params={"month": month}) as response,
    ):
        response.raise_for_status()
        return dict(await response.json())


def draw_tables(spending: dict[str, Any], month: str) -> Iterator[Table]:
    """Yield one table for each currency, with the largest outflow first."""
    for currency, total in spending["currency_totals"].items():
        rows = [row for row in spending["by_category"] if row["currency"] == currency]
        table = Table("category", "transactions", "amount", title=f"{month}, {currency}")
        table.columns[1].justify = table.columns[2].justify = "right"
        for row in sorted(rows, key=lambda row: Decimal(row["amount"])):
            table.add_row(row["category"], str(row["count"]), row["amount"])
        table.add_section()
        table.add_row("income", "", total["income"])
        table.add_row("spending", "", total["spending"])
        yield table


def main(user: str, month: str) -> None:
    """Print the report of one user and month."""
    spending = asyncio.run(read_spending(user, month))
    tables = list(draw_tables(spending, month))
    for table in tables:
        Console().print(table)
    if not tables:
        print(f"no transactions in {month}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("user", help="the user id that the API has issued")
    parser.add_argument("--month", default=f"{datetime.now(UTC):%Y-%m}", help="YYYY-MM")
    main(**vars(parser.parse_args()))
