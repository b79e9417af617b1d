"""After a rate limit, all targets of that environment on that host back off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from scheduling.recorder import EXACT, Probe, due_runs, make_outcome, make_target, run_schedule, simulate
from scheduling.virtual_time import EPOCH

from exporter.outcome import SkipCause
from exporter.reasons import Reason
from exporter.target import Journey, JourneyTiming, Target

if TYPE_CHECKING:
    from scheduling.recorder import Recorder
    from scheduling.virtual_time import VirtualTime


def limited_once(name: str, retry_after: float | None, *, number: int = 0) -> Callable[[str, int], Probe]:
    """Return the script in which one probe of a second is rate-limited."""
    refusal = Probe(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=retry_after)
    return lambda probed, n: refusal if (probed, n) == (name, number) else Probe()


def assert_backed_off(record: Recorder, target: Target, due: list[float], since: float, until: float) -> None:
    """Assert that the runs in between, and no others, were skipped as backoff."""
    skipped = [run for run in due if since < run < until]
    assert skipped
    assert record.starts(target.name) == pytest.approx([run for run in due if run not in skipped], abs=EXACT)
    assert record.skipped_count(SkipCause.BACKOFF, target.name) == len(skipped)


@pytest.mark.parametrize(
    ("retry_after", "lasts"),
    [
        pytest.param(45.0, 45.0, id="as long as the provider asks"),
        pytest.param(None, 20.0, id="two intervals if it does not"),
        pytest.param(3600.0, 300.0, id="five minutes at most"),
    ],
)
def test_a_limited_target_backs_off_and_continues_in_its_phase(
    retry_after: float | None, lasts: float
) -> None:
    target = make_target("t", interval=10.0)
    record = run_schedule([target], 400.0, script=limited_once("t", retry_after))
    assert_backed_off(record, target, due_runs(target, 400.0), 1.0, 1.0 + lasts)
    assert len(record.skips) == record.skipped_count(SkipCause.BACKOFF)


def test_a_provider_that_asks_for_zero_seconds_starts_no_backoff() -> None:
    target = make_target("t", interval=10.0)
    record = run_schedule([target], 100.0, script=limited_once("t", 0.0))
    assert record.starts("t") == pytest.approx(due_runs(target, 100.0), abs=EXACT)
    assert record.skips == []


def test_a_backoff_is_for_the_same_environment_on_the_same_host() -> None:
    targets = {
        "refused": make_target("refused", host="h", environment="e", interval=10.0),
        "same": make_target("same", host="h", environment="e", interval=10.0),
        "environment": make_target("environment", host="h", environment="f", interval=10.0),
        "host": make_target("host", host="i", environment="e", interval=10.0),
        "port": make_target("port", host="h:8443", environment="e", interval=10.0),
    }
    record = run_schedule(list(targets.values()), 100.0, script=limited_once("refused", 45.0))
    firsts = {"refused": 0.0, "same": 0.05, "environment": 0.1, "host": 0.0, "port": 0.0}
    for name, target in targets.items():
        due = due_runs(target, 100.0, first=firsts[name])
        if name in {"refused", "same"}:
            assert_backed_off(record, target, due, 1.0, 46.0)
        else:
            assert record.starts(name) == pytest.approx(due, abs=EXACT)


def test_two_intervals_are_those_of_the_target_that_was_limited() -> None:
    refused, other = make_target("refused", interval=40.0), make_target("other", interval=10.0)
    record = run_schedule([refused, other], 200.0, script=limited_once("refused", None))
    assert_backed_off(record, other, due_runs(other, 200.0, first=0.05), 1.0, 81.0)


@pytest.mark.parametrize("step", [0.0, 3600.0])
def test_the_end_of_a_backoff_is_by_the_wall_clock_and_the_same_at_each_reading(step: float) -> None:
    targets = [make_target(name, environment=name[0], interval=10.0) for name in ("a1", "b1", "a2")]

    async def scenario(record: Recorder, time: VirtualTime) -> None:
        schedule = record.schedule(targets)
        schedule.start()
        await asyncio.sleep(0.5)
        time.set_wall(step)
        for seconds, until in (
            (0.3, None),
            (0.3, EPOCH + step + 46.0),
            (44.8, EPOCH + step + 46.0),
            (0.2, None),
        ):
            await asyncio.sleep(seconds)
            found = [schedule.backoff_until(target, Journey.AUTHORIZE) for target in targets]
            assert found == [until, None, until]
        await schedule.stop(grace=1e6)

    simulate(scenario, limited_once("a1", 45.0))


def test_a_backoff_is_not_shortened_by_a_later_limit_that_asks_for_less() -> None:
    """Both were on their way when the first was limited."""
    targets = [make_target(name, host="h", interval=10.0) for name in ("a", "b")]
    asked = {"a": Probe(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=50.0)}
    asked["b"] = Probe(lasts=2.0, reason=Reason.RATE_LIMITED, retry_after=5.0)
    record = run_schedule(targets, 100.0, script=lambda name, number: asked[name] if number == 0 else Probe())
    assert_backed_off(record, targets[0], due_runs(targets[0], 100.0), 1.0, 51.0)
    assert_backed_off(record, targets[1], due_runs(targets[1], 100.0, first=0.05), 1.0, 51.0)


def test_a_later_limit_that_asks_for_more_extends_the_backoff() -> None:
    targets = [make_target(name, host="h", interval=10.0) for name in ("a", "b")]
    asked = {"a": Probe(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=5.0)}
    asked["b"] = Probe(lasts=2.0, reason=Reason.RATE_LIMITED, retry_after=50.0)
    record = run_schedule(targets, 100.0, script=lambda name, number: asked[name] if number == 0 else Probe())
    assert_backed_off(record, targets[0], due_runs(targets[0], 100.0), 1.0, 52.05)


def test_a_limit_after_the_backoff_starts_another_one() -> None:
    target = make_target("t", interval=10.0)
    refusal = Probe(reason=Reason.RATE_LIMITED, retry_after=25.0)
    record = run_schedule([target], 300.0, script=lambda *_: refusal)
    for earlier, later in zip(record.starts("t"), record.starts("t")[1:], strict=False):
        assert 25.0 <= later - earlier <= 25.1 + 10.0
    assert len(record.begun) + record.skipped_count(SkipCause.BACKOFF) == len(due_runs(target, 300.0))


def test_runs_that_wait_for_others_when_the_backoff_starts_are_skipped_too() -> None:
    targets = [make_target(name, host="h", interval=20.0) for name in ("a", "b", "c")]
    record = run_schedule(targets, 3.0, limit=1, script=limited_once("a", 45.0))
    assert [note.target for note in record.begun] == ["a"]
    assert [(skip.target, skip.cause) for skip in record.skips] == [
        ("b", SkipCause.BACKOFF),
        ("c", SkipCause.BACKOFF),
    ]
    assert [skip.at for skip in record.skips] == pytest.approx([1.0, 1.0], abs=EXACT)


def test_a_run_of_a_target_that_backs_off_is_skipped_at_once_without_waiting_for_others() -> None:
    limited, hog = make_target("a", host="h", interval=10.0), make_target("hog", host="i", interval=1e6)
    probes = {
        "a": Probe(reason=Reason.RATE_LIMITED, retry_after=60.0),
        "hog": Probe(lasts=100.0),
    }
    record = run_schedule([limited, hog], 50.0, limit=1, script=lambda name, _: probes[name])
    later = due_runs(limited, 50.0)[1:]
    assert [skip.cause for skip in record.skips] == [SkipCause.BACKOFF] * len(later)
    assert [skip.at for skip in record.skips] == pytest.approx(later, abs=EXACT)


def test_the_outcome_that_started_a_backoff_is_observed_like_any_other() -> None:
    record = run_schedule([make_target("t")], 3.0, script=limited_once("t", 45.0))
    assert [outcome.reason for _, outcome in record.outcomes] == [Reason.RATE_LIMITED]


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_setting_the_wall_clock_does_not_change_a_backoff(step: float) -> None:
    target = make_target("t", interval=10.0)
    record = run_schedule(
        [target], 200.0, script=limited_once("t", 95.0), events=[(30.4, lambda time: time.set_wall(step))]
    )
    skipped = [run for run in due_runs(target, 200.0) if 1.0 < run < 96.0]
    assert record.skipped_count(SkipCause.BACKOFF) == len(skipped)
    assert len(record.begun) == len(due_runs(target, 200.0)) - len(skipped)


@pytest.mark.parametrize(
    ("step", "paused"),
    [
        ("callback", {"federation", "into_destination", "same_destination"}),
        ("sign_on", {"federation", "at_source", "same_source"}),
    ],
)
def test_a_federation_backs_off_the_side_that_limits_it_and_itself(step: str, paused: set[str]) -> None:
    timing = JourneyTiming(interval=10.0, timeout=5.0, latency_objective=5.0)
    federation: dict[str, Any] = {"journeys": (Journey.FEDERATION,), "federation": timing}
    there: dict[str, Any] = {"destination_url": "https://d.example/d", "destination_environment_id": "d"}
    elsewhere: dict[str, Any] = {"destination_url": "https://d.example/e", "destination_environment_id": "e"}
    targets = [
        replace(make_target("federation", host="s", environment="s", interval=10.0), **federation, **there),
        make_target("at_source", host="s", environment="s", interval=10.0),
        make_target("into_destination", host="d.example", environment="d", interval=10.0),
        replace(make_target("same_destination", host="t", environment="t"), **federation, **there),
        replace(make_target("same_source", host="s", environment="s"), **federation, **elsewhere),
        replace(make_target("neither", host="t", environment="t"), **federation, **elsewhere),
    ]
    limit = Probe(lasts=1.0, reason=Reason.RATE_LIMITED, retry_after=45.0, step=step)
    record = run_schedule(
        targets, 60.0, script=lambda name, n: limit if (name, n) == ("federation", 0) else Probe()
    )
    assert {skip.target for skip in record.skips} == paused
    assert {skip.cause for skip in record.skips} == {SkipCause.BACKOFF}


def test_a_source_that_is_not_configured_backs_off_its_own_target_only() -> None:
    timing = JourneyTiming(interval=10.0, timeout=5.0, latency_objective=5.0)
    fields: dict[str, Any] = {"journeys": (Journey.FEDERATION,), "federation": timing, "source_url": None}
    targets = [
        replace(
            make_target(name),
            **fields,
            source_environment_id=None,
            destination_url=f"https://d.example/{name}",
            destination_environment_id=name,
        )
        for name in ("a", "b")
    ]
    limit = Probe(reason=Reason.RATE_LIMITED, retry_after=45.0, step="source_authorize")
    record = run_schedule(targets, 60.0, script=lambda name, n: limit if (name, n) == ("a", 0) else Probe())
    assert {skip.target for skip in record.skips} == {"a"}


def test_other_requests_that_are_limited_pause_the_probes_of_their_environment() -> None:
    target, elsewhere = make_target("t", host="h"), make_target("other", host="i")
    limited = make_outcome("listing", Journey.AUTHORIZE, Probe(reason=Reason.RATE_LIMITED, retry_after=45.0))

    async def scenario(record: Recorder, _: VirtualTime) -> None:
        schedule = record.schedule([target, elsewhere])
        schedule.back_off(target, Journey.AUTHORIZE, make_outcome("listing", Journey.AUTHORIZE, Probe()))
        assert schedule.backoff_until(target, Journey.AUTHORIZE) is None
        schedule.start()
        await asyncio.sleep(1.0)
        schedule.back_off(target, Journey.AUTHORIZE, limited)
        assert schedule.backoff_until(target, Journey.AUTHORIZE) == EPOCH + 46.0
        assert schedule.backoff_until(elsewhere, Journey.AUTHORIZE) is None
        await asyncio.sleep(45.0)
        assert schedule.backoff_until(target, Journey.AUTHORIZE) is None
        await schedule.stop(grace=1e6)

    simulate(scenario)
