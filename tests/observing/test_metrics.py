"""All metrics of the exporter, and what changes them."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from metrics_reference import FAMILIES
from observing.examples import (
    BUCKETS,
    KEY,
    START,
    Known,
    a_checked_step,
    a_failure,
    a_step,
    a_success,
    a_target,
    page,
)

from exporter import __version__
from exporter.observing import Metrics
from exporter.outcome import SkipCause
from exporter.status import (
    COMPONENT_STATUSES,
    INCIDENT_IMPACTS,
    EgressStatus,
    StatusComponent,
    StatusIncident,
    StatusMaintenance,
    StatusPageReport,
)
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.samples import Samples


STATUS_PAGE = StatusPageReport(
    page="status.example.com",
    fetched_ok=True,
    last_success=START + 60,
    updated=START,
    components=(StatusComponent("Europe / SSO", "partial_outage", START),),
    incidents=(StatusIncident("planted", "major", START), StatusIncident("planted", "major", START)),
    maintenances=(StatusMaintenance("planted", "scheduled", START),),
)


def some_metrics(
    *names: str, wall: Callable[[], float] = lambda: START, known: Known | None = None
) -> Metrics:
    targets, known = [a_target(name=name) for name in names or ("emea",)], known or Known()
    return Metrics(targets, buckets=BUCKETS, wall=wall, clock=lambda: 0.0, live=known.live())


def busy_metrics() -> Metrics:
    """Return metrics with something in every family."""
    egress, paused_until = EgressStatus(up=True, since=START), {"apac": START + 60}
    known = Known(egress=egress, status_page=STATUS_PAGE, paused_until=paused_until)
    metrics = Metrics(
        [
            a_target(labels=(("owner", 'a "b"\\c\nd'),)),
            a_target(name="apac", labels=(("tier", "1"), ("zone", ""))),
            a_target(name="idle"),
        ],
        buckets=BUCKETS,
        wall=lambda: START,
        live=known.live(),
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
    metrics.loop_lag(0.02)
    metrics.transport.kernel_timestamps = True
    return metrics


# Both formats


def test_both_formats_have_the_same_samples() -> None:
    metrics = busy_metrics()
    text, openmetrics = page(metrics), page(metrics, openmetrics=True)

    def samples(scrape: Samples) -> dict[str, list[tuple[str, list[tuple[str, str]], float]]]:
        return {
            family.name: [(s.name, sorted(s.labels.items()), s.value) for s in family.samples]
            for family in scrape.families
            if not family.name.startswith("process_")  # changes between two scrapes
        }

    assert samples(text) == samples(openmetrics)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_family_has_its_help_and_type_once(*, openmetrics: bool) -> None:
    absent = {"pingone_flow_exporter_egress_up", "pingone_flow_exporter_kernel_timestamps"}
    absent |= {family.name for family in FAMILIES if family.name.startswith("pingone_status_")}
    for metrics, families in (
        (busy_metrics(), FAMILIES),
        (Metrics([], buckets=BUCKETS), [family for family in FAMILIES if family.name not in absent]),
    ):
        text = page(metrics, openmetrics=openmetrics).text
        for family in families:
            name = family.name.removesuffix("_total") if openmetrics else family.name
            assert text.count(f"# HELP {name} {family.help}\n") == 1
            assert text.count(f"# TYPE {name} {family.kind}\n") == 1
        assert {name for name in absent if name in text} == (absent if families is FAMILIES else set())


def test_every_family_is_documented_or_of_prometheus_client() -> None:
    known = {family.name.removesuffix("_total") for family in FAMILIES}
    others = {family.name for family in page(busy_metrics()).families} - known
    assert {name.split("_")[0] for name in others} == {"process", "python"}


@pytest.mark.parametrize("openmetrics", [False, True])
def test_there_are_no_created_series(*, openmetrics: bool) -> None:
    text = page(busy_metrics(), openmetrics=openmetrics).text
    assert "_created" not in text
    assert text.count("# EOF") == text.endswith("\n# EOF\n") == openmetrics


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: make test-tools")
def test_promtool_finds_no_problem() -> None:
    said = subprocess.run(
        ["promtool", "check", "metrics"],
        input=page(busy_metrics()).text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


# What changes them


def test_all_targets_exist_from_the_start() -> None:
    scrape = page(some_metrics("emea", "apac"))
    assert [labels["target"] for labels, _ in scrape.series("pingone_flow_target_info")] == ["emea", "apac"]
    assert scrape.total("pingone_flow_probes_total") == 0
    assert not scrape.has("pingone_flow_probe_success")


def test_an_outcome_changes_only_its_own_target() -> None:
    metrics = some_metrics("emea", "apac")
    metrics.observe(a_failure())
    scrape = page(metrics)
    assert scrape.value("pingone_flow_probes_total", **KEY, reason="connect", fault="network") == 1
    assert scrape.total("pingone_flow_probes_total", target="apac") == 0
    assert not scrape.has("pingone_flow_probe_success", target="apac")


def test_a_change_is_in_the_next_scrape_of_each_format() -> None:
    metrics = some_metrics()
    for probes in range(3):
        for openmetrics in (False, True):
            scrape = page(metrics, openmetrics=openmetrics)
            assert scrape.total("pingone_flow_probes_total") == probes
        metrics.observe(a_success())


def test_probes_in_flight_have_started_and_not_ended() -> None:
    metrics = some_metrics()
    flying = []
    for begun in (True, True, False, False):
        if begun:
            metrics.probe_started(0.0)
        else:
            metrics.probe_ended()
        flying.append(page(metrics).value("pingone_flow_exporter_probes_in_flight"))
    assert flying == [1, 2, 1, 0]


def test_lags_are_counted_in_buckets() -> None:
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


def test_stalled_probes_are_counted_however_they_ended() -> None:
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
def test_egress_is_shown_from_the_first_check_on(*, openmetrics: bool) -> None:
    known, checked = Known(), "pingone_flow_exporter_egress_up"
    metrics = some_metrics(known=known)
    assert checked not in page(metrics, openmetrics=openmetrics).text
    for up, value in ((True, 1), (False, 0), (False, 0), (True, 1)):
        known.egress = EgressStatus(up=up, since=START)
        assert page(metrics, openmetrics=openmetrics).series(checked) == [({}, value)]
    known.egress = None
    assert checked not in page(metrics, openmetrics=openmetrics).text


def test_a_status_page_is_one_hot_over_closed_sets_and_no_text_of_it_is_a_label() -> None:
    shown = page(some_metrics(known=Known(status_page=STATUS_PAGE)))
    own = {"page": "status.example.com"}
    statuses = dict.fromkeys(COMPONENT_STATUSES, 0) | {"partial_outage": 1}
    assert shown.series("pingone_status_component") == [
        ({**own, "component": "Europe / SSO", "status": status}, value) for status, value in statuses.items()
    ]
    impacts = dict.fromkeys(INCIDENT_IMPACTS, 0) | {"major": 2}
    assert shown.series("pingone_status_incidents") == [
        ({**own, "impact": impact}, value) for impact, value in impacts.items()
    ]
    assert shown.value("pingone_status_maintenances", state="scheduled") == 1
    assert shown.value("pingone_status_maintenances", state="in_progress") == 0
    assert shown.value("pingone_status_page_updated_timestamp_seconds") == START
    assert shown.value("pingone_status_last_success_timestamp_seconds") == START + 60
    assert "planted" not in shown.text


def test_what_was_never_read_of_a_status_page_is_absent_and_what_was_read_stays() -> None:
    known = Known(status_page=StatusPageReport(page="status.example.com", fetched_ok=False))
    metrics = some_metrics(known=known)
    read = {family.name for family in FAMILIES if family.name.startswith("pingone_status_")}
    assert {name for name in read if page(metrics).has(name)} == {"pingone_status_fetch_success"}
    known.status_page = replace(STATUS_PAGE, fetched_ok=False)
    assert page(metrics).value("pingone_status_fetch_success") == 0
    assert page(metrics).has("pingone_status_component")


def test_the_source_of_times_is_shown_from_the_first_exchange_on() -> None:
    metrics, shown = some_metrics(), "pingone_flow_exporter_kernel_timestamps"
    assert not page(metrics).has(shown)
    for found in (True, False):
        metrics.transport.kernel_timestamps = found
        metrics.transport.loop_timed_exchanges += 1
        assert page(metrics).value(shown) == found
    assert page(metrics).value("pingone_flow_exporter_loop_timed_exchanges_total") == 2


def test_skipped_runs_add_up() -> None:
    metrics = some_metrics()
    metrics.run_skipped("emea", Journey.AUTHORIZE, SkipCause.MISSED, 3)
    metrics.run_skipped("emea", Journey.AUTHORIZE, SkipCause.MISSED, 1)
    scrape = page(metrics)
    assert scrape.value("pingone_flow_exporter_probes_skipped_total", **KEY, cause="missed") == 4
    assert scrape.total("pingone_flow_exporter_probes_skipped_total") == 4


def test_a_backoff_is_shown_until_it_ends() -> None:
    known = Known()
    metrics = some_metrics("emea", "apac", known=known)
    name = "pingone_flow_backoff_until_timestamp_seconds"
    assert not page(metrics).has(name)
    known.paused_until["emea"] = START + 60
    assert page(metrics).series(name) == [(KEY, START + 60)]
    known.paused_until["emea"] = START + 70
    assert page(metrics).series(name) == [(KEY, START + 70)]
    known.paused_until.clear()
    assert not page(metrics).has(name)


def test_the_versions_of_exporter_and_python_are_shown() -> None:
    labels = {"version": __version__, "python_version": platform.python_version()}
    assert page(some_metrics()).series("pingone_flow_exporter_build_info") == [(labels, 1)]


def test_the_shard_is_shown() -> None:
    known = Known()
    metrics = some_metrics(known=known)
    assert page(metrics).series("pingone_flow_exporter_shards") == [({"shard": "0"}, 1)]
    known.shard = (2, 3)
    assert page(metrics).series("pingone_flow_exporter_shards") == [({"shard": "2"}, 3)]


def test_two_exporters_in_one_process_share_nothing() -> None:
    one, other = some_metrics(), some_metrics()
    one.probe_started(0.0)
    assert page(other).value("pingone_flow_exporter_probes_in_flight") == 0
