"""What a network may do between exporter and provider, and what must be reported. No I/O.

Each row is a target of one daemon; `docs/faults.md` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from network.nat64 import embedded
from network.netem import CLEAR, CUT, Netem

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason

ZONE = "paths.example"


class Verdict(NamedTuple):
    """What is reported of a probe."""

    reason: Reason = Reason.OK
    fault: Fault = Fault.NONE
    phase: Phase = Phase.TRANSFER


GOOD = Verdict()
NO_CONNECTION = Verdict(Reason.TIMEOUT, Fault.NETWORK, Phase.CONNECT)
NO_WAY = Verdict(Reason.CONNECT, Fault.NETWORK, Phase.CONNECT)
NO_HANDSHAKE = Verdict(Reason.TIMEOUT, Fault.NETWORK, Phase.TLS)
OFTEN = {"interval": "3s", "timeout": "2900ms"}
"""For what is waited for while it goes on."""
NOT_CONNECTED = "no connection to host:port within 1.9 s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A row.

    Args:
        name: the target's.
        says: what the network does, in one line.
        looks: what else shows it.
        server: address of the provider.
        resolves_to: addresses of the host in the target's URL; without them, the URL has `server`.
        faulty: the address that the fault is on the path to; `server` by default.
        out: what happens to packets to that address,
        back: and to those that come from it.
        verdict: on the probes; if `varies`, on those that fail.
        detail: of those, with `host:port` in place of the real ones.
        varies: whether some probes succeed and others may not.
        tls: whether the provider is asked over TLS.
        padding: bytes that are added to the response.
        fields: further settings of the target.
    """

    name: str
    says: str
    looks: str
    server: str
    resolves_to: tuple[str, ...] = ()
    faulty: str = ""
    out: Netem = CLEAR
    back: Netem = CLEAR
    verdict: Verdict = GOOD
    detail: str = ""
    varies: bool = False
    tls: bool = False
    padding: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Name or address in the target's URL."""
        return f"{self.name.replace('_', '-')}.{ZONE}" if self.resolves_to else self.server

    @property
    def is_answered(self) -> bool:
        """Whether a provider listens at the address."""
        return self.verdict is not NO_WAY


CONDITIONS = (
    Condition(
        name="clear",
        says="nothing",
        looks="stays as it is beside all others",
        server="10.99.1.1",
        fields=OFTEN,
    ),
    Condition(
        name="delay",
        says="delays packets by 60 ms to the provider and 90 ms back",
        looks="`connect`, `tls` and `processing` are 150 ms longer, each by one round trip",
        server="10.99.1.2",
        out=Netem(delay=60),
        back=Netem(delay=90),
        tls=True,
    ),
    Condition(
        name="jitter",
        says="delays packets from the provider by 50 to 150 ms",
        looks="each phase varies from probe to probe by as much",
        server="10.99.1.3",
        back=Netem(delay=100, jitter=50),
    ),
    Condition(
        name="reordering",
        says="delays every other packet from the provider by 40 ms, so that the others overtake them",
        looks="`transfer` ends when the last piece came",
        server="10.99.1.4",
        back=Netem(delay=40, reorder=50),
        padding=30_000,
    ),
    Condition(
        name="loss",
        says="loses 20 % of packets both ways",
        looks="`connect` of 1 s or 3 s where a SYN was lost; `processing` longer by 0.2 s, 0.6 s or 1.4 s",
        server="10.99.1.5",
        out=Netem(loss=20),
        back=Netem(loss=20),
        verdict=NO_CONNECTION,
        detail=NOT_CONNECTED,
        varies=True,
    ),
    Condition(
        name="asymmetric_loss",
        says="loses 30 % of packets from the provider, and none to it",
        looks="as `loss`; the provider counts connections that it could not complete",
        server="10.99.1.6",
        back=Netem(loss=30),
        verdict=NO_CONNECTION,
        detail=NOT_CONNECTED,
        varies=True,
    ),
    Condition(
        name="one_way",
        says="loses all packets from the provider, and none to it",
        looks="as a partition; the provider sees each SYN",
        server="10.99.1.7",
        back=CUT,
        verdict=NO_CONNECTION,
        detail=NOT_CONNECTED,
    ),
    Condition(
        name="black_hole",
        says="drops packets from the provider that are larger than 511 bytes, without an ICMP message",
        looks="connections are made and no handshake completes: a server's certificates fill whole packets",
        server="10.99.1.8",
        back=Netem(mtu=511),
        verdict=NO_HANDSHAKE,
        detail="TLS handshake not complete within 1.9 s (host:port)",
        tls=True,
    ),
    Condition(
        name="partition",
        says="loses all packets in both directions, temporarily",
        looks="begins and ends for all targets behind it at the same time",
        server="10.99.1.9",
        verdict=NO_CONNECTION,
        detail=NOT_CONNECTED.replace("1.9 s", "2.9 s"),
        varies=True,
        fields=OFTEN,
    ),
    Condition(
        name="ipv6",
        says="has IPv6 alone: the name has no IPv4 address",
        looks="`address` of the step is the IPv6 address",
        server="fd99:0:0:1::10",
        resolves_to=("fd99:0:0:1::10",),
    ),
    Condition(
        name="ipv6_only",
        says="has only IPv6: no route to the IPv4 address that the name also has",
        looks="`address` of the step is the IPv6 address",
        server="fd99:0:0:1::11",
        resolves_to=("198.51.100.11", "fd99:0:0:1::11"),
    ),
    Condition(
        name="ipv4_literal",
        says="has IPv6 alone: no way to the IPv4 address in AUTH_URL",
        looks="NAT64 does not help: only names get an IPv6 address from DNS64; use a name",
        server="198.51.100.12",
        verdict=NO_WAY,
        detail="network unreachable for host:port (ENETUNREACH)",
    ),
    Condition(
        name="nat64",
        says="has IPv6 alone, and NAT64 and DNS64 lead to IPv4",
        looks="`address` of the step is `64:ff9b::…`, the provider sees IPv4",
        server="10.99.1.13",
        resolves_to=(embedded("10.99.1.13"),),
    ),
    Condition(
        name="first_address_lost",
        says="loses all packets to the first of two addresses",
        looks="`connect` is longer by 250 ms (RFC 8305), `addresses_tried` has both",
        server="10.99.1.14",
        resolves_to=("10.99.1.15", "10.99.1.14"),
        faulty="10.99.1.15",
        out=CUT,
    ),
    Condition(
        name="first_address_unreachable",
        says="a router answers for the first of two addresses that there is no way to it",
        looks="the second is tried at once, `addresses_tried` has both",
        server="10.99.1.16",
        resolves_to=("10.99.2.16", "10.99.1.16"),
        faulty="10.99.2.16",
    ),
    Condition(
        name="unreachable",
        says="a router answers that there is no way to the address",
        looks="ends at once, not at the timeout",
        server="10.99.2.17",
        verdict=NO_WAY,
        detail="no route to host:port (EHOSTUNREACH)",
    ),
)

INTRODUCTION = """\
## The network between

How network problems are reported. `pytest tests/network/test_paths.py` plays all rows to the installed
command in network namespaces, with netem or, if the kernel has none, with a program that does the same, and
compares all times with a packet capture. It needs root. The rows about IPv6 are also played from a host with
IPv6 only.

If a partition separates the exporter and Prometheus, `up` is 0 (alert `PingOneExporterAbsent`), but no result
is lost: probes continue, and the counters of the next scrape include them.

One case cannot be distinguished: if the provider's system acknowledges a request and the response is then
lost, the exporter sees the same as with a provider that does not respond: `timeout`, fault `provider`.
"""

HEADS = ("name", "what the network does", "reason", "fault", "phase", "detail", "what it looks like")


def rows() -> Iterator[Sequence[str]]:
    """Yield the cells of each row of the table in the docs."""
    for each in CONDITIONS:
        reason, fault, phase = each.verdict
        often = f"{GOOD.reason} or {reason}" if each.varies else reason
        yield f"`{each.name}`", each.says, often, fault, phase, each.detail, each.looks
