"""The one sentence about all that is watched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_certificate, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_watched, bad, good, slow

from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.serving import Egress, Watched
from exporter.serving.headline import headline

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
OURS = a_failure(Reason.INTERNAL, Fault.EXPORTER)
EXPIRED = a_failure(
    Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(a_step(reason=Reason.TLS, tls=a_certificate(START - 9)),)
)
TIMEOUT = (Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)
UNANSWERED = a_failure(Reason.PROTOCOL, Fault.PROVIDER, Phase.PROCESSING)
DOWN = Egress(up=False, since=START)
CHECK = "own egress check gets no answer since 14:00 UTC"


def timing_out(name: str, host: str = "auth.pingone.eu", since: float = START) -> Watched:
    failure = a_failure(*TIMEOUT, ended_at=since, target=name)
    return a_watched(failure, target=a_target(name=name, source_url=f"https://{host}/x"))


@pytest.mark.parametrize(
    ("watched", "sentence"),
    [
        ((), "No federation is watched here."),
        ((a_watched(),), "Not judged yet."),
        ((a_watched(), a_watched(target=a_target(name="b"))), "None of 2 federations has been judged yet."),
        ((good(),), "The only federation succeeds."),
        ((good("a"), good("b")), "All 2 federations succeed."),
        ((good("a"), slow("b")), "All 2 federations succeed and 1 is slow."),
        (
            (good("a"), slow("b"), slow("c"), a_watched(a_success(), QUOTA, target=a_target(name="d"))),
            "3 of 4 federations succeed, 2 are slow and 1 is held back by a rate limit.",
        ),
        (
            (good("a"), a_watched(target=a_target(name="b"))),
            "1 of 2 federations succeeds and 1 is not judged yet.",
        ),
        (
            (a_watched(a_success(), OURS),),
            "0 of 1 federation succeed and 1 could not be judged just now, by the exporter's own fault.",
        ),
    ],
)
def test_when_nothing_fails_the_headline_says_so_and_what_else_there_is(
    watched: tuple[Watched, ...], sentence: str
) -> None:
    assert headline(watched, NOW) == sentence


def test_one_host_with_one_symptom_is_named_with_the_time_it_began() -> None:
    watched = [timing_out("a", since=START + 60), timing_out("b"), good("c")]
    assert headline(watched, NOW) == (
        "2 of 3 federations fail; it looks like the provider: auth.pingone.eu times out since 14:00 UTC, "
        "for 2 of its 3 federations."
    )


def test_one_failing_federation_is_told_in_the_singular() -> None:
    watched = [a_watched(EXPIRED), good("b")]
    assert headline(watched, NOW) == (
        "1 of 2 federations fails; it looks like the provider: "
        "auth.pingone.eu has an expired certificate since 14:00 UTC, for 1 of its 2 federations."
    )


def test_one_symptom_of_several_hosts_is_told_once() -> None:
    two_hosts = [timing_out("a"), timing_out("b", "auth.pingone.com")]
    assert "the provider: each of 2 hosts times out since 14:00 UTC." in headline(two_hosts, NOW)


def test_two_symptoms_are_both_told_and_more_are_counted() -> None:
    expired = replace(a_watched(EXPIRED), target=a_target(name="b"))
    assert headline([timing_out("a"), expired], NOW).endswith(
        "the provider: auth.pingone.eu times out since 14:00 UTC, for 1 of its 2 federations, and "
        "auth.pingone.eu has an expired certificate since 14:00 UTC, for 1 of its 2 federations."
    )
    three = [timing_out("a"), expired, timing_out("c", "auth.pingone.com")]
    assert headline(three, NOW).endswith("the provider: 2 hosts fail in 2 ways since 14:00 UTC.")


def test_several_faults_are_told_apart_the_most_frequent_first() -> None:
    watched = [bad("a"), timing_out("b"), timing_out("c"), good("d")]
    assert headline(watched, NOW) == (
        "3 of 4 federations fail; it looks like the provider (2) and the network (1): "
        "auth.pingone.eu times out since 14:00 UTC, for 2 of its 4 federations, and "
        "auth.pingone.eu accepts no connection since 14:00 UTC, for 1 of its 4 federations."
    )


def test_when_all_hosts_are_out_of_reach_it_looks_like_our_own_network() -> None:
    watched = [bad("a", "a.example"), bad("b", "b.example")]
    assert "it looks like our own network: each of 2 hosts accepts no connection" in headline(watched, NOW)
    assert "it looks like the network" in headline([*watched, good("c")], NOW)


def test_a_rate_limit_hides_no_failure_from_the_headline() -> None:
    watched = [a_watched(a_failure(), QUOTA)]
    assert headline(watched, NOW).startswith("1 of 1 federation fails; it looks like the network: ")


def test_a_host_is_named_with_how_many_of_its_federations_fail_alike() -> None:
    watched = [
        *map(timing_out, "abc"),
        good("d", target=a_target(name="d", source_url="https://other.example/x")),
    ]
    assert headline(watched, NOW) == (
        "3 of 4 federations fail; it looks like the provider: "
        "auth.pingone.eu times out since 14:00 UTC, for 3 of its 3 federations."
    )


def test_a_host_of_which_other_federations_succeed_is_not_told_as_if_it_were_down() -> None:
    watched = [timing_out("a"), good("b"), good("c")]
    assert headline(watched, NOW) == (
        "1 of 3 federations fails; it looks like the provider: "
        "auth.pingone.eu times out since 14:00 UTC, for 1 of its 3 federations."
    )


def test_among_many_symptoms_the_host_that_most_share_is_named() -> None:
    watched = [*map(timing_out, "abc"), timing_out("d", "auth.pingone.com"), bad("e", "auth.pingone.ca")]
    assert headline(watched, NOW) == (
        "5 of 5 federations fail; it looks like the provider (4) and the network (1): "
        "3 hosts fail in 2 ways since 14:00 UTC, most often: "
        "auth.pingone.eu times out since 14:00 UTC, for 3 of its 3 federations."
    )


def test_what_has_failed_for_days_does_not_hide_what_began_tonight_nor_since_when() -> None:
    old = replace(bad("old", "old.example"), since=NOW - 3 * 86_400, in_a_row=4320)
    assert headline([old, timing_out("a"), good("b")], NOW) == (
        "2 of 3 federations fail, 1 of them for more than a day; it looks like the provider: "
        "auth.pingone.eu times out since 14:00 UTC, for 1 of its 2 federations."
    )
    assert headline([old], NOW) == (
        "1 of 1 federation fails; it looks like the network: old.example accepts no connection "
        "since 19 Nov 14:04 UTC."
    )


# With an egress check


@pytest.mark.parametrize("failing", [timing_out("a"), bad("a"), a_watched(UNANSWERED)])
def test_when_the_exporter_reaches_nobody_no_provider_is_blamed(failing: Watched) -> None:
    unknown = a_watched(target=a_target(name="b"))
    assert headline([failing, unknown], NOW, DOWN) == (
        f"The exporter itself reaches nobody: its {CHECK}, and 1 of 2 federations fails, "
        "which says nothing of any provider."
    )


def test_a_success_before_the_way_out_was_lost_is_no_sign_that_it_is_open() -> None:
    before = a_watched(a_success(ended_at=START - 1), target=a_target(name="b"))
    assert headline([timing_out("a"), before], NOW, DOWN).startswith("The exporter itself reaches nobody: ")


def test_who_answers_is_reached_whatever_the_egress_check_says() -> None:
    refused = a_watched(a_failure(Reason.SERVER_ERROR, Fault.PROVIDER, steps=(a_step(http_status_code=503),)))
    for watched, subject in (([refused], "1 of 1"), ([timing_out("a"), good("b")], "1 of 2")):
        text = headline(watched, NOW, DOWN)
        assert text.startswith(f"{subject} federation")
        assert "fails; it looks like the provider: " in text
        assert text.endswith(f"; but the exporter's {CHECK}.")


def test_while_nothing_fails_a_lost_way_out_is_told_all_the_same() -> None:
    assert headline([good()], NOW, DOWN) == (f"The only federation succeeds; but the exporter's {CHECK}.")


def test_an_egress_check_that_is_answered_clears_our_own_network() -> None:
    watched = [bad("a", "a.example"), bad("b", "b.example")]
    assert "it looks like the network: " in headline(watched, NOW, Egress(up=True, since=START))


@given(st.lists(st.lists(outcomes(), max_size=3), max_size=4), st.sampled_from([None, DOWN]))
def test_any_state_of_affairs_has_a_headline(histories: list[list[Outcome]], egress: Egress | None) -> None:
    watched = [a_watched(*history, target=a_target(name=f"t{n}")) for n, history in enumerate(histories)]
    text = headline(watched, NOW, egress)
    assert text.endswith(".")
    assert "All" not in text or not any(one.failing for one in watched)
