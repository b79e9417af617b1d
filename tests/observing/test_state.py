"""Since when a target is succeeding or failing: one rule for metrics and pages."""

from __future__ import annotations

from hypothesis import given
from observing.examples import BUCKETS, a_target, page
from observing.strategies import sequences

from exporter.observing import History, Metrics
from exporter.outcome import Outcome
from exporter.target import Journey


@given(sequences)
def test_metrics_and_pages_agree(outcomes: list[Outcome]) -> None:
    metrics, history = Metrics([a_target()], buckets=BUCKETS), History()
    for outcome in outcomes:
        metrics.observe(outcome)
        history.observe(outcome)
    status, shown = history.status(a_target(), Journey.AUTHORIZE), page(metrics)
    assert shown.value("pingone_flow_probe_state_change_timestamp_seconds") == status.since
    failures = shown.value("pingone_flow_probe_consecutive_failures")
    assert failures == (None if status.failing is None else status.consecutive * status.failing)
