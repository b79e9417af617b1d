"""Run a soak: provider, exporter and clients, in the order of time, and collect what is to be judged."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import SCRAPE_HEADERS, ended, every
from benchmarks.soak.accounting import Life, Moment
from benchmarks.soak.clients import Visits, attack, client, flood_logins, scrape, visit
from benchmarks.soak.programs import Exporter, Provider, Reading, provider
from benchmarks.soak.readings import Log, Page
from benchmarks.soak.scene import (
    CHANGING,
    COMING,
    HELD,
    Watched,
    configured,
    environments,
    until_next_weather,
    watched,
    weather_of,
)
from exporter.scheduling import FIRST_PROBE_SPACING

RELOAD_SECONDS = 5.0
FAILING_SECONDS = 60.0
"""At the start every probe fails: the exporter keeps the last 50 failures of a target, and its memory is
level only when it has them all."""
MAX_WARM_UP_SECONDS = 180.0
MAX_FIRST_LAG_SECONDS = 0.1
"""The most punctual of all first probes was not later than this."""
_HOLD_SECONDS = 15.0
"""How long one probe keeps the exporter from its end, while the others are counted at rest."""
_IN_FLIGHT = "pingone_flow_exporter_probes_in_flight"


@dataclass(slots=True)
class Soaked:
    """What a soak has left.

    Args:
        rate: probes a second that were asked for.
        seconds: from the start to the stop.
        targets: all of them.
        lives: of each target that was there all the time.
        readings: of the process, after the warm-up.
        warm_up: seconds that were not measured.
        log: the exporter's.
        seen: the file of the provider.
        switches: when an environment's port may have dropped requests that waited in its queue.
        page: at rest, before the end.
        at_the_end: the targets that were configured then.
        visits: of all clients.
        reloads: how many there were.
        bad_reloads: answers of those that failed.
        exit_status: of the exporter.
        cpu_seconds: of the exporter.
        provider_cpu_seconds: of the provider.
    """

    rate: int
    targets: tuple[Watched, ...]
    log: Log
    seen: Path
    seconds: float = 0.0
    lives: dict[str, list[Life]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    warm_up: float = 0.0
    switches: dict[str, list[Moment]] = field(default_factory=dict)
    page: Page = field(default_factory=lambda: Page(""))
    at_the_end: dict[str, Watched] = field(default_factory=dict)
    visits: Visits = field(default_factory=Visits)
    reloads: int = 0
    bad_reloads: list[str] = field(default_factory=list)
    exit_status: int | None = None
    cpu_seconds: float = 0.0
    provider_cpu_seconds: float = 0.0


class Clock:
    """Seconds since the epoch that do not jump: the exporter's schedule goes by the same."""

    def __init__(self) -> None:
        self._origin = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Return the time."""
        return self._origin + time.monotonic()


async def soak(directory: Path, rate: int, seconds: float, seed: int) -> Soaked:
    """Run everything for some seconds.

    Args:
        directory: for files.
        rate: probes a second.
        seconds: from the first probe to the stop.
        seed: of the weather.
    """
    found = Soaked(rate, watched(rate), Log(directory / "log"), directory / "seen")
    clock = Clock()
    with provider(rate, found.seen) as answers:
        exporter = Exporter(directory, found.targets, answers)
        with ended(exporter.process):
            launched = clock()
            await exporter.wait_until_ready(found.log)
            began = Moment(launched, clock())
            until = time.monotonic() + seconds
            found.warm_up = min(MAX_WARM_UP_SECONDS, seconds / 3)
            async with asyncio.TaskGroup() as group:
                steady = [each.name for each in found.targets if each.lives_all_the_time]
                for task in (
                    scrape(found.visits, exporter.address, exporter.tls, until),
                    visit(found.visits, exporter.address, exporter.tls, until, steady),
                    flood_logins(found.visits, exporter.address, exporter.tls, until),
                    attack(found.visits, exporter.address, exporter.tls, until),
                    _change_weather(found, answers, clock, until, seed),
                    _watch(found, exporter, until),
                ):
                    group.create_task(task)
                reloaded = await _reload(found, exporter, clock, until)
            found.at_the_end = configured(found.targets, found.reloads, held=True)
            await _reload_once(found, exporter, clock, held=True)
            await asyncio.sleep(1.0)  # the held probe has begun
            stopped = await _stop(found, exporter, clock)
            found.seconds = stopped.latest - began.latest
            found.cpu_seconds, found.provider_cpu_seconds = (
                exporter.program.cpu_seconds(),
                answers.cpu_seconds(),
            )
            found.exit_status = await asyncio.to_thread(exporter.process.wait, 300)
    found.log.read()
    found.lives = lives(found, began, reloaded, stopped)
    return found


async def _reload(found: Soaked, exporter: Exporter, clock: Clock, until: float) -> list[Moment]:
    """Reload again and again, and return when each new configuration came into force."""
    return [
        await _reload_once(found, exporter, clock)
        async for at in every(RELOAD_SECONDS, until)
        if at + RELOAD_SECONDS < until
    ]


async def _reload_once(found: Soaked, exporter: Exporter, clock: Clock, *, held: bool = False) -> Moment:
    before = clock()  # the exporter watches the file, too
    exporter.write(found.reloads + 1 - held, held=held)
    async with client(exporter.address, exporter.tls) as operator:
        response = await operator.post("/-/reload")
    found.reloads += 1
    if response.status_code != httpx.codes.OK:
        found.bad_reloads.append(response.text)
    return Moment(before, clock())


async def _change_weather(found: Soaked, answers: Provider, clock: Clock, until: float, seed: int) -> None:
    """Change what goes wrong with each environment at moments of its own."""
    failing_until = time.monotonic() + min(FAILING_SECONDS, found.warm_up / 3)
    async with httpx.AsyncClient(base_url=answers.control_url, trust_env=False, timeout=60.0) as control:

        async def change(number: int) -> None:
            environment, chance = all_environments[number], random.Random(seed + number)
            while time.monotonic() < until:
                now = time.monotonic()
                weather = weather_of(environment, chance, all_fail=now < failing_until)
                before = clock()
                response = await control.put(f"/weather/{environment.name}", json=weather)
                response.raise_for_status()
                if weather["weather"] == "refused" or environment.https:
                    switched = Moment(before, clock())
                    found.switches.setdefault(environment.name, []).append(switched)
                until_next = failing_until - now if now < failing_until else until_next_weather(chance)
                await asyncio.sleep(min(until_next, until - now))

        all_environments = environments(found.rate)
        await asyncio.gather(*map(change, range(len(all_environments))))
        for environment in all_environments:
            weather: dict[str, Any] = {"weather": "healthy"}
            if environment.name.startswith(HELD):
                weather = {"weather": "slow", "ms": round(_HOLD_SECONDS * 1000)}
            before = clock()
            await control.put(f"/weather/{environment.name}", json=weather)
            found.switches.setdefault(environment.name, []).append(Moment(before, clock()))


async def _watch(found: Soaked, exporter: Exporter, until: float) -> None:
    """Read log and process each second."""
    started = time.monotonic()
    async for at in every(1.0, until):
        reading = exporter.read()
        found.log.read()
        if at - started >= found.warm_up:
            found.readings.append(reading)
        if int(at - started) % 10 == 0:
            text = f"{at - started:5.0f} s {reading.megabytes:7.1f} MB {reading.descriptors:4} descriptors"
            print(
                f"{text} {reading.tasks:4} tasks {len(found.log.probes):7} probes",
                file=sys.stderr,
                flush=True,
            )


async def _stop(found: Soaked, exporter: Exporter, clock: Clock) -> Moment:
    """Stop the exporter and keep its page of metrics of a moment in which one probe runs: the held one."""
    before = clock()
    exporter.process.send_signal(signal.SIGTERM)
    while (status := await _ready(exporter)) == httpx.codes.OK:  # noqa: ASYNC110  another process
        await asyncio.sleep(0.01)
    if status is None:
        sys.exit("the exporter ended before its last page was read")
    stopped = Moment(before, clock())
    async with client(exporter.address, exporter.tls) as last:

        async def page() -> Page:
            try:
                return Page((await last.get("/metrics", headers=SCRAPE_HEADERS)).text)
            except httpx.TransportError as error:
                sys.exit(f"the exporter ended before its last page was read: {error!r}")

        while (await page()).value(_IN_FLIGHT) != 1:  # noqa: ASYNC110  likewise
            await asyncio.sleep(0.2)
        # Once more: a page is rendered in pieces, and the number of probes in flight is in the last one.
        found.page = await page()
    return stopped


async def _ready(exporter: Exporter) -> int | None:
    async with httpx.AsyncClient(
        base_url=f"http://{exporter.health}", trust_env=False, timeout=60.0
    ) as kubelet:
        try:
            return (await kubelet.get("/-/ready")).status_code
        except httpx.TransportError:
            return None


def lives(found: Soaked, began: Moment, reloaded: list[Moment], stopped: Moment) -> dict[str, list[Life]]:
    """Return the lives of each target that was there all the time.

    A first probe was planned before it started, which says more exactly when the schedule began.
    """
    steady = [each for each in found.targets if each.lives_all_the_time]
    first: dict[str, float] = {}
    for probe in found.log.probes.values():
        first[probe.target] = min(probe.started_at, first.get(probe.target, probe.started_at))
    planned = [first[each.name] - each.delay for each in steady if each.name in first]
    latest = min([began.latest, *planned])
    began = Moment(max(began.earliest, latest - MAX_FIRST_LAG_SECONDS), latest)
    all_lives = {}
    for each in steady:
        borders = [began, *(reloaded if each.is_restarted else ()), stopped]
        delays = itertools.chain([each.delay], itertools.repeat(_delay_after_reload(each, steady)))
        all_lives[each.name] = [
            Life(began=start, ended=end, delay=delay)
            for (start, end), delay in zip(itertools.pairwise(borders), delays, strict=False)
        ]
    return all_lives


def _delay_after_reload(one: Watched, steady: list[Watched]) -> float:
    """Return how long the first probe after a reload waits for others: only those that are restarted, too."""
    before = (each for each in steady if each.is_restarted and each.environments == one.environments)
    return FIRST_PROBE_SPACING * sum(each.name < one.name for each in before)


def cut_by_reloads(found: Soaked) -> int:
    """Return how many probes the reloads may have cancelled at most: one of each target that they ended."""
    restarted = sum(each.is_restarted for each in found.targets)
    coming = sum(each.role == COMING for each in found.targets)
    return found.reloads * restarted + (found.reloads + 1) // 2 * coming


def is_cut(environment: str) -> bool:
    """Return whether reloads end probes of an environment."""
    return environment.startswith((CHANGING, COMING))
