"""The service's numbers, as Prometheus reads them. No label ever holds an id or a user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..graphs.decision_field import tier_name
from ..router.decisions import Action, Result
from ..router.trail import failure_kind

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))
_BREAKER = {"closed": 0, "half_open": 1, "open": 2}
_ASKED = ("draft", "sample", "ask")


class Metrics:
    """Counters of one service, in a registry of its own."""

    def __init__(self, built: Built, idempotency: Mapping[str, int]) -> None:
        self._registry = CollectorRegistry()
        self._tiers = built.names
        where = self._registry
        self.requests = Counter(
            "surefoot_requests", "Requests", ("route", "outcome"), registry=where
        )
        self.duration = Histogram(
            "surefoot_request_duration_seconds", "Whole requests", buckets=_SECONDS, registry=where
        )
        self.in_flight = Gauge("surefoot_inflight_requests", "Requests under way", registry=where)
        self.shed = Counter("surefoot_shed", "Requests turned away", ("reason",), registry=where)
        self.feedback = Counter(
            "surefoot_feedback", "What people said", ("verdict", "new"), registry=where
        )
        self.audits = Counter("surefoot_audits", "Draws", ("drawn",), registry=where)
        self._decisions = Counter(
            "surefoot_decisions", "How runs ended", ("action", "tier"), registry=where
        )
        self._confidence = Histogram(
            "surefoot_confidence", "Of served answers", buckets=_SHARES, registry=where
        )
        self.live = Counter(
            "surefoot_live_answers",
            "Drafts that were shown while they were written, and what became of them",
            ("end",),
            registry=where,
        )
        self._degraded = Counter(
            "surefoot_degraded", "Runs in which something did not work", registry=where
        )
        self._attempts = Counter(
            "surefoot_upstream_attempts", "Requests to tiers", ("tier", "result"), registry=where
        )
        self._cost = Counter(
            "surefoot_cost_usd", "In the deployment's currency", ("tier",), registry=where
        )
        self._stages = Histogram(
            "surefoot_stage_duration_seconds", "Steps", ("stage",), buckets=_SECONDS, registry=where
        )
        self.reloads = Counter(
            "surefoot_reloads", "Other configurations", ("outcome",), registry=where
        )
        self.unshared = Counter(
            "surefoot_unshared", "What replicas could not agree on", ("what",), registry=where
        )
        self.shadows = Counter(
            "surefoot_shadow_decisions",
            "What the candidate would have done",
            ("verdict", "action"),
            registry=where,
        )
        self._counted = _Counted(built, idempotency)
        where.register(self._counted)

    def follow(self, built: Built) -> None:
        """Another deployment: its tiers' names, and what its parts count from now on."""
        self._tiers = built.names
        self._counted.follow(built)

    def note(self, result: Result) -> None:
        """Count a run that has ended."""
        tier = "" if result.tier is None else tier_name(result.tier, self._tiers)
        self._decisions.labels(result.action.value, tier).inc()
        if result.confidence is not None:
            self._confidence.observe(result.confidence)
        if result.degraded:
            self._degraded.inc()
        if result.released:
            is_kept = "overruled" if result.overruled else "kept"
            end = is_kept if result.action is Action.ANSWER else "broken"
            self.live.labels(end).inc()
        for step in result.trail:
            stage = step.request.partition(" ")[0]
            self._stages.labels(stage).observe(step.elapsed_s)
            if step.tier is not None and stage in _ASKED:
                name = tier_name(step.tier, self._tiers)
                self._attempts.labels(name, failure_kind(step) or "ok").inc()
                self._cost.labels(name).inc(max(0.0, step.cost or 0.0))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Counted(Collector):
    """What the parts of a deployment count themselves, read when somebody looks."""

    def __init__(self, built: Built, idempotency: Mapping[str, int]) -> None:
        self._built = built
        self._idempotency = idempotency
        self._earlier: dict[tuple[str, str, str], float] = {}

    def follow(self, built: Built) -> None:
        """Count on from what the deployment before had counted: a counter never falls."""
        for family in (self._tier_events(), self._cache_requests()):
            for sample in family.samples:
                first, second = sample.labels.values()
                self._earlier[family.name, first, second] = sample.value
        self._built = built

    def collect(self) -> Iterator[Metric]:
        """The families."""
        yield self._tier_events()
        yield self._cache_requests()
        yield self._breakers()
        keys = CounterMetricFamily(
            "surefoot_idempotency", "What became of requests with a key", labels=("result",)
        )
        for event, count in self._idempotency.items():
            keys.add_metric((event,), count)
        yield keys

    def _breakers(self) -> GaugeMetricFamily:
        words = "0 closed, 1 let through one probe at a time, 2 open"
        breakers = GaugeMetricFamily("surefoot_breaker_state", words, labels=("tier",))
        for name, breaker in self._built.breakers.items():
            breakers.add_metric((name,), _BREAKER[breaker.state])
        return breakers

    def _tier_events(self) -> CounterMetricFamily:
        found = {
            (name, event): count
            for name, counts in self._built.tier_counts.items()
            for event, count in counts.items()
        }
        words = "What happened to calls of tiers"
        return self._family("surefoot_tier_events", words, ("tier", "event"), found)

    def _cache_requests(self) -> CounterMetricFamily:
        caches = self._built.caches
        exact = None if caches is None else caches.exact
        counts = {} if exact is None else exact.counts
        found = {("exact", event): count for event, count in counts.items()}
        return self._family(
            "surefoot_cache_requests", "What the cache had", ("cache", "result"), found
        )

    def _family(
        self,
        name: str,
        words: str,
        labels: tuple[str, str],
        now: Mapping[tuple[str, str], int],
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(name, words, labels=labels)
        earlier = {key[1:]: count for key, count in self._earlier.items() if key[0] == name}
        for key in {**earlier, **now}:
            family.add_metric(key, earlier.get(key, 0.0) + now.get(key, 0))
        return family
