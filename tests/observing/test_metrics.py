"""The whole page of the daemon, and what moves its numbers."""

from __future__ import annotations

import asyncio
import platform
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from observing.examples import (
    BUCKETS,
    START,
    a_checked_step,
    a_failure,
    a_step,
    a_success,
    a_target,
    page,
)

from exporter import __version__
from exporter.observing import DAEMON, FLOW, Metrics, exposition
from exporter.outcome import SkipCause
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.samples import Samples

EMEA = {"target": "emea", "journey": "authorize"}


def some_metrics(*names: str, wall: Callable[[], float] = lambda: START) -> Metrics:
    return Metrics([a_target(name=name) for name in names or ("emea",)], buckets=BUCKETS, wall=wall)


def busy_metrics() -> Metrics:
    """Return metrics with something in every family."""
    metrics = Metrics(
        [
            a_target(labels=(("owner", 'a "b"\\c\nd'),)),
            a_target(name="apac", labels=(("tier", "1"), ("zone", ""))),
            a_target(name="idle"),
        ],
        buckets=BUCKETS,
        wall=lambda: START,
    )
    metrics.probe_started(0.003)
    metrics.observe(a_success(steps=(a_checked_step(),)))
    metrics.observe(a_failure())
    metrics.observe(a_failure(target="idle", stalled=True, steps=(a_step(error_codes=("OTHER",)),)))
    metrics.observe(a_success(target="idle", steps=(a_checked_step(),)))
    metrics.observe(
        a_success(target="apac", steps=(a_step(flow_status="NEVER_HEARD_OF", http_status_code=299),))
    )
    metrics.run_skipped("apac", Journey.AUTHORIZE, SkipCause.BACKOFF, 2)
    metrics.backoff_until("apac", Journey.AUTHORIZE, START + 60)
    metrics.loop_lag(0.02)
    metrics.egress(True)  # noqa: FBT003  as the check's own chore calls it
    return metrics


# Both formats


def test_both_formats_tell_the_same() -> None:
    metrics = busy_metrics()
    text, openmetrics = page(metrics), page(metrics, openmetrics=True)

    def told(scrape: Samples) -> dict[str, list[tuple[str, list[tuple[str, str]], float]]]:
        return {
            family.name: [(s.name, sorted(s.labels.items()), s.value) for s in family.samples]
            for family in scrape.families
            if not family.name.startswith("process_")  # moves between two scrapes
        }

    assert told(text) == told(openmetrics)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_catalogued_family_is_on_the_page_with_its_help_and_type_once(*, openmetrics: bool) -> None:
    unchecked = {"pingone_flow_exporter_egress_up"}  # there is no such check, or it was not done yet
    for metrics, absent in ((busy_metrics(), set()), (Metrics([], buckets=BUCKETS), unchecked)):
        scrape = page(metrics, openmetrics=openmetrics)
        assert {family.name for family in DAEMON if scrape.family(family.name) is None} == absent
        for family in (*FLOW, *DAEMON):
            if family.name in absent:
                continue
            name = family.name.removesuffix("_total") if openmetrics else family.name
            assert scrape.text.count(f"# HELP {name} ") == 1
            assert scrape.text.count(f"# TYPE {name} {family.kind}\n") == 1


def test_every_family_of_the_page_is_catalogued_or_of_prometheus_client() -> None:
    known = {family.name.removesuffix("_total") for family in (*FLOW, *DAEMON)}
    others = {family.name for family in page(busy_metrics()).families} - known
    assert {name.split("_")[0] for name in others} == {"process", "python"}


@pytest.mark.parametrize("openmetrics", [False, True])
def test_there_are_no_created_series_and_the_end_is_told_once(*, openmetrics: bool) -> None:
    text = page(busy_metrics(), openmetrics=openmetrics).text
    assert "_created" not in text
    assert text.count("# EOF") == text.endswith("\n# EOF\n") == openmetrics


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not there: make test-tools")
def test_promtool_has_nothing_to_say() -> None:
    said = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page(busy_metrics()).text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_a_format_that_nobody_asked_for_is_never_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(exposition, "render_openmetrics", forbidden)
    metrics = busy_metrics()
    page(metrics)
    metrics.observe(a_success())
    assert page(metrics).total("pingone_flow_probes_total", target="emea") == 3
    with pytest.raises(AssertionError):
        asyncio.run(metrics.render(True))  # noqa: FBT003  as the site calls it


# What moves them


def test_all_targets_are_there_from_the_start() -> None:
    scrape = page(some_metrics("emea", "apac"))
    assert [labels["target"] for labels, _ in scrape.series("pingone_flow_target_info")] == ["emea", "apac"]
    assert scrape.total("pingone_flow_probes_total") == 0
    assert not scrape.has("pingone_flow_probe_success")


def test_an_outcome_moves_its_own_target_alone() -> None:
    metrics = some_metrics("emea", "apac")
    metrics.observe(a_failure())
    scrape = page(metrics)
    assert scrape.value("pingone_flow_probes_total", **EMEA, reason="connect", fault="network") == 1
    assert scrape.total("pingone_flow_probes_total", target="apac") == 0
    assert not scrape.has("pingone_flow_probe_success", target="apac")


def test_a_change_is_in_the_next_page_of_each_format() -> None:
    metrics = some_metrics()
    for probes in range(3):
        for openmetrics in (False, True):
            scrape = page(metrics, openmetrics=openmetrics)
            assert scrape.total("pingone_flow_probes_total") == probes
        metrics.observe(a_success())


def test_probes_in_flight_are_those_begun_and_not_over() -> None:
    metrics = some_metrics()
    flying = []
    for begun in (True, True, False, False):
        if begun:
            metrics.probe_started(0.0)
        else:
            metrics.probe_ended()
        flying.append(page(metrics).value("pingone_flow_exporter_probes_in_flight"))
    assert flying == [1, 2, 1, 0]


def test_lag_is_put_into_buckets() -> None:
    metrics = some_metrics()
    metrics.probe_started(0.003)
    metrics.probe_started(0.3)
    metrics.loop_lag(0.06)
    scrape = page(metrics)
    assert scrape.value("pingone_flow_exporter_schedule_lag_seconds_bucket", le="0.005") == 1
    assert scrape.value("pingone_flow_exporter_schedule_lag_seconds_count") == 2
    assert scrape.value("pingone_flow_exporter_schedule_lag_seconds_sum") == pytest.approx(0.303)
    assert scrape.value("pingone_flow_exporter_event_loop_lag_seconds_bucket", le="0.05") == 0
    assert scrape.value("pingone_flow_exporter_event_loop_lag_seconds_bucket", le="0.1") == 1


def test_probes_during_which_the_loop_stood_still_are_counted_from_0_however_they_ended() -> None:
    metrics, stalled = some_metrics("emea", "apac"), "pingone_flow_exporter_probes_stalled_total"
    counts = [page(metrics).value(stalled)]
    for outcome in (
        a_success(),
        a_success(stalled=True),
        a_failure(target="apac", stalled=True),
        a_failure(),
    ):
        metrics.observe(outcome)
        counts.append(page(metrics).value(stalled))
    assert counts == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("openmetrics", [False, True])
def test_connectivity_of_our_own_is_there_from_its_first_check_on_as_the_last_one_found(
    *, openmetrics: bool
) -> None:
    metrics, checked = some_metrics(), "pingone_flow_exporter_egress_up"
    assert checked not in page(metrics, openmetrics=openmetrics).text
    for up, told in ((True, 1), (False, 0), (False, 0), (True, 1)):
        metrics.egress(up)
        assert page(metrics, openmetrics=openmetrics).series(checked) == [({}, told)]


def test_skipped_runs_are_counted_as_many_as_they_were() -> None:
    metrics = some_metrics()
    metrics.run_skipped("emea", Journey.AUTHORIZE, SkipCause.MISSED, 3)
    metrics.run_skipped("emea", Journey.AUTHORIZE, SkipCause.MISSED, 1)
    scrape = page(metrics)
    assert scrape.value("pingone_flow_exporter_probes_skipped_total", **EMEA, cause="missed") == 4
    assert scrape.total("pingone_flow_exporter_probes_skipped_total") == 4


def test_a_hold_is_on_the_page_until_the_wall_clock_says_that_it_is_over() -> None:
    now = START
    metrics = some_metrics("emea", "apac", wall=lambda: now)
    name = "pingone_flow_backoff_until_timestamp_seconds"
    assert not page(metrics).has(name)
    metrics.backoff_until("emea", Journey.AUTHORIZE, START + 60)
    assert page(metrics).series(name) == [(EMEA, START + 60)]
    now = START + 59.9
    assert page(metrics).has(name)
    now = START + 60
    assert not page(metrics).has(name)


def test_the_daemon_tells_its_version_and_that_of_python() -> None:
    labels = {"version": __version__, "python_version": platform.python_version()}
    assert page(some_metrics()).series("pingone_flow_exporter_build_info") == [(labels, 1)]


def test_the_daemon_tells_which_share_of_the_targets_it_has() -> None:
    metrics = some_metrics()
    assert page(metrics).series("pingone_flow_exporter_shards") == [({"shard": "0"}, 1)]
    metrics.set_shard(2, 3)
    assert page(metrics).series("pingone_flow_exporter_shards") == [({"shard": "2"}, 3)]


def test_two_daemons_in_one_process_share_nothing() -> None:
    one, other = some_metrics(), some_metrics()
    one.probe_started(0.0)
    assert page(other).value("pingone_flow_exporter_probes_in_flight") == 0
