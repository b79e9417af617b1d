"""Targets are walked as the daemon would: within the places, spaced, and each for itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from observing.examples import a_failure, a_success, a_target

from exporter.once import walking
from exporter.once.report import Walk
from exporter.outcome import Outcome
from exporter.reasons import Reason
from exporter.target import Journey, Target

SPACING = 0.05
APART = 0.01
FINEST = 0.001
"""Seconds by which a timer of the loop may be early."""


def walks(*hosts: str) -> list[Walk]:
    """Return one walk per host, in this order."""
    return [
        Walk(a_target(name=f"t{number}", source_url=f"https://{host}/x"), Journey.AUTHORIZE)
        for number, host in enumerate(hosts)
    ]


@dataclass
class Provider:
    """Stands in for the prober: notes who came when, and answers when it may."""

    begun: list[tuple[str, float]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    answer: Callable[[Target], Outcome] = lambda target: a_success(target=target.name)
    hangs: frozenset[str] = frozenset()

    async def __call__(self, target: Target, _journey: Journey) -> Outcome:
        self.begun.append((target.name, asyncio.get_running_loop().time()))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if target.name in self.hangs:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            return self.answer(target)
        finally:
            self.under_way -= 1


def walk(
    monkeypatch: pytest.MonkeyPatch, asked: Sequence[Walk], provider: Provider, *, places: int = 100
) -> None:
    async def warm_up(_: object) -> None:
        return None

    monkeypatch.setattr(walking, "Prober", lambda *_, **__: provider)
    monkeypatch.setattr(walking, "warm_up", warm_up)
    monkeypatch.setattr(walking, "freeze_gc", lambda: None)
    asyncio.run(walking.walk(asked, places=places))


def test_each_target_is_probed_once_and_its_outcome_is_kept_whatever_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, provider = walks("a", "b"), Provider()
    provider.answer = lambda target: a_failure(target=target.name) if target.name == "t1" else a_success()
    walk(monkeypatch, asked, provider)
    assert [walk.outcome and walk.outcome.reason for walk in asked] == [Reason.OK, Reason.CONNECT]
    assert [name for name, _ in provider.begun] == ["t0", "t1"]


def test_there_are_never_more_under_way_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_APART", 0.0)  # all of them at once
    asked, provider = walks(*(f"host-{number}" for number in range(20))), Provider()
    walk(monkeypatch, asked, provider, places=3)
    assert provider.most == 3
    assert all(walk.outcome for walk in asked)


def test_one_auth_host_is_asked_at_most_every_50_ms_and_another_one_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, provider = walks("a", "a", "a", "b"), Provider()
    assert walking._delays(asked) == [0.0, SPACING, 2 * SPACING, 3 * APART]  # noqa: SLF001  see below
    before = time.monotonic()
    walk(monkeypatch, asked, provider)
    # None is before its time. That the first one may be late, on a busy machine, moves none of the others.
    begun = dict(provider.begun)
    assert begun["t1"] - before >= SPACING - FINEST
    assert begun["t2"] - before >= 2 * SPACING - FINEST
    assert [name for name, _ in provider.begun].index("t3") < 2


def test_hosts_are_not_all_asked_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the work on one would be in the latencies of all the others."""
    count = 10
    asked, provider = walks(*(f"host-{number}" for number in range(count))), Provider()
    assert walking._delays(asked) == [number * APART for number in range(count)]  # noqa: SLF001  as above
    before = time.monotonic()
    walk(monkeypatch, asked, provider)
    last = max(begun for _, begun in provider.begun)
    assert last - before >= (count - 1) * APART - FINEST


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_it_and_what_is_over_is_kept(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def answer(target: Target) -> Outcome:
        if target.name == "t2":
            os.kill(os.getpid(), signal.Signals[name])
        return a_success(target=target.name)

    asked, provider = walks("a", "b", "c"), Provider(answer=answer, hangs=frozenset({"t1"}))
    walk(monkeypatch, asked, provider)
    assert [walk.outcome is not None for walk in asked] == [True, False, True]
    assert provider.under_way == 0


def test_a_bug_is_raised_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Target) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        walk(monkeypatch, walks("a"), Provider(answer=fail))
    assert caught.group_contains(ZeroDivisionError)
