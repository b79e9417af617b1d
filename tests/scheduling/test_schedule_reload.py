"""A reload: unchanged targets go on, and every due run of the others is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scheduling.recorder import EXACT, Probe, Recorder, due_runs, make_target, reloaded, simulate

from exporter.outcome import Outcome, SkipCause
from exporter.reasons import Reason
from exporter.target import Journey, JourneyTiming, ListedProvider, Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


LONG = 40.0


def test_an_unchanged_target_keeps_its_phase_and_is_not_probed_again() -> None:
    target = make_target("t", interval=LONG)
    record = reloaded([target], *[(at, [replace(target)]) for at in (1.0, 50.0, 50.1, 130.0)], until=200.0)
    assert record.starts("t") == pytest.approx(due_runs(target, 200.0), abs=EXACT)
    assert record.skips == []


IRRELEVANT: dict[str, Any] = {
    "labels": (("owner", "identity"),),
    "secret_expires": 1.8e9,
}
"""Fields of a target that make no difference to a probe, with other values."""

RELEVANT = sorted({field.name for field in fields(Target)} - {"name", *IRRELEVANT})
"""All others make a difference to a probe, or to when it is due."""

OTHER_VALUES: dict[str, Any] = {
    "source_url": "https://other.example/a",
    "destination_url": "https://other.example/b",
    "journeys": (),
    "authorize": JourneyTiming(interval=30.0, timeout=5.0, latency_objective=1.0),
    "federation": JourneyTiming(interval=30.0, timeout=5.0, latency_objective=1.0),
    "discovery": JourneyTiming(interval=30.0, timeout=5.0, latency_objective=1.0),
}
"""Of what the schedule reads; of the others it only sees that they differ."""


@pytest.mark.parametrize("field", IRRELEVANT)
def test_a_running_probe_continues_if_only_irrelevant_fields_change(field: str) -> None:
    target = make_target("t", interval=LONG)
    after = replace(target, **{field: IRRELEVANT[field]})
    record = reloaded([target], (3.0, [after]), until=6.0, script=lambda *_: Probe(lasts=5.0))
    assert [at for at, _ in record.outcomes] == pytest.approx([5.0], abs=EXACT)
    assert record.skips == []


@pytest.mark.parametrize("journey", Journey)
def test_a_running_probe_continues_if_only_a_latency_objective_changes(journey: Journey) -> None:
    target = make_target("t", interval=LONG)
    timing: dict[str, Any] = {journey.value: replace(target.timing(journey), latency_objective=0.5)}
    record = reloaded(
        [target], (3.0, [replace(target, **timing)]), until=6.0, script=lambda *_: Probe(lasts=5.0)
    )
    assert [at for at, _ in record.outcomes] == pytest.approx([5.0], abs=EXACT)


def test_a_running_probe_continues_if_its_target_gets_another_journey() -> None:
    target = make_target("t", interval=LONG)
    after = replace(target, journeys=(*target.journeys, Journey.DISCOVERY))
    record = reloaded([target], (3.0, [after]), until=6.0, script=lambda *_: Probe(lasts=5.0))
    assert [at for at, _ in record.outcomes] == pytest.approx([5.0, 8.0], abs=EXACT)
    assert record.skips == []
    assert len(record.begun) == 2


@pytest.mark.parametrize("field", RELEVANT)
def test_a_running_probe_is_cancelled_if_a_relevant_field_changes(field: str) -> None:
    target = make_target("t", interval=LONG)
    after = replace(target, **{field: OTHER_VALUES.get(field, "other"), **IRRELEVANT})
    record = reloaded([target], (3.0, [after]), until=3.1, script=lambda *_: Probe(lasts=5.0))
    assert [(skip.target, skip.cause, skip.count) for skip in record.skips] == [("t", SkipCause.CANCELLED, 1)]
    assert len(record.begun) == (1 if field == "journeys" else 2)


@pytest.mark.parametrize("journey", Journey)
@pytest.mark.parametrize("time", ["interval", "timeout"])
def test_a_running_probe_is_cancelled_if_an_interval_or_a_timeout_changes(
    journey: Journey, time: str
) -> None:
    target = make_target("t", interval=LONG)
    before = target.timing(journey)
    timing: dict[str, Any] = {journey.value: replace(before, **{time: getattr(before, time) + 1.0})}
    record = reloaded(
        [target], (3.0, [replace(target, **timing)]), until=3.1, script=lambda *_: Probe(lasts=5.0)
    )
    assert [(skip.cause, skip.count) for skip in record.skips] == [(SkipCause.CANCELLED, 1)]


def test_a_running_probe_continues_if_a_listing_shows_another_name_of_its_provider() -> None:
    listed = ListedProvider(destination="d", name="Partner", slug="partner")
    target = replace(make_target("t", interval=LONG), listed=listed)
    after = replace(target, listed=replace(listed, name="Renamed"))
    record = reloaded([target], (3.0, [after]), until=6.0, script=lambda *_: Probe(lasts=5.0))
    assert [at for at, _ in record.outcomes] == pytest.approx([5.0], abs=EXACT)


def test_the_next_probe_is_one_of_the_target_as_reloaded() -> None:
    seen: list[Target] = []

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        async def noting(target: Target, journey: Journey) -> Outcome:
            seen.append(target)
            return await record.probe(target, journey)

        target = make_target("t", interval=10.0)
        schedule = record.schedule([target], probe=noting)
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.reconfigure([replace(target, labels=(("owner", "a"),))], max_concurrent_probes=100)
        await asyncio.sleep(20.0)
        await schedule.stop(grace=0.0)

    simulate(scenario)
    assert [target.labels for target in seen][:2] == [(), (("owner", "a"),)]


def test_a_removed_target_is_cancelled_whether_it_waits_or_probes() -> None:
    stays, runs, waits = (make_target(name, host=name, interval=LONG, timeout=9.0) for name in "abc")
    record = reloaded(
        [stays, runs, waits], (3.0, [stays]), until=150.0, limit=2, script=lambda *_: Probe(lasts=5.0)
    )
    assert [(skip.target, skip.cause, skip.count) for skip in record.skips] == [
        ("b", SkipCause.CANCELLED, 1),
        ("c", SkipCause.CANCELLED, 1),
    ]
    assert [skip.at for skip in record.skips] == pytest.approx([3.0, 3.0], abs=EXACT)
    assert {outcome.target for _, outcome in record.outcomes} == {"a"}
    assert record.in_flight == 0


def test_a_changed_target_is_cancelled_counted_and_probed_again_soon() -> None:
    target = make_target("t", interval=LONG, timeout=9.0)
    after = replace(target, client_id="other")
    record = reloaded([target], (3.0, [after]), until=150.0, script=lambda *_: Probe(lasts=5.0))
    assert [(skip.cause, skip.count) for skip in record.skips] == [(SkipCause.CANCELLED, 1)]
    assert record.starts("t") == pytest.approx([0.0, *due_runs(after, 150.0, first=3.0)], abs=EXACT)
    assert record.twice_at_once == []


def test_a_changed_target_is_probed_again_after_its_cancelled_probe_has_ended() -> None:
    running = 0

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        async def closing(target: Target, journey: Journey) -> Outcome:
            nonlocal running
            running += 1
            assert running == 1
            try:
                return await record.probe(target, journey)
            finally:
                await asyncio.sleep(0.2)  # as closing a connection may take
                running -= 1

        schedule = record.schedule([make_target("t", timeout=9.0)], probe=closing)
        schedule.start()
        await asyncio.sleep(3.0)
        await schedule.reconfigure([make_target("t", timeout=8.0)], max_concurrent_probes=100)
        await asyncio.sleep(1.0)
        await schedule.stop(grace=30.0)

    record = simulate(scenario, lambda *_: Probe(lasts=5.0))
    assert record.starts("t") == pytest.approx([0.0, 3.2], abs=EXACT)


def test_a_changed_target_is_known_while_its_cancelled_probe_ends() -> None:
    known: list[tuple[bool, ...]] = []

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        async def closing(target: Target, journey: Journey) -> Outcome:
            try:
                return await record.probe(target, journey)
            finally:
                await asyncio.sleep(0.2)  # as closing a connection may take

        schedule = record.schedule([make_target("t", timeout=9.0)], probe=closing)
        schedule.start()
        await asyncio.sleep(3.0)
        changed = [make_target("new"), make_target("t", timeout=8.0)]
        reload = asyncio.create_task(schedule.reconfigure(changed, max_concurrent_probes=100))
        while not reload.done():
            known.append(tuple(schedule.next_run(each, Journey.AUTHORIZE) is not None for each in changed))
            await asyncio.sleep(0.01)
        known.append(tuple(schedule.next_run(each, Journey.AUTHORIZE) is not None for each in changed))
        await schedule.stop(grace=30.0)

    simulate(scenario, lambda *_: Probe(lasts=5.0))
    assert (known[0], known[-1]) == ((False, True), (True, True))


@pytest.mark.parametrize("turns", range(8))
def test_a_run_that_was_submitted_before_its_target_is_removed_starts_nothing(
    turns: int,
) -> None:
    target = make_target("t", interval=10.0)
    second = due_runs(target, 100.0)[1]

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule([target])
        schedule.start()
        await asyncio.sleep(second - time() - 0.5)
        time.loop.stall(0.6)
        for _turn in range(turns):
            await asyncio.sleep(0)
        removing = asyncio.create_task(schedule.reconfigure([], max_concurrent_probes=100))
        await asyncio.sleep(0)
        begun = len(record.begun)
        time.loop.stall(11.0)
        await removing
        await asyncio.sleep(1.0)
        assert len(record.begun) == begun
        await schedule.stop(grace=0.0)

    record = simulate(scenario)
    assert len(record.outcomes) + sum(skip.count for skip in record.skips) == 2


def test_first_probes_of_new_targets_are_spread_over_their_host() -> None:
    old, *new = (make_target(name, host="one" if name != "d" else "two", interval=1e6) for name in "abcd")
    record = reloaded([old], (10.0, [old, *new]), until=20.0)
    assert [note.target for note in record.begun] == ["a", "b", "d", "c"]
    assert [note.at for note in record.begun[1:]] == pytest.approx([10.0, 10.0, 10.05], abs=EXACT)


def test_hundreds_of_new_targets_are_all_probed() -> None:
    """They are added one by one."""
    new = [make_target(f"t{number:03}", host=f"h{number % 50}", interval=1e6) for number in range(333)]
    record = reloaded([], (1.0, new), (30.0, []), (40.0, new), until=60.0)
    assert len(record.begun) == 2 * len(new)
    assert record.skips == []


def test_runs_that_are_due_at_the_moment_of_a_reload_are_accounted_for() -> None:
    """The loop stalled: APScheduler has not submitted what is due."""
    target = make_target("t", interval=10.0)
    due = sum(run <= 55.0 for run in due_runs(target, 60.0))

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule([target])
        schedule.start()
        await asyncio.sleep(5.0)
        time.loop.stall(50.0)
        await schedule.reconfigure([], max_concurrent_probes=100)
        await schedule.stop(grace=100.0)

    record = simulate(scenario)
    assert len(record.outcomes) + sum(skip.count for skip in record.skips) == due
    assert record.skipped_count(SkipCause.MISSED) > 1


def test_a_backoff_survives_a_reload_and_includes_new_targets_of_its_scope() -> None:
    refused, new, other = (make_target(name, environment=e) for name, e in zip("abc", "eef", strict=True))
    refusal = Probe(reason=Reason.RATE_LIMITED, retry_after=50.0)
    record = reloaded(
        [refused],
        (10.0, [refused, new, other]),
        until=50.0,
        script=lambda name, _: refusal if name == "a" else Probe(),
    )
    assert record.skipped_count(SkipCause.BACKOFF, "b") >= 1
    assert record.starts("b") == []
    assert record.starts("c")[0] == pytest.approx(10.05, abs=EXACT)


def test_a_higher_limit_counts_at_once() -> None:
    targets = [make_target(name, host=name, interval=LONG) for name in "abcd"]
    record = reloaded(
        targets, (1.0, targets), until=10.0, limit=1, new_limit=3, script=lambda *_: Probe(lasts=5.0)
    )
    assert record.starts("a") == pytest.approx([0.0], abs=EXACT)
    assert record.starts("b") + record.starts("c") == pytest.approx([1.0, 1.0], abs=EXACT)
    assert record.starts("d") == pytest.approx([5.0], abs=EXACT)


def test_a_cancelled_probe_that_ends_all_the_same_is_counted_as_cancelled_once() -> None:
    async def scenario(record: Recorder, _: VirtualTime) -> None:
        async def stubborn(target: Target, journey: Journey) -> Outcome:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(5.0)
            await asyncio.sleep(1.5)  # longer than it is waited for
            return await record.probe(target, journey)

        schedule = record.schedule([make_target("t")], probe=stubborn)
        schedule.start()
        await asyncio.sleep(3.0)
        await schedule.reconfigure([], max_concurrent_probes=100)
        await asyncio.sleep(10.0)
        await schedule.stop(grace=0.0)

    record = simulate(scenario)
    assert record.outcomes == []
    assert [(skip.cause, skip.count) for skip in record.skips] == [(SkipCause.CANCELLED, 1)]
    assert record.in_flight == 0


def test_it_is_healthy_without_targets_and_gives_the_first_ones_their_time() -> None:
    answers: list[tuple[float, bool]] = []

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        hog = make_target("hog", interval=10.0)
        schedule = record.schedule([], limit=1)
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

    simulate(scenario)
    assert all(healthy for _, healthy in answers)


def test_a_shorter_interval_makes_nothing_late_that_was_not() -> None:
    async def scenario(record: Recorder, _: VirtualTime) -> None:
        slow = make_target("t", interval=1000.0)
        schedule = record.schedule([slow])
        schedule.start()
        await asyncio.sleep(100.0)
        assert schedule.healthy
        other = make_target("h", interval=10.0)
        entered = asyncio.create_task(schedule.reconfigure([slow, other], max_concurrent_probes=1))
        while not entered.done():
            assert schedule.healthy
            await asyncio.sleep(0)
        await schedule.stop(grace=0.0)

    simulate(scenario)


def test_reloads_do_not_hide_that_the_schedule_is_stuck() -> None:
    """A program may ask for a reload more often than the bound of the silence."""

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        targets = [make_target("hog", interval=86_400.0), make_target("t", host="b", interval=4.0)]
        schedule = record.schedule(targets, limit=1)
        schedule.start()
        answers = []
        for _reload in range(6):
            await asyncio.sleep(10.0)
            answers.append(schedule.healthy)
            await schedule.reconfigure(targets, max_concurrent_probes=1)
        assert [note.target for note in record.begun] == ["hog"]
        assert answers == [True, True, True, False, False, False]
        await schedule.stop(grace=0.0)

    simulate(scenario, lambda *_: Probe(lasts=1e5))


def test_a_longer_interval_extends_the_wait() -> None:
    """The bound follows: what was too long ago for the old one is not for the new one."""

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule([make_target("t", interval=10.0)])
        schedule.start()
        await asyncio.sleep(1.0)
        await schedule.reconfigure(
            [make_target("t", interval=1000.0, timeout=999.0)], max_concurrent_probes=1
        )
        await asyncio.sleep(900.0)
        assert schedule.healthy
        await schedule.stop(grace=0.0)

    simulate(scenario)


@pytest.mark.parametrize("turns", range(8))
def test_a_stop_during_a_reload_ends_everything_and_starts_nothing(turns: int) -> None:
    old = [make_target(f"o{number:03}", host=f"{number}") for number in range(300)]
    new = [make_target(f"n{number:03}", host=f"{number}") for number in range(300)]

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule(old)
        schedule.start()
        await asyncio.sleep(1.0)
        reload = asyncio.create_task(schedule.reconfigure(new, max_concurrent_probes=100))
        for _turn in range(turns):
            await asyncio.sleep(0)
        await schedule.stop(grace=0.0)
        await reload
        begun = len(record.begun)
        await asyncio.sleep(100.0)
        assert len(record.begun) == begun

    record = simulate(scenario, lambda *_: Probe(lasts=5.0))
    observed = len(record.outcomes) + sum(skip.count for skip in record.skips)
    assert observed >= len(old)
    assert record.in_flight == 0


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
    """A job from its first due run until it was removed."""

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
            Probe,
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
def test_across_reloads_each_due_run_is_one_probe_or_skipped_with_one_cause(
    script: list[tuple[float, dict[str, str]]], probes: list[Probe], limit: int
) -> None:
    at, reloads = 0.0, []
    for gap, configuration in script:
        made = [VARIANTS[variant](name) for name, variant in sorted(configuration.items())]
        reloads.append((at, [target for target in made if target is not None]))
        at += gap
    (_, first), *later = reloads
    record = reloaded(
        first,
        *later,
        until=SPAN,
        limit=limit,
        script=lambda _, number: probes[number % len(probes)],
    )
    for name, its_lives in lives(reloads).items():
        runs = [
            (run, life) for life in its_lives for run in due_runs(life.target, SPAN + 1.0, first=life.first)
        ]
        if any(abs(run - life.ended) < 0.002 for run, life in runs):
            continue  # it may be due or not
        due = sum(run < life.ended for run, life in runs)
        observed = sum(outcome.target == name for _, outcome in record.outcomes)
        assert due == observed + sum(skip.count for skip in record.skips if skip.target == name)
    assert record.twice_at_once == []
    assert record.in_flight == 0
    assert record.max_in_flight <= limit
