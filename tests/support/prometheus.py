"""A real Prometheus for tests of metrics, alerts and dashboards."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.support.programs import program
from tests.support.waiting import until
from workers.local.child import Child


class Prometheus:
    """Scrapes the jobs every second and evaluates the rules."""

    def __init__(
        self, folder: Path, port: int, rules: Path, jobs: Mapping[str, Sequence[int]]
    ) -> None:
        self._port = port
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}],
                }
                for job, ports in jobs.items()
            ],
        }
        file = folder / "prometheus.yml"
        file.write_text(json.dumps(config))  # JSON is YAML
        self._child = Child(
            "prometheus",
            [
                program("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            pids=folder / "pids",
            environment={"PATH": os.environ["PATH"]},
            output=folder / "prometheus.log",
        )

    @contextmanager
    def running(self) -> Iterator[Self]:
        self._child.start()
        try:
            until(self._ready)
            yield self
        finally:
            self._child.stop(10)

    def get(self, path: str, **query: str) -> Any:
        """The `data` of an answer of the HTTP API."""
        status, body = self._ask(f"/api/v1/{path}?{urlencode(query)}")
        assert status == 200, (query, body)
        return json.loads(body)["data"]

    def values(self, query: str) -> list[float]:
        """The values of an instant query."""
        return [float(series["value"][1]) for series in self.get("query", query=query)["result"]]

    def _ready(self) -> bool:
        assert self._child.is_alive, "Prometheus did not start"
        try:
            return self._ask("/-/ready")[0] == 200
        except OSError:
            return False

    def _ask(self, target: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
