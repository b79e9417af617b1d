"""How each target stands, and in which order."""

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
from exporter.serving import Watched
from exporter.serving.standing import Standing, rank, standing, told, verdict
from exporter.serving.words import finding

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
OURS = a_failure(Reason.INTERNAL, Fault.EXPORTER)
EXPIRED = a_failure(
    Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(a_step(reason=Reason.TLS, tls=a_certificate(START - 9)),)
)


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
    assert standing(watched, NOW) is stands


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
            f"succeeding since …, 1 probe; not judged since 14:00 UTC: {finding(OURS)}",
        ),
    ],
)
def test_a_verdict_is_told_in_words(watched: Watched, words: str) -> None:
    before, since, after = verdict(watched, NOW)
    assert (before + after if since is None else f"{before} …{after}") == words


def test_a_target_that_is_no_longer_probed_is_not_told_to_be_as_it_was() -> None:
    later = NOW + 500.0
    assert standing(good(), later) is Standing.UNCLEAR
    assert verdict(good(), later).after == ", 1 probe; not probed since 14:00 UTC"
    assert standing(a_watched(a_failure()), later) is Standing.FAILING
    seldom = good(target=a_target(interval=3600.0))
    assert standing(seldom, later) is Standing.GOOD
    assert standing(replace(good(), held_until=later + 9), later) is Standing.HELD


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


@given(st.lists(outcomes(), max_size=3))
def test_any_state_of_affairs_has_a_rank_and_a_verdict(history: list[Outcome]) -> None:
    one = a_watched(*history)
    assert rank(one, NOW).name == one.target.name
    assert verdict(one, NOW).before
