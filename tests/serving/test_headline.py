"""The headline about all federations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_status, bad, good, headline, overview, slow, unstable

from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.status import DestinationStatus, EgressStatus, TargetStatus
from exporter.target import Journey

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
STALLED = a_failure(Reason.INTERNAL, Fault.EXPORTER)
TIMEOUT = (Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)
DOWN = EgressStatus(up=False, since=START)
CHECK_FAILS = "The exporter's own egress check has been failing since 14:00 UTC."


def timing_out(name: str, host: str = "auth.pingone.eu", since: float = START) -> TargetStatus:
    failure = a_failure(*TIMEOUT, ended_at=since, target=name)
    return a_status(failure, target=a_target(name=name, source_url=f"https://{host}/x"))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), "No federations are watched here."),
        ((a_status(),), "Waiting for the first result of 1 federation."),
        (
            (a_status(), a_status(target=a_target(name="b"))),
            "Waiting for the first result of 2 federations.",
        ),
        ((good(),), "1 of 1 federations healthy."),
        ((good("a"), good("b")), "2 of 2 federations healthy."),
        ((good("a"), slow("b")), "2 of 2 federations healthy (1 slow)."),
        (
            (good("a"), slow("b"), slow("c"), a_status(a_success(), QUOTA, target=a_target(name="d"))),
            "3 of 4 federations healthy (2 slow), 1 paused (rate-limited).",
        ),
        (
            (good("a"), a_status(target=a_target(name="b"))),
            "1 of 2 federations healthy, 1 without a result yet.",
        ),
        (
            (a_status(a_success(), STALLED),),
            "0 of 1 federations healthy, 1 inconclusive because of the exporter itself.",
        ),
    ],
)
def test_when_nothing_fails_the_rest_is_counted(statuses: tuple[TargetStatus, ...], expected: str) -> None:
    assert headline(*statuses) == expected


def test_federations_of_a_destination_that_was_never_listed_are_missing() -> None:
    def listing(name: str, **known: Any) -> DestinationStatus:  # noqa: ANN401  fields of the status
        return DestinationStatus(name=name, auth_host="auth.pingone.eu", counts={}, **known)

    failed = listing("hub", refresh_ok=False, failure="dns: no such host")
    known = listing("old", refresh_ok=False, last_success=NOW - 60)
    assert headline(good(), destinations=lambda: (failed, known, listing("new"))) == (
        "1 of 1 federations healthy. Not watched: the federations of hub, which could not be listed."
    )
    document = overview(good(), destinations=lambda: (failed,))
    assert {"class": "headline inconclusive"} in document.all("div")
    assert {"class": "headline ok"} in overview(good(), destinations=lambda: (known,)).all("div")


def test_the_failing_are_counted_with_their_start_and_likely_cause() -> None:
    assert headline(timing_out("a", since=START + 60), timing_out("b"), good("c")) == (
        "2 of 3 federations failing since 14:00 UTC; likely cause: provider."
    )


def test_several_faults_are_counted_the_most_frequent_first() -> None:
    assert headline(bad("a"), timing_out("b"), timing_out("c"), good("d")) == (
        "3 of 4 federations failing since 14:00 UTC; likely cause: provider (2), network (1)."
    )


def test_a_target_counts_once_however_many_of_its_journeys_fail() -> None:
    other = replace(bad("a"), journey=Journey.DISCOVERY)
    assert headline(bad("a"), other, good("b")) == (
        "1 of 2 federations failing since 14:00 UTC; likely cause: network."
    )


def test_the_unstable_are_counted() -> None:
    assert headline(unstable("a"), good("b")) == "1 of 2 federations unstable; likely cause: network."
    assert headline(unstable("a"), timing_out("b"), good("c")) == (
        "1 of 3 federations failing since 14:00 UTC, 1 unstable; likely cause: provider."
    )


def test_when_no_host_can_be_reached_the_exporter_s_own_network_is_suspected() -> None:
    hosts = [bad("a", "a.example"), bad("b", "b.example")]
    assert headline(*hosts).endswith("; likely cause: the exporter's own network.")
    assert headline(*hosts, good("c")).endswith("; likely cause: network.")
    assert headline(*hosts, egress=EgressStatus(up=True, since=START)).endswith("; likely cause: network.")


def test_a_rate_limit_does_not_hide_a_failure() -> None:
    text = headline(a_status(a_failure(), QUOTA))
    assert text == "1 of 1 federations failing since 14:00 UTC; likely cause: network."


def test_a_failure_of_days_ago_does_not_hide_tonight_s() -> None:
    old = replace(bad("old", "old.example"), since=NOW - 3 * 86_400, consecutive=4320)
    assert headline(old, timing_out("a"), good("b")) == (
        "2 of 3 federations failing (1 for more than a day) since 14:00 UTC; likely cause: provider."
    )
    assert headline(old) == ("1 of 1 federations failing since 19 Nov 14:04 UTC; likely cause: network.")


# With an egress check


@pytest.mark.parametrize(
    "failing",
    [
        timing_out("a"),
        bad("a"),
        a_status(a_failure(Reason.PROTOCOL, Fault.PROVIDER, Phase.PROCESSING)),
    ],
)
def test_without_network_access_no_provider_is_blamed(failing: TargetStatus) -> None:
    assert headline(failing, a_status(target=a_target(name="b")), egress=DOWN) == (
        "The exporter has no network access: its own egress check has been failing since 14:00 UTC. "
        "1 of 2 federations failing, which says nothing about any provider."
    )


def test_a_response_before_the_egress_check_failed_does_not_count() -> None:
    before = a_status(a_success(ended_at=START - 1), target=a_target(name="b"))
    assert headline(timing_out("a"), before, egress=DOWN).startswith("The exporter has no network access: ")


def test_a_target_that_responds_is_blamed_whatever_the_egress_check_says() -> None:
    step = a_step(http_status_code=503)
    error = a_status(a_failure(Reason.SERVER_ERROR, Fault.PROVIDER, steps=(step,)))
    for statuses, count in (([error], "1 of 1"), ([timing_out("a"), good("b")], "1 of 2")):
        text = headline(*statuses, egress=DOWN)
        assert text == (f"{count} federations failing since 14:00 UTC; likely cause: provider. {CHECK_FAILS}")


def test_what_responded_before_the_egress_check_failed_is_blamed_until_it_is_probed_again() -> None:
    step = a_step(http_status_code=503)
    error = a_failure(Reason.SERVER_ERROR, Fault.PROVIDER, steps=(step,), ended_at=START - 60)
    text = headline(a_status(error), egress=DOWN)
    assert text == f"1 of 1 federations failing since 13:59 UTC; likely cause: provider. {CHECK_FAILS}"


def test_a_failing_egress_check_is_shown_although_nothing_fails() -> None:
    assert headline(good(), egress=DOWN) == f"1 of 1 federations healthy. {CHECK_FAILS}"


@settings(max_examples=30)
@given(st.lists(st.lists(outcomes(), max_size=3), max_size=4), st.sampled_from([None, DOWN]))
def test_any_outcomes_have_a_headline(histories: list[list[Outcome]], egress: EgressStatus | None) -> None:
    statuses = [a_status(*history, target=a_target(name=f"t{n}")) for n, history in enumerate(histories)]
    text = headline(*statuses, egress=egress)
    assert text.endswith(".")
    troubled = any(status.failing or status.unstable for status in statuses)
    assert ("failing" in text or "unstable" in text) or not troubled
