"""Reread the configuration when its files change, and find what differs; `daemon.py` applies it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from exporter.files import file_digests
from exporter.process import run_in_thread
from exporter.settings import Config, ConfigurationError
from exporter.target import Journey, Target

SETTLE_SECONDS = 1.0
"""A change on disk must be stable for this long: a file may be half written, or missing for a moment."""

NEEDS_RESTART: Mapping[str, Callable[[Config], object]] = {
    "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": lambda config: config.web.listen_address,
    "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS": lambda config: config.web.health_listen_address,
    "FLOW_EXPORTER_DURATION_BUCKETS": lambda config: config.duration_buckets,
    "FLOW_EXPORTER_FEDERATION_DURATION_BUCKETS": lambda config: config.federation_duration_buckets,
    "FLOW_EXPORTER_LOG__FORMAT": lambda config: config.log.format,
}
"""Settings that change only with a restart."""


class ReloadResult(NamedTuple):
    """How a reload ended."""

    good: bool  # whether the configuration that was read is in force
    text: str  # for the client that requested the reload; without any value of a setting


class ConfigFiles:
    """Reads the configuration, and notices when its files change.

    Files are polled: Kubernetes swaps a link two directories away from the file that it mounts, network file
    systems send no notifications, and a check takes a millisecond in a thread.

    Args:
        config: what was read at the start.
        load: reads the configuration; raises ConfigurationError.
        sleep: waits for a change to settle.
    """

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._load = load
        self._sleep = sleep
        self._seen = config.files
        """Digests, when last read, of the files of the last good configuration and of refused ones since."""

    def read(self) -> Config:
        """Read the configuration; for a thread.

        Raises:
            ConfigurationError: it is invalid.
        """
        seen = self._seen = file_digests(self._seen)  # before it is read, as in `load`
        try:
            config = self._load()
        except ConfigurationError as error:
            self._seen = {**seen, **error.files}
            raise
        self._seen = config.files
        return config

    async def changed(self) -> bool:
        """Return whether files have changed since the last `read`, good or refused, and have settled."""
        digests = await self._look()
        if digests == self._seen:
            return False
        await self._sleep(SETTLE_SECONDS)
        return digests == await self._look()

    async def _look(self) -> Mapping[Path, bytes]:
        return await run_in_thread(lambda: file_digests(self._seen))


def count_changes(before: Iterable[Target], after: Iterable[Target]) -> dict[str, int]:
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


def removed_probes(before: Iterable[Target], after: Iterable[Target]) -> set[tuple[str, Journey]]:
    """Return the targets' names and journeys that are no longer probed."""
    old, new = (
        {(target.name, journey) for target in targets for journey in target.journeys}
        for targets in (before, after)
    )
    return old - new


def needing_restart(started: Config, config: Config) -> list[str]:
    """Return the variables that take effect after a restart only."""
    return [name for name, setting in NEEDS_RESTART.items() if setting(config) != setting(started)]
