"""What the courier's metrics show."""

from __future__ import annotations

from agents.settlement.rails.courier.observing import CourierMetrics
from streams.metrics import REGISTRY


def shown(rail: str) -> dict[str, float]:
    """Metrics of a rail: the name with the values of its other labels, and the value."""
    return {
        " ".join(
            [sample.name, *(value for label, value in sorted(sample.labels.items()) if label != "rail")]
        ): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.labels.get("rail") == rail
    }


def test_calls_breakers_and_what_waits_are_shown_until_the_desk_closes() -> None:
    metrics = CourierMetrics()
    metrics.called("observed", "status", "ok", 20)
    metrics.called("observed", "submit", "RailUnknown", 1_500)
    metrics.breaker_changed("observed", "open")
    metrics.waiting("observed", 3)
    metrics.followed("observed", 2)
    metrics.tripped("observed")
    metrics.step("observed", "before status")
    found = shown("observed")
    assert found["walletstream_rail_calls_total status ok"] == 1
    assert found["walletstream_rail_calls_total submit RailUnknown"] == 1
    assert found["walletstream_rail_call_seconds_sum submit"] == 1.5
    assert found["walletstream_rail_breaker"] == 2
    assert found["walletstream_rail_waiting_batches"] == 3
    assert found["walletstream_rail_followed_batches"] == 2
    assert found["walletstream_rail_trips_total"] == 1
    metrics.breaker_changed("observed", "half_open")
    assert shown("observed")["walletstream_rail_breaker"] == 1
    metrics.closed("observed")
    assert not {"walletstream_rail_breaker", "walletstream_rail_waiting_batches"} & shown("observed").keys()
    metrics.closed("observed")
