"""The composition root: the only module that knows all rooms, and joins them.

settings -> targets -> schedule -> prober -> outcome -> metrics, history, log -> site
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from exporter import __version__
from exporter.observing import History, LogObserver, LoopWatch, Metrics, logging_to
from exporter.probing import Canary, Prober, Trust, warm
from exporter.scheduling import Chore, Schedule
from exporter.serving import bind, serving, site
from exporter.views import views

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Sequence

    from exporter.outcome import Observer
    from exporter.settings import Settings
    from exporter.target import Target

_log = logging.getLogger(__name__)

EXIT_KILLED = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the process at once, with status 1.

    Raises:
        ListenError: if an address cannot be listened on.
    """
    sockets = bind([(address.host, address.port) for address in settings.web.listen_addresses])
    with logging_to(sys.stderr, level=settings.log.level, style=settings.log.format):
        asyncio.run(_run(settings, sockets))


async def _run(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    async with stop_signals() as stopping, lifespan(settings, sockets):
        await stopping.wait()
    _log.info("stopped")


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """Yield an event that SIGTERM or SIGINT sets; a second signal ends the process at once, status 1."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_unhandled)
    stopping = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(EXIT_KILLED)  # asked twice: whatever still hangs must not keep us
        _log.info("stopping", extra={"signal": number.name})
        stopping.set()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    # Its default action would end us undrained; whoever sends it expects a reload.
    loop.add_signal_handler(signal.SIGHUP, _log.warning, "SIGHUP ignored: restart to read settings anew")
    try:
        yield stopping
    finally:
        for number in (*_STOP_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def lifespan(
    settings: Settings,
    sockets: Sequence[socket.socket],
    *,
    observers: Sequence[Observer] = (),
) -> AsyncIterator[None]:
    """Start everything in its order, and stop it in the reverse one.

    Until the schedule runs nothing is answered; while probes under way have their time to end, the web
    says that it is not ready and still shows the numbers.

    Args:
        settings: what to watch, and how.
        sockets: where the web listens; closed at the end.
        observers: who else receives outcomes.
    """
    targets = settings.targets
    metrics, history = Metrics(targets, buckets=settings.duration_buckets), History(targets)
    watch = LoopWatch(asyncio.get_running_loop().time, metrics.loop_was_late)
    trust = Trust(targets)
    if trust.system_has_none() and any(_trusts_the_system(target) for target in targets):
        _log.warning("the system has no certificates of authorities: install ca-certificates or set CA_FILE")
    prober = Prober(trust, stalls=watch.stalls)
    await warm(prober)
    schedule = Schedule(
        targets,
        prober,
        observers=(metrics, history, LogObserver(), *observers),
        watcher=metrics,
        places=settings.max_concurrent_probes,
        chores=_chores(settings, metrics, watch),
    )
    app = site(
        exposition=metrics.exposition,
        healthy=lambda: schedule.healthy,
        ready=lambda: schedule.ready,
        views=views(schedule, history, settings.web.external_url),
    )
    _spare_the_collector()
    async with serving(app, sockets):
        beat = asyncio.create_task(watch.run())
        schedule.start()
        for sock in sockets:
            _log.info("listening", extra={"address": _address(sock)})
        _tell_of_the_start(settings)
        try:
            yield
        finally:
            await schedule.stop(settings.shutdown_grace)
            beat.cancel()


def _tell_of_the_start(settings: Settings) -> None:
    _log.info("started", extra={"version": __version__, "targets": len(settings.targets)})
    shard = settings.shard
    if not settings.targets:
        told = {"shard": shard.index, "shards": shard.count, "elsewhere": shard.elsewhere}
        _log.info("no target falls to this shard", extra=told)


def _trusts_the_system(target: Target) -> bool:
    return target.source_url.startswith("https:") and target.ca_file is None


def _spare_the_collector() -> None:
    """Set aside what was made so far: it lives as long as the process.

    To look through it again and again would hold the loop for milliseconds each time.
    """
    gc.collect()
    gc.freeze()


def _chores(settings: Settings, metrics: Metrics, watch: LoopWatch) -> list[Chore]:
    if settings.egress_check is None:
        return []
    egress = settings.egress_check
    canary = Canary(egress.url, proxy_url=egress.proxy_url, family=egress.ip_family, stalls=watch.stalls)

    async def check() -> None:
        up = await canary()
        if up is not None:
            metrics.egress(up)

    return [Chore("egress check", Canary.INTERVAL, check)]


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio could hand to nobody; its own words would quote exceptions and their URLs."""
    error = context.get("exception")
    _log.error("unhandled in the event loop", exc_info=error if isinstance(error, BaseException) else None)
