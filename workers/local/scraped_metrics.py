"""The metrics of many processes, scraped together.

A look is one scrape of every process. Counters are compared process by process, so that one that
was started again in between does not count backwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

_SECONDS: Final = 2.0
_AT_ONCE: Final = 16
_WAITING: Final = "ingests.show"  # a request that waits on purpose tells nothing of speed

Labels = frozenset[tuple[str, str]]
Samples = dict[str, dict[Labels, float]]


class Look(NamedTuple):
    """One scrape: samples by URL, and who did not answer."""

    at: float
    samples: dict[str, Samples]
    silent: list[str]


def look(urls: Iterable[str]) -> Look:
    """Scrape all URLs at once."""
    asked = list(urls)
    at = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(_scrape, asked))
    found = {url: samples for url, samples in zip(asked, answers, strict=True) if samples}
    return Look(at, found, [url for url in asked if url not in found])


class Series:
    """Samples of all processes, summed where their labels say."""

    def __init__(self, samples: Iterable[tuple[str, Labels, float]]) -> None:
        self._samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for name, labels, value in samples:
            self._samples.setdefault(name, []).append((dict(labels), value))

    def total(self, name: str, *, prefix: str = "spendline_", **labels: str) -> float:
        return sum(value for _, value in self._matching(prefix + name, labels))

    def by(
        self, name: str, label: str, combine: Callable[[list[float]], float] = sum, **labels: str
    ) -> dict[str, float]:
        """The combined values for every value of one label."""
        groups: dict[str, list[float]] = {}
        for given, value in self._matching(f"spendline_{name}", labels):
            groups.setdefault(given[label], []).append(value)
        return {key: combine(values) for key, values in sorted(groups.items())}

    def _matching(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for given, value in self._samples.get(name, ()):
            if labels.items() <= given.items() and given.get("route") != _WAITING:
                yield given, value


class Now(Series):
    def __init__(self, after: Look) -> None:
        super().__init__(
            (name, labels, value)
            for samples in after.samples.values()
            for name, family in samples.items()
            for labels, value in family.items()
        )


class Increase(Series):
    def __init__(self, before: Look, after: Look) -> None:
        super().__init__(
            (name, labels, value - earlier if value >= earlier else value)
            for url, samples in after.samples.items()
            if url in before.samples
            for name, family in samples.items()
            for labels, value in family.items()
            for earlier in (before.samples[url].get(name, {}).get(labels, 0.0),)
        )


def quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    """The value below which `share` of the observations lie, by (bound, cumulative count).

    Linear within a bucket, as Prometheus does it; in the last, the greatest finite bound.
    """
    if not buckets or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *buckets]):
        if count >= rank and count > below:
            return (
                low
                if high == float("inf")
                else low + (high - low) * (rank - below) / (count - below)
            )
    return None


def _scrape(url: str) -> Samples:
    try:
        with urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the caller gives http URLs
            text = answer.read().decode()
    except (URLError, OSError, ValueError):
        return {}
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            found.setdefault(sample.name, {})[labels] = sample.value
    return found
