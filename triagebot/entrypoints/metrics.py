"""Prometheus' view of the HTTP side. Counted in plain numbers, since every page passes here, and told when it asks."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)


class Metrics(Collector):
    """Requests by route and status, the time to answer them, and pages by source."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._within: Counter[tuple[str, int]] = Counter()  # by route and place in BUCKETS
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._pages: Counter[tuple[str, bool]] = Counter()
        registry.register(self)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._requests[route, status] += 1
        self._within[route, bisect_left(BUCKETS, seconds)] += 1
        self._seconds[route] += seconds

    def stored(self, source: str, *, new: bool) -> None:
        self._pages[source, new] += 1

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("triagebot_http_requests", "Requests answered", labels=["route", "status"])
        for (route, status), count in self._requests.items():
            requests.add_metric([route, str(status)], count)
        seconds = HistogramMetricFamily("triagebot_http_request_seconds", "Time to answer", labels=["route"])
        for route, total in self._seconds.items():
            reached, buckets = 0, []
            for place, limit in enumerate((*map(str, BUCKETS), "+Inf")):
                reached += self._within[route, place]
                buckets.append((limit, reached))
            seconds.add_metric([route], buckets, total)
        pages = CounterMetricFamily("triagebot_pages", "Pages stored, by source", labels=["source", "new"])
        for (source, new), count in self._pages.items():
            pages.add_metric([source, str(new).lower()], count)
        yield from (requests, seconds, pages)
