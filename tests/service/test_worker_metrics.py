"""Numbers of several workers, added up from what each wrote."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from surefoot.service.http_worker_metrics import WorkerNumbers


def text(requests: int, in_flight: int, state: int) -> bytes:
    registry = CollectorRegistry()
    Counter("surefoot_requests", "Requests", ("route",), registry=registry).labels("/x").inc(
        requests
    )
    Gauge("surefoot_inflight_requests", "Under way", registry=registry).set(in_flight)
    Gauge("surefoot_breaker_state", "State", ("tier",), registry=registry).labels("a").set(state)
    return generate_latest(registry)


def test_counters_of_all_gauges_of_the_living_and_the_worst_state(tmp_path: Path) -> None:
    living = {1, 2}
    for me, numbers in ((1, text(5, 1, 1)), (2, text(7, 2, 2)), (3, text(11, 4, 0))):
        WorkerNumbers(tmp_path, me, living.__contains__).write(numbers)
    summed = WorkerNumbers(tmp_path, 1, living.__contains__).summed(text(6, 1, 1)).decode()
    assert 'surefoot_requests_total{route="/x"} 24.0' in summed  # 6 now, not the 5 that it wrote
    assert "surefoot_inflight_requests 3.0" in summed
    assert 'surefoot_breaker_state{tier="a"} 2.0' in summed
    assert "# TYPE surefoot_requests_total counter" in summed
    assert not list(tmp_path.glob("*.new"))
