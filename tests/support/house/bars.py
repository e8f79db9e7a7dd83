"""What the code is measured against: folders, layers, word lists and the bar of each figure."""

from __future__ import annotations

from typing import Final, NamedTuple

CODE: Final = ("pipeline", "categorizer", "models", "api", "workers", "benchmarks", "client")
TESTS: Final = ("tests",)

# Compiled loops are excepted from the bar on the lines of a file.
KERNELS: Final = ("categorizer/kernels/", "pipeline/store/interleave.py")

VAGUE_VARIABLES: Final = frozenset({"found", "told", "known", "given", "made"})

METAPHORS: Final = frozenset(
    {
        *("bury", "buries", "buried", "burying", "burial", "burials"),
        *("grave", "graves", "undertaker", "letter", "letters"),
    }
)
# A dead letter is the field's word, and these folders work with the letters of words.
DEAD_LETTER: Final = frozenset({"letter", "letters"})
SPELLING_FOLDERS: Final = ("categorizer/", "models/")

LONG_BODY: Final = 50  # lines
LONG_SENTENCE: Final = 25  # words

# An optional column of a transaction, in all its spellings.
COLUMN: Final = "authorized_date"
COLUMN_SPELLINGS: Final = ("authorized", "authorized_date", "authorized_on")
COLUMN_FOLDERS: Final = ("pipeline/", "api/", "workers/")

# What a top-level package may import besides itself.
ALLOWED_IMPORTS: Final = {
    "pipeline": set[str](),
    "categorizer": set[str](),
    "models": {"categorizer"},
    "api": {"pipeline"},
    "workers": {"pipeline", "models", "categorizer", "client"},
    "client": set[str](),
    "benchmarks": {"pipeline", "categorizer", "models", "api", "workers", "client"},
}

# All errors have one root, so every package may import it.
ERROR_ROOT: Final = "pipeline.errors"
# A package for others repeats the names of the API's answers, because it means the same things.
OUTSIDE: Final = "client"


class Layer(NamedTuple):
    """Packages of one height. Independent packages never import one another."""

    title: str
    packages: tuple[str, ...]
    independent: bool = False


# From the bottom to the top.
LAYERS: Final = (
    Layer(
        "foundation",
        (
            *("pipeline.errors", "pipeline.settings", "pipeline.fail_point"),
            *("pipeline.garbage", "pipeline.supervise"),
        ),
    ),
    Layer("domain", ("pipeline.transactions", "categorizer")),
    Layer("observe", ("pipeline.observe",)),
    Layer("database", ("pipeline.database",)),
    Layer(
        "sibling",
        (
            *("pipeline.queue", "pipeline.store", "pipeline.reads", "pipeline.cache"),
            *("pipeline.access", "pipeline.backup", "pipeline.corrections", "pipeline.registry"),
            *("pipeline.insights", "pipeline.delivery", "pipeline.imports"),
        ),
        independent=True,
    ),
    Layer("process", ("api", "workers")),
)


class Leg(NamedTuple):
    """One process's part of a journey: the modules passed, and the roots that join them."""

    title: str
    modules: tuple[str, ...]
    roots: tuple[str, ...]


_API_ROOTS: Final = ("api.app", "api.services")
_WORKER_ROOTS: Final = ("workers.app", "workers.resources")

JOURNEYS: Final = {
    "a chunk, from the push to the event": (
        Leg(
            "API process, until RabbitMQ confirms",
            (
                *("api.ingest.push", "api.ingest.parse", "api.ingest.validate"),
                *("api.ingest.columns", "api.ingest.coalesce", "pipeline.queue.publisher"),
                *("pipeline.transactions.envelope", "pipeline.transactions.chunk"),
            ),
            _API_ROOTS,
        ),
        Leg(
            "worker process, until the event is published",
            (
                *("pipeline.queue.broker", "workers.actors", "workers.chunk_processor"),
                *("pipeline.transactions.chunk", "workers.categorize", "categorizer.columns"),
                "workers.resources",
                *("pipeline.store.writer", "pipeline.transactions.rows"),
                *("pipeline.transactions.changes", "pipeline.transactions.lifecycle"),
                "pipeline.store.binary_copy",
                *("pipeline.store.interleave", "pipeline.cache.events"),
            ),
            _WORKER_ROOTS,
        ),
    ),
    "a read, from the request to the rows": (
        Leg(
            "API process, until Redis answers",
            (
                *("api.routes", "api.resources.transactions.feed", "api.http.answers"),
                *("api.services", "pipeline.cache.positions", "pipeline.cache.answers"),
            ),
            _API_ROOTS,
        ),
        Leg(
            "API process, when Redis has no answer",
            (
                *("api.resources.transactions.feed", "pipeline.reads.feed"),
                *("pipeline.reads.source", "pipeline.database.queries"),
            ),
            _API_ROOTS,
        ),
    ),
}
