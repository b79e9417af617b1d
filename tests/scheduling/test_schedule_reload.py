"""A reload: who is not changed does not notice, and the books balance for everybody else, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scheduling.stage import EXACT, Act, Stage, due_slots, make_target, perform, reloaded
from scheduling.virtual_time import EPOCH

from exporter.outcome import Outcome, SkipCause
from exporter.reasons import Reason
from exporter.target import IpFamily, Journey, Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


LONG = 40.0


def test_an_unchanged_target_keeps_its_phase_and_is_not_probed_again() -> None:
    target = make_target("t", interval=LONG)
    stage = reloaded([target], *[(at, [replace(target)]) for at in (1.0, 50.0, 50.1, 130.0)], until=200.0)
    assert stage.starts("t") == pytest.approx(due_slots(target, 200.0), abs=EXACT)
    assert stage.skips == []


IRRELEVANT: dict[str, Any] = {"labels": (("owner", "identity"),), "latency_objective": 0.5}
"""Fields of a target that make no difference to a probe, with other values."""

RELEVANT: dict[str, Any] = {
    "source_environment_id": "b",
    "destination_environment_id": "b",
    "client_id": "b",
    "source_url": "https://other.example/a",
    "redirect_uri": "https://other.example/callback",
    "scope": "openid profile",
    "prompt": "login",
    "acr_values": "Single_Factor",
    "login_hint": "somebody",
    "max_age": 1,
    "pkce": True,
    "expected_statuses": ("OTP_REQUIRED",),
    "interval": 61.0,
    "timeout": 11.0,
    "ca_file": Path("/ca.pem"),
    "client_certificate_file": Path("/client.pem"),
    "client_key_file": Path("/client.key"),
    "ip_family": IpFamily.V6,
    "proxy_url": "http://proxy.example:3128",
    "absolute_host": True,
    "journeys": (),
}
"""Fields of a target that make a difference to a probe, or to when it is due."""


def test_every_field_of_a_target_is_relevant_or_not() -> None:
    """A new field has to be put into one of the two tables."""
    assert {field.name for field in fields(Target)} - {"name"} <= IRRELEVANT.keys() | RELEVANT.keys()


@pytest.mark.parametrize("field", IRRELEVANT)
def test_a_running_probe_goes_on_if_only_irrelevant_fields_change(field: str) -> None:
    target = make_target("t", interval=LONG)
    after = replace(target, **{field: IRRELEVANT[field]})
    stage = reloaded([target], (3.0, [after]), until=6.0, script=lambda *_: Act(lasts=5.0))
    assert [at for at, _ in stage.outcomes] == pytest.approx([5.0], abs=EXACT)
    assert stage.skips == []


@pytest.mark.parametrize("field", RELEVANT)
def test_a_running_probe_is_cancelled_if_a_relevant_field_changes(field: str) -> None:
    target = make_target("t", interval=LONG)
    after = replace(target, **{field: RELEVANT[field], **IRRELEVANT})
    stage = reloaded([target], (3.0, [after]), until=3.1, script=lambda *_: Act(lasts=5.0))
    assert [(skip.target, skip.cause, skip.count) for skip in stage.skips] == [("t", SkipCause.CANCELLED, 1)]
    assert len(stage.begun) == (1 if field == "journeys" else 2)


def test_the_next_probe_is_one_of_the_target_as_it_is_written_now() -> None:
    seen: list[Target] = []

    async def scene(stage: Stage, _: VirtualTime) -> None:
        async def noting(target: Target, journey: Journey) -> Outcome:
            seen.append(target)
            return await stage.probe(target, journey)

        target = make_target("t", interval=10.0)
        schedule = stage.schedule([target], probe=noting)
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.reconfigure([replace(target, labels=(("owner", "a"),))], max_concurrent_probes=100)
        await asyncio.sleep(20.0)
        await schedule.stop(grace=0.0)

    perform(scene)
    assert [target.labels for target in seen][:2] == [(), (("owner", "a"),)]


def test_a_removed_target_is_cancelled_wherever_it_is_and_probed_no_more() -> None:
    stays, runs, waits = (make_target(name, host=name, interval=LONG, timeout=9.0) for name in "abc")
    stage = reloaded(
        [stays, runs, waits], (3.0, [stays]), until=150.0, limit=2, script=lambda *_: Act(lasts=5.0)
    )
    assert [(skip.target, skip.cause, skip.count) for skip in stage.skips] == [
        ("b", SkipCause.CANCELLED, 1),
        ("c", SkipCause.CANCELLED, 1),
    ]
    assert [skip.at for skip in stage.skips] == pytest.approx([3.0, 3.0], abs=EXACT)
    assert {outcome.target for _, outcome in stage.outcomes} == {"a"}
    assert stage.in_flight == 0


def test_a_changed_targets_probe_is_cancelled_and_counted_and_a_new_one_comes_soon() -> None:
    target = make_target("t", interval=LONG, timeout=9.0)
    after = replace(target, client_id="other")
    stage = reloaded([target], (3.0, [after]), until=150.0, script=lambda *_: Act(lasts=5.0))
    assert [(skip.cause, skip.count) for skip in stage.skips] == [(SkipCause.CANCELLED, 1)]
    assert stage.starts("t") == pytest.approx([0.0, *due_slots(after, 150.0, first=3.0)], abs=EXACT)
    assert stage.twice_at_once == []


def test_a_changed_target_is_not_probed_again_before_its_cancelled_probe_has_ended() -> None:
    running = 0

    async def scene(stage: Stage, _: VirtualTime) -> None:
        async def closing(target: Target, journey: Journey) -> Outcome:
            nonlocal running
            running += 1
            assert running == 1
            try:
                return await stage.probe(target, journey)
            finally:
                await asyncio.sleep(0.2)  # as closing a connection may take
                running -= 1

        schedule = stage.schedule([make_target("t", timeout=9.0)], probe=closing)
        schedule.start()
        await asyncio.sleep(3.0)
        await schedule.reconfigure([make_target("t", timeout=8.0)], max_concurrent_probes=100)
        await asyncio.sleep(1.0)
        await schedule.stop(grace=30.0)

    stage = perform(scene, lambda *_: Act(lasts=5.0))
    assert stage.starts("t") == pytest.approx([0.0, 3.2], abs=EXACT)


@pytest.mark.parametrize("turns", range(8))
def test_a_wake_that_reaches_a_removed_target_late_begins_and_counts_nothing(turns: int) -> None:
    target = make_target("t", interval=10.0)
    second = due_slots(target, 100.0)[1]

    async def scene(stage: Stage, time: VirtualTime) -> None:
        schedule = stage.schedule([target])
        schedule.start()
        await asyncio.sleep(second - time() - 0.5)
        time.loop.stall(0.6)  # who wakes it is on the way, so many turns behind
        for _turn in range(turns):
            await asyncio.sleep(0)
        removing = asyncio.create_task(schedule.reconfigure([], max_concurrent_probes=100))
        await asyncio.sleep(0)
        begun = len(stage.begun)
        time.loop.stall(11.0)
        await removing
        await asyncio.sleep(1.0)
        assert len(stage.begun) == begun
        await schedule.stop(grace=0.0)

    stage = perform(scene)
    assert len(stage.outcomes) + sum(skip.count for skip in stage.skips) == 2


def test_first_probes_of_new_targets_are_spread_over_their_host() -> None:
    old, *new = (make_target(name, host="one" if name != "d" else "two", interval=1e6) for name in "abcd")
    stage = reloaded([old], (10.0, [old, *new]), until=20.0)
    assert [note.target for note in stage.begun] == ["a", "b", "d", "c"]
    assert [note.at for note in stage.begun[1:]] == pytest.approx([10.0, 10.0, 10.05], abs=EXACT)


def test_hundreds_of_new_targets_are_all_probed() -> None:
    """They are entered in slices."""
    new = [make_target(f"t{number:03}", host=f"h{number % 50}", interval=1e6) for number in range(333)]
    stage = reloaded([], (1.0, new), (30.0, []), (40.0, new), until=60.0)
    assert len(stage.begun) == 2 * len(new)
    assert stage.skips == []


def test_what_is_due_at_the_moment_of_a_reload_is_accounted_for() -> None:
    """The loop stood still: nobody was woken yet for what is due."""
    target = make_target("t", interval=10.0)
    due = sum(slot <= 55.0 for slot in due_slots(target, 60.0))

    async def scene(stage: Stage, time: VirtualTime) -> None:
        schedule = stage.schedule([target])
        schedule.start()
        await asyncio.sleep(5.0)
        time.loop.stall(50.0)
        await schedule.reconfigure([], max_concurrent_probes=100)
        await schedule.stop(grace=100.0)

    stage = perform(scene)
    assert len(stage.outcomes) + sum(skip.count for skip in stage.skips) == due
    assert stage.skipped_count(SkipCause.MISSED) > 1


def test_a_hold_survives_and_holds_whoever_comes_into_its_scope() -> None:
    refused, new, other = (make_target(name, environment=e) for name, e in zip("abc", "eef", strict=True))
    refusal = Act(reason=Reason.RATE_LIMITED, retry_after=50.0)
    stage = reloaded(
        [refused],
        (10.0, [refused, new, other]),
        until=50.0,
        script=lambda name, _: refusal if name == "a" else Act(),
    )
    assert [hold.target for hold in stage.holds] == ["a", "b"]
    assert [hold.at for hold in stage.holds] == pytest.approx([0.1, 10.0], abs=EXACT)
    assert [hold.until for hold in stage.holds] == pytest.approx([EPOCH + 50.1] * 2, abs=EXACT)
    assert stage.skipped_count(SkipCause.BACKOFF, "b") >= 1
    assert stage.starts("b") == []
    assert stage.starts("c")[0] == pytest.approx(10.05, abs=EXACT)


def test_more_places_are_there_at_once() -> None:
    targets = [make_target(name, host=name, interval=LONG) for name in "abcd"]
    stage = reloaded(
        targets, (1.0, targets), until=10.0, limit=1, new_limit=3, script=lambda *_: Act(lasts=5.0)
    )
    assert stage.starts("a") == pytest.approx([0.0], abs=EXACT)
    assert stage.starts("b") + stage.starts("c") == pytest.approx([1.0, 1.0], abs=EXACT)
    assert stage.starts("d") == pytest.approx([5.0], abs=EXACT)


def test_a_cancelled_probe_that_ends_all_the_same_is_counted_as_cancelled_once() -> None:
    async def scene(stage: Stage, _: VirtualTime) -> None:
        async def stubborn(target: Target, journey: Journey) -> Outcome:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(5.0)
            await asyncio.sleep(1.5)  # longer than it is waited for
            return await stage.probe(target, journey)

        schedule = stage.schedule([make_target("t")], probe=stubborn)
        schedule.start()
        await asyncio.sleep(3.0)
        await schedule.reconfigure([], max_concurrent_probes=100)
        await asyncio.sleep(10.0)
        await schedule.stop(grace=0.0)

    stage = perform(scene)
    assert stage.outcomes == []
    assert [(skip.cause, skip.count) for skip in stage.skips] == [(SkipCause.CANCELLED, 1)]
    assert stage.in_flight == 0


def test_without_targets_it_is_healthy_and_with_its_first_ones_it_has_their_time() -> None:
    answers: list[tuple[float, bool]] = []

    async def scene(stage: Stage, time: VirtualTime) -> None:
        hog = make_target("hog", interval=10.0)
        schedule = stage.schedule([], limit=1)
        schedule.start()

        async def ask(seconds: float) -> None:
            await asyncio.sleep(seconds)
            answers.append((time(), schedule.healthy))

        await ask(1000.0)
        await schedule.reconfigure([hog, make_target("late", interval=10.0)], max_concurrent_probes=1)
        await ask(0.0)
        await ask(29.0)
        await schedule.reconfigure([], max_concurrent_probes=1)
        await ask(1000.0)
        await schedule.stop(grace=0.0)

    perform(scene)
    assert all(healthy for _, healthy in answers)


def test_a_shorter_interval_finds_nobody_late_that_was_not() -> None:
    async def scene(stage: Stage, _: VirtualTime) -> None:
        slow = make_target("t", interval=1000.0)
        schedule = stage.schedule([slow])
        schedule.start()
        await asyncio.sleep(100.0)
        assert schedule.healthy
        hold = make_target("h", interval=10.0)
        entered = asyncio.create_task(schedule.reconfigure([slow, hold], max_concurrent_probes=1))
        while not entered.done():
            assert schedule.healthy
            await asyncio.sleep(0)
        await schedule.stop(grace=0.0)

    perform(scene)


def test_a_longer_interval_is_waited_for() -> None:
    """The bound follows: what was too long ago for the old one is not for the new one."""

    async def scene(stage: Stage, _: VirtualTime) -> None:
        schedule = stage.schedule([make_target("t", interval=10.0)])
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.reconfigure(
            [make_target("t", interval=1000.0, timeout=999.0)], max_concurrent_probes=1
        )
        await asyncio.sleep(900.0)
        assert schedule.healthy
        await schedule.stop(grace=0.0)

    perform(scene)


@pytest.mark.parametrize("turns", range(8))
def test_a_stop_in_the_midst_of_a_reload_ends_everything_and_begins_nothing(turns: int) -> None:
    old = [make_target(f"o{number:03}", host=f"{number}") for number in range(300)]
    new = [make_target(f"n{number:03}", host=f"{number}") for number in range(300)]

    async def scene(stage: Stage, _: VirtualTime) -> None:
        schedule = stage.schedule(old)
        schedule.start()
        await asyncio.sleep(1.0)
        reload = asyncio.create_task(schedule.reconfigure(new, max_concurrent_probes=100))
        for _turn in range(turns):
            await asyncio.sleep(0)
        await schedule.stop(grace=0.0)
        await reload
        begun = len(stage.begun)
        await asyncio.sleep(100.0)
        assert len(stage.begun) == begun

    stage = perform(scene, lambda *_: Act(lasts=5.0))
    observed = len(stage.outcomes) + sum(skip.count for skip in stage.skips)
    assert observed >= len(old)
    assert stage.in_flight == 0


# Any number of reloads


NAMES = ("a", "b", "c", "d")
SPAN = 90.0

VARIANTS: dict[str, Callable[[str], Target | None]] = {
    "gone": lambda _: None,
    "usual": lambda name: make_target(name, interval=7.0, timeout=3.0),
    "labelled": lambda name: replace(make_target(name, interval=7.0, timeout=3.0), labels=(("owner", "a"),)),
    "slow": lambda name: make_target(name, interval=19.0, timeout=3.0),
    "elsewhere": lambda name: make_target(name, environment="b", interval=7.0, timeout=3.0),
}


@dataclass(slots=True)
class Life:
    """An entry from its first due slot until it was retired."""

    target: Target
    first: float
    ended: float = SPAN


def lives(reloads: Sequence[tuple[float, Sequence[Target]]]) -> dict[str, list[Life]]:
    """Return what entries there should be, by name."""
    found: dict[str, list[Life]] = {name: [] for name in NAMES}
    current: dict[str, Life] = {}
    for at, targets in reloads:
        wanted = {target.name: target for target in targets}
        for name, life in list(current.items()):
            target = wanted.get(name)
            if target is None or replace(target, labels=()) != replace(life.target, labels=()):
                life.ended = at
                del current[name]
        delay = 0.0
        for name, target in wanted.items():
            if name not in current:
                current[name] = Life(target, at + delay)
                found[name].append(current[name])
                delay += 0.05
    return found


configurations = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(VARIANTS)))


@given(
    st.lists(st.tuples(st.floats(0.2, SPAN / 5), configurations), min_size=1, max_size=4),
    st.lists(
        st.builds(
            Act,
            lasts=st.floats(0.0, 12.0),
            reason=st.sampled_from([Reason.OK, Reason.OK, Reason.RATE_LIMITED]),
            retry_after=st.floats(0.0, 20.0),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 4),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_each_slot_of_each_life_is_one_probe_or_skipped_with_one_cause(
    script: list[tuple[float, dict[str, str]]], acts: list[Act], limit: int
) -> None:
    at, reloads = 0.0, []
    for gap, configuration in script:
        made = [VARIANTS[variant](name) for name, variant in sorted(configuration.items())]
        reloads.append((at, [target for target in made if target is not None]))
        at += gap
    (_, first), *later = reloads
    stage = reloaded(
        first, *later, until=SPAN, limit=limit, script=lambda _, number: acts[number % len(acts)]
    )
    for name, its_lives in lives(reloads).items():
        slots = [
            (slot, life)
            for life in its_lives
            for slot in due_slots(life.target, SPAN + 1.0, first=life.first)
        ]
        if any(abs(slot - life.ended) < 0.002 for slot, life in slots):
            continue  # it may be due or not
        due = sum(slot < life.ended for slot, life in slots)
        observed = sum(outcome.target == name for _, outcome in stage.outcomes)
        assert due == observed + sum(skip.count for skip in stage.skips if skip.target == name)
    assert stage.twice_at_once == []
    assert stage.in_flight == 0
    assert stage.most_in_flight <= limit
