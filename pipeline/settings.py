"""The settings are read once at start and passed down; nothing else reads the environment.

Every field is `SPENDLINE_<NAME>` in the environment, or `SPENDLINE_<NAME>_FILE` for a file that
holds the value (secrets). Unknown `SPENDLINE_` names are an error: a misspelt setting must not pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from pipeline.errors import InvalidSettings
from pipeline.fail_point import Place

PREFIX = "SPENDLINE_"
SERVERS = ("database_url", "broker_url", "redis_url")
_POSTGRES = re.compile(r"postgres(ql)?://")
_HTTP = re.compile(r"https?://\S")
_BETWEEN_URLS = re.compile(r"[,\s]+(?=\w+://)")


class QueueBound(NamedTuple):
    """The bounds of the ingest queue; beyond either, the queue refuses messages."""

    messages: int
    megabytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of all processes, with the defaults of a laptop. Times are seconds."""

    database_url: str = ""  # postgresql://...; `spendline up` starts one of its own if it is empty
    broker_url: str = ""  # amqp://...; `spendline up` starts one of its own if it is empty
    redis_url: str = ""  # redis://...; `spendline up` starts one of its own if it is empty
    data_folder: str = ".spendline"  # where private servers keep data, logs and process ids
    model_folder: str = "models/shipped"  # the model that workers load at start
    queue_prefix: str = "spendline"  # isolates runs that share one broker
    key_prefix: str = "spendline"  # isolates runs that share one Redis
    log_level: str = "info"  # debug, info, warning or error

    metrics_host: str = "127.0.0.1"  # the address of the metrics, which have no authentication
    api_metrics_port: int = 9180  # the first port that is free from here on; 0: no metrics
    worker_metrics_port: int = 9190  # the first port that is free from here on; 0: no metrics

    api_host: str = "127.0.0.1"  # the address on which the API listens
    api_port: int = 8080  # the port of the API; several API processes share it
    api_pool_size: int = 8  # PostgreSQL connections of an API process, at most
    account_cache_size: int = 200_000  # accounts whose user an API process remembers, at most
    token_cache_seconds: float = 2.0  # a revoked token is refused everywhere after this time
    rate_limit: int = 0  # requests of one token in a window, at most; beyond: 429; 0: no limit
    rate_limit_seconds: int = 60  # the length of such a window

    chunk_rows: int = 10_000  # rows that fill a message
    lanes: int = 2  # streams of messages that share no user; about as many as worker processes
    gather_seconds: float = 0.1  # rows of a busy lane wait for its last message, at most
    unconfirmed_chunks: int = 8  # messages on their way to the broker, at most
    pending_rows: int = 100_000  # rows waiting in one API process, at most; beyond: 503
    confirm_seconds: float = 5.0  # the broker confirms a message within this time; beyond: 503
    queue_length: int = 20_000  # messages in the ingest queue, at most; beyond: 503
    queue_megabytes: int = 8_192  # size of the messages in the ingest queue, at most; beyond: 503

    worker_threads: int = 2  # threads of one worker process
    worker_prefetch: int = 1  # messages that a worker holds for each of its threads, at most
    write_seconds: float = 30.0  # a message is written within this time, or tried again later

    cache_seconds: float = 60.0  # Redis keeps a position for this time; 0: no cache
    read_seconds: float = 5.0  # a statement of the API ends within this time; beyond: 503
    replica_urls: str = ""  # PostgreSQL replicas, separated by commas
    replica_seconds: float = 0.5  # a replica answers within this time, or the primary is asked
    replica_rest_seconds: float = 5.0  # the pause between a replica's failure and the next try
    ledger_days: int = 7  # how long the ids of stored messages and the receipts are kept
    months_ahead: int = 3  # months after the current one that workers create in advance

    traces_url: str = ""  # http://collector:4318/v1/traces (OTLP/HTTP); empty: no traces
    traces_share: float = 1.0  # share of requests that are traced unless the client decides

    environment: Literal["production", "test"] = "production"  # `test` allows the fail point
    fail_point: Place | Literal[""] = ""  # where a worker under test breaks; tests only

    def __post_init__(self) -> None:
        if self.fail_point and self.environment != "test":
            raise InvalidSettings(
                f"{PREFIX}FAIL_POINT breaks workers: it needs {PREFIX}ENVIRONMENT=test"
            )

        if self.traces_url and not _HTTP.match(self.traces_url):
            raise InvalidSettings(f"{PREFIX}TRACES_URL is no http:// or https:// URL")
        if not 0 <= self.traces_share <= 1:
            raise InvalidSettings(f"{PREFIX}TRACES_SHARE is not from 0 to 1")

        for number, url in enumerate(self.replicas, 1):
            if not _POSTGRES.match(url):
                raise InvalidSettings(
                    f"{PREFIX}REPLICA_URLS: number {number} is no postgresql:// URL"
                )

    @property
    def queue_bound(self) -> QueueBound:
        """The bounds of the ingest queue."""
        return QueueBound(self.queue_length, self.queue_megabytes)

    @property
    def replicas(self) -> tuple[str, ...]:
        """The URLs of the replicas; a comma between the hosts of one URL does not end it."""
        return tuple(filter(None, _BETWEEN_URLS.split(self.replica_urls.strip(", \n"))))

    def __repr__(self) -> str:
        shown = {f.name: getattr(self, f.name) for f in fields(self)}
        shown |= {name: redact_url(shown[name]) for name in (*SERVERS, "traces_url")}
        shown["replica_urls"] = ",".join(map(redact_url, self.replicas))
        return f"Settings({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; InvalidSettings names the variable that is unknown or malformed."""
        source = os.environ if environment is None else environment
        return _convert_variables(_read_variables(source))

    def to_environment(self) -> dict[str, str]:
        """The variables that give a child process these settings."""
        return {f"{PREFIX}{f.name.upper()}": str(getattr(self, f.name)) for f in fields(self)}

    def make_child_environment(self) -> dict[str, str]:
        """The environment of this process with these settings in place of its own."""
        others = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        return others | self.to_environment()

    def require_servers(self, *names: str) -> None:
        """Raise InvalidSettings that names the first missing URL, of these servers or of all."""
        for name in names or SERVERS:
            if not getattr(self, name):
                raise InvalidSettings(
                    f"{PREFIX}{name.upper()} is not set; `spendline up` starts a private stack"
                )


def redact_url(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":***@", 1)


def _read_variables(environment: Mapping[str, str]) -> dict[str, str]:
    plain: dict[str, str] = {}
    for name, value in environment.items():
        if name.startswith(PREFIX):
            field = name.removeprefix(PREFIX).lower()
            plain[field.removesuffix("_file")] = (
                _read_secret(name, value) if field.endswith("_file") else value
            )
    return plain


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidSettings(f"{name}: cannot read {path}: {error.strerror}") from error


def _convert_variables(plain: Mapping[str, str]) -> Settings:
    unknown = sorted(plain.keys() - {f.name for f in fields(Settings)})
    if unknown:
        raise InvalidSettings(f"unknown setting {PREFIX}{unknown[0].upper()}")
    try:
        return msgspec.convert(plain, Settings, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise InvalidSettings(f"{PREFIX}{where.rstrip('`').upper()}: {what}") from None
