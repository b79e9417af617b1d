"""How each target stands, in which order, and the one sentence about all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_certificate, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_watched, bad, good, slow

from exporter.outcome import Fault, Outcome, Phase, Reason
from exporter.serving.standing import Standing, headline, rank, standing, told, verdict
from exporter.serving.words import finding

if TYPE_CHECKING:
    from exporter.serving import Watched

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
OURS = a_failure(Reason.INTERNAL, Fault.EXPORTER)
EXPIRED = a_failure(
    Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(a_step(reason=Reason.TLS, tls=a_certificate(START - 9)),)
)
TIMEOUT = (Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)


def timing_out(name: str, host: str = "auth.pingone.eu", since: float = START) -> Watched:
    failure = a_failure(*TIMEOUT, ended_at=since, target=name)
    return a_watched(failure, target=a_target(name=name, source_url=f"https://{host}/x"))


# One target


@pytest.mark.parametrize(
    ("watched", "stands"),
    [
        (a_watched(), Standing.UNKNOWN),
        (good(), Standing.GOOD),
        (slow(), Standing.SLOW),
        (a_watched(a_success(duration=2.5, stalled=True)), Standing.GOOD),
        (bad(), Standing.FAILING),
        (a_watched(a_failure(), QUOTA), Standing.FAILING),
        (a_watched(a_success(), QUOTA), Standing.HELD),
        (a_watched(a_success(), held_until=NOW + 9), Standing.HELD),
        (a_watched(QUOTA), Standing.HELD),
        (a_watched(a_success(), OURS), Standing.UNCLEAR),
    ],
)
def test_a_target_stands_as_its_state_and_its_last_probe_say(watched: Watched, stands: Standing) -> None:
    assert standing(watched) is stands


@pytest.mark.parametrize(
    ("watched", "words"),
    [
        (a_watched(), "not probed yet"),
        (a_watched(QUOTA), "not judged yet: rate_limited, too many requests"),
        (a_watched(EXPIRED, in_a_row=14), "failing since …, 14 probes: tls, certificate expired"),
        (good(), "succeeding since …, 1 probe"),
        (slow(), "succeeding since …, 1 probe; the last one took 2.50 s, longer than 2.00 s"),
        (
            a_watched(a_success(), OURS),
            f"succeeding since …, 1 probe; the last one says nothing of it: {finding(OURS)}",
        ),
    ],
)
def test_a_verdict_is_told_in_words(watched: Watched, words: str) -> None:
    before, since, after = verdict(watched)
    assert (before + after if since is None else f"{before} …{after}") == words


def test_what_is_announced_stays_the_same_from_probe_to_probe() -> None:
    once, again = a_watched(EXPIRED), a_watched(EXPIRED, in_a_row=14)
    assert (
        told(once, NOW) == told(again, NOW + 60) == ("emea failing since 14:00 UTC: tls, certificate expired")
    )
    assert told(good(), NOW) == "emea succeeding since 14:00 UTC"
    assert told(a_watched(), NOW) == "emea not probed yet"


# Their order


def test_the_worst_comes_first() -> None:
    fresh = bad("fresh")
    pages = replace(bad("pages"), in_a_row=3)
    first = replace(pages, target=a_target(name="first"), since=START - 60)
    old = replace(pages, target=a_target(name="old"), since=START - 2 * 86_400)
    held = a_watched(a_success(), QUOTA, target=a_target(name="held"))
    unclear = a_watched(a_success(), OURS, target=a_target(name="unclear"))
    unknown = a_watched(target=a_target(name="unknown"))
    wanted = [first, pages, fresh, old, held, unclear, slow("slow"), unknown, good("a"), good("b")]
    shuffled = wanted[::-1]
    assert sorted(shuffled, key=lambda watched: rank(watched, NOW)) == wanted


# All of them


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
            "All 4 federations succeed, 2 are slow and 1 is held back by a rate limit.",
        ),
        (
            (good("a"), a_watched(target=a_target(name="b"))),
            "1 of 2 federations succeed, 1 not judged yet.",
        ),
        (
            (a_watched(a_success(), OURS),),
            "The only federation succeeds and 1 could not be judged just now, by the exporter's own fault.",
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
        "2 of 3 federations fail; it looks like the provider: auth.pingone.eu times out since 14:00 UTC."
    )


def test_one_failing_federation_is_told_in_the_singular() -> None:
    watched = [a_watched(EXPIRED), good("b")]
    assert headline(watched, NOW) == (
        "1 of 2 federations fails; it looks like the provider: "
        "auth.pingone.eu has an expired certificate since 14:00 UTC."
    )


def test_several_hosts_or_symptoms_are_counted() -> None:
    two_hosts = [timing_out("a"), timing_out("b", "auth.pingone.com")]
    assert "the provider: each of 2 hosts times out since 14:00 UTC." in headline(two_hosts, NOW)
    one_host = [timing_out("a"), replace(a_watched(EXPIRED), target=a_target(name="b"))]
    assert "the provider: auth.pingone.eu fails in 2 ways since 14:00 UTC." in headline(one_host, NOW)
    both = [*two_hosts, *one_host]
    assert "the provider: 2 hosts fail in 2 ways since 14:00 UTC." in headline(both, NOW)


def test_several_faults_are_told_apart_the_most_frequent_first() -> None:
    watched = [bad("a"), timing_out("b"), timing_out("c"), good("d")]
    assert headline(watched, NOW) == (
        "3 of 4 federations fail; it looks like the provider (2) and the network (1)."
    )


def test_when_all_hosts_are_out_of_reach_it_looks_like_our_own_network() -> None:
    watched = [bad("a", "a.example"), bad("b", "b.example")]
    assert "it looks like our own network: each of 2 hosts accepts no connection" in headline(watched, NOW)
    assert "it looks like the network" in headline([*watched, good("c")], NOW)


def test_a_rate_limit_hides_no_failure_from_the_headline() -> None:
    watched = [a_watched(a_failure(), QUOTA)]
    assert headline(watched, NOW).startswith("1 of 1 federation fails; it looks like the network: ")


@given(st.lists(st.lists(outcomes(), max_size=3), max_size=4))
def test_any_state_of_affairs_has_a_headline_a_rank_and_a_verdict(histories: list[list[Outcome]]) -> None:
    watched = []
    for number, history in enumerate(histories):
        one = a_watched(*history, target=a_target(name=f"t{number}"))
        failing = one.decisive is not None and not one.decisive.success
        watched.append(replace(one, failing=failing if one.decisive else None))
    assert headline(watched, NOW).endswith(".")
    for one in watched:
        assert rank(one, NOW).name == one.target.name
        assert verdict(one).before
