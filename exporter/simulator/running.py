"""The simulator in one `async with`: everything it starts, it stops.

async with simulator(world) as running:
    running.environments["emea"].base_url      http://127.0.0.1:34567
    running.control_url                        http://127.0.0.1:34568
    running.set_weather("emea", Weather.of("slow", ms=800))
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.simulator.certificates import new_authority, present, server_contexts
from exporter.simulator.control import control
from exporter.simulator.listener import Listener
from exporter.simulator.message import Reply, Request
from exporter.simulator.metadata import signing_key
from exporter.simulator.script import Script, check_script, play
from exporter.simulator.station import Station
from exporter.simulator.surroundings import Surroundings
from exporter.simulator.weather import Kind, Weather
from exporter.simulator.world import Environment, check_world


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A simulator that runs.

    Args:
        environments: by name, in the order they were given.
        control_url: of the control API, without a trailing slash.
        ca_pem: the certificate that clients of https environments must trust; None when there are none.
        ca_file: the same as a file, which lasts as long as the simulator.
    """

    environments: Mapping[str, Station]
    control_url: str
    ca_pem: bytes | None = None
    ca_file: Path | None = None

    def find(self, environment: str) -> Station:
        """Return the environment of that name or id; raises `LookupError`."""
        for name, station in self.environments.items():
            if environment in {name, station.environment.id}:
                return station
        raise LookupError(f"no environment has the name or id {environment}")

    def set_weather(self, environment: str, weather: Weather) -> None:
        """Change the weather of the environment of that name or id.

        Raises:
            LookupError: there is no such environment.
            NoTLSError: such weather needs https and the environment has none.
            OSError: its port was taken by another program while it was closed.
        """
        self.find(environment).set_weather(weather)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    contexts: Mapping[Kind, ssl.SSLContext]
    ca_pem: bytes
    ca_file: Path


@asynccontextmanager
async def simulator(
    world: Iterable[Environment],
    *,
    host: str = "127.0.0.1",
    control_port: int = 0,
    public_host: str | None = None,
    script: Script | None = None,
    surroundings: Surroundings | None = None,
    directory: Path | None = None,
) -> AsyncIterator[Running]:
    """Run a simulated PingOne in the event loop that runs.

    Args:
        world: its environments; each gets a port of its own.
        host: where all ports listen.
        control_port: of the control API; 0 means any free one.
        public_host: what URLs and certificates say when `host` is no address to connect to; by default
            `host`, and the loopback address for one that means all addresses.
        script: changes the weather over time.
        surroundings: time and chance; the real ones by default.
        directory: where the authority's file and, for a moment, keys are written; None means the
            system's directory for temporary files. Unused without https environments.

    Raises:
        WorldError: the world cannot be.
        ScriptError: the script does not fit the world.
        OSError: a port is in use, or the host is none of this machine's.
    """
    environments = check_world(world)
    if script is not None:
        check_script(script, environments)
    around = surroundings or Surroundings()
    name = public_host or _reachable(host)
    async with AsyncExitStack() as stack:
        trust = await _trust(environments, {name, host}, directory, stack)
        stations = await _stations(environments, (host, name), trust, around, stack)
        port = _start_control(host, control_port, stations, around, stack)
        running = Running(
            environments=stations,
            control_url=f"http://{_in_url(name)}:{port}",
            ca_pem=None if trust is None else trust.ca_pem,
            ca_file=None if trust is None else trust.ca_file,
        )
        for station in stations.values():
            station.start()
        if script is not None:
            player = asyncio.create_task(play(script, running.set_weather, around.monotonic, around.sleep))
            stack.push_async_callback(_end, player)
        yield running


async def _trust(
    environments: Iterable[Environment], names: set[str], directory: Path | None, stack: AsyncExitStack
) -> _Trust | None:
    if not any(environment.https for environment in environments):
        return None
    place = stack.enter_context(TemporaryDirectory(prefix="pingone-simulator-", dir=directory))

    def make() -> _Trust:
        now = present()
        authority = new_authority(now)
        ca_file = Path(place) / "ca.pem"
        ca_file.write_bytes(authority.pem)
        contexts = server_contexts(authority, [*sorted(names), "localhost"], now, Path(place))
        return _Trust(contexts=contexts, ca_pem=authority.pem, ca_file=ca_file)

    return await asyncio.to_thread(make)


async def _stations(
    environments: Iterable[Environment],
    hosts: tuple[str, str],
    trust: _Trust | None,
    around: Surroundings,
    stack: AsyncExitStack,
) -> dict[str, Station]:
    host, public_host = hosts
    stations: dict[str, Station] = {}
    for environment in environments:
        stations[environment.name] = station = Station(
            environment,
            host=host,
            public_host=_in_url(public_host),
            key=await asyncio.to_thread(signing_key),  # long enough to be felt by whoever shares the loop
            contexts=trust.contexts if trust is not None and environment.https else None,
            surroundings=around,
        )
        stack.push_async_callback(station.stop)
    return stations


def _start_control(
    host: str, port: int, stations: Mapping[str, Station], around: Surroundings, stack: AsyncExitStack
) -> int:
    async def respond(request: Request) -> Reply:
        return control(request, stations).with_headers(("Date", formatdate(around.clock(), usegmt=True)))

    listener = Listener(host, port, respond)
    stack.push_async_callback(listener.stop)
    listener.listen()
    return listener.port


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _reachable(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004  an IP version


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
