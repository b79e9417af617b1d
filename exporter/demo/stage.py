"""The simulator and the exporter on one stage: one process, one event loop, nothing to configure."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from exporter.app import lifespan, stop_signals
from exporter.demo.board import Board
from exporter.demo.mistake import DemoError
from exporter.demo.scraper import find_prometheus, scraping
from exporter.observing import log_to
from exporter.serving import ListenError, bind
from exporter.settings import load
from exporter.simulator import (
    Running,
    demo_script,
    demo_world,
    simulator,
    variables,
)

_WEB_PORT = 9988
_CONTROL_PORT = 9989
_PACE = {
    "FLOW_EXPORTER_DEFAULTS__INTERVAL": "2s",
    "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "1900ms",
    "FLOW_EXPORTER_DEFAULTS__LATENCY_OBJECTIVE": "500ms",
    "FLOW_EXPORTER_SHUTDOWN_GRACE": "2s",
}


def demo(*, duration: float | None, prometheus: bool) -> None:
    """Run simulator and exporter together until a signal, or for `duration` seconds.

    Raises:
        DemoError: if a Prometheus is wanted and there is none, or it does not come up.
    """
    program = find_prometheus() if prometheus else None
    if prometheus and program is None:
        raise DemoError("prometheus is not on PATH; on Debian: apt-get install prometheus")
    with log_to(sys.stderr, level="error", style="logfmt"):
        asyncio.run(_demo(duration, program))


async def _demo(duration: float | None, prometheus: str | None) -> None:
    # FORCE_COLOR makes a terminal of a pipe in rich's eyes; still no table can be redrawn there.
    console = Console(force_interactive=None if sys.stdout.isatty() else False)
    async with AsyncExitStack() as stack:
        stopping = await stack.enter_async_context(stop_signals())
        # A terminal that is closed would leave Prometheus and temporary files behind.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stopping.set)
        running = await _provider(stack, _CONTROL_PORT)
        sockets = _listening(_WEB_PORT)
        address = f"127.0.0.1:{sockets[0].getsockname()[1]}"
        # A folder of its own, so that nobody's .env reaches the demo.
        folder = stack.enter_context(TemporaryDirectory(prefix="demo-"))
        read = partial(
            load,
            {**variables(running), **_PACE, "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": address},
            Path(folder),
        )
        board = Board(
            console,
            {name: partial(_weather, running, name) for name in running.environments},
        )
        places = {"page": f"http://{address}/", "metrics": f"http://{address}/metrics"}
        if prometheus is not None:
            places["Prometheus"] = await stack.enter_async_context(scraping(prometheus, address))
        _say_where(console, places, running)
        # Outside of the exporter's own life, so that what ends while it drains is counted too.
        stack.enter_context(board.shown())
        await stack.enter_async_context(lifespan(read(), sockets, observers=(board,), load=read))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), duration)


# The usual ports are taken at once or not at all: whether one is free says nothing about a moment later.


async def _provider(stack: AsyncExitStack, control_port: int) -> Running:
    start = partial(simulator, demo_world(), script=demo_script())
    try:
        return await stack.enter_async_context(start(control_port=control_port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    return await stack.enter_async_context(start(control_port=0))


def _listening(port: int) -> list[socket.socket]:
    try:
        return bind([("127.0.0.1", port)])
    except ListenError:
        return bind([("127.0.0.1", 0)])


def _say_where(console: Console, places: dict[str, str], running: Running) -> None:
    environment = next(iter(running.environments))
    change = f'curl -X PUT {running.control_url}/weather/{environment} -d \'{{"weather": "refused"}}\''
    places |= {"weather": f"{running.control_url}/weather", "change it": change, "end it": "Ctrl-C"}
    for name, place in places.items():
        console.print(f"{name:<11} {place}", highlight=False, markup=False, soft_wrap=True)
    console.print()


def _weather(running: Running, environment: str) -> str:
    weather = running.environments[environment].weather.as_json()
    kind = str(weather.pop("weather"))
    return " ".join([kind, *(f"{name}={value}" for name, value in weather.items())])
