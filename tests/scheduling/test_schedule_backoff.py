"""A provider that limits rates is left alone, by all targets of that environment on that host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from scheduling.stage import EXACT, Act, due_slots, make_target, play
from scheduling.virtual_time import EPOCH

from exporter.outcome import SkipCause
from exporter.reasons import Reason
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.stage import Stage


def refused_once(name: str, retry_after: float | None, *, number: int = 0) -> Callable[[str, int], Act]:
    """Return the script in which one probe, a second long, is refused."""
    refusal = Act(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=retry_after)
    return lambda probed, n: refusal if (probed, n) == (name, number) else Act()


def assert_held(stage: Stage, target: Target, due: list[float], since: float, until: float) -> None:
    """Assert that slots in between, and no others, were skipped as backoff."""
    held = [slot for slot in due if since < slot < until]
    assert held
    assert stage.starts(target.name) == pytest.approx([slot for slot in due if slot not in held], abs=EXACT)
    assert stage.skipped_count(SkipCause.BACKOFF, target.name) == len(held)


@pytest.mark.parametrize(
    ("retry_after", "lasts"),
    [
        pytest.param(45.0, 45.0, id="as long as the provider asks"),
        pytest.param(None, 20.0, id="two intervals when it does not say"),
        pytest.param(3600.0, 300.0, id="five minutes at most"),
    ],
)
def test_a_refused_target_is_held_back_and_goes_on_in_its_phase(
    retry_after: float | None, lasts: float
) -> None:
    target = make_target("t", interval=10.0)
    stage = play([target], 400.0, script=refused_once("t", retry_after))
    assert_held(stage, target, due_slots(target, 400.0), 1.0, 1.0 + lasts)
    assert len(stage.skips) == stage.skipped_count(SkipCause.BACKOFF)


def test_a_provider_that_asks_for_no_time_gets_none() -> None:
    target = make_target("t", interval=10.0)
    stage = play([target], 100.0, script=refused_once("t", 0.0))
    assert stage.starts("t") == pytest.approx(due_slots(target, 100.0), abs=EXACT)
    assert stage.skips == []


def test_a_hold_counts_for_the_same_environment_on_the_same_host_and_for_no_other() -> None:
    targets = {
        "refused": make_target("refused", host="h", environment="e", interval=10.0),
        "same": make_target("same", host="h", environment="e", interval=10.0),
        "environment": make_target("environment", host="h", environment="f", interval=10.0),
        "host": make_target("host", host="i", environment="e", interval=10.0),
        "port": make_target("port", host="h:8443", environment="e", interval=10.0),
    }
    stage = play(list(targets.values()), 100.0, script=refused_once("refused", 45.0))
    firsts = {"refused": 0.0, "same": 0.05, "environment": 0.1, "host": 0.0, "port": 0.0}
    for name, target in targets.items():
        due = due_slots(target, 100.0, first=firsts[name])
        if name in {"refused", "same"}:
            assert_held(stage, target, due, 1.0, 46.0)
        else:
            assert stage.starts(name) == pytest.approx(due, abs=EXACT)


def test_two_intervals_are_those_of_the_target_that_was_refused() -> None:
    refused, other = make_target("refused", interval=40.0), make_target("other", interval=10.0)
    stage = play([refused, other], 200.0, script=refused_once("refused", None))
    assert_held(stage, other, due_slots(other, 200.0, first=0.05), 1.0, 81.0)


@pytest.mark.parametrize("step", [0.0, 3600.0])
def test_whoever_is_held_back_is_told_of_in_the_wall_time_of_then(step: float) -> None:
    targets = [make_target(name, environment=name[0], interval=10.0) for name in ("a1", "b1", "a2")]
    stage = play(
        targets, 20.0, script=refused_once("a1", 45.0), cues=[(0.5, lambda time: time.set_wall(step))]
    )
    assert [hold.target for hold in stage.holds] == ["a1", "a2"]
    assert [hold.at for hold in stage.holds] == pytest.approx([1.0, 1.0], abs=EXACT)
    assert [hold.until for hold in stage.holds] == pytest.approx([EPOCH + step + 46.0] * 2, abs=EXACT)


def test_a_hold_is_not_shortened_by_a_later_refusal_that_asks_for_less() -> None:
    """Both were on their way when the first was refused."""
    targets = [make_target(name, host="h", interval=10.0) for name in ("a", "b")]
    asked = {"a": Act(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=50.0)}
    asked["b"] = Act(lasts=2.0, reason=Reason.RATE_LIMITED, retry_after=5.0)
    stage = play(targets, 100.0, script=lambda name, number: asked[name] if number == 0 else Act())
    assert_held(stage, targets[0], due_slots(targets[0], 100.0), 1.0, 51.0)
    assert_held(stage, targets[1], due_slots(targets[1], 100.0, first=0.05), 1.0, 51.0)
    assert [hold.until - EPOCH for hold in stage.holds] == pytest.approx([51.0] * 4, abs=EXACT)


def test_a_later_refusal_that_asks_for_more_lengthens_the_hold() -> None:
    targets = [make_target(name, host="h", interval=10.0) for name in ("a", "b")]
    asked = {"a": Act(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=5.0)}
    asked["b"] = Act(lasts=2.0, reason=Reason.RATE_LIMITED, retry_after=50.0)
    stage = play(targets, 100.0, script=lambda name, number: asked[name] if number == 0 else Act())
    assert_held(stage, targets[0], due_slots(targets[0], 100.0), 1.0, 52.05)


def test_a_refusal_after_the_hold_begins_another_one() -> None:
    target = make_target("t", interval=10.0)
    refusal = Act(reason=Reason.RATE_LIMITED, retry_after=25.0)
    stage = play([target], 300.0, script=lambda *_: refusal)
    for earlier, later in zip(stage.starts("t"), stage.starts("t")[1:], strict=False):
        assert 25.0 <= later - earlier <= 25.1 + 10.0
    assert len(stage.begun) + stage.skipped_count(SkipCause.BACKOFF) == len(due_slots(target, 300.0))


def test_who_waits_for_a_place_when_the_hold_begins_is_held_back_too() -> None:
    targets = [make_target(name, host="h", interval=20.0) for name in ("a", "b", "c")]
    stage = play(targets, 3.0, limit=1, script=refused_once("a", 45.0))
    assert [note.target for note in stage.begun] == ["a"]
    assert [(skip.target, skip.cause) for skip in stage.skips] == [
        ("b", SkipCause.BACKOFF),
        ("c", SkipCause.BACKOFF),
    ]
    assert [skip.at for skip in stage.skips] == pytest.approx([1.0, 1.0], abs=EXACT)


def test_who_is_held_back_is_skipped_when_due_and_does_not_wait_for_a_place_first() -> None:
    held, hog = make_target("held", host="h", interval=10.0), make_target("hog", host="i", interval=1e6)
    acts = {"held": Act(reason=Reason.RATE_LIMITED, retry_after=60.0), "hog": Act(lasts=100.0)}
    stage = play([held, hog], 50.0, limit=1, script=lambda name, _: acts[name])
    later = due_slots(held, 50.0)[1:]
    assert [skip.cause for skip in stage.skips] == [SkipCause.BACKOFF] * len(later)
    assert [skip.at for skip in stage.skips] == pytest.approx(later, abs=EXACT)


def test_the_outcome_that_began_a_hold_is_observed_like_any_other() -> None:
    stage = play([make_target("t")], 3.0, script=refused_once("t", 45.0))
    assert [outcome.reason for _, outcome in stage.outcomes] == [Reason.RATE_LIMITED]


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_of_the_wall_clock_neither_ends_nor_lengthens_a_hold(step: float) -> None:
    target = make_target("t", interval=10.0)
    stage = play(
        [target], 200.0, script=refused_once("t", 95.0), cues=[(30.4, lambda time: time.set_wall(step))]
    )
    held = [slot for slot in due_slots(target, 200.0) if 1.0 < slot < 96.0]
    assert stage.skipped_count(SkipCause.BACKOFF) == len(held)
    assert len(stage.begun) == len(due_slots(target, 200.0)) - len(held)
