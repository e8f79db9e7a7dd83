"""Show live what the processes do: rates, queue, latency, model, cache, dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from urllib.parse import urlsplit

import click
import msgspec
from rich import box
from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from pipeline.settings import Settings
from workers.commands.output import print_result
from workers.local.metrics_summary import MetricsSummary, Quantiles, summarize_metrics
from workers.local.scraped_metrics import Scrape, scrape_processes

_PORTS = 8  # read from each port of the settings on
_SCHEMES = ("http", "https")


@click.command()
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="The URL of the metrics of a process. Repeat the option for more processes.",
)
@click.option(
    "--every",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1),
    help="The seconds of an interval.",
)
@click.option("--once", is_flag=True, help="Measure one interval, print it, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each interval.")
def command(urls: tuple[str, ...], every: float, *, once: bool, as_json: bool) -> None:
    """Show live the rates, queues, latencies, model, cache and dead letters of the processes.

    Without --url, the command reads the processes of this machine under the ports of the settings.
    """
    local = not urls
    targets = [_complete_url(url) for url in urls] or _list_local_urls(Settings.from_environment())
    measured = _measure(targets, every, local=local)
    if not (as_json or once):
        _watch(measured)
        return
    for shown in islice(measured, 1) if once else measured:
        print_result(
            shown, lambda figures: Console().print(render_figures(figures)), as_json=as_json
        )


def _watch(measured: Iterator[MetricsSummary]) -> None:
    try:
        with Live(render_figures(next(measured)), screen=True, auto_refresh=False) as live:
            for shown in measured:
                live.update(render_figures(shown), refresh=True)
    except KeyboardInterrupt:
        return


def _measure(targets: list[str], every: float, *, local: bool) -> Iterator[MetricsSummary]:
    """Yield the figures of each interval; a local port that does not answer is not in use."""
    for before, after in pairwise(_take_looks(targets, every)):
        measured = summarize_metrics(before, after)
        yield msgspec.structs.replace(measured, silent=[]) if local else measured


def _take_looks(targets: list[str], every: float) -> Iterator[Scrape]:
    first = scrape_processes(targets)
    if not first.samples:
        raise click.ClickException(
            f"no process answers under {targets[0]} and {len(targets) - 1} others; "
            "is the system up? `--url` names its metrics"
        )
    yield first
    while True:
        time.sleep(every)
        yield scrape_processes(targets)


def _complete_url(url: str) -> str:
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise click.BadParameter(f"{url} is no URL", param_hint="--url")
    return parts._replace(path=parts.path.rstrip("/") or "/metrics").geturl()


def _list_local_urls(settings: Settings) -> list[str]:
    host = settings.metrics_host.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - where to ask
    bases = [base for base in (settings.api_metrics_port, settings.worker_metrics_port) if base]
    if not bases:
        raise click.ClickException("the settings turn metrics off; `--url` names others")
    ports = dict.fromkeys(port for base in bases for port in range(base, base + _PORTS))
    return [f"http://{host}:{port}/metrics" for port in ports]


def render_figures(shown: MetricsSummary) -> Group:
    """Arrange the figures for the screen."""
    left = Columns([_show_rates(shown), _show_times(shown), _show_queues(shown)], padding=(0, 2))
    right = Columns([_show_model(shown), _show_cache(shown), _show_machine(shown)], padding=(0, 2))
    title = f"[bold]spendline[/] {shown.processes} processes, last {shown.seconds:.1f} s"
    silent = [f"[red]silent: {url}" for url in shown.silent]
    return Group(title, *silent, left, right)


def _build_table(title: str, rows: Iterable[tuple[str, ...]], *headings: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, show_header=bool(headings), min_width=34
    )
    for index, heading in enumerate(headings or ("", "")):
        table.add_column(heading, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _show_rates(shown: MetricsSummary) -> Table:
    rates = msgspec.structs.asdict(shown.rates)
    return _build_table(
        "a second", [(name.replace("_", " "), f"{value:,.1f}") for name, value in rates.items()]
    )


def _show_times(shown: MetricsSummary) -> Table:
    rows = [
        (name.replace("_", " "), *_format_quantiles(times)) for name, times in shown.times.items()
    ]
    return _build_table("time", rows, "", "p50", "p99")


def _format_quantiles(times: Quantiles) -> tuple[str, str]:
    return _format_ms(times.p50), _format_ms(times.p99)


def _show_queues(shown: MetricsSummary) -> Table:
    waiting = [(queue, f"{count:,}") for queue, count in shown.queues.items()]
    colour = "red" if shown.dead_letters else ""
    dead = ("dead letters", f"[{colour}]{shown.dead_letters}[/]" if colour else "0")
    return _build_table("messages", [*waiting, dead])


def _show_model(shown: MetricsSummary) -> Table:
    model = shown.model
    rows = [(f"version {v}", f"{count} processes") for v, count in model.versions.items()]
    rows += [(f"by {source}", _format_percent(share)) for source, share in model.sources.items()]
    rows += [
        ("mean confidence", _format_percent(model.confidence)),
        ("needs review", _format_percent(model.needs_review)),
    ]
    return _build_table("model", rows)


def _show_cache(shown: MetricsSummary) -> Table:
    rows = [(f"{kind} hits", _format_percent(share)) for kind, share in shown.cache.items()]
    return _build_table("cache", [*rows, ("events lost", str(shown.events_lost))])


def _show_machine(shown: MetricsSummary) -> Table:
    machine, days = shown.machine, shown.days_of_months_ahead
    return _build_table(
        "processes",
        [
            ("CPU cores", f"{machine.cpu_cores:.2f}"),
            ("memory", f"{machine.memory_bytes / 2**20:,.0f} MiB"),
            ("PostgreSQL", f"{machine.connections} of {machine.connections_allowed} in use"),
            ("months ahead", "-" if days is None else f"{days:.0f} days"),
        ],
    )


def _format_ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:,.1f} ms"


def _format_percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
