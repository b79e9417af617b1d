"""Each fault is reported with its reason, fault, phase, code and status, and harms no other target."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from faults.case import STATUS, Case, Found
from faults.details import ALIKE, DETAILS, normalized
from faults.discovery import FAULTS as DISCOVERY_FAULTS
from faults.federation import FAULTS as FEDERATION_FAULTS
from faults.run import DURATION_COUNT, HEALTHY, LARGE
from faults.table import CASES, GROUPS, detail_key
from harness.details import templates_of

from exporter.outcome import Phase
from exporter.reasons import FAULTS, Fault, Reason, pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from faults.run import Scraped
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

NAME = re.compile(r"[a-z_0-9]+\.faults\.example|127\.0\.0\.1(?!:)|nowhere\.invalid")
PHASES = ("resolve", "connect", "processing", "transfer")
LAST_DURATION = "pingone_flow_step_last_duration_seconds"
SKIPPED = "pingone_flow_exporter_probes_skipped_total"
STALLED = "pingone_flow_exporter_probes_stalled_total"
"""Where the machine of the tests stood still, durations are not observed and a timeout is `internal`."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_reported(scraped: Scraped, case: Case) -> None:
    samples, target, found = scraped.samples, case.name, case.found
    ((labels, value),) = samples.series("pingone_flow_probe_last_result_info", target=target)
    assert (labels["phase"], labels["step"], value) == (found.phase, "authorize", 1.0)
    reported = (labels["reason"], labels["fault"])
    if reported == (Reason.INTERNAL, Fault.EXPORTER) and samples.total(STALLED):
        return  # the last one was spoilt by a stall; the counters know those before
    assert reported == (found.reason, found.fault)
    assert samples.value("pingone_flow_http_status_code", target=target) == found.code
    assert current_statuses(samples, target) == ({found.status} if found.status else set())
    assert samples.value("pingone_flow_probe_success", target=target) == float(found.reason is Reason.OK)
    last = phases(samples, LAST_DURATION, target)
    assert min(last.values(), default=1.0) > 0.0
    if last or not samples.total(STALLED):
        assert set(last) == completed(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_exact_cause_is_reported_with_host_and_port(scraped: Scraped, case: Case) -> None:
    step = scraped.steps[case.name]
    if step["reason"] == Reason.INTERNAL and scraped.samples.total(STALLED):
        return
    assert normalized(step.get("detail")) == DETAILS.get(case.name)
    host, _, port = step["host"].rpartition(":")
    assert host in {"127.0.0.1", "nowhere.invalid"}
    assert port.isdecimal()
    if "detail" in step:
        assert templates_of(step["detail"])
        assert re.search(r":\d+|nowhere\.invalid \(|127\.0\.0\.1 has no address", step["detail"])
    if case.found.reason is Reason.TLS and "certificate" in step.get("detail", "") and case.proxy is None:
        assert "not_after" in step.get("tls", {}), "a certificate that was seen"


def test_no_two_causes_share_a_detail_that_system_or_tls_library_tell_apart() -> None:
    """Below HTTP; what is equal in `ALIKE` is equal for them as well."""
    below = [case for heading in ("Names", "Connections", "TLS", "Our own proxy") for case in GROUPS[heading]]
    shared: dict[tuple[Reason, str], set[str]] = {}
    for case in below:
        if case.found.reason is not Reason.OK:
            cause = re.sub(
                r"[a-z_0-9]+\.faults\.example|127\.0\.0\.1(?!:)|nowhere\.invalid", "name", DETAILS[case.name]
            )
            shared.setdefault((case.found.reason, cause), set()).add(case.name)
    assert {frozenset(names) for names in shared.values() if len(names) > 1} == set(ALIKE)


def test_each_row_that_is_a_fault_has_a_detail() -> None:
    failing = {case.name for cases in GROUPS.values() for case in cases if case.found.reason is not Reason.OK}
    steps = {detail_key(row) for row in FEDERATION_FAULTS if row.reason is not Reason.OK}
    steps |= {detail_key(row) for row in DISCOVERY_FAULTS if row.reason is not Reason.OK}
    assert DETAILS.keys() == failing | steps
    assert all(templates_of(detail.replace("host:port", "auth.pingone.eu:443")) or "refused by" in detail
               or "connection to" in detail for detail in DETAILS.values())  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_counters_of_a_target_agree_with_each_other(scraped: Scraped, case: Case) -> None:
    samples, target, found = scraped.samples, case.name, case.found
    probes = judged(samples, target)
    assert probes >= 1
    if case.name in LARGE:  # a busy machine may need more than the timeout to send one
        probes -= samples.total("pingone_flow_probes_total", target=target, reason=Reason.TIMEOUT)
    assert probes == samples.value(
        "pingone_flow_probes_total", target=target, reason=found.reason, fault=found.fault
    )
    successes = probes if found.reason is Reason.OK else 0.0
    durations = samples.total("pingone_flow_probe_duration_seconds_count", target=target)
    assert successes - samples.total(STALLED) <= durations <= successes
    for name, label, expected in (
        ("pingone_flow_http_responses_total", "code", {str(found.code)} if found.code is not None else set()),
        ("pingone_flow_statuses_total", "status", {found.status} if found.status else set()),
        ("pingone_flow_error_codes_total", "code", set(found.errors)),
    ):
        counted = {labels[label]: value for labels, value in samples.series(name, target=target) if value}
        assert set(counted) == expected, name
        assert min(counted.values(), default=probes) >= probes
    summary = phases(samples, DURATION_COUNT, target)
    assert set(summary) == completed(found) or (case.name in LARGE and not summary)
    assert all(probes - samples.total(STALLED) <= count <= probes for count in summary.values())


def test_failures_count_unless_they_say_nothing_of_the_target(scraped: Scraped) -> None:
    samples = scraped.samples
    for case in CASES:
        failures = samples.value("pingone_flow_probe_consecutive_failures", target=case.name)
        since = samples.value("pingone_flow_probe_state_change_timestamp_seconds", target=case.name)
        probes = judged(samples, case.name)
        if case.found.reason is Reason.RATE_LIMITED:
            assert (case.name, failures, since) == (case.name, None, None)
        else:
            expected = 0.0 if case.found.reason is Reason.OK else probes
            assert (case.name, failures) == (case.name, expected)
            assert since is not None


def test_every_pair_of_reason_and_fault_is_there_from_the_start(scraped: Scraped) -> None:
    pairs = {(reason.value, fault.value) for reason, fault in pairs_of(Journey.AUTHORIZE)}
    assert len(pairs) == 24
    for target in (HEALTHY, *(case.name for case in CASES)):
        series = scraped.samples.series("pingone_flow_probes_total", target=target)
        assert {(labels["reason"], labels["fault"]) for labels, _ in series} == pairs
        assert len(series) == len(pairs)


def test_a_healthy_target_among_sick_ones_has_right_numbers(scraped: Scraped) -> None:
    samples = scraped.samples
    good = samples.value("pingone_flow_probes_total", target=HEALTHY, reason="ok", fault="none")
    assert good is not None
    # A probe in flight is in one of the two numbers only.
    assert scraped.before - 1 - samples.total(STALLED) <= good <= scraped.after
    assert judged(samples, HEALTHY) == good
    assert samples.value("pingone_flow_probe_consecutive_failures", target=HEALTHY) == 0.0
    assert current_statuses(samples, HEALTHY) == {STATUS}
    durations = phases(samples, DURATION_COUNT, HEALTHY)
    durations["all"] = samples.total("pingone_flow_probe_duration_seconds_count", target=HEALTHY)
    assert set(durations) == {*PHASES, "all"}
    assert all(good - samples.total(STALLED) <= count <= good for count in durations.values())
    skipped = {labels["cause"]: value for labels, value in samples.series(SKIPPED, target=HEALTHY)}
    # A busy machine misses a run now and then; what happens to other targets never pauses or ends this one's.
    assert (skipped["backoff"], skipped["cancelled"]) == (0.0, 0.0)


def test_the_table_names_each_fault_once_and_holds_every_reason_but_our_own() -> None:
    rows = [case for cases in GROUPS.values() for case in cases]
    assert len({case.name for case in rows}) == len(rows) >= 60
    possible = {reason for reason, _ in pairs_of(Journey.AUTHORIZE)}
    assert {case.found.reason for case in rows} == possible - {Reason.INTERNAL}
    assert all(case.found.fault in FAULTS[case.found.reason] for case in rows)


def test_none_of_it_is_a_fault_of_our_own(scraped: Scraped) -> None:
    assert "level=error" not in scraped.log
    assert "Traceback" not in scraped.log


def test_a_provider_cannot_create_labels(scraped: Scraped) -> None:
    """Cardinality: NEW_STEP_REQUIRED is a label only where the operator wrote it."""
    with_it = {
        labels["target"]
        for labels, _ in scraped.samples.series("pingone_flow_status", status="NEW_STEP_REQUIRED")
    }
    assert with_it == {"expected_new_status"}


def judged(samples: Samples, target: str) -> float:
    """Return how many probes of a target ended by its provider's doing: all but those spoilt by a stall."""
    spoilt = samples.total("pingone_flow_probes_total", target=target, reason="internal")
    assert spoilt <= samples.total(STALLED)
    return samples.total("pingone_flow_probes_total", target=target) - spoilt


def current_statuses(samples: Samples, target: str) -> set[str]:
    series = samples.series("pingone_flow_status", target=target)
    assert series, "the expected statuses are there whatever came back"
    assert {value for _, value in series} <= {0.0, 1.0}
    return {labels["status"] for labels, value in series if value}


def phases(samples: Samples, name: str, target: str) -> dict[str, float]:
    return {labels["phase"]: value for labels, value in samples.series(name, target=target)}


def completed(found: Found) -> set[str]:
    """Return the phases that were gone through to their end."""
    order = [phase for phase in Phase if found.encrypted or phase is not Phase.TLS]
    return {phase.value for phase in order[: order.index(found.phase) + found.completed]}
