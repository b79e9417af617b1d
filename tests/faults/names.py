"""What a name server may do. These have one of their own, and a daemon that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.case import Case, Found, broken, ok
from faults.name_server import ZONE

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason

if TYPE_CHECKING:
    from faults.stage import Scene, Stage

NO_NAME = broken(Reason.DNS, Phase.RESOLVE, Fault.NETWORK)
NO_REPLY = broken(Reason.TIMEOUT, Phase.RESOLVE, Fault.NETWORK)


def named(label: str) -> Scene:
    """Good flows, at a name that begins with this."""

    def scene(stage: Stage) -> str:
        return stage.server().replace("127.0.0.1", f"{label}.{ZONE}")

    return scene


def _case(label: str, says: str, found: Found, family: str = "any") -> Case:
    return Case(f"name_{label}", says, named(label), found, {"ip_family": family})


NAMES = (
    _case("hang", "the name server does not reply", NO_REPLY),
    _case("stranger", "only a reply to another question comes", NO_REPLY),
    _case("garbage", "the name server replies with garbage", NO_REPLY),
    _case("nxdomain", "the name server knows no such name", NO_NAME),
    _case("servfail", "the name server failed", NO_NAME),
    _case("refused", "the name server refuses", NO_NAME),
    _case("empty", "the name has no address", NO_NAME),
    _case("truncated", "the reply is too long for UDP, and TCP is closed", NO_NAME),
    _case("circle", "the name is an alias (CNAME) of itself", NO_NAME),
    _case("four", "the name has only an IPv4 address, with IP_FAMILY=6", NO_NAME, "6"),
    _case("six", "the name has only an IPv6 address, with IP_FAMILY=4", NO_NAME, "4"),
    _case("both", "no fault: the IPv6 address refuses connections, the IPv4 one works", ok()),
)
