"""The main job: a federation that works, breaks and works again, as its metrics tell it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness.daemon import Daemon
from harness.http_server import HttpServer
from harness.variables import target_variables

if TYPE_CHECKING:
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

PHASES = {"resolve", "connect", "processing", "transfer"}
FAILURES = 3
STALLED = "pingone_flow_exporter_probes_stalled_total"
"""Where the machine that runs the tests stood still, durations are neither observed nor shown as last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Pages of one daemon, and when its provider went and came back.

    Args:
        works: while the provider answers.
        failing: when it is gone and `FAILURES` probes have failed.
        failing_on: after one more.
        again: when it answers again.
        stopped_at: wall clock; the provider is still there.
        started_at: wall clock; the provider is not there yet.
    """

    works: Samples
    failing: Samples
    failing_on: Samples
    again: Samples
    stopped_at: float
    started_at: float


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    directory = tmp_path_factory.mktemp("shows")
    with HttpServer() as server:
        environment = target_variables("emea", server.base_url, interval="5s", timeout="4900ms")
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as daemon:
            works = daemon.wait_until(
                lambda page: count(page, "ok") >= 2 and succeeds(page) and phases(page), what="two successes"
            )
            stopped_at = time.time()
            server.stop()
            failing = daemon.wait_until(lambda page: failures(page) >= FAILURES, what="failures")
            seen = failures(failing)
            failing_on = daemon.wait_until(
                lambda page: failures(page) > seen and phases(page), what="one more failure"
            )
            started_at = time.time()
            server.start()
            again = daemon.wait_until(
                lambda page: succeeds(page) and phases(page),
                what="success again",
            )
            yield Story(
                works=works,
                failing=failing,
                failing_on=failing_on,
                again=again,
                stopped_at=stopped_at,
                started_at=started_at,
            )


def test_a_healthy_federation_shows_success_phases_code_and_status(story: Story) -> None:
    page = story.works
    assert page.value("pingone_flow_probe_success", target="emea", journey="authorize") == 1.0
    assert phases(page) == PHASES
    assert page.value("pingone_flow_http_status_code", target="emea", step="authorize") == 200.0
    assert statuses(page) == {"USERNAME_PASSWORD_REQUIRED": 1.0, "FAILED": None, "UNKNOWN": None}
    assert page.value("pingone_flow_probe_consecutive_failures") == 0.0
    assert page.value("pingone_flow_statuses_total", status="USERNAME_PASSWORD_REQUIRED") == count(page, "ok")
    assert page.value("pingone_flow_http_responses_total", code="200") == count(page, "ok")


def test_an_unreachable_provider_shows_in_reason_and_counters(story: Story) -> None:
    page = story.failing_on
    ((result, _),) = page.series("pingone_flow_probe_last_result_info")
    assert (result["reason"], result["fault"], result["phase"]) == ("connect", "network", "connect")
    assert page.value("pingone_flow_probe_success") == 0.0
    assert count(page, "connect") > count(story.failing, "connect") >= FAILURES - 1
    failed, before = (
        each.total("pingone_flow_probes_total") - count(each, "ok") - count(each, "internal")
        for each in (page, story.works)
    )
    assert failures(page) == failed - before > failures(story.failing)


def test_without_a_response_its_metrics_are_absent(story: Story) -> None:
    page = story.failing_on
    assert not page.has("pingone_flow_http_status_code")
    assert statuses(page) == {"USERNAME_PASSWORD_REQUIRED": 0.0, "FAILED": None, "UNKNOWN": None}
    assert phases(page) == {"resolve"}


def test_failures_are_not_in_the_duration_histogram(story: Story) -> None:
    for page in (story.works, story.failing_on, story.again):
        observed = page.total("pingone_flow_probe_duration_seconds_count")
        assert count(page, "ok") - page.total(STALLED) <= observed <= count(page, "ok")
    assert count(story.failing_on, "ok") == count(story.failing, "ok") >= count(story.works, "ok")


def test_it_has_been_failing_since_the_first_failed_probe(story: Story) -> None:
    since = story.failing.value("pingone_flow_probe_state_change_timestamp_seconds")
    success = story.failing.value("pingone_flow_probe_last_success_timestamp_seconds")
    last = story.failing.value("pingone_flow_probe_last_run_timestamp_seconds")
    assert since is not None
    assert success is not None
    assert last is not None
    assert max(success, story.stopped_at) < since < last < story.started_at
    assert story.failing_on.value("pingone_flow_probe_state_change_timestamp_seconds") == since


def test_recovery_resets_the_failures_and_the_state_change_time(story: Story) -> None:
    page = story.again
    since = page.value("pingone_flow_probe_state_change_timestamp_seconds")
    success = page.value("pingone_flow_probe_last_success_timestamp_seconds")
    assert since is not None
    assert success is not None
    assert story.started_at < since <= success
    assert failures(page) == 0.0
    assert phases(page) == PHASES
    assert page.value("pingone_flow_http_status_code") == 200.0
    ((result, _),) = page.series("pingone_flow_probe_last_result_info")
    assert (result["reason"], result["fault"], result["phase"]) == ("ok", "none", "transfer")


def succeeds(page: Samples) -> bool:
    return page.value("pingone_flow_probe_success") == 1.0


def count(page: Samples, reason: str) -> float:
    return page.total("pingone_flow_probes_total", target="emea", reason=reason)


def failures(page: Samples) -> float:
    return page.value("pingone_flow_probe_consecutive_failures", target="emea") or 0.0


def phases(page: Samples) -> set[str]:
    return {labels["phase"] for labels, _ in page.series("pingone_flow_step_last_duration_seconds")}


def statuses(page: Samples) -> dict[str, float | None]:
    """Return the status gauge, and None for a status that was neither expected nor seen."""
    shown = {labels["status"]: value for labels, value in page.series("pingone_flow_status")}
    counted = {labels["status"] for labels, _ in page.series("pingone_flow_statuses_total")}
    assert set(shown) <= counted
    return {status: shown.get(status) for status in counted}
