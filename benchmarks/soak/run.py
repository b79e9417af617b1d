"""Run a soak: provider, exporter and clients, in the order of time, and collect what is to be judged."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
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
    FAILING,
    HEALTHY,
    HELD,
    MAX_WEATHER_SECONDS,
    Watched,
    configured,
    environments,
    failures_of,
    until_next_weather,
    watched,
    weather_of,
)
from exporter.scheduling import FIRST_PROBE_SPACING
from exporter.simulator import Environment

RELOAD_SECONDS = 5.0
KEPT_OUTCOMES, KEPT_FAILURES = 60, 50
"""What the exporter keeps of each target: its memory is level only when it has all of that."""
MAX_FILLING_SECONDS = 600.0
SETTLING_SECONDS = 120.0
COMPARED_SECONDS = 30.0
MAX_FIRST_LAG_SECONDS = 0.25
"""The most punctual of all first probes was not later than this."""
_HOLD_SECONDS = 25.0
"""How long one probe keeps the exporter from its end, while the others are counted at rest."""
_REST_SECONDS = 5.0
_IN_FLIGHT = "pingone_flow_exporter_probes_in_flight"


class Stage(Enum):
    """What goes wrong with the environments.

    What is kept of a target takes more or less memory by what went wrong. So memory is compared between two
    stages in which the same goes wrong everywhere, until the exporter keeps nothing else.
    """

    WARM_UP = auto()
    """Everything there is, in turn, until each target has as many probes and failures as are kept."""
    SETTLING = auto()
    """As in the soak: its combinations of failures fill further caches."""
    BEFORE = auto()
    """The same everywhere."""
    SOAK = auto()
    """Anything by chance, half of the time nothing."""
    AFTER = auto()
    """As before."""
    OVER = auto()


@dataclass(slots=True)
class Soaked:
    """What a soak has left.

    Args:
        rate: probes a second that were asked for.
        seconds: from the start to the stop.
        targets: all of them.
        lives: of each target that was there all the time.
        stage: now.
        before: readings of the process at the end of that stage.
        readings: during the soak.
        after: at the end of that stage.
        is_full: whether the exporter had all that it keeps of each target, in each stage that waits for it.
        log: the exporter's.
        seen: the file of the provider.
        switches: when an environment's port may have dropped requests that waited in its queue.
        page: before the end, while one probe runs.
        at_rest: of the process, then.
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
    stage: Stage = Stage.WARM_UP
    before: list[Reading] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    after: list[Reading] = field(default_factory=list)
    is_full: bool = True
    switches: dict[str, list[Moment]] = field(default_factory=dict)
    page: Page = field(default_factory=lambda: Page(""))
    at_rest: Reading | None = None
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
        seconds: that are measured, after the warm-up.
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
            await _log_in(found, exporter)
            steady = [each.name for each in found.targets if each.lives_all_the_time]
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(task)
                    for task in (
                        scrape(found.visits, exporter.address, exporter.tls),
                        visit(found.visits, exporter.address, exporter.tls, steady),
                        flood_logins(found.visits, exporter.address, exporter.tls),
                        attack(found.visits, exporter.address, exporter.tls),
                        _change_weather(found, answers, clock, seed),
                        _watch(found, exporter, seconds),
                    )
                ]
                reloaded = await _reload(found, exporter, clock)
                for task in tasks:
                    task.cancel()
            await _clear_up(found, answers, clock)
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


async def _log_in(found: Soaked, exporter: Exporter) -> None:
    """Log in once: a login that has succeeded does not wait among those of a flood from its own address."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await scrape(found.visits, exporter.address, exporter.tls)


async def _reload(found: Soaked, exporter: Exporter, clock: Clock) -> list[Moment]:
    """Reload again and again until all was measured; return when each configuration came into force."""
    reloaded: list[Moment] = []
    async for _ in every(RELOAD_SECONDS, math.inf):
        if found.stage is Stage.OVER:
            break
        reloaded.append(await _reload_once(found, exporter, clock))
    return reloaded


async def _reload_once(found: Soaked, exporter: Exporter, clock: Clock, *, held: bool = False) -> Moment:
    before = clock()  # the exporter watches the file, too
    exporter.write(found.reloads + 1 - held, held=held)
    async with client(exporter.address, exporter.tls) as operator:
        response = await operator.post("/-/reload")
    found.reloads += 1
    if response.status_code != httpx.codes.OK:
        found.bad_reloads.append(response.text)
    return Moment(before, clock())


async def _change_weather(found: Soaked, answers: Provider, clock: Clock, seed: int) -> None:
    """Change what goes wrong with each environment, at moments of its own."""

    async def change(environment: Environment, chance: random.Random) -> None:
        everything = failures_of(environment)
        in_turn = itertools.cycle(chance.sample(everything, len(everything)))
        while True:
            match found.stage:
                case Stage.WARM_UP:
                    weather = next(in_turn)
                case Stage.SETTLING | Stage.SOAK:
                    weather = weather_of(environment, chance)
                case _:
                    weather = FAILING
            await put(found, answers, clock, environment, weather)
            await asyncio.sleep(until_next_weather(chance, warm=found.stage is not Stage.WARM_UP))

    async with asyncio.TaskGroup() as group:
        for number, environment in enumerate(environments(found.rate)):
            group.create_task(change(environment, random.Random(seed + number)))


async def _clear_up(found: Soaked, answers: Provider, clock: Clock) -> None:
    """Make all healthy, but have the held probe last."""
    for environment in environments(found.rate):
        is_held = environment.name.startswith(HELD)
        weather = {"weather": "slow", "ms": round(_HOLD_SECONDS * 1000)} if is_held else HEALTHY
        await put(found, answers, clock, environment, weather)


async def put(
    found: Soaked, answers: Provider, clock: Clock, environment: Environment, weather: Mapping[str, Any]
) -> None:
    """Change the weather of an environment, and note when a port may have dropped requests."""
    before = clock()
    try:
        response = await answers.control.put(f"/weather/{environment.name}", json=weather)
        response.raise_for_status()
    finally:
        if weather["weather"] == "refused" or environment.https:
            found.switches.setdefault(environment.name, []).append(Moment(before, clock()))


async def _watch(found: Soaked, exporter: Exporter, seconds: float) -> None:
    """Go through the stages, and read log and process each second."""
    started = time.monotonic()
    ticks = every(1.0, math.inf)

    async def read_until(is_over: Callable[[], bool], most: float) -> list[Reading]:
        readings: list[Reading] = []
        give_up = time.monotonic() + most
        while not is_over() and time.monotonic() < give_up:
            at = await anext(ticks)
            readings.append(exporter.read())
            found.log.read()
            if int(at - started) % 10 == 0:
                _show(found, at - started, readings[-1])
        return readings

    async def fill(stage: Stage) -> None:
        found.stage = stage
        if stage is not Stage.WARM_UP:
            await read_until(_never, MAX_WEATHER_SECONDS)  # until the same goes wrong everywhere
        probes, failures = found.log.targets.copy(), found.log.failures.copy()

        def is_full() -> bool:
            return all(
                found.log.targets[each.name] >= probes[each.name] + KEPT_OUTCOMES
                and found.log.failures[each.name] >= failures[each.name] + KEPT_FAILURES
                for each in found.targets
                if each.lives_all_the_time and each.interval <= 1  # a slow one never has so many
            )

        await read_until(is_full, min(MAX_FILLING_SECONDS, seconds))
        found.is_full &= is_full()

    compared = min(COMPARED_SECONDS, seconds / 6)
    await fill(Stage.WARM_UP)
    found.stage = Stage.SETTLING
    await read_until(_never, min(SETTLING_SECONDS, seconds / 6))
    await fill(Stage.BEFORE)
    found.before = await read_until(_never, compared)
    found.stage = Stage.SOAK
    found.readings = await read_until(_never, seconds)
    await fill(Stage.AFTER)
    found.after = await read_until(_never, compared)
    found.stage = Stage.OVER


def _never() -> bool:
    return False


def _show(found: Soaked, at: float, reading: Reading) -> None:
    text = (
        f"{at:5.0f} s {found.stage.name:<8}{reading.megabytes:7.1f} MB {reading.live_megabytes:7.1f} in use"
    )
    text += f" {reading.descriptors:4} descriptors {reading.tasks:4} tasks {len(found.log.probes):7} probes"
    print(text, file=sys.stderr, flush=True)


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
    found.at_rest = await _come_to_rest(exporter)
    return stopped


async def _come_to_rest(exporter: Exporter) -> Reading:
    """Return what the process has when all clients have left; it may take a moment to notice that."""
    give_up = time.monotonic() + _REST_SECONDS
    while True:
        reading = exporter.read()  # the number of tasks is that of the time before
        await asyncio.sleep(0.2)
        if reading.is_at_rest or time.monotonic() > give_up:
            return reading


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
