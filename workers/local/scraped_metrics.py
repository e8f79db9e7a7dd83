"""The metrics of many processes, scraped together.

Counters are compared process by process, so that a restarted process does not count backwards.
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

_TIMEOUT_SECONDS: Final = 2.0
_MAX_CONCURRENT: Final = 16
_LONG_POLL_ROUTE: Final = (
    "ingests.show"  # its time says nothing of speed, because it waits on purpose
)

Labels = frozenset[tuple[str, str]]
Samples = dict[str, dict[Labels, float]]


class Scrape(NamedTuple):
    """Samples by URL at a monotonic time in seconds, and the URLs that did not answer."""

    at: float
    samples: dict[str, Samples]
    silent: list[str]


def scrape_processes(urls: Iterable[str]) -> Scrape:
    """Scrape all URLs in parallel; each has two seconds to answer."""
    targets = list(urls)
    at = time.monotonic()
    with ThreadPoolExecutor(_MAX_CONCURRENT) as threads:
        answers = list(threads.map(_scrape_process, targets))
    samples_by_url = {
        url: samples for url, samples in zip(targets, answers, strict=True) if samples
    }
    return Scrape(at, samples_by_url, [url for url in targets if url not in samples_by_url])


class ProcessSamples:
    """Samples of all processes by name, without those of long polls."""

    def __init__(self, samples: Iterable[tuple[str, Labels, float]]) -> None:
        self._samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for name, labels, value in samples:
            self._samples.setdefault(name, []).append((dict(labels), value))

    def sum_samples(self, name: str, *, prefix: str = "spendline_", **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(value for _, value in self._iterate_matching(prefix + name, labels))

    def group_by_label(
        self, name: str, label: str, combine: Callable[[list[float]], float] = sum, **labels: str
    ) -> dict[str, float]:
        """The combined samples for each value of `label`, of those that have `labels`."""
        groups: dict[str, list[float]] = {}
        for own_labels, value in self._iterate_matching(f"spendline_{name}", labels):
            groups.setdefault(own_labels[label], []).append(value)
        return {key: combine(values) for key, values in sorted(groups.items())}

    def _iterate_matching(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for own_labels, value in self._samples.get(name, ()):
            if labels.items() <= own_labels.items() and own_labels.get("route") != _LONG_POLL_ROUTE:
                yield own_labels, value


def collect_samples(scrape: Scrape) -> ProcessSamples:
    """The samples of all processes as they are now."""
    return ProcessSamples(
        (name, labels, value)
        for samples in scrape.samples.values()
        for name, family in samples.items()
        for labels, value in family.items()
    )


def compute_increases(before: Scrape, after: Scrape) -> ProcessSamples:
    """How much the counters of all processes have grown between two scrapes.

    A process that restarted meanwhile counts from zero; one that is new adds nothing of its past.
    """
    return ProcessSamples(
        (name, labels, value - earlier if value >= earlier else value)
        for url, samples in after.samples.items()
        if url in before.samples
        for name, family in samples.items()
        for labels, value in family.items()
        for earlier in (before.samples[url].get(name, {}).get(labels, 0.0),)
    )


def estimate_quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    """The value below which `share` of the observations lie; None without observations.

    Buckets are pairs of upper bound and cumulative count. As in Prometheus, the value is linear
    within a bucket, and the greatest finite bound in the last one.
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


def _scrape_process(url: str) -> Samples:
    try:
        with urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the caller gives http URLs
            text = answer.read().decode()
    except (URLError, OSError, ValueError):
        return {}
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            samples.setdefault(sample.name, {})[labels] = sample.value
    return samples
