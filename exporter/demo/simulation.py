"""The simulator alone, as the command line asks for it."""

from __future__ import annotations

import asyncio
import errno
import shlex
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from exporter.app import stop_signals
from exporter.demo.mistake import DemoError, UnavailableError
from exporter.observing import log_to
from exporter.simulator import (
    Environment,
    Running,
    Script,
    ScriptError,
    Weather,
    WeatherError,
    WorldError,
    demo_world,
    plain_world,
    read_script,
    simulator,
    variables,
)


def simulate(
    *,
    host: str,
    control_port: int,
    environments: int | None,
    weather: Sequence[str],
    script: Path | None,
) -> None:
    """Run the simulator alone until a signal; print the variables with which to watch it.

    Args:
        host: where to listen.
        control_port: of the control API; 0 means any free one.
        environments: how many healthy ones; None means the demo's eight, in their weather.
        weather: `NAME=KIND[,PARAMETER=VALUE…]`, at the start.
        script: a file of weather over time.

    Raises:
        DemoError: if one of these cannot be.
        UnavailableError: if a port is in use.
    """
    if environments is not None and environments < 1:
        raise DemoError(f"--environments {environments}: there must be at least one")
    world = _under(demo_world() if environments is None else plain_world(environments), weather)
    played = None if script is None else _script(script)
    _check_host(host)
    with log_to(sys.stderr, level="info", style="logfmt"):
        try:
            asyncio.run(_simulate(world, played, host, control_port))
        except ScriptError as error:  # it can be read, but is about another world
            raise _of_script(script, error) from error


async def _simulate(world: Sequence[Environment], script: Script | None, host: str, port: int) -> None:
    async with AsyncExitStack() as stack:
        stopping = await stack.enter_async_context(stop_signals())
        try:
            running = await stack.enter_async_context(
                simulator(world, host=host, control_port=port, script=script),
            )
        except WorldError as error:
            raise DemoError(str(error)) from error
        except OSError as error:
            raise _unavailable(error, host, port) from error
        _print_variables(running)
        await stopping.wait()


def _print_variables(running: Running) -> None:
    for name, value in variables(running).items():
        print(f"export {name}={shlex.quote(value)}")  # noqa: T201  to be read by a shell
    print(f"# weather: curl {running.control_url}/weather", flush=True)  # noqa: T201  likewise


def _under(world: Sequence[Environment], weather: Sequence[str]) -> tuple[Environment, ...]:
    """Return the world with the weather that the command line asks for."""
    by_name = {environment.name: environment for environment in world}
    for text in weather:
        name, equals, kind = text.partition("=")
        if not equals or name not in by_name:
            names = ", ".join(by_name)
            raise DemoError(f"--weather {text}: write NAME=KIND, where NAME is one of {names}")
        try:
            by_name[name] = replace(by_name[name], weather=Weather.parse_text(kind))
        except WeatherError as error:
            raise DemoError(f"--weather {text}: {error}") from error
    return tuple(by_name.values())


def _script(path: Path) -> Script:
    try:
        return read_script(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DemoError(f"--script {path}: {_said(error)}") from error
    except UnicodeDecodeError as error:
        raise DemoError(f"--script {path}: it is no text in UTF-8") from error
    except ScriptError as error:
        raise _of_script(path, error) from error


def _of_script(path: Path | None, error: ScriptError) -> DemoError:
    return DemoError("\n".join(f"--script {path}: {mistake}" for mistake in str(error).splitlines()))


def _check_host(host: str) -> None:
    try:
        # As bytes: for a str Python would ask its IDNA codec first, which refuses in words of its own.
        socket.getaddrinfo(host.encode("ascii"), None)
    except (OSError, UnicodeError) as error:
        raise DemoError(f"--host {host}: the name does not resolve") from error


def _unavailable(error: OSError, host: str, port: int) -> DemoError:
    match error.errno:
        case errno.EADDRNOTAVAIL:
            return DemoError(f"--host {host}: this machine has no such address")
        case errno.EADDRINUSE | errno.EACCES:
            return UnavailableError(f"--control-port {port}: {_said(error)}; 0 means any free one")
    return UnavailableError(f"the simulator cannot start: {_said(error)}")


def _said(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
