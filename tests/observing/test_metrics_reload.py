"""After a reload the metrics show the new targets; a target that stays keeps counters and state."""

from __future__ import annotations

import asyncio
import gc
import itertools

import pytest
from harness.samples import Samples
from observing.examples import (
    BUCKETS,
    START,
    a_certificate,
    a_failure,
    a_step,
    a_success,
    a_target,
    joined,
    page,
)

from exporter.observing import Metrics
from exporter.outcome import SkipCause
from exporter.target import Journey, Target

AUTHORIZE = Journey.AUTHORIZE
PROBES = "pingone_flow_probes_total"
STATUSES = "pingone_flow_statuses_total"
EXPIRY = "pingone_flow_tls_certificate_expiry_timestamp_seconds"


def some_metrics(*targets: Target) -> Metrics:
    return Metrics(targets, buckets=BUCKETS, wall=lambda: START, clock=lambda: 0.0)


def reload(metrics: Metrics, *targets: Target) -> None:
    asyncio.run(metrics.reconfigure(targets))


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_removed_target_has_no_series(*, openmetrics: bool) -> None:
    metrics = some_metrics(a_target(), a_target(name="apac"))
    metrics.observe(a_success())
    page(metrics, openmetrics=openmetrics)  # keeps the text
    reload(metrics, a_target(name="apac"))
    now = page(metrics, openmetrics=openmetrics)
    assert 'target="emea"' not in now.text
    assert now.has(PROBES, target="apac")


def test_a_new_target_starts_at_0() -> None:
    metrics, started_with = some_metrics(a_target()), some_metrics(a_target(), a_target(name="apac"))
    reload(metrics, a_target(), a_target(name="apac"))
    assert page(metrics).series(PROBES, target="apac") == page(started_with).series(PROBES, target="apac")
    assert page(metrics).total(PROBES, target="apac") == 0.0
    metrics.observe(a_success(target="apac"))
    assert page(metrics).total(PROBES, target="apac") == 1.0


def test_a_target_that_comes_back_starts_over() -> None:
    metrics = some_metrics(a_target())
    metrics.observe(a_success())
    reload(metrics)
    reload(metrics, a_target())
    assert page(metrics).total(PROBES) == 0.0
    assert not page(metrics).has("pingone_flow_probe_success")


def test_a_changed_target_keeps_counters_and_state_and_shows_its_new_settings() -> None:
    metrics = some_metrics(a_target(labels=(("owner", "a"),)))
    metrics.observe(a_success())
    metrics.observe(a_failure())
    before = page(metrics)
    reload(metrics, a_target(labels=(("tier", "1"),), interval=30.0, timeout=5.0, latency_objective=0.5))
    after = page(metrics)
    kept = (
        "probes_total",
        "probe_consecutive_failures",
        "probe_last_run_timestamp_seconds",
        "statuses_total",
    )
    for name in kept:
        assert after.series(f"pingone_flow_{name}") == before.series(f"pingone_flow_{name}")
    assert after.value("pingone_flow_target_interval_seconds") == 30.0
    assert after.value("pingone_flow_target_timeout_seconds") == 5.0
    assert after.value("pingone_flow_target_latency_objective_seconds") == 0.5
    ((labels, _),) = after.series("pingone_flow_target_info")
    assert (labels.get("owner"), labels.get("tier")) == (None, "1")


def test_a_new_latency_objective_applies_to_later_probes() -> None:
    metrics = some_metrics(a_target(latency_objective=10.0))
    metrics.observe(a_success(duration=1.0))
    reload(metrics, a_target(latency_objective=0.5))
    metrics.observe(a_success(duration=1.0))
    assert page(metrics).value("pingone_flow_probes_slow_total") == 1.0


def test_a_newly_expected_status_starts_at_0_and_what_was_counted_stays() -> None:
    metrics = some_metrics(a_target(expected_statuses=("CUSTOM", "NEVER_CAME")))
    metrics.observe(a_success(steps=(a_step(flow_status="CUSTOM"),)))
    reload(metrics, a_target(expected_statuses=("OTP_REQUIRED",)))
    now = page(metrics)
    assert {labels["status"]: count for labels, count in now.series(STATUSES)} == {
        "OTP_REQUIRED": 0.0,
        "FAILED": 0.0,
        "UNKNOWN": 0.0,
        "CUSTOM": 1.0,
    }
    assert now.value("pingone_flow_status", status="OTP_REQUIRED") == 0.0


def test_expected_statuses_that_never_came_do_not_add_up() -> None:
    metrics = some_metrics(a_target())
    for number in range(50):
        reload(metrics, a_target(expected_statuses=(f"CUSTOM_{number}",)))
    assert len(page(metrics).series(STATUSES)) == 3


def test_a_certificate_expiry_goes_if_the_host_changes() -> None:
    """Else its alert would continue for a host that is no longer probed."""
    metrics = some_metrics(a_target(), a_target(name="moves"))
    for name in ("emea", "moves"):
        metrics.observe(a_success(steps=(a_step(tls=a_certificate(START)),), target=name))
    reload(metrics, a_target(interval=30.0), a_target(name="moves", source_url="https://other.example/x"))
    assert page(metrics).value(EXPIRY, target="emea") == START
    assert not page(metrics).has(EXPIRY, target="moves")


def test_events_of_a_removed_target_are_ignored() -> None:
    metrics = some_metrics(a_target(), a_target(name="apac"))
    reload(metrics, a_target(name="apac"))
    metrics.observe(a_success(stalled=True))
    metrics.run_skipped("emea", AUTHORIZE, SkipCause.CANCELLED, 1)
    now = page(metrics)
    assert 'target="emea"' not in now.text
    assert now.value("pingone_flow_exporter_probes_stalled_total") == 0.0


@pytest.mark.parametrize("turns", [0, 1, 5, 20, 100])
def test_a_scrape_during_a_reload_shows_all_old_targets_or_all_new_ones(
    turns: int,
) -> None:
    seconds = itertools.count(step=0.01)  # yields to the loop after each target
    old = [a_target(name=f"old{number}") for number in range(30)]
    new = [a_target(name=f"new{number}") for number in range(30)]

    async def scene() -> tuple[str, str]:
        metrics = Metrics(old, buckets=BUCKETS, wall=lambda: START, clock=lambda: next(seconds))
        reading = asyncio.create_task(metrics.render(False))  # noqa: FBT003  as the web server calls it
        for _ in range(turns):
            await asyncio.sleep(0)
        await metrics.reconfigure(new)
        return joined(await reading), joined(await metrics.render(False))  # noqa: FBT003  likewise

    first, second = (Samples(text) for text in asyncio.run(scene()))
    for shown, names in ((first, [target.name for target in old]), (second, [target.name for target in new])):
        for family in (PROBES, "pingone_flow_target_info", STATUSES):
            assert list(dict.fromkeys(labels["target"] for labels, _ in shown.series(family))) == names


def test_nothing_is_kept_of_removed_targets_not_even_by_a_scrape_under_way() -> None:
    async def scene() -> int:
        targets = [a_target(name=f"gone{number}") for number in range(50)]
        seconds = itertools.count(step=0.01)
        metrics = Metrics(targets, buckets=BUCKETS, clock=lambda: next(seconds))
        await metrics.render(False)  # noqa: FBT003  as the web server calls it
        for target in targets:
            metrics.run_skipped(target.name, AUTHORIZE, SkipCause.MISSED, 1)
        reading = asyncio.create_task(metrics.render(False))  # noqa: FBT003  likewise
        await asyncio.sleep(0)
        await metrics.reconfigure([])
        await reading
        del reading, targets, target
        gc.collect()
        alive = sum(isinstance(one, Target) and one.name.startswith("gone") for one in gc.get_objects())
        await metrics.render(False)  # noqa: FBT003  likewise; the metrics live until here
        return alive

    assert asyncio.run(scene()) == 0
