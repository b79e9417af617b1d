"""After a reload the page shows the targets there are now; who stays keeps counters and state."""

from __future__ import annotations

import asyncio
import gc

import pytest
from harness.samples import Samples
from observing.examples import BUCKETS, START, a_certificate, a_failure, a_step, a_success, a_target, page

from exporter.observing import Metrics, slices
from exporter.observing.series import Series
from exporter.outcome import SkipCause
from exporter.target import Journey, Target

AUTHORIZE = Journey.AUTHORIZE
PROBES = "pingone_flow_probes_total"
STATUSES = "pingone_flow_statuses_total"
BACKOFF = "pingone_flow_backoff_until_timestamp_seconds"
EXPIRY = "pingone_flow_tls_certificate_expiry_timestamp_seconds"


def some_metrics(*targets: Target) -> Metrics:
    return Metrics(targets, buckets=BUCKETS, wall=lambda: START)


def reload(metrics: Metrics, *targets: Target) -> None:
    asyncio.run(metrics.reconfigure(targets))


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_removed_target_has_no_series_on_the_next_page(*, openmetrics: bool) -> None:
    metrics = some_metrics(a_target(), a_target(name="apac"))
    metrics.observe(a_success())
    page(metrics, openmetrics=openmetrics)  # which keeps the text
    reload(metrics, a_target(name="apac"))
    now = page(metrics, openmetrics=openmetrics)
    assert 'target="emea"' not in now.text
    assert now.has(PROBES, target="apac")


def test_a_new_target_is_there_from_the_start_at_0() -> None:
    metrics, started_with = some_metrics(a_target()), some_metrics(a_target(), a_target(name="apac"))
    reload(metrics, a_target(), a_target(name="apac"))
    assert page(metrics).series(PROBES, target="apac") == page(started_with).series(PROBES, target="apac")
    assert page(metrics).total(PROBES, target="apac") == 0.0
    metrics.observe(a_success(target="apac"))
    assert page(metrics).total(PROBES, target="apac") == 1.0


def test_a_target_that_comes_back_begins_anew() -> None:
    metrics = some_metrics(a_target())
    metrics.observe(a_success())
    reload(metrics)
    reload(metrics, a_target())
    assert page(metrics).total(PROBES) == 0.0
    assert not page(metrics).has("pingone_flow_probe_success")


def test_a_changed_target_keeps_counters_and_state_and_shows_its_new_values() -> None:
    metrics = some_metrics(a_target(labels=(("owner", "a"),)))
    metrics.observe(a_success())
    metrics.observe(a_failure())
    before = page(metrics)
    reload(metrics, a_target(labels=(("tier", "1"),), interval=30.0, timeout=5.0, latency_objective=0.5))
    after = page(metrics)
    told = (
        "probes_total",
        "probe_consecutive_failures",
        "probe_last_run_timestamp_seconds",
        "statuses_total",
    )
    for name in told:
        assert after.series(f"pingone_flow_{name}") == before.series(f"pingone_flow_{name}")
    assert after.value("pingone_flow_target_interval_seconds") == 30.0
    assert after.value("pingone_flow_target_timeout_seconds") == 5.0
    assert after.value("pingone_flow_target_latency_objective_seconds") == 0.5
    ((labels, _),) = after.series("pingone_flow_target_info")
    assert (labels.get("owner"), labels.get("tier")) == (None, "1")


def test_what_is_slow_is_told_by_the_objective_as_it_is_now() -> None:
    metrics = some_metrics(a_target(latency_objective=10.0))
    metrics.observe(a_success(duration=1.0))
    reload(metrics, a_target(latency_objective=0.5))
    metrics.observe(a_success(duration=1.0))
    assert page(metrics).value("pingone_flow_probes_slow_total") == 1.0


def test_a_status_that_is_expected_now_is_there_at_0_and_what_was_counted_stays() -> None:
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


def test_statuses_that_were_expected_in_vain_do_not_add_up() -> None:
    metrics = some_metrics(a_target())
    for number in range(50):
        reload(metrics, a_target(expected_statuses=(f"CUSTOM_{number}",)))
    assert len(page(metrics).series(STATUSES)) == 3


def test_a_hold_stays_with_its_environment_and_host() -> None:
    metrics = some_metrics(a_target(), a_target(name="moves"))
    for name in ("emea", "moves"):
        metrics.backoff_until(name, AUTHORIZE, START + 60)
    reload(metrics, a_target(interval=30.0), a_target(name="moves", source_url="https://other.example/x"))
    assert page(metrics).has(BACKOFF, target="emea")
    assert not page(metrics).has(BACKOFF, target="moves")


def test_the_end_of_a_certificate_stays_with_its_host() -> None:
    """Else its alert would go on about a host that is not probed any more."""
    metrics = some_metrics(a_target(), a_target(name="moves"))
    for name in ("emea", "moves"):
        metrics.observe(a_success(steps=(a_step(tls=a_certificate(START)),), target=name))
    reload(metrics, a_target(interval=30.0), a_target(name="moves", source_url="https://other.example/x"))
    assert page(metrics).value(EXPIRY, target="emea") == START
    assert not page(metrics).has(EXPIRY, target="moves")


def test_what_is_told_of_a_target_that_is_gone_is_not_shown_and_harms_nobody() -> None:
    metrics = some_metrics(a_target(), a_target(name="apac"))
    reload(metrics, a_target(name="apac"))
    metrics.observe(a_success(stalled=True))
    metrics.run_skipped("emea", AUTHORIZE, SkipCause.CANCELLED, 1)
    metrics.backoff_until("emea", AUTHORIZE, START + 60)
    now = page(metrics)
    assert 'target="emea"' not in now.text
    assert now.value("pingone_flow_exporter_probes_stalled_total") == 0.0


@pytest.mark.parametrize("turns", [0, 1, 5, 20, 100])
def test_a_page_under_way_shows_either_all_of_the_targets_before_or_all_after(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "_SLICE", 0.0)  # it lets go of the loop wherever it can
    old = [a_target(name=f"old{number}") for number in range(30)]
    new = [a_target(name=f"new{number}") for number in range(30)]

    async def scene() -> tuple[str, str]:
        metrics = some_metrics(*old)
        reading = asyncio.create_task(metrics.render(False))  # noqa: FBT003  the contract's shape
        for _ in range(turns):
            await asyncio.sleep(0)
        await metrics.reconfigure(new)
        return (await reading).decode(), (await metrics.render(False)).decode()  # noqa: FBT003  likewise

    first, second = (Samples(text) for text in asyncio.run(scene()))
    for shown, names in ((first, [target.name for target in old]), (second, [target.name for target in new])):
        for family in (PROBES, "pingone_flow_target_info", STATUSES):
            assert list(dict.fromkeys(labels["target"] for labels, _ in shown.series(family))) == names


def test_nothing_is_kept_of_targets_that_are_gone_not_even_by_a_page_that_was_under_way() -> None:
    async def scene() -> list[str]:
        metrics = some_metrics(*(a_target(name=f"gone{number}") for number in range(50)))
        await metrics.render(False)  # noqa: FBT003  the contract's shape
        for number in range(50):
            metrics.run_skipped(f"gone{number}", AUTHORIZE, SkipCause.MISSED, 1)
        reading = asyncio.create_task(metrics.render(False))  # noqa: FBT003  likewise
        await asyncio.sleep(0)
        await metrics.reconfigure([])
        await reading
        del reading
        gc.collect()
        alive = [one.target.name for one in gc.get_objects() if isinstance(one, Series)]
        await metrics.render(False)  # noqa: FBT003  likewise; the metrics live until here
        return [name for name in alive if name.startswith("gone")]

    assert asyncio.run(scene()) == []


def test_without_its_check_egress_is_not_shown_any_more_and_with_one_again() -> None:
    metrics = some_metrics(a_target())
    metrics.egress(None)
    metrics.egress(True)  # noqa: FBT003  as the check's own chore calls it
    assert page(metrics).has("pingone_flow_exporter_egress_up")
    metrics.egress(None)
    assert not page(metrics).has("pingone_flow_exporter_egress_up")
    metrics.egress(False)  # noqa: FBT003  likewise
    assert page(metrics).value("pingone_flow_exporter_egress_up") == 0.0
