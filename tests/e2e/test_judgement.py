"""Whatever a provider does is told by its reason, fault, phase, code and status; and hurts nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from e2e.cases import CASES
from e2e.found import STATUS, Case
from e2e.stage import Stage
from harness.daemon import Daemon
from harness.http_server import HttpServer
from harness.variables import target_variables

from exporter.outcome import FAULTS, Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.samples import Samples

pytestmark = pytest.mark.e2e

HEALTHY = "healthy"
ENOUGH = 3
PHASES = ("resolve", "connect", "processing", "transfer")
LAST_DURATION = "pingone_flow_step_last_duration_seconds"
STALLED = "pingone_flow_exporter_probes_stalled_total"
"""Where the machine of the tests stood still, durations are not observed and a timeout is `internal`."""


class Scraped(NamedTuple):
    """One page of a daemon that probes all cases.

    Args:
        samples: the page.
        before: how many requests the healthy target's server had answered before the scrape.
        after: how many it had been asked after it.
        log: what the daemon had written by then.
    """

    samples: Samples
    before: int
    after: int
    log: str


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    directory = tmp_path_factory.mktemp("judgement")
    with Stage(directory) as stage, HttpServer() as healthy:
        environment = target_variables(HEALTHY, healthy.base_url, interval="1s", timeout="900ms") | {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "5s",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "4900ms",
            "FLOW_EXPORTER_DEFAULTS__CA_FILE": str(stage.authority.ca_file),
            "FLOW_EXPORTER_LOG__LEVEL": "debug",
            # Where there is no name server, glibc would ask on for longer than the deadline (resolv.conf(5)).
            "RES_OPTIONS": "timeout:1 attempts:1",
        }
        for case in CASES:
            environment |= target_variables(case.name, case.scene(stage), **case.fields)
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as daemon:
            daemon.wait_until(all_seen, timeout=60.0, what="a probe of every target")
            before = sum(request.answered_at is not None for request in healthy.requests)
            samples = daemon.metrics()
            yield Scraped(samples, before, len(healthy.requests), daemon.log())


def all_seen(samples: Samples) -> bool:
    """Whether there is a probe of each target, and the last one of none was spoilt by a stall of our own."""
    for case in CASES:
        last = samples.series("pingone_flow_probe_last_result_info", target=case.name)
        if not last or last[0][0]["reason"] == Reason.INTERNAL:
            return False
        if case.found.phase is not Phase.RESOLVE and not samples.has(LAST_DURATION, target=case.name):
            return False
    return samples.total("pingone_flow_probes_total", target=HEALTHY) >= ENOUGH


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_told_what_a_provider_did(scraped: Scraped, case: Case) -> None:
    samples, target, found = scraped.samples, case.name, case.found
    ((labels, value),) = samples.series("pingone_flow_probe_last_result_info", target=target)
    told = (labels["reason"], labels["fault"], labels["phase"], labels["step"], value)
    assert told == (found.reason, found.fault, found.phase, "authorize", 1.0)
    assert samples.value("pingone_flow_http_status_code", target=target) == found.code
    assert current_statuses(samples, target) == ({found.status} if found.status else set())
    assert samples.value("pingone_flow_probe_success", target=target) == float(found.reason is Reason.OK)
    assert phases(samples, LAST_DURATION, target) == expected_phases(samples, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_counters_of_a_target_agree_with_each_other(scraped: Scraped, case: Case) -> None:
    samples, target, found = scraped.samples, case.name, case.found
    probes = judged(samples, target)
    assert probes >= 1
    assert probes == samples.value(
        "pingone_flow_probes_total", target=target, reason=found.reason, fault=found.fault
    )
    successes = probes if found.reason is Reason.OK else 0.0
    durations = samples.total("pingone_flow_probe_duration_seconds_count", target=target)
    assert successes - samples.total(STALLED) <= durations <= successes
    for name, label, expected in (
        ("pingone_flow_http_responses_total", "code", found.code),
        ("pingone_flow_statuses_total", "status", found.status),
    ):
        counted = {labels[label]: value for labels, value in samples.series(name, target=target) if value}
        assert set(counted) == ({str(expected)} if expected else set())
        assert min(counted.values(), default=probes) >= probes
    summary = phases(samples, "pingone_flow_step_duration_seconds_count", target)
    assert set(summary) == set(expected_phases(samples, case))
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
    pairs = {(reason.value, fault.value) for reason, faults in FAULTS.items() for fault in faults}
    assert len(pairs) == 23
    for target in (HEALTHY, *(case.name for case in CASES)):
        series = scraped.samples.series("pingone_flow_probes_total", target=target)
        assert {(labels["reason"], labels["fault"]) for labels, _ in series} == pairs
        assert len(series) == len(pairs)


def test_a_healthy_target_among_sick_ones_has_right_numbers(scraped: Scraped) -> None:
    samples = scraped.samples
    good = samples.value("pingone_flow_probes_total", target=HEALTHY, reason="ok", fault="none")
    assert good is not None
    # A probe whose answer was on its way is in one of the two numbers only.
    assert scraped.before - 1 - samples.total(STALLED) <= good <= scraped.after
    assert judged(samples, HEALTHY) == good
    assert samples.value("pingone_flow_probe_consecutive_failures", target=HEALTHY) == 0.0
    assert current_statuses(samples, HEALTHY) == {STATUS}
    durations = phases(samples, "pingone_flow_step_duration_seconds_count", HEALTHY)
    durations["all"] = samples.total("pingone_flow_probe_duration_seconds_count", target=HEALTHY)
    assert set(durations) == {*PHASES, "all"}
    assert all(good - samples.total(STALLED) <= count <= good for count in durations.values())


def test_none_of_it_is_a_fault_of_our_own(scraped: Scraped) -> None:
    assert "level=error" not in scraped.log
    assert "Traceback" not in scraped.log


def test_a_provider_makes_no_label_of_its_own(scraped: Scraped) -> None:
    """Cardinality: NEW_STEP_REQUIRED is a label only where the operator wrote it."""
    with_it = {
        labels["target"]
        for labels, _ in scraped.samples.series("pingone_flow_status", status="NEW_STEP_REQUIRED")
    }
    assert with_it == {"an_expected_new_status"}


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


def expected_phases(samples: Samples, case: Case) -> dict[str, float]:
    """Return the completed phases of a case with the durations that the page shows, all of them above 0."""
    found = case.found
    order = [phase for phase in Phase if found.encrypted or phase is not Phase.TLS]
    end = order.index(found.phase) + found.completed
    shown = phases(samples, LAST_DURATION, case.name)
    assert min(shown.values(), default=1.0) > 0.0
    return {phase.value: shown.get(phase.value, -1.0) for phase in order[:end]}
