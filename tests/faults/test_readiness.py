"""The readiness tells the truth about every part, and tells it again when the part is well."""

from __future__ import annotations

from datetime import timedelta

from pipeline.database import partitions
from tests.faults.conftest import OpenSite
from tests.faults.site import Site

_LETTERS = """
INSERT INTO dead_letters (reason, rows, body)
SELECT 'Defect: ValueError', 1, '' FROM generate_series(1, 20)"""
_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'spendline-api' AND datname = current_database()"""


async def says(site: Site, *, ready: bool, **parts: str) -> bool:
    """Whether the API says that it is ready or not, and these words of its parts."""
    readiness = await site.traffic.readiness()
    return (
        readiness is not None
        and readiness.ready == ready
        and parts.items() <= readiness.parts.items()
    )


async def test_each_part_that_fails_is_named_until_it_is_well(make_site: OpenSite) -> None:
    async with make_site() as site:
        # Given a database without the month of today
        today = await site.ask("now()::date")
        this_month = today.replace(day=1)
        for month in await partitions.list_months(site.pool):
            if month.first >= this_month:
                await site.pool.execute(f"DROP TABLE {partitions.name_partition(month.first)}")
        site.start("api")
        ahead = f"no partition ahead of {this_month - timedelta(days=1)}"
        await site.eventually(lambda: says(site, ready=False, partitions=ahead))
        # When there is one again, it is ready
        async with site.pool.acquire() as connection:
            await partitions.ensure_months(connection, today, partitions.go_months_back(today, -1))
        await site.eventually(lambda: says(site, ready=True, partitions="ok", dead_letters="ok"))
        # When many dead letters come at once, and then no more
        await site.pool.execute(_LETTERS)
        many = "20 or more in the last minute"
        await site.eventually(lambda: says(site, ready=True, dead_letters=many))
        await site.pool.execute("UPDATE dead_letters SET died_at = now() - interval '1 hour'")
        await site.eventually(lambda: says(site, ready=True, dead_letters="ok"))
        # When the database can only be read, and then be written again
        for switch, ready, said in (("on", False, "PostgreSQL is read-only"), ("off", True, "ok")):
            await site.pool.execute(
                f"ALTER DATABASE {site.settings.key_prefix} "
                f"SET default_transaction_read_only = {switch}"
            )
            await site.pool.execute(_END_SESSIONS)
            await site.eventually(lambda r=ready, p=said: says(site, ready=r, postgres=p))
