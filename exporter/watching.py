"""Looks every few seconds whether the configuration has changed on disk, and has it reloaded.

Polled: Kubernetes swaps a link two directories away from the file that it mounts, network file systems tell
nobody, and a look costs a millisecond in a thread.
"""

from __future__ import annotations

import asyncio
import logging

from exporter.reloading import Reloader

_log = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks."""

SETTLED = 1.0
"""Seconds for which a change must stay as it is: a file may be half written, or gone for a moment."""


async def watch(reloader: Reloader, *, every: float = EVERY, settled: float = SETTLED) -> None:
    """Watch until cancelled.

    What was read and refused is not read again before it changes.

    Args:
        reloader: knows what to look at, and what it held.
        every: seconds between two looks.
        settled: seconds without a further change before it is acted upon.
    """
    first = True
    while True:
        await asyncio.sleep(every)
        try:
            # Between the reading of settings and the first look at their files there was the whole start.
            if await (asyncio.to_thread(reloader.is_outdated) if first else _changed(reloader, settled)):
                await reloader.reload("change on disk")
        except Exception:  # noqa: BLE001  a bug of ours must not end the watch
            _log.exception("cannot look for changes on disk by our own fault")
        first = False


async def _changed(reloader: Reloader, settled: float) -> bool:
    seen = await asyncio.to_thread(reloader.look)
    if reloader.knows(seen):
        return False
    await asyncio.sleep(settled)
    return await asyncio.to_thread(reloader.look) == seen
