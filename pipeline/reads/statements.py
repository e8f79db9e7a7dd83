"""The statements of the reads, with the columns of a transaction in place of `{columns}`."""

from __future__ import annotations

from typing import Final

from pipeline.database.queries import queries
from pipeline.transactions.columns import SELECT_LIST

STATEMENTS: Final = {
    name: sql.replace("{columns}", SELECT_LIST)
    for name, sql in queries("pipeline.reads", "reads").items()
}
