"""What the processes tell about themselves: figures, alerts, dashboards and logs."""

from __future__ import annotations

import asyncio
import json
import math
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from tests.integration.observed import (
    SECRET_AMOUNT,
    SECRET_WORDS,
    Observed,
    Traffic,
    answers,
    free_ports,
)
from tests.support.programs import program
from tests.support.prometheus import Prometheus
from tests.support.waiting import until
from workers.local.supervisor import System
from workers.preparation import prepare_system

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docker/prometheus/alerts.yaml"
DASHBOARDS = sorted((ROOT / "docker/grafana/dashboards").glob("*.json"))
BIN = Path(sys.executable).parent
RUNBOOK = (ROOT / "RUNBOOK.md").read_text()


@pytest.fixture(scope="module")
def observed(
    settings: Settings,
    make_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Observed]:
    """An API and two workers that were given the same port for their metrics."""
    first = free_ports(4)
    prefix = f"{settings.queue_prefix}-observed"
    own = replace(
        settings,
        database_url=make_database(),
        queue_prefix=prefix,
        key_prefix=prefix,
        api_port=first,
        api_metrics_port=first + 1,
        worker_metrics_port=first + 2,
    )
    asyncio.run(prepare_system(own))
    folder = tmp_path_factory.mktemp("observed")
    with System(own, folder) as system:
        system.start_process("api", "api")
        system.start_process("worker-1", "tests.support.doubles")
        system.start_process("worker-2", "tests.support.doubles")
        system.wait_until_ready()
        apis, workers = [first + 1], [first + 2, first + 3]
        for port in apis + workers:
            until(answers(port), 60)
        yield Observed(own, system, folder, apis, workers)


@pytest.fixture
async def traffic(observed: Observed) -> AsyncIterator[Traffic]:
    own = observed.settings
    async with (
        await open_pool(own.database_url, size=1, name="test", timeout=30) as pool,
        aiohttp.ClientSession(
            f"http://{own.api_host}:{own.api_port}", auto_decompress=False
        ) as http,
    ):
        yield await Traffic.open(observed, http, pool)


async def test_what_was_pushed_is_what_is_counted(observed: Observed, traffic: Traffic) -> None:
    # Given some rows that were pushed, stored and read
    accepted = observed.total("spendline_ingest_rows_total", kind="accepted")
    stored = observed.total("spendline_chunk_rows_sum")
    await traffic.round()
    # Then they are counted where they were accepted, categorized and stored
    assert observed.total("spendline_ingest_rows_total", kind="accepted") == accepted + 20
    assert observed.total("spendline_chunk_rows_sum") == stored + 20
    assert observed.total("spendline_categorized_rows_total", source="model") == stored + 20
    assert observed.total("spendline_confidence_count") == stored + 20
    assert observed.total("spendline_needs_review_rows_total") == stored + 20
    # And every chunk has its times
    chunks = observed.total("spendline_chunk_rows_count")
    for name in ("scoring", "write", "commit_delay", "visible_delay", "queue_age"):
        assert observed.total(f"spendline_{name}_seconds_count") == chunks
    assert observed.total("spendline_publish_confirm_seconds_count") >= chunks
    # And the requests are counted by their routes
    requests = observed.total("spendline_http_requests_total", route="transactions.feed")
    assert requests == 3 * accepted / 20 + 3
    # And the second reads came from the cache
    assert observed.total("spendline_cache_lookups_total", kind="answer", result="hit") >= 1


async def test_a_chunk_that_cannot_be_stored_is_counted_as_a_dead_letter(
    observed: Observed, traffic: Traffic
) -> None:
    # When a chunk cannot be stored
    before = observed.total("spendline_dead_letters_total")
    await traffic.fail()
    # Then its failure and its burial are counted
    until(lambda: observed.total("spendline_dead_letters_total") == before + 1)
    assert observed.total("spendline_chunk_failures_total", error="NoPartition") >= 1


async def test_the_ids_of_a_push_lead_from_the_request_to_the_commit(
    observed: Observed, traffic: Traffic
) -> None:
    # When rows are pushed
    await traffic.push(3)
    # Then the last push's line names its ingest and its chunk
    pushes = [line for line in observed.lines() if line.get("route") == "ingest.push"]
    push = pushes[-1]
    assert (push["level"], push["status"], push["rows"]) == ("info", 202, 3)

    # And the line of that chunk names the ingest and the request
    def committed() -> list[dict[str, object]]:
        lines = [line for line in observed.lines() if line["event"] == "chunk"]
        return [line for line in lines if line["chunk_id"] in push["chunk_ids"]]

    (chunk,) = until(committed)
    assert chunk["requests"] == {push["ingest_id"]: push["request_id"]}
    assert chunk["rows"] == 3


async def test_no_log_line_holds_a_description_an_amount_or_a_token(
    observed: Observed, traffic: Traffic
) -> None:
    # Given pushes, reads and a chunk that fails
    await traffic.round()
    await traffic.fail()
    until(lambda: "stored a dead letter" in observed.text())
    # Then the logs speak of them without their content
    text = observed.text()
    amounts = (SECRET_AMOUNT.lstrip("-"), SECRET_AMOUNT.lstrip("-").replace(".", ""))
    for secret in (SECRET_WORDS, *amounts, "TESCO", *observed.tokens):
        assert secret.casefold() not in text.casefold()
    assert {"request", "chunk"} <= {line["event"] for line in observed.lines()}


async def test_every_query_of_the_dashboards_and_alerts_is_answered(
    observed: Observed, traffic: Traffic, tmp_path: Path
) -> None:
    # Given a Prometheus that scrapes a system under traffic, in which something has failed
    await traffic.fail()
    jobs = {"spendline-api": observed.api_ports, "spendline-worker": observed.worker_ports}
    with Prometheus(tmp_path, free_ports(1), RULES, jobs).running() as prometheus:
        # When every query of the dashboards is asked
        unanswered = {query for file in DASHBOARDS for query in _queries(file)}
        assert len(unanswered) > 30
        with suppress(TimeoutError):
            async with asyncio.timeout(45):
                while unanswered:
                    await traffic.round()
                    unanswered = await asyncio.to_thread(_unanswered, prometheus, unanswered)
        # Then each has a value
        assert unanswered == set()
        # And whatever an alert looks at exists
        known = set(prometheus.get("label/__name__/values"))
        for rule in _rules(prometheus):
            assert set(re.findall(r"(?:spendline|process)_\w+", rule["query"])) <= known, rule
            assert rule["health"] == "ok"
        # And nothing that is well is complained of
        firing = {
            a["labels"]["alertname"]
            for a in prometheus.get("alerts")["alerts"]
            if a["state"] == "firing"
        }
        assert firing <= {"DeadLetters"}


async def test_top_shows_the_processes_of_its_settings(
    observed: Observed, traffic: Traffic
) -> None:
    # Given traffic while `spendline top` measures
    top = await asyncio.create_subprocess_exec(
        *(str(BIN / "spendline"), "top", "--once", "--json", "--every", "4"),
        env=observed.settings.make_child_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    telling = asyncio.create_task(top.communicate())
    while not telling.done():
        await traffic.round()
    # Then it tells what they did
    shown = json.loads((await telling)[0])
    assert (shown["processes"], shown["silent"]) == (3, [])
    assert shown["rates"]["rows_accepted"] > 0 < shown["rates"]["rows_stored"]
    assert shown["times"]["to_visible"]["p99"] > 0
    assert shown["model"]["sources"] == {"model": 1.0}
    assert {"ingest", "dead"} <= shown["queues"].keys()


def test_every_alert_has_a_section_in_the_runbook_and_a_test(tmp_path: Path) -> None:
    # Given the rules as Prometheus reads them
    with Prometheus(tmp_path, free_ports(1), RULES, {}).running() as prometheus:
        rules = _rules(prometheus)
    tested = (RULES.parent / "alerts_test.yaml").read_text()
    headings = set(re.findall(r"^## ([a-z-]+)$", RUNBOOK, re.MULTILINE))
    # Then each has a section of its own, and a test in which it fires and one in which it does not
    sections = {rule["annotations"]["runbook"].removeprefix("RUNBOOK.md#") for rule in rules}
    assert sections == headings
    assert len(sections) == len(rules)
    for rule in rules:
        assert len(re.findall(rf"alertname: {rule['name']}\b", tested)) >= 2
        assert rule["labels"]["severity"] in {"warning", "critical"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "docker/prometheus/prometheus.yml"),
        ("test", "rules", "docker/prometheus/alerts_test.yaml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _queries(dashboard: Path) -> Iterator[str]:
    for panel in json.loads(dashboard.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "10s")


def _unanswered(prometheus: Prometheus, queries: set[str]) -> set[str]:
    return {q for q in queries if not any(map(math.isfinite, prometheus.values(q)))}


def _rules(prometheus: Prometheus) -> list[dict[str, object]]:
    return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
