"""The command `simulate`: the simulator alone."""

import asyncio
import errno
import shlex
import socket
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from exporter.observing import log_to
from exporter.process import CommandError, InvalidArgumentError, stop_signals, write_output
from exporter.simulator import (
    Environment,
    Script,
    WeatherError,
    check_weather,
    demo_environments,
    parse_weather_text,
    plain_environments,
    read_script,
    simulator,
)


def simulate(
    *, host: str, control_port: int, environments: int | None, weather: Sequence[str], script: Path | None
) -> None:
    """Run the simulator until a signal; print the variables with which an exporter watches it.

    Args:
        host: where to listen.
        control_port: of the control API; 0 means any free one.
        environments: how many healthy ones; None means the demo's, in their weather.
        weather: `NAME=KIND[,PARAMETER=VALUE…]`, at the start.
        script: a file of weather over time.

    Raises:
        InvalidArgumentError: an option is invalid.
        CommandError: a port is in use.
    """
    if environments is not None and environments < 1:
        raise InvalidArgumentError(f"--environments {environments}: must be at least 1")
    chosen = demo_environments() if environments is None else plain_environments(environments)
    chosen = _with_weather(chosen, weather)
    loaded = None if script is None else _read_script(script, chosen)
    with log_to(sys.stderr, level="info", style="logfmt"):
        asyncio.run(_simulate(chosen, loaded, host, control_port))


async def _simulate(environments: Sequence[Environment], script: Script | None, host: str, port: int) -> None:
    async with AsyncExitStack() as stack:
        stopping = await stack.enter_async_context(stop_signals())
        try:
            running = await stack.enter_async_context(
                simulator(environments, host=host, control_port=port, script=script)
            )
        except (OSError, UnicodeError) as error:
            raise _unavailable(error, host, port) from error
        variables = running.exporter_variables()
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        write_output("\n".join([*lines, f"# weather: curl {running.control_url}/weather"]))
        await stopping.wait()


def _with_weather(environments: Sequence[Environment], weather: Sequence[str]) -> tuple[Environment, ...]:
    by_name = {environment.name: environment for environment in environments}
    for text in weather:
        name, equals, kind = text.partition("=")
        if not equals or name not in by_name:
            names = ", ".join(by_name)
            raise InvalidArgumentError(f"--weather {text}: expected NAME=KIND, where NAME is one of {names}")
        try:
            by_name[name] = replace(by_name[name], weather=parse_weather_text(kind))
            check_weather(by_name[name], by_name[name].weather)
        except WeatherError as error:
            raise InvalidArgumentError(f"--weather {text}: {error}") from error
    return tuple(by_name.values())


def _read_script(path: Path, environments: Sequence[Environment]) -> Script:
    try:
        return read_script(path.read_text(encoding="utf-8"), environments)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"--script {path}: {error}") from error
    except WeatherError as error:
        lines = str(error).splitlines()
        raise InvalidArgumentError("\n".join(f"--script {path}: {line}" for line in lines)) from error


def _unavailable(error: OSError | UnicodeError, host: str, port: int) -> CommandError:
    # Python's IDNA codec comes before the resolver.
    if isinstance(error, UnicodeError | socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return InvalidArgumentError(f"--host {host}: not an address of this machine")
    return CommandError(f"the simulator cannot listen on {host}, control port {port}: {error}")
