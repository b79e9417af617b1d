"""Reload: settings are read anew, and put in force without anybody's probes being lost or doubled.

POST /-/reload ─┐             in a thread                     on the loop, in slices
SIGHUP ─────────┼─> load ──> each part prepares ──┬──> each part puts them in force ──> reloaded
content changed ┘     └──────────┴─ mistakes ─────┴──> nothing is changed ──> refused

One at a time. Who asks while one is under way may have changed what that one has already read, and gets the
next one, together with all others who ask until it begins.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Protocol

from exporter.settings import Config, ConfigurationError, InvalidSetting, file_digests
from exporter.target import Target

Apply = Callable[[], Awaitable[None] | None]
"""Puts in force what was prepared, on the loop, which it must not hold for long."""

Part = Callable[[Config], Apply]
"""Prepares new settings in a thread; may refuse them by ConfigurationError."""

_log = logging.getLogger(__name__)

_RESTS = 4.0
_LONGEST_REST = 2.0

MOST_MISTAKES = 100
"""That are told; a file for another program may have thousands."""

REPEAT = 10.0
"""Seconds before the same mistakes are logged again; each time they may be a hundred lines."""

_TURN = 0.0005
"""Seconds for which the thread that reads settings keeps the interpreter while the loop waits for it. With
the usual 5 ms, each turn of the loop would wait that long, and so would whoever's answer has arrived."""

_FIXED: Mapping[str, Callable[[Config], object]] = {
    "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": lambda settings: settings.web.listen_addresses,
    "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS": lambda settings: settings.web.health_listen_addresses,
    "FLOW_EXPORTER_DURATION_BUCKETS": lambda settings: settings.duration_buckets,
    "FLOW_EXPORTER_LOG__FORMAT": lambda settings: settings.log.format,
}
"""What stays as it was at the start until the next one."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """How a reload ended.

    Args:
        good: whether the settings that were read are in force.
        text: what to tell whoever asked, without any value.
    """

    good: bool
    text: str


class WasRead(Protocol):
    """Is told how it went."""

    def __call__(self, *, good: bool) -> None:
        """Note whether the configuration could be read."""


class Pace:
    """Lets each reload wait until the loop was left alone for four times as long as the last one took.

    Whoever reaches the port may ask for one reload after the other. Each takes CPU from probes under way,
    whose times would show it. Two seconds are the longest rest: a person waits for the answer.

    Args:
        clock: monotonic seconds.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._begun = self._free_at = -math.inf

    async def __aenter__(self) -> None:
        """Rest, then begin."""
        rest = self._free_at - self._clock()
        if rest > 0:
            await self._sleep(rest)
        self._begun = self._clock()

    async def __aexit__(self, *_: object) -> None:
        """End, and say from when on the next one may begin."""
        now = self._clock()
        self._free_at = now + min(_RESTS * (now - self._begun), _LONGEST_REST)


class Reloader:
    """Reloads.

    Args:
        settings: those that were started with.
        load: reads them anew.
        parts: who has to follow, in this order.
        was_read: is told whether a configuration could be read.
        pace: when the next one may begin.
    """

    def __init__(
        self,
        settings: Config,
        load: Callable[[], Config],
        *,
        parts: Sequence[Part],
        was_read: WasRead,
        pace: Pace | None = None,
    ) -> None:
        self.settings = settings
        """Those in force."""
        self._started_with = settings
        self._load = load
        self._parts = parts
        self._was_read = was_read
        self._pace = pace or Pace()
        self._seen = file_digests(settings.files)
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[Reloaded] | None = None
        self._tasks: set[asyncio.Task[Reloaded]] = set()
        self._stopped = False
        self._logged: tuple[Sequence[InvalidSetting], float] = ((), 0.0)
        """The mistakes that were logged last, and when."""

    async def reload(self, trigger: str) -> Reloaded:
        """Reload, and return how it ended; `trigger` is who asks, for the log."""
        if self._stopped:
            return Reloaded(good=False, text="stopping: nothing is reloaded any more")
        # Shielded: others may wait for the same one.
        return await asyncio.shield(self._asked(trigger))

    def ask(self, trigger: str) -> None:
        """Reload soon, without waiting for it."""
        if not self._stopped:
            self._asked(trigger)

    def is_outdated(self) -> bool:
        """Whether settings would be others, were they read now; reads them, so not for the loop."""
        with _brief_turns():
            try:
                return self._load() != self.settings
            except ConfigurationError:
                return True

    def look(self) -> Mapping[Path, bytes]:
        """Return what the files hold that settings depend on; reads them, so not for the loop."""
        return file_digests(self._seen)

    def knows(self, seen: Mapping[Path, bytes]) -> bool:
        """Whether files held the same when they were read last, for good or ill."""
        return seen == self._seen

    async def stop(self) -> None:
        """Reload no more; what is under way ends where it is."""
        self._stopped = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _asked(self, trigger: str) -> asyncio.Task[Reloaded]:
        if self._next is None:
            self._next = task = asyncio.get_running_loop().create_task(self._in_turn(trigger))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._next

    async def _in_turn(self, trigger: str) -> Reloaded:
        async with self._lock, self._pace:
            self._next = None
            try:
                return await self._reload(trigger)
            except Exception:  # noqa: BLE001  a bug of ours must not end the daemon
                _log.exception("reload failed by our own fault", extra={"trigger": trigger})
                self._was_read(good=False)
                return Reloaded(good=False, text="failed by the exporter's own fault; its log says where")

    async def _reload(self, trigger: str) -> Reloaded:
        try:
            settings, applies = await asyncio.to_thread(self._read)
        except ConfigurationError as error:
            return self._refused(trigger, error)
        for apply in applies:
            under_way = apply()
            if isawaitable(under_way):
                await under_way
        before, self.settings = self.settings, settings
        self._was_read(good=True)
        counts = difference(before.targets, settings.targets)
        _log.info("reloaded", extra={"trigger": trigger, **counts})
        lines = [f"reloaded: {', '.join(f'{count} {what}' for what, count in counts.items())}"]
        for variable, fixed in _FIXED.items():
            if fixed(settings) != fixed(self._started_with):
                _log.warning("change takes effect after a restart", extra={"variable": variable})
                lines.append(f"{variable}: the change takes effect after a restart")
        return Reloaded(good=True, text="\n".join(lines))

    def _read(self) -> tuple[Config, list[Apply]]:
        """Read settings and prepare them, in a thread."""
        with _brief_turns():
            # Before the content itself: what changes in between is seen as a change, not overlooked.
            seen, files = dict(self.look()), set(self.settings.files)
            try:
                settings = self._load()
                if _see(seen, settings.files):  # likewise for files that nobody knew of
                    settings = self._load()
                applies = [part(settings) for part in self._parts]
                files = set(settings.files)
            except ConfigurationError as error:
                files.update(error.files)
                raise
            finally:
                _see(seen, files)
                self._seen = {file: seen[file] for file in files}
            return settings, applies

    def _refused(self, trigger: str, error: ConfigurationError) -> Reloaded:
        self._was_read(good=False)
        told, untold = error.errors[:MOST_MISTAKES], len(error.errors[MOST_MISTAKES:])
        _log.error(
            "reload refused, nothing is changed", extra={"trigger": trigger, "mistakes": len(told) + untold}
        )
        now = asyncio.get_running_loop().time()
        logged, at = self._logged
        # Whoever reaches the port may ask again and again, and is told in the answer.
        if told != logged or now - at >= REPEAT:
            self._logged = (told, now)
            for mistake in told:
                _log.error(
                    "mistake in the configuration",
                    extra={"location": mistake.location, "mistake": mistake.message},
                )
        lines = ["refused, nothing is changed:", *map(str, told)]
        if untold:
            lines.append(f"and {untold} more")
        return Reloaded(good=False, text="\n".join(lines))


def _see(seen: dict[Path, bytes], files: Iterable[Path]) -> bool:
    """Look at those files that were not seen yet; return whether there are any."""
    unseen = file_digests(file for file in files if file not in seen)
    seen.update(unseen)
    return bool(unseen)


def difference(before: Iterable[Target], after: Iterable[Target]) -> dict[str, int]:
    """Count how many targets were added, removed, changed and left unchanged."""
    old = {target.name: target for target in before}
    new = {target.name: target for target in after}
    unchanged = sum(old.get(name) == target for name, target in new.items())
    return {
        "added": len(new.keys() - old.keys()),
        "removed": len(old.keys() - new.keys()),
        "changed": len(new.keys() & old.keys()) - unchanged,
        "unchanged": unchanged,
    }


@contextmanager
def _brief_turns() -> Iterator[None]:
    """Let the loop have the interpreter soon whenever it asks for it."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
