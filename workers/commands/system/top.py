"""Show live what the processes do: rates, queue, latency, model, cache, dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from urllib.parse import urlsplit

import click
import msgspec
from rich import box
from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from pipeline.settings import Settings
from workers.local.metrics_summary import Figures, Quantiles, figures
from workers.local.scraped_metrics import Look, look

_PORTS = 8  # looked at from each of the settings' ports on
_SCHEMES = ("http", "https")


@click.command()
@click.option("--url", "urls", multiple=True, help="Of a process's metrics; repeat for more.")
@click.option(
    "--every", default=1.0, show_default=True, type=click.FloatRange(0.1), help="Seconds."
)
@click.option("--once", is_flag=True, help="Measure for one interval, print, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each interval.")
def command(urls: tuple[str, ...], every: float, *, once: bool, as_json: bool) -> None:
    """Without --url the processes of this machine, under the ports of the settings."""
    local = not urls
    targets = [_full(url) for url in urls] or _local(Settings.from_environment())
    measured = _measure(targets, every, local=local)
    if as_json or once:
        for shown in measured:
            click.echo(msgspec.json.encode(shown).decode()) if as_json else Console().print(
                view(shown)
            )
            if once:
                return
    _watch(measured)


def _watch(measured: Iterator[Figures]) -> None:
    try:
        with Live(view(next(measured)), screen=True, auto_refresh=False) as live:
            for shown in measured:
                live.update(view(shown), refresh=True)
    except KeyboardInterrupt:
        return


def _measure(targets: list[str], every: float, *, local: bool) -> Iterator[Figures]:
    """Figures of every interval; local ports that are silent are simply not in use."""
    for before, after in pairwise(_looks(targets, every)):
        measured = figures(before, after)
        yield msgspec.structs.replace(measured, silent=[]) if local else measured


def _looks(targets: list[str], every: float) -> Iterator[Look]:
    first = look(targets)
    if not first.samples:
        raise click.ClickException(
            f"no process answers under {targets[0]} and {len(targets) - 1} others; "
            "is the system up? `--url` names its metrics"
        )
    yield first
    while True:
        time.sleep(every)
        yield look(targets)


def _full(url: str) -> str:
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise click.BadParameter(f"{url} is no URL", param_hint="--url")
    return parts._replace(path=parts.path.rstrip("/") or "/metrics").geturl()


def _local(settings: Settings) -> list[str]:
    host = settings.metrics_host.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - where to ask
    bases = [base for base in (settings.api_metrics_port, settings.worker_metrics_port) if base]
    if not bases:
        raise click.ClickException("the settings turn metrics off; `--url` names others")
    ports = dict.fromkeys(port for base in bases for port in range(base, base + _PORTS))
    return [f"http://{host}:{port}/metrics" for port in ports]


def view(shown: Figures) -> Group:
    """The figures as a screen."""
    left = Columns([_rates(shown), _times(shown), _queues(shown)], padding=(0, 2))
    right = Columns([_model(shown), _cache(shown), _machine(shown)], padding=(0, 2))
    title = f"[bold]spendline[/] {shown.processes} processes, last {shown.seconds:.1f} s"
    silent = [f"[red]silent: {url}" for url in shown.silent]
    return Group(title, *silent, left, right)


def _table(title: str, rows: Iterable[tuple[str, ...]], *headings: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, show_header=bool(headings), min_width=34
    )
    for index, heading in enumerate(headings or ("", "")):
        table.add_column(heading, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _rates(shown: Figures) -> Table:
    rates = msgspec.structs.asdict(shown.rates)
    return _table(
        "a second", [(name.replace("_", " "), f"{value:,.1f}") for name, value in rates.items()]
    )


def _times(shown: Figures) -> Table:
    rows = [(name.replace("_", " "), *_spoken(times)) for name, times in shown.times.items()]
    return _table("time", rows, "", "p50", "p99")


def _spoken(times: Quantiles) -> tuple[str, str]:
    return _ms(times.p50), _ms(times.p99)


def _queues(shown: Figures) -> Table:
    waiting = [(queue, f"{count:,}") for queue, count in shown.queues.items()]
    colour = "red" if shown.dead_letters else ""
    dead = ("buried dead letters", f"[{colour}]{shown.dead_letters}[/]" if colour else "0")
    return _table("messages", [*waiting, dead])


def _model(shown: Figures) -> Table:
    model = shown.model
    rows = [(f"version {v}", f"{count} processes") for v, count in model.versions.items()]
    rows += [(f"by {source}", _percent(share)) for source, share in model.sources.items()]
    rows += [
        ("mean confidence", _percent(model.confidence)),
        ("needs review", _percent(model.needs_review)),
    ]
    return _table("model", rows)


def _cache(shown: Figures) -> Table:
    rows = [(f"{kind} hits", _percent(share)) for kind, share in shown.cache.items()]
    return _table("cache", [*rows, ("events lost", str(shown.events_lost))])


def _machine(shown: Figures) -> Table:
    machine, days = shown.machine, shown.days_of_months_ahead
    return _table(
        "processes",
        [
            ("CPU cores", f"{machine.cpu_cores:.2f}"),
            ("memory", f"{machine.memory_bytes / 2**20:,.0f} MiB"),
            ("PostgreSQL", f"{machine.connections} of {machine.connections_allowed} in use"),
            ("months ahead", "-" if days is None else f"{days:.0f} days"),
        ],
    )


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:,.1f} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
