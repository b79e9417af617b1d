"""The schedule: each due slot is started once, or skipped with its cause.

due ──> missed      too late to start
──> overrun     the last one still runs
──> backoff     the provider asked to be left alone
──> waiting for one of the places ──> missed
──> probe ──> outcome ──> observers
(cancelled: waiting or probing when the daemon stopped, or a reload changed or removed the target)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

from exporter.outcome import Observer, Outcome, SkipCause
from exporter.reasons import Reason
from exporter.scheduling.backoff import Holds, hold_for, scope_of
from exporter.scheduling.chore import ChoreRunner, PeriodicJob
from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.entry import Entry, Key, changes, enter
from exporter.scheduling.places import Places
from exporter.scheduling.plan import ScheduledProbe, plan
from exporter.scheduling.pulse import Pulse
from exporter.scheduling.slots import Slots
from exporter.scheduling.timer import Timer
from exporter.target import Journey, Target

_log = logging.getLogger(__name__)

_SLICE = 20
"""Entries that a reload changes at a time; each costs the loop some 0.1 ms."""

_FAREWELL = 1.0
"""Seconds for a cancelled probe to end; it has only to close its connection."""


class ScheduleListener(Protocol):
    """Receives events of the schedule; its methods must not block."""

    def probe_started(self, lag: float, /) -> None:
        """Record that a probe started, `lag` seconds after it was due."""

    def probe_ended(self) -> None:
        """Record that a started probe ended, in whatever way."""

    def run_skipped(self, target: str, journey: Journey, cause: SkipCause, count: int, /) -> None:
        """Record `count` skipped runs and their cause."""

    def backoff_until(self, target: str, journey: Journey, timestamp: float, /) -> None:
        """Record until when probes of a target are paused; seconds since the epoch."""


class Schedule:
    """Probes targets when they are due.

    Args:
        targets: what to probe, in the order in which to begin.
        probe: one walk; never raises but for cancellation.
        observers: receive each outcome, in this order.
        watcher: is told of starts, skips and holds.
        places: how many probes may run at once.
        chores: what else is done again and again.
        clock: what slots are kept in.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        probe: Callable[[Target, Journey], Awaitable[Outcome]],
        *,
        observers: Sequence[Observer],
        watcher: ScheduleListener,
        places: int,
        chores: Sequence[PeriodicJob] = (),
        clock: SteadyClock | None = None,
    ) -> None:
        self._targets = targets
        self._probe = probe
        self._observers = observers
        self._watcher = watcher
        self._places = Places(places)
        self._clock = clock or SteadyClock()
        self._timer = Timer(self._clock)
        self._holds = Holds()
        self._entries: dict[Key, Entry] = {}
        self._chores = chores
        self._runners: list[ChoreRunner] = []
        self._running = False
        self._pulse = Pulse(self._clock, (target.interval for target in targets))

    @property
    def ready(self) -> bool:
        """Whether probes are started when they are due."""
        return self._running

    @property
    def healthy(self) -> bool:
        """Whether a due slot was started, or rightly skipped, not too long ago; nothing due is no fault."""
        return self._pulse.healthy

    def start(self) -> None:
        """Plan all slots and begin; must be called in the running event loop."""
        self._pulse.beat()
        now = self._clock()
        for chore in self._chores:
            slots = Slots(interval=chore.interval, offset=0, first=now, timeout=chore.interval / 2)
            self._runners.append(ChoreRunner(chore, slots, self._clock))
        self._running = True
        self._timer.start(
            {f"chore {number}": (runner.slots, runner.tick) for number, runner in enumerate(self._runners)}
        )
        self._enter(enter(changes({}, self._targets).entered, now))

    async def reconfigure(self, targets: Sequence[Target], *, places: int) -> None:
        """Probe other targets from now on; whoever is not changed does not notice.

        Lets go of the loop again and again. One at a time; none after, nor while, it is stopped.

        Args:
            targets: what to probe, in the order in which to begin.
            places: how many probes may run at once.
        """
        found = changes(self._entries, targets)
        for entry, target in found.kept:
            entry.target = target
        self._places.resize(places)
        cancelled = []
        for part in _slices(found.retired):
            if self._running:
                cancelled += [task for task in map(self._retire, part) if task is not None]
            await asyncio.sleep(0)
        if cancelled:
            # Waited for, so that no target is ever probed twice at once.
            await asyncio.wait(cancelled, timeout=_FAREWELL)
        self._holds.forget(self._clock())
        self._pulse.expect(target.interval for target in targets)
        for part in _slices(enter(found.entered, self._clock())):
            if self._running:
                self._enter(part)
            await asyncio.sleep(0)

    def _enter(self, entries: Iterable[Entry]) -> None:
        new = {entry.key: entry for entry in entries}
        self._entries |= new
        self._timer.add({entry.name: (entry.slots, partial(self.tick, entry)) for entry in new.values()})
        for entry in new.values():
            until = self._holds.until(scope_of(entry.target), self._clock())
            if until is not None:
                self._tell_of_hold(entry, until)

    def _retire(self, entry: Entry) -> asyncio.Task[None] | None:
        """End an entry, and return what of it has still to end."""
        self.tick(entry)  # what is due by now is accounted for, woken or not
        entry.retired = True
        del self._entries[entry.key]
        self._timer.remove(entry.name)
        if entry.task is not None:
            entry.task.cancel()
        return entry.task

    def tick(self, entry: Entry) -> None:
        """Account for every slot of `entry` that is due: each is started or skipped, once."""
        if not self._running or entry.retired:
            return
        due = entry.slots.take(self._clock())
        if due.missed:
            self._skip(entry, SkipCause.MISSED, due.missed)
        for slot in due.slots:
            if entry.task is not None:
                self._skip(entry, SkipCause.OVERRUN)
            elif self._is_held(entry):
                self._skip(entry, SkipCause.BACKOFF)
            else:
                entry.started = False
                entry.task = asyncio.get_running_loop().create_task(self._run(entry, slot))
                entry.task.add_done_callback(partial(self._over, entry))

    def plans(self, name: str | None = None) -> Iterator[ScheduledProbe]:
        """Tell when each target, or that one, is probed next; found one by one, as they are asked for."""
        for entry in tuple(self._entries.values()):
            if name is None or entry.target.name == name:
                held = self._holds.until(scope_of(entry.target), self._clock())
                yield plan(entry, held, self._clock.step(), running=self._running)

    async def stop(self, grace: float) -> None:
        """Start nothing more, let what runs finish within `grace` seconds, cancel the rest."""
        for entry in self._entries.values():
            self.tick(entry)  # what is due by now is accounted for, woken or not
        self._running = False
        self._timer.pause()
        for entry in self._entries.values():
            if entry.task is not None and not entry.started:
                entry.task.cancel()
        running = [entry.task for entry in self._entries.values() if entry.task is not None]
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                # The counter says so too, but nobody may be there to scrape it any more.
                names = sorted(entry.target.name for entry in self._entries.values() if entry.task in late)
                _log.warning("probes cancelled: they outlasted the grace", extra={"targets": ",".join(names)})
            await asyncio.gather(*running, return_exceptions=True)
        await self._timer.stop()
        for runner in self._runners:  # after the timer, whose last wake may still have begun one
            await runner.stop()

    async def _run(self, entry: Entry, slot: float) -> None:
        try:
            # Waiting for a place is lag, never duration; and it is not waited for longer than the
            # slot is good for.
            try:
                async with asyncio.timeout(slot + entry.slots.grace - self._clock()):
                    await self._places.take()
            except TimeoutError:
                self._skip(entry, SkipCause.MISSED)
                return
            try:
                refusal = self._refusal(entry, slot)
                if refusal is not None:
                    self._skip(entry, refusal)
                    return
                outcome = await self._begin(entry, slot)
            finally:
                self._places.give_back()
            self._settle(entry, outcome)
        except Exception:  # noqa: BLE001  a bug of ours must not end the schedule
            _log.exception("run failed by our own fault", extra={"target": entry.target.name})

    def _over(self, entry: Entry, task: asyncio.Task[None]) -> None:
        entry.task = None
        if task.cancelled():
            # Counted here, since a task that is cancelled before its first step never runs.
            self._skip(entry, SkipCause.CANCELLED)

    def _refusal(self, entry: Entry, slot: float) -> SkipCause | None:
        """Return what speaks against a start by now, though nothing did when the slot became due."""
        if slot + entry.slots.grace < self._clock():
            return SkipCause.MISSED  # the loop stood still since it was woken, or since it got its place
        if self._is_held(entry):
            return SkipCause.BACKOFF  # another target of the same scope was refused while this one waited
        return None

    async def _begin(self, entry: Entry, slot: float) -> Outcome:
        entry.started = True
        self._pulse.beat()
        self._watcher.probe_started(max(0.0, self._clock() - slot))
        try:
            return await self._probe(entry.target, entry.journey)
        finally:
            self._watcher.probe_ended()

    def _settle(self, entry: Entry, outcome: Outcome) -> None:
        if entry.retired:  # it was cancelled, and ended all the same
            self._skip(entry, SkipCause.CANCELLED)
            return
        if outcome.reason is Reason.RATE_LIMITED:
            self._hold_back(entry.target, outcome)
        for observer in self._observers:
            try:
                observer.observe(outcome)
            except Exception:  # noqa: BLE001  one observer's bug must not cost the others the outcome
                _log.exception("observer failed by our own fault", extra={"target": entry.target.name})

    def _hold_back(self, target: Target, outcome: Outcome) -> None:
        scope = scope_of(target)
        until = self._holds.hold(scope, self._clock() + hold_for(target, outcome.retry_after))
        for entry in self._entries.values():
            if scope_of(entry.target) == scope:
                self._tell_of_hold(entry, until)

    def _tell_of_hold(self, entry: Entry, until: float) -> None:
        on_the_wall = until + self._clock.step()
        self._watcher.backoff_until(entry.target.name, entry.journey, on_the_wall)

    def _is_held(self, entry: Entry) -> bool:
        return self._holds.is_held(scope_of(entry.target), self._clock())

    def _skip(self, entry: Entry, cause: SkipCause, count: int = 1) -> None:
        if cause in {SkipCause.OVERRUN, SkipCause.BACKOFF}:
            self._pulse.beat()
        self._watcher.run_skipped(entry.target.name, entry.journey, cause, count)


def _slices(entries: Sequence[Entry]) -> Iterable[Sequence[Entry]]:
    return (entries[first : first + _SLICE] for first in range(0, len(entries), _SLICE))
