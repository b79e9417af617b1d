"""Walks targets once, as the daemon would: the same prober, places and spacing.

Nothing is retried and nothing is held back: whoever asks wants each target's answer, a refusal included.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence

from exporter.observing import LoopWatch
from exporter.once.report import Walk
from exporter.probing import Prober, SSLContexts, warm_up
from exporter.process import freeze_gc, stop_signals
from exporter.scheduling import first_delays

_APART = 0.01
"""Seconds between any two. A probe costs a millisecond of our own: two hundred hosts that were asked at one
moment held the loop so long that no duration could be believed."""


async def walk(walks: Sequence[Walk], *, places: int) -> None:
    """Probe each target once and note what came of it.

    SIGTERM, SIGINT or SIGHUP ends it at once; what is under way then stays without an outcome.

    Args:
        walks: where to note it.
        places: how many probes may run at once.
    """
    async with stop_signals() as stopping:
        # A terminal that is closed: nobody is there to read the rest.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stopping.set)
        stop = asyncio.create_task(stopping.wait())
        work = asyncio.create_task(_walk(walks, places))
        await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
        elif not work.cancelled():
            work.result()  # raises a bug of ours


async def _walk(walks: Sequence[Walk], places: int) -> None:
    loop = asyncio.get_running_loop()
    watch = LoopWatch(loop.time, lambda _late: None)
    prober = Prober(SSLContexts([walk.target for walk in walks]), stalls=watch.stalls)
    await warm_up(prober)
    freeze_gc()
    beat = asyncio.create_task(watch.run())
    free, start = asyncio.Semaphore(places), loop.time()

    async def take(walk: Walk, delay: float) -> None:
        await asyncio.sleep(start + delay - loop.time())
        async with free:
            walk.outcome = await prober(walk.target, walk.journey)

    try:
        async with asyncio.TaskGroup() as group:
            for walk, delay in zip(walks, _delays(walks), strict=True):
                group.create_task(take(walk, delay))
    finally:
        beat.cancel()


def _delays(walks: Sequence[Walk]) -> list[float]:
    """Space those of one auth host as the daemon does, and all of them a little."""
    by_host = first_delays(walk.target.auth_host for walk in walks)
    return [max(delay, number * _APART) for number, delay in enumerate(by_host)]
