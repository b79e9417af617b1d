"""All conditions at the same time: a provider for each, one daemon, and captures at both ends."""

from __future__ import annotations

import json
import socket
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.certificates import Authority
from harness.daemon import COMMAND, Daemon
from harness.http_messages import json_answer
from harness.http_server import HttpServer
from harness.variables import target_variables
from harness.waiting import poll
from network.conditions import CONDITIONS, Condition
from network.namespaces import Captured, arrivals, inside, packet_socket
from network.netem import CLEAR
from network.paths import Link, Network, network
from network.segments import ACK, SYN

if TYPE_CHECKING:
    import asyncio

    from harness.http_messages import Request, Script
    from harness.samples import Samples

T = TypeVar("T")

SCRAPER = "10.99.1.100"
"""Where Prometheus would be, also behind a path of its own."""

PROBES = 3
"""Of each target, at least."""

FIRST_PORT = 8001
PORTS = {each.name: FIRST_PORT + place for place, each in enumerate(CONDITIONS)}


@dataclass(slots=True)
class Connection:
    """A connection, or an attempt to make one, as the exporter's kernel saw it.

    Args:
        peer: the provider's address.
        segments: in the order of time.
    """

    peer: str
    segments: list[Captured] = field(default_factory=list)

    @property
    def syns(self) -> list[float]:
        """When the exporter's kernel sent a SYN."""
        return [each.at for each in self.segments if each.sent and each.segment.flags & (SYN | ACK) == SYN]

    @property
    def accepted(self) -> float | None:
        """When the first SYN and ACK came."""
        return next((each.at for each in self.segments if not each.sent and each.segment.flags & SYN), None)

    def data(self, *, sent: bool) -> list[Captured]:
        """Return the segments with data of one direction."""
        return [each for each in self.segments if each.sent is sent and each.segment.data]

    @property
    def complete(self) -> float:
        """When the last piece of the provider's data came for the first time; copies may come later."""
        came: dict[int, float] = {}
        for each in self.data(sent=False):
            start = each.segment.sequence
            for byte in range(start, start + len(each.segment.data)):
                came.setdefault(byte, each.at)
        return max(came.values())

    def overtaken(self) -> bool:
        """Return whether data came after what the provider had sent behind it."""
        sequences = [each.segment.sequence for each in self.data(sent=False)]
        return sequences != sorted(sequences)


@dataclass(slots=True)
class Played:
    """The network with its daemon, while the conditions are played.

    Args:
        network: the namespaces.
        daemon: in the exporter's one.
        servers: in the provider's one, by the target's name.
    """

    network: Network
    daemon: Daemon
    servers: dict[str, HttpServer]
    _sockets: tuple[socket.socket, socket.socket]
    at_exporter: list[Captured] = field(default_factory=list)
    at_provider: list[Captured] = field(default_factory=list)

    def capture(self) -> None:
        """Take over what was captured since the last call."""
        # The provider's last: what the exporter sent before is there unless it was lost.
        exporter, provider = self._sockets
        self.at_exporter += arrivals(exporter)
        self.at_provider += arrivals(provider)

    def at_home(self, call: Callable[[], T]) -> T:
        """Return what `call` returns in the exporter's namespace."""
        return inside(self.network.exporter, call)

    def metrics(self) -> Samples:
        """Return what a scrape beside the daemon shows now."""
        return self.at_home(self.daemon.metrics)

    def outcomes(self, name: str) -> list[dict[str, Any]]:
        """Return the last outcomes of a target in the order of time, but for stalls of our own.

        Those are the exporter's, and timeouts while the program that forwards stood still.
        """
        page = json.loads(self.at_home(lambda: self.daemon.get(f"/api/v1/targets/{name}")).text)
        recent = sorted(page["journeys"][0]["recent"], key=lambda outcome: str(outcome["started_at"]))
        return [each for each in recent if each["reason"] != "internal" and not self._stood_still(each)]

    def _stood_still(self, outcome: dict[str, Any]) -> bool:
        began = started(outcome)
        ended = began + outcome["duration_seconds"]
        pauses = self.network.pauses
        return outcome["reason"] == "timeout" and any(one < ended and began < other for one, other in pauses)

    def connections(self, name: str) -> list[Connection]:
        """Return the connections of a target in the order of time."""
        found: dict[tuple[str, int], Connection] = {}
        for each in self.at_exporter:
            ours, theirs = each.segment.source, each.segment.destination
            if not each.sent:
                ours, theirs = theirs, ours
            if theirs[1] == PORTS[name]:
                found.setdefault((theirs[0], ours[1]), Connection(theirs[0])).segments.append(each)
        return [each for each in found.values() if each.syns]

    def wait_for(self, what: str, is_there: Callable[[], object]) -> None:
        """Return when `is_there` holds, captures up to then included."""

        def look() -> object:
            self.capture()
            return is_there()

        poll(look, bool, what=what)


@contextmanager
def played(make_link: Callable[[str, str], Link], directory: Path) -> Iterator[Played]:
    """Play all conditions until there are some probes of each."""
    names = {each.host: each.resolves_to for each in CONDITIONS if each.resolves_to}
    servers = {each.name: each for each in CONDITIONS if each.is_answered}
    authority = Authority(directory)
    with (
        network(make_link, names, (*(each.server for each in servers.values()), SCRAPER)) as made,
        ExitStack() as stack,
    ):
        for each in CONDITIONS:
            made.link.set(each.faulty or each.server, each.out, each.back)
        made.link.set(SCRAPER, CLEAR, CLEAR)
        running = {
            name: inside(made.provider, lambda each=each: stack.enter_context(_server(each, authority)))  # type: ignore[misc]
            for name, each in servers.items()
        }
        environment = {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "2s",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "1900ms",
            "FLOW_EXPORTER_DEFAULTS__CA_FILE": str(authority.ca_file),
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": ":0",
        }
        for each in CONDITIONS:
            url = f"{'https' if each.tls else 'http'}://{each.host}:{PORTS[each.name]}"
            environment |= target_variables(each.name, url, **each.fields)
        sockets = (packet_socket(made.exporter, "wire"), packet_socket(made.provider, "wire"))
        for each_socket in sockets:
            stack.enter_context(each_socket)
        daemon = Daemon(
            environment,
            directory=directory / "work",
            logs=directory / "logs",
            command=("ip", "netns", "exec", made.exporter, *COMMAND),
        )
        stack.enter_context(daemon)
        playing = Played(made, daemon, running, sockets)
        playing.wait_for("probes of all targets", lambda: _enough(playing.metrics()))
        yield playing


def _enough(samples: Samples) -> bool:
    finished: dict[str, float] = defaultdict(float)
    for labels, value in samples.series("pingone_flow_probes_total"):
        finished[labels["target"]] += value * (labels["reason"] != "internal")
    return all(finished[each.name] >= PROBES for each in CONDITIONS)


def _server(condition: Condition, authority: Authority) -> HttpServer:
    """Return the provider of a condition; started where it is entered."""
    tls = authority.issue(condition.host).tls if condition.tls else None
    host, port = condition.server, PORTS[condition.name]
    server = HttpServer(host=host, port=port, name=condition.host, tls=tls)
    if condition.padding:
        server.always(_padded(server, condition.padding))
    return server


def _padded(server: HttpServer, length: int) -> Script:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        flow = server.seed_flow(request.path.split("/")[1])
        await json_answer({**flow, "padding": "x" * length})(request, writer)

    return answer


def started(outcome: dict[str, Any]) -> float:
    """Return when a probe started, seconds since the epoch, cut off to the millisecond."""
    return datetime.fromisoformat(outcome["started_at"]).timestamp()


def of_probe(outcome: dict[str, Any], connections: Iterable[Connection]) -> Connection:
    """Return the connection that a probe was answered on; probes of a target do not overlap."""
    (step,) = outcome["steps"]
    return next(
        each for each in connections if each.peer == step["address"] and each.syns[0] >= started(outcome)
    )
