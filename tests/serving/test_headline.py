"""The headline about all federations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_certificate, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_status, bad, good, headline, slow

from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.status import EgressStatus, TargetStatus

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
STALLED = a_failure(Reason.INTERNAL, Fault.EXPORTER)
EXPIRED = a_failure(
    Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(a_step(reason=Reason.TLS, tls=a_certificate(START - 9)),)
)
TIMEOUT = (Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)
NO_RESPONSE = "no response in time (in phase processing)"
DOWN = EgressStatus(up=False, since=START)
CHECK_FAILS = "The exporter's own egress check has been failing since 14:00 UTC."


def timing_out(name: str, host: str = "auth.pingone.eu", since: float = START) -> TargetStatus:
    failure = a_failure(*TIMEOUT, ended_at=since, target=name)
    return a_status(failure, target=a_target(name=name, source_url=f"https://{host}/x"))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), "No federations are configured here."),
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
            "1 of 2 federations healthy, 1 not probed yet.",
        ),
        (
            (a_status(a_success(), STALLED),),
            "0 of 1 federations healthy, 1 inconclusive because of the exporter itself.",
        ),
    ],
)
def test_when_nothing_fails_the_rest_is_counted(statuses: tuple[TargetStatus, ...], expected: str) -> None:
    assert headline(*statuses) == expected


def test_one_error_of_one_host_is_described_with_its_start() -> None:
    assert headline(timing_out("a", since=START + 60), timing_out("b"), good("c")) == (
        "2 of 3 federations failing. Likely cause: provider. "
        f"auth.pingone.eu: {NO_RESPONSE} since 14:00 UTC (2 of its 3 federations)."
    )


def test_one_failing_target_is_named_so_that_its_host_does_not_look_down() -> None:
    assert headline(a_status(EXPIRED), good("b")) == (
        "1 of 2 federations failing. Likely cause: provider. "
        "emea: certificate not valid (expired) since 14:00 UTC."
    )
    unexpected = a_failure(
        Reason.UNEXPECTED_STATUS,
        Fault.CONFIGURATION,
        Phase.TRANSFER,
        steps=(a_step(reason=Reason.UNEXPECTED_STATUS, flow_status="SIGN_ON_REQUIRED"),),
    )
    assert headline(a_status(unexpected), good("b")) == (
        "1 of 2 federations failing. Likely cause: configuration. emea: unexpected flow status "
        "(SIGN_ON_REQUIRED, expected USERNAME_PASSWORD_REQUIRED) since 14:00 UTC."
    )


def test_one_error_on_several_hosts_is_described_once() -> None:
    text = headline(timing_out("a"), timing_out("b", "auth.pingone.com"))
    assert text.endswith(f"Likely cause: provider. 2 hosts: {NO_RESPONSE} since 14:00 UTC.")


def test_two_errors_are_described_and_more_are_counted() -> None:
    expired = replace(a_status(EXPIRED), target=a_target(name="b"))
    assert headline(timing_out("a"), expired).endswith(
        f"Likely cause: provider. a: {NO_RESPONSE} since 14:00 UTC; "
        "b: certificate not valid (expired) since 14:00 UTC."
    )
    assert headline(timing_out("a"), expired, timing_out("c", "auth.pingone.com")) == (
        "3 of 3 federations failing since 14:00 UTC. Likely cause: provider. 2 different errors on 2 hosts."
    )


def test_several_faults_are_counted_the_most_frequent_first() -> None:
    assert headline(bad("a"), timing_out("b"), timing_out("c"), good("d")) == (
        "3 of 4 federations failing. Likely cause: provider (2), network (1). "
        f"auth.pingone.eu: {NO_RESPONSE} since 14:00 UTC (2 of its 4 federations); "
        "a: connection failed (192.0.2.7) since 14:00 UTC."
    )


def test_when_no_host_can_be_reached_the_exporter_s_own_network_is_suspected() -> None:
    hosts = [bad("a", "a.example"), bad("b", "b.example")]
    own = "Likely cause: the exporter's own network. 2 hosts: connection failed since 14:00 UTC."
    assert headline(*hosts).endswith(own)
    assert "Likely cause: network." in headline(*hosts, good("c"))
    assert "Likely cause: network." in headline(*hosts, egress=EgressStatus(up=True, since=START))


def test_a_rate_limit_does_not_hide_a_failure() -> None:
    text = headline(a_status(a_failure(), QUOTA))
    assert text.startswith("1 of 1 federations failing. Likely cause: network. ")


def test_the_share_of_a_host_s_federations_is_shown_if_some_are_healthy() -> None:
    other = good("d", target=a_target(name="d", source_url="https://other.example/x"))
    assert headline(*map(timing_out, "abc"), other) == (
        "3 of 4 federations failing. Likely cause: provider. "
        f"auth.pingone.eu: {NO_RESPONSE} since 14:00 UTC (3 of its 3 federations)."
    )


def test_of_many_errors_the_most_frequent_is_described() -> None:
    statuses = [*map(timing_out, "abc"), timing_out("d", "auth.pingone.com"), bad("e", "auth.pingone.ca")]
    assert headline(*statuses) == (
        "5 of 5 federations failing since 14:00 UTC. Likely cause: provider (4), network (1). "
        f"2 different errors on 3 hosts, most frequent: auth.pingone.eu: {NO_RESPONSE} since 14:00 UTC "
        "(3 of its 3 federations)."
    )


def test_a_failure_of_days_ago_does_not_hide_tonight_s() -> None:
    old = replace(bad("old", "old.example"), since=NOW - 3 * 86_400, consecutive=4320)
    assert headline(old, timing_out("a"), good("b")) == (
        "2 of 3 federations failing, 1 of them for more than a day. Likely cause: provider. "
        f"a: {NO_RESPONSE} since 14:00 UTC."
    )
    assert headline(old) == (
        "1 of 1 federations failing. Likely cause: network. "
        "old: connection failed (192.0.2.7) since 19 Nov 14:04 UTC."
    )


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
        assert text.startswith(f"{count} federations failing. Likely cause: provider. ")
        assert text.endswith(f". {CHECK_FAILS}")


def test_a_failing_egress_check_is_shown_although_nothing_fails() -> None:
    assert headline(good(), egress=DOWN) == f"1 of 1 federations healthy. {CHECK_FAILS}"


@settings(max_examples=30)
@given(st.lists(st.lists(outcomes(), max_size=3), max_size=4), st.sampled_from([None, DOWN]))
def test_any_outcomes_have_a_headline(histories: list[list[Outcome]], egress: EgressStatus | None) -> None:
    statuses = [a_status(*history, target=a_target(name=f"t{n}")) for n, history in enumerate(histories)]
    text = headline(*statuses, egress=egress)
    assert text.endswith(".")
    assert "failing" in text or not any(status.failing for status in statuses)
