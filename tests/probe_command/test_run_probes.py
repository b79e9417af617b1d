"""Probes are run as the daemon runs them: bounded, spaced, and independent of each other."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness.variables import target_variables
from observing.examples import a_failure, a_success, a_target

from exporter import probe_command
from exporter.outcome import Outcome, Phase
from exporter.probe_command import run_probes, until_stopped
from exporter.probe_command.report import ProbeRun
from exporter.probe_command.selection import Selection
from exporter.reasons import Fault, Reason
from exporter.settings import load
from exporter.target import Journey, Target

HOST_SPACING = 0.05
RESOLUTION = 0.001
"""Seconds by which a timer of the loop may fire early."""
RATE_LIMITED = a_failure(Reason.RATE_LIMITED, Fault.QUOTA, Phase.TRANSFER, retry_after=0.05)


def runs_on(*hosts: str) -> list[ProbeRun]:
    """Return one probe per host, in this order."""
    return [
        ProbeRun(a_target(name=f"t{number}", source_url=f"https://{host}/x"), Journey.AUTHORIZE)
        for number, host in enumerate(hosts)
    ]


@dataclass
class FakeProber:
    """Records which probes started when."""

    started: dict[str, float] = field(default_factory=dict)
    running: int = 0
    max_running: int = 0
    answer: Callable[[Target], Outcome] = lambda target: a_success(target=target.name)
    hangs: frozenset[str] = frozenset()

    async def __call__(self, target: Target, _journey: Journey) -> Outcome:
        self.started[target.name] = asyncio.get_running_loop().time()
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        try:
            if target.name in self.hangs:
                await asyncio.Event().wait()
            await asyncio.sleep(0.02)
            return self.answer(target)
        finally:
            self.running -= 1


def run(runs: Sequence[ProbeRun], prober: FakeProber, *, max_concurrent_probes: int = 100) -> int:
    """Run the probes, and return how often progress was reported."""
    ended: list[None] = []
    asyncio.run(
        until_stopped(run_probes(runs, prober, max_concurrent_probes, advance=lambda: ended.append(None)))
    )
    return len(ended)


def test_each_target_is_probed_once_and_its_outcome_is_kept() -> None:
    runs = runs_on("a", "b")
    prober = FakeProber(answer=lambda target: a_failure() if target.name == "t1" else a_success())
    assert run(runs, prober) == 2
    assert [run.outcome and run.outcome.reason for run in runs] == [Reason.OK, Reason.CONNECT]
    assert list(prober.started) == ["t0", "t1"]


def test_concurrent_probes_are_bounded() -> None:
    runs, prober = runs_on(*(f"host-{number}" for number in range(12))), FakeProber()
    run(runs, prober, max_concurrent_probes=1)
    assert prober.max_running == 1
    assert all(run.outcome for run in runs)


def test_probes_of_one_auth_host_start_50_ms_apart() -> None:
    runs, prober = runs_on("a", "a", "a", "b"), FakeProber()
    delays = [0.0, HOST_SPACING, 2 * HOST_SPACING, 0.0]
    before = time.monotonic()
    run(runs, prober)
    # None starts early. A late first one, on a busy machine, does not move the others.
    assert all(prober.started[f"t{n}"] - before >= delay - RESOLUTION for n, delay in enumerate(delays))
    assert list(prober.started).index("t3") < 2


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_it_and_keeps_the_outcomes(name: str) -> None:
    def answer(target: Target) -> Outcome:
        if target.name == "t2":
            os.kill(os.getpid(), signal.Signals[name])
        return a_success(target=target.name)

    runs, prober = runs_on("a", "b", "c"), FakeProber(answer=answer, hangs=frozenset({"t1"}))
    run(runs, prober)
    assert [run.outcome is not None for run in runs] == [True, False, True]
    assert prober.running == 0


def test_nohup_keeps_it_running_when_the_terminal_is_closed() -> None:
    def answer(target: Target) -> Outcome:
        os.kill(os.getpid(), signal.SIGHUP)
        return a_success(target=target.name)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        runs = runs_on("a", "b", "c")
        run(runs, FakeProber(answer=answer))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert all(run.outcome for run in runs)


def test_a_bug_is_raised() -> None:
    def fail(_: Target) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        run(runs_on("a"), FakeProber(answer=fail))
    assert caught.group_contains(ZeroDivisionError)


@pytest.fixture
def signals() -> Iterator[None]:
    """Restore the handlers of signals, which the command sets."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_all_rounds_are_probed_by_one_prober_that_remembers_passwords_and_heeds_rate_limits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another one for each round would send the password of a test account each time."""
    probers: list[FakeProber] = []

    probes = count(1)

    def answer(target: Target) -> Outcome:
        match next(probes):
            case 1:
                return replace(RATE_LIMITED, target=target.name)
            case 3:
                os.kill(os.getpid(), signal.SIGINT)
        return a_success(target=target.name)

    def make(_contexts: object, *, stalls: object, one_shot: bool) -> FakeProber:
        assert stalls
        assert one_shot
        probers.append(FakeProber(answer=answer))
        return probers[-1]

    async def warm(_prober: object) -> None:
        pass

    monkeypatch.setattr(probe_command, "Prober", make)
    monkeypatch.setattr(probe_command, "warm_up", warm)
    config = load(target_variables("emea", "http://127.0.0.1:1"), Path("/nowhere"))
    options: dict[str, Any] = {"watch": True, "every": 0.01, "as_json": True, "full": False}
    assert probe_command.probe(config, Selection(), **options)
    assert len(probers) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) >= 2
    assert err == "rate-limited: next round after 50ms\n"
