"""The command `demo`: simulator and exporter in one process and one event loop, nothing to configure."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from rich.console import Console

from exporter.daemon import Daemon
from exporter.demo.board import Board
from exporter.demo.prometheus import ALERTMANAGER_PORT, ALERTMANAGERS, DEFAULT_PORT, find_program, scraping
from exporter.observing import log_to
from exporter.process import CommandError, stop_signals, write_output
from exporter.serving import ListenError, bind
from exporter.settings import load
from exporter.simulator import Simulator, demo_environments, demo_script, simulator

PORTS = {"page": 9988, "Prometheus": DEFAULT_PORT, "Alertmanager": ALERTMANAGER_PORT, "weather": 9989}
SETTINGS = {
    "FLOW_EXPORTER_DEFAULTS__INTERVAL": "2s",
    "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "1900ms",
    "FLOW_EXPORTER_DEFAULTS__LATENCY_OBJECTIVE": "500ms",
    "FLOW_EXPORTER_SHUTDOWN_GRACE": "2s",
    "FLOW_EXPORTER_TARGETS__UK_PARTNERS__JOURNEYS": "federation,discovery",
    "FLOW_EXPORTER_TARGETS__UK_PARTNERS__DISCOVERY_INTERVAL": "10s",
    "FLOW_EXPORTER_DESTINATIONS__HUB__FEDERATION_INTERVAL": "10s",
}


def demo(*, duration: float | None, prometheus: bool) -> None:
    """Run simulator and exporter together until a signal, or for `duration` seconds.

    Raises `CommandError` if a Prometheus is requested and absent, or did not start.
    """
    program = find_program("prometheus") if prometheus else None
    if prometheus and program is None:
        raise CommandError("prometheus is not on PATH; on Debian: apt-get install prometheus")
    with log_to(sys.stderr, level="error", style="logfmt"):
        asyncio.run(_demo(duration, program))


async def _demo(duration: float | None, prometheus: str | None) -> None:
    # With FORCE_COLOR, rich takes a pipe for a terminal; a table cannot be redrawn there.
    console = Console(
        force_interactive=None if sys.stdout.isatty() else False,
        # rich itself would still write bold and dim text.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )
    async with AsyncExitStack() as stack:
        stopping = await stack.enter_async_context(stop_signals())
        running = await _start_simulator(stack, PORTS["weather"])
        running.status_page.switch("partial_outage")
        sockets = _bind(PORTS["page"])
        address = f"127.0.0.1:{sockets[0].getsockname()[1]}"
        # A directory of its own, so that the demo reads no .env.
        folder = stack.enter_context(TemporaryDirectory(prefix="demo-"))
        listen = {"FLOW_EXPORTER_WEB__LISTEN_ADDRESS": address}
        read = partial(load, running.exporter_variables() | SETTINGS | listen, Path(folder))
        board = Board(console, running.target_settings(), partial(_weather, running))
        urls = {"page": f"http://{address}/", "metrics": f"http://{address}/metrics"}
        if prometheus is not None:
            started = scraping(prometheus, address, find_program(*ALERTMANAGERS))
            urls |= await stack.enter_async_context(started)
        _print_urls(urls, running)
        # Around the exporter, so that probes that end while it drains are counted too.
        stack.enter_context(board.shown())
        await stack.enter_async_context(Daemon(read(), load=read, observers=(board,)).running(sockets))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), duration)


# Bound at once rather than checked first: a port that is free now may not be a moment later.


async def _start_simulator(stack: AsyncExitStack, control_port: int) -> Simulator:
    start = partial(simulator, demo_environments(), script=demo_script())
    try:
        return await stack.enter_async_context(start(control_port=control_port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    return await stack.enter_async_context(start(control_port=0))


def _bind(port: int) -> list[socket.socket]:
    try:
        return bind([("127.0.0.1", port)])
    except ListenError:
        return bind([("127.0.0.1", 0)])


def in_use(urls: Mapping[str, str]) -> str | None:
    """Return a note on the default ports that the demo could not take; None if it has all of them."""
    taken = {name: urlsplit(urls.get(name, "")).port for name in PORTS}
    moved = [str(port) for name, port in PORTS.items() if taken[name] not in {None, port}]
    ports = "ports" if len(moved) > 1 else "port"
    note = f"default {ports} {', '.join(moved)}; the demo listens on the {ports} above instead"
    return note if moved else None


def _print_urls(urls: dict[str, str], running: Simulator) -> None:
    environment = next(iter(running.environments))
    change = f'curl -X PUT {running.control_url}/weather/{environment} -d \'{{"weather": "refused"}}\''
    urls |= {"weather": f"{running.control_url}/weather", "change it": change, "stop": "Ctrl-C"}
    if note := in_use(urls):
        urls["in use"] = note
    write_output("\n".join([*(f"{name:<12} {text}" for name, text in urls.items()), ""]))


def _weather(running: Simulator, target: str) -> str:
    """Return the weather of a target's source or, if that is healthy, of its destination."""
    names, environments = [target], running.environments
    for name, each in environments.items():
        for provider in each.environment.providers:
            if target in {provider.source, f"{name}_{provider.name.lower()}_{provider.id[:4]}"}:
                is_meant = getattr(each.weather, "name", None) in {None, provider.name}
                names += [provider.source, *([name] if is_meant else [])]
    documents = [environments[name].weather.as_json() for name in names if name in environments]
    weather = next((each for each in documents if each != {"weather": "healthy"}), {"weather": "healthy"})
    return " ".join([weather.pop("weather"), *(f"{name}={value}" for name, value in weather.items())])
