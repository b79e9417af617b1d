"""The composition root: the only module that knows all rooms, and joins them.

settings -> targets -> schedule -> prober -> outcome -> metrics, history, log -> site
parts.py says what changes when settings do, reloading.py when, watching.py by itself
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from exporter import __version__
from exporter.observing import History, LogObserver, LoopWatch, Metrics, log_to
from exporter.outcome import Observer
from exporter.parts import CurrentEgress, CurrentSSLContexts, parts
from exporter.probing import Prober, warm_up
from exporter.reloading import Reloader
from exporter.scheduling import PeriodicJob, Schedule
from exporter.serving import PortSecurity, WebApp, bind, create_app, serve
from exporter.settings import Config, ListenAddress
from exporter.views import status_source
from exporter.watching import watch as watch_files

_log = logging.getLogger(__name__)

EXIT_KILLED = 1
_HEALTH_SETTING = "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS"
_CERTIFICATE_INTERVAL = 5.0
"""Seconds between two looks at the port's certificate."""
_M_MMAP_THRESHOLD = -3  # of <malloc.h>
_LARGE = 256 * 1024
"""Bytes."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Config, load: Callable[[], Config] | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal ends the process at once, with status 1.

    Args:
        settings: what to begin with.
        load: reads them anew; without it they stay what they are.

    Raises:
        ListenError: if an address cannot be listened on.
    """
    sockets = bind(_addresses(settings.web.listen_addresses))
    checked = bind(_addresses(settings.web.health_listen_addresses), setting=_HEALTH_SETTING)
    with log_to(sys.stderr, level=settings.log.level, style=settings.log.format):
        asyncio.run(_run(settings, sockets, checked, load))


async def _run(
    settings: Config,
    sockets: Sequence[socket.socket],
    checked: Sequence[socket.socket],
    load: Callable[[], Config] | None,
) -> None:
    async with stop_signals() as stopping, lifespan(settings, sockets, checked, load=load) as reloader:
        # Until here it is ignored: what was read is still new.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask, "SIGHUP")
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
    # Its default action would end us undrained; whoever sends it expects a reload, once there is one.
    loop.add_signal_handler(signal.SIGHUP, _log.warning, "SIGHUP ignored: still starting")
    try:
        yield stopping
    finally:
        for number in (*_STOP_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def lifespan(
    settings: Config,
    sockets: Sequence[socket.socket],
    checked: Sequence[socket.socket] = (),
    *,
    observers: Sequence[Observer] = (),
    load: Callable[[], Config] | None = None,
) -> AsyncIterator[Reloader]:
    """Start everything in its order, and stop it in the reverse one; yield what reloads it.

    Until the schedule runs nothing is answered; while probes under way have their time to end, the web
    says that it is not ready and still shows the numbers.

    Args:
        settings: what to watch, and how.
        sockets: where the web listens; closed at the end.
        checked: where health checks alone are answered, without TLS; likewise.
        observers: who else receives outcomes.
        load: reads settings anew; without it they stay what they are.
    """
    targets = settings.targets
    metrics, history, log = Metrics(targets, buckets=settings.duration_buckets), History(), LogObserver()
    metrics.set_shard(settings.shard.index, settings.shard.count)
    watch = LoopWatch(asyncio.get_running_loop().time, metrics.loop_lag)
    trust, egress = CurrentSSLContexts(targets), CurrentEgress(settings.egress_check, metrics, watch)
    security = PortSecurity(settings.web.security)
    prober = await prober_of(trust, watch)
    schedule = Schedule(
        targets,
        prober,
        observers=(metrics, history, log, *observers),
        listener=metrics,
        max_concurrent_probes=settings.max_concurrent_probes,
        jobs=[
            PeriodicJob("egress check", egress.INTERVAL, egress),
            PeriodicJob("certificate renewal", _CERTIFICATE_INTERVAL, security.renew_certificate),
        ],
    )
    forgetful = (history, log, prober)
    follow = parts(
        trust,
        egress,
        metrics=metrics,
        schedule=schedule,
        security=security,
        forgetful=forgetful,
        targets=targets,
    )
    reloader = Reloader(settings, load or (lambda: settings), parts=follow, was_read=metrics.config_loaded)
    app = _web_app(metrics, history, schedule, reloader, security, egress)
    spare_the_collector()
    give_back_what_is_large()
    async with (
        serve(app, sockets, security=security, health_sockets=checked),
        _running(watch, schedule, reloader),
    ):
        _tell_of_the_start(settings, sockets, checked)
        yield reloader


@asynccontextmanager
async def _running(watch: LoopWatch, schedule: Schedule, reloader: Reloader) -> AsyncIterator[None]:
    """Let the schedule run, and what goes on beside it."""
    beat = asyncio.create_task(watch.run())
    schedule.start()
    files = asyncio.create_task(watch_files(reloader))
    try:
        yield
    finally:
        files.cancel()
        await reloader.stop()
        await schedule.stop(reloader.settings.shutdown_grace)
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await files


def _web_app(
    metrics: Metrics,
    history: History,
    schedule: Schedule,
    reloader: Reloader,
    security: PortSecurity,
    egress: CurrentEgress,
) -> WebApp:
    """Hand to the web what it shows, and what it can ask for."""

    async def reload() -> tuple[bool, str]:
        done = await reloader.reload("POST /-/reload")
        return done.good, done.text

    return create_app(
        metrics=metrics.render,
        healthy=lambda: schedule.healthy,
        ready=lambda: schedule.ready,
        statuses=status_source(
            schedule, history, lambda: reloader.settings.web.external_url, egress=lambda: egress.found
        ),
        reload=reload,
        security=security,
    )


async def prober_of(trust: CurrentSSLContexts, watch: LoopWatch) -> Prober:
    """Make what probes, warmed up, so that its first walk takes no longer than the others.

    Args:
        trust: whom to trust for each target.
        watch: knows when our own event loop stood still.
    """
    prober = Prober(trust, stalls=watch.stalls)
    await warm_up(prober)
    return prober


def _tell_of_the_start(
    settings: Config, sockets: Sequence[socket.socket], checked: Sequence[socket.socket]
) -> None:
    for sock in sockets:
        _log.info("listening", extra={"address": _address(sock)})
    for sock in checked:
        _log.info("listening for health checks", extra={"address": _address(sock)})
    _log.info("started", extra={"version": __version__, "targets": len(settings.targets)})
    shard = settings.shard
    if not settings.targets:
        told = {"shard": shard.index, "shards": shard.count, "elsewhere": len(shard.elsewhere)}
        _log.info("no target falls to this shard", extra=told)


def spare_the_collector() -> None:
    """Set aside what was made so far: it lives as long as the process.

    To look through it again and again would hold the loop for milliseconds each time.
    """
    gc.collect()
    gc.freeze()


def give_back_what_is_large() -> None:
    """Have large blocks of memory taken from the system one by one, and given back as soon as they are free.

    glibc begins so, but whenever a block is freed puts those of its size, up to 32 MiB, among the small ones
    from then on. A page of metrics is that large. When many were sent at once, what came to lie behind them
    kept hundreds of megabytes.
    """
    with suppress(AttributeError):  # another C library, which has no such threshold
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _addresses(written: Sequence[ListenAddress]) -> list[tuple[str, int]]:
    return [(address.host, address.port) for address in written]


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio could hand to nobody; its own words would quote exceptions and their URLs."""
    error = context.get("exception")
    _log.error("unhandled in the event loop", exc_info=error if isinstance(error, BaseException) else None)
