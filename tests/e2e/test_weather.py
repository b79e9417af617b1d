"""Each kind of weather turns every probe after the change to the reason and fault that belong to it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from harness.daemon import Daemon
from harness.simulated import Simulated
from harness.waiting import poll
from weather_outcomes import REPORTED, ExpectedOutcome

from exporter.reasons import Reason
from exporter.simulator import (
    KINDS,
    Environment,
    plain_environments,
)

if TYPE_CHECKING:
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

PARAMETERS: Mapping[str, Mapping[str, float]] = {
    "slow": {"ms": 400},
    "rate_limited": {"retry_after": 1},
}
"""Where the defaults would take longer than a test should."""

OBJECTIVE = 0.25
PACE = {
    "FLOW_EXPORTER_DEFAULTS__INTERVAL": "5s",
    # Longer than any machine needs; only silence ends at it.
    "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "4900ms",
    "FLOW_EXPORTER_DEFAULTS__LATENCY_OBJECTIVE": f"{OBJECTIVE * 1000:.0f}ms",
    "FLOW_EXPORTER_LOG__LEVEL": "debug",
    "FLOW_EXPORTER_LOG__FORMAT": "json",
}


def world() -> dict[str, tuple[str, Environment]]:
    """Return an environment per kind and scheme, all of them healthy, by name."""
    pairs = [
        (kind, scheme)
        for kind in KINDS
        for scheme in ("http", "https")
        if scheme == "https" or not KINDS[kind].needs_tls
    ]
    return {
        f"{kind}_{scheme}": (
            kind,
            replace(environment, name=f"{kind}_{scheme}", https=scheme == "https"),
        )
        for (kind, scheme), environment in zip(pairs, plain_environments(len(pairs)), strict=True)
    }


WORLD = world()


@dataclass(frozen=True, slots=True)
class Probe:
    """A line of the log."""

    target: str
    outcome: ExpectedOutcome
    began: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A while of the same weather.

    Args:
        page: as it was in this weather, for all targets.
        probes: that began after the weather had been set and ended before it was set again.
    """

    page: Samples
    probes: tuple[Probe, ...]

    def of(self, target: str) -> list[Probe]:
        return [probe for probe in self.probes if probe.target == target]


def probes(daemon: Daemon) -> list[Probe]:
    """Read the log; what our own stall spoilt says nothing of the weather."""
    written = daemon.log()
    lines = [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]
    return [
        Probe(
            target=line["target"],
            outcome=ExpectedOutcome(
                Reason(line["reason"]),
                line["fault"],
                line["steps"][-1].get("http_status_code"),
                line["phase"],
            ),
            began=datetime.fromisoformat(line["started_at"]).timestamp(),
            seconds=line["duration_seconds"],
        )
        for line in lines
        if "duration_seconds" in line and line["reason"] != Reason.INTERNAL
    ]


def spell(
    simulated: Simulated, daemon: Daemon, weather: Mapping[str, str], earlier: Spell | None = None
) -> Spell:
    """Set the weather of all environments and watch until each target has shown all that belongs to it."""
    since: dict[str, float] = {}
    for name, kind in weather.items():
        simulated.put(name, {"weather": kind, **PARAMETERS.get(kind, {})})
        since[name] = time.time()

    slow = [name for name, kind in weather.items() if kind == "slow"]

    def seen() -> dict[str, set[ExpectedOutcome]]:
        found: dict[str, set[ExpectedOutcome]] = {name: set() for name in weather}
        for probe in probes(daemon):
            if probe.began > since[probe.target]:
                found[probe.target].add(probe.outcome)
        return found

    def enough(found: Mapping[str, set[ExpectedOutcome]]) -> bool:
        # As many as are expected, whichever they are: a wrong one fails its own test.
        return all(len(found[name]) >= len(REPORTED[kind].authorize) for name, kind in weather.items())

    poll(seen, enough, what="a probe of every target in its weather")
    page = daemon.wait_until(
        # A success that a stall of ours delayed is not counted as slow.
        lambda page: (
            not_stalled(page)
            and all(
                counted_as_slow(page, name) > (counted_as_slow(earlier.page, name) if earlier else 0.0)
                for name in slow
            )
        ),
        what="no last probe that a stall of ours spoilt, and a slow success of every slow target",
    )
    until = time.time()
    ended = [
        probe
        for probe in probes(daemon)
        if probe.began > since[probe.target] and probe.began + probe.seconds < until
    ]
    return Spell(page=page, probes=tuple(ended))


def counted_as_slow(page: Samples, target: str) -> float:
    return page.total("pingone_flow_probes_slow_total", target=target)


def not_stalled(page: Samples) -> bool:
    return not page.has("pingone_flow_probe_last_result_info", reason=Reason.INTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One daemon's day: fine, foul, fine again."""

    before: Spell
    foul: Spell
    after: Spell


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    directory = tmp_path_factory.mktemp("weather")
    fine = dict.fromkeys(WORLD, "healthy")
    foul = {name: kind for name, (kind, _) in WORLD.items()}
    with (
        Simulated([environment for _, environment in WORLD.values()], directory) as simulated,
        Daemon(PACE | simulated.variables, directory=directory / "work", logs=directory / "logs") as daemon,
    ):
        before = spell(simulated, daemon, fine)
        yield Day(
            before=before,
            foul=spell(simulated, daemon, foul, before),
            after=spell(simulated, daemon, fine),
        )


def targets(kind: str) -> list[str]:
    found = [name for name, (of, _) in WORLD.items() if of == kind]
    assert len(found) == (1 if KINDS[kind].needs_tls else 2)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_probe_after_a_fault_reports_it(day: Day, kind: str) -> None:
    for target in targets(kind):
        assert {probe.outcome for probe in day.foul.of(target)} == set(REPORTED[kind].authorize)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_it_too(day: Day, kind: str) -> None:
    expected = {
        (outcome.reason.value, outcome.fault.value, outcome.phase.value, outcome.code)
        for outcome in REPORTED[kind].authorize
    }
    for target in targets(kind):
        ((labels, _),) = day.foul.page.series("pingone_flow_probe_last_result_info", target=target)
        code = day.foul.page.value("pingone_flow_http_status_code", target=target)
        assert (labels["reason"], labels["fault"], labels["phase"], code) in expected


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_healthy_before_and_again_after(day: Day, kind: str) -> None:
    for target in targets(kind):
        for spell in (day.before, day.after):
            assert {probe.outcome for probe in spell.of(target)} == set(REPORTED["healthy"].authorize)


def test_a_slow_success_is_a_success_and_counted_as_slow(day: Day) -> None:
    for target in targets("slow"):
        before, foul = (
            spell.page.value("pingone_flow_probes_slow_total", target=target)
            for spell in (day.before, day.foul)
        )
        assert before is not None
        assert foul is not None
        assert foul > before
        assert min(probe.seconds for probe in day.foul.of(target)) > OBJECTIVE
