"""A network of namespaces, where each address of the provider is behind a path with faults of its own.

    exporter --- router === provider
    ipv6 -------/

`===` is a pair of virtual Ethernet devices with netem of the kernel (tc-netem(8)) or, since many kernels come
without it, a pair of TUN devices with a program between that does the same. The router also has NAT64, and
`ipv6` is a host that has nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from random import Random
from typing import Protocol

from network.forwarder import Forwarder, Hop, Route
from network.namespaces import inside, open_tun, run
from network.nat64 import PREFIX, Translation
from network.netem import CLEAR, Netem

EXPORTER, EXPORTER_6 = "10.99.0.2", "fd99::2"
HOST_6, HOST_ROUTER_6 = "fd97::2", "fd97::1"
NEAR, NEAR_6 = "10.99.0.1", "fd99::1"
FAR, FAR_6 = "10.98.0.1", "fd98::1"
PROVIDER, PROVIDER_6 = "10.98.0.2", "fd98::2"
PROVIDERS, PROVIDERS_6 = "10.99.1.0/24", "fd99:0:0:1::/64"
"""Addresses of the provider; each has a path of its own."""
UNREACHABLE = "10.99.2.0/24"
"""The router answers that there is no way to these."""
TRANSLATED = "10.64.0.0/24"
TRANSLATIONS = {EXPORTER_6: "10.64.0.2", HOST_6: "10.64.0.3"}
"""Addresses behind NAT64 that IPv4 sees."""

_BANDS = 16
_DROP = _BANDS
_STRAIGHT = CLEAR, Random()
_SEED = 535
"""Chosen so that the first SYN of `loss` is lost, and the answer to the first of `asymmetric_loss`."""
_UNKNOWN = re.compile("kind is unknown|classifier not found", re.IGNORECASE)
"""What tc reports of a module that the kernel lacks."""
_numbers = count()


def no_netem() -> str | None:
    """Return what of netem the kernel lacks, if it lacks something: many come without."""
    needed = {"sch_netem": "qdisc {} root handle 1: netem", "sch_prio": "qdisc {} root handle 2: prio"}
    needed["cls_u32"] = "filter {} parent 2: protocol ip u32 match u32 0 0 flowid 2:1"
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "--quiet", "--all", *needed], capture_output=True, check=False)
    namespace = f"try-netem-{os.getpid()}"
    run("ip", "netns", "add", namespace)
    try:
        for module, words in needed.items():
            command = ["tc", "-n", namespace, *words.format("replace dev lo").split()]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                assert _UNKNOWN.search(done.stderr), done.stderr
                return f"this kernel has no {module}"
    finally:
        run("ip", "netns", "delete", namespace)
    return None


class Link(Protocol):
    """The way between router and provider."""

    def set(self, address: str, out: Netem, back: Netem) -> None:
        """Set what happens to packets to an address of the provider, and to those that come from it."""

    def routes(self) -> Mapping[int, Route]:
        """Return what a program has to forward."""


class KernelLink:
    """By netem: a band of sch_prio for each address, at both ends.

    Args:
        router: its namespace.
        provider: its namespace.
    """

    def __init__(self, router: str, provider: str) -> None:
        run("ip", "-n", router, "link", "add", "far", "type", "veth", "peer", "wire", "netns", provider)
        self._ends = ((router, "far", "dst"), (provider, "wire", "src"))
        self._bands: dict[str, int] = {}
        for namespace, device, _ in self._ends:
            first = " ".join("0" * _BANDS)
            run(
                *f"tc -n {namespace} qdisc add dev {device} root handle 1: prio bands {_BANDS} "
                f"priomap {first}".split()
            )
            run(*f"tc -n {namespace} qdisc add dev {device} parent 1:{_DROP:x} netem loss 100%".split())

    def set(self, address: str, out: Netem, back: Netem) -> None:
        """Set what happens to packets to an address of the provider, and to those that come from it."""
        is_new = address not in self._bands
        if is_new and out == back == CLEAR:
            return  # as in the first band
        band = self._bands.setdefault(address, 2 + len(self._bands))
        assert band < _DROP, "as many addresses as bands"
        for (namespace, device, end), netem in zip(self._ends, (out, back), strict=True):
            on = f"dev {device} parent 1:"
            lines = [
                f"qdisc replace {on}{band:x} handle {band + 0x10:x}: netem {' '.join(netem.arguments())}"
            ]
            if is_new:
                lines += [f"filter add {on} {line}" for line in _filters(address, end, band, netem)]
            with tempfile.NamedTemporaryFile("w", suffix=".tc") as batch:
                batch.write("\n".join([*lines, ""]))
                batch.flush()
                run("tc", "-n", namespace, "-batch", batch.name)

    def routes(self) -> Mapping[int, Route]:
        """Return nothing: the kernel forwards."""
        return {}


def _filters(address: str, end: str, band: int, netem: Netem) -> Iterator[str]:
    six = ":" in address
    match = f"match ip6 {end} {address}/128" if six else f"match ip {end} {address}/32"
    protocol, priority = ("ipv6", 10) if six else ("ip", 20)
    for bit in netem.length_bits():
        assert not six, "the length of an IPv6 packet does not count its header"
        # `ip` at 0 is version, length of the header and TOS, then the length of the packet.
        yield f"protocol ip prio 1 u32 {match} match u16 {bit:#x} {bit:#x} at 2 flowid 1:{_DROP:x}"
    yield f"protocol {protocol} prio {priority} u32 {match} flowid 1:{band:x}"


class ProgramLink:
    """By a program between two TUN devices, with the same numbers in each run.

    Args:
        router: its namespace.
        provider: its namespace.
    """

    def __init__(self, router: str, provider: str) -> None:
        self._far = inside(router, lambda: open_tun("far"))
        self._wire = inside(provider, lambda: open_tun("wire"))
        self._paths: dict[tuple[int, bytes], tuple[Netem, Random]] = {}

    def set(self, address: str, out: Netem, back: Netem) -> None:
        """Set what happens to packets to an address of the provider, and to those that come from it."""
        for direction, netem in enumerate((out, back)):
            random = Random(f"{address} {direction} {_SEED}")
            self._paths[direction, ip_address(address).packed] = netem, random

    def routes(self) -> Mapping[int, Route]:
        """Return what a program has to forward."""
        return {self._far: self._out, self._wire: self._back}

    def _out(self, packet: bytes) -> Hop | None:
        destination = packet[24:40] if packet[0] >> 4 == 6 else packet[16:20]
        return self._hop(self._wire, packet, destination, 0)

    def _back(self, packet: bytes) -> Hop | None:
        source = packet[8:24] if packet[0] >> 4 == 6 else packet[12:16]
        return self._hop(self._far, packet, source, 1)

    def _hop(self, device: int, packet: bytes, address: bytes, direction: int) -> Hop | None:
        netem, random = self._paths.get((direction, address), _STRAIGHT)
        delay = netem.seconds(len(packet), random)
        return None if delay is None else Hop(device, packet, delay)


@dataclass(frozen=True, slots=True)
class Network:
    """Names of the namespaces.

    Args:
        exporter: for the command.
        ipv6: for the command where there is no IPv4.
        router: and
        provider: what they are connected to.
        link: sets what happens on the way to an address.
        pauses: see `Forwarder`.
    """

    exporter: str
    ipv6: str
    router: str
    provider: str
    link: Link
    pauses: Sequence[tuple[float, float]]


@contextmanager
def network(
    make_link: Callable[[str, str], Link], names: Mapping[str, tuple[str, ...]], addresses: tuple[str, ...]
) -> Iterator[Network]:
    """Make the network, and remove it.

    Args:
        make_link: what is between router and provider.
        names: of hosts that the exporter's namespace knows, and their addresses.
        addresses: of the provider.
    """
    number = f"{os.getpid()}-{next(_numbers)}"
    namespaces = {name: f"{name}-{number}" for name in ("exporter", "ipv6", "router", "provider")}
    exporter, ipv6, router, provider = namespaces.values()
    with ExitStack() as stack:
        for namespace in namespaces.values():
            run("ip", "netns", "add", namespace)
            stack.callback(run, "ip", "netns", "delete", namespace)
        for namespace in (exporter, ipv6):
            stack.callback(_write_hosts(namespace, names))
        link = make_link(router, provider)
        nat64 = inside(router, lambda: open_tun("nat64"))
        routes = dict(link.routes())
        for device in (*routes, nat64):
            stack.callback(os.close, device)
        for namespace, peer in ((exporter, "near"), (ipv6, "near6")):
            run(*f"ip -n {namespace} link add wire type veth peer {peer} netns {router}".split())
        for name, commands in _setup(addresses).items():
            inside(namespaces[name], _allow_ipv6)
            _batch(namespaces[name], commands)
        inside(router, _route)
        translation = Translation(TRANSLATIONS)

        def translate(packet: bytes) -> Hop | None:
            translated = translation.translate(packet)
            return None if translated is None else Hop(nat64, translated)

        forwarder = stack.enter_context(Forwarder({**routes, nat64: translate}))
        yield Network(link=link, pauses=forwarder.pauses, **namespaces)


def _setup(addresses: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Return the commands of `ip` for each namespace."""
    return {
        "exporter": [
            *_up("wire", EXPORTER, EXPORTER_6),
            f"route add {PROVIDERS} via {NEAR}",
            f"route add {UNREACHABLE} via {NEAR}",
            f"route add {PROVIDERS_6} via {NEAR_6}",
            f"route add {PREFIX} via {NEAR_6}",
        ],
        "ipv6": [
            *_up("wire", HOST_6),
            f"route add {PROVIDERS_6} via {HOST_ROUTER_6}",
            f"route add {PREFIX} via {HOST_ROUTER_6}",
        ],
        "router": [
            *_up("near", NEAR, NEAR_6),
            *_up("near6", HOST_ROUTER_6),
            *_up("far", FAR, FAR_6),
            *_up("nat64"),
            f"route add {PROVIDERS} via {PROVIDER}",
            f"route add {PROVIDERS_6} via {PROVIDER_6}",
            f"route add unreachable {UNREACHABLE}",
            f"route add {TRANSLATED} dev nat64",
            f"route add {PREFIX} dev nat64",
        ],
        "provider": [
            *_up("wire", PROVIDER, PROVIDER_6),
            *(f"addr add {address}/{128 if ':' in address else 32} dev lo" for address in addresses),
            f"route add default via {FAR}",
            f"route add default via {FAR_6}",
        ],
    }


def _allow_ipv6() -> None:
    """Switch IPv6 on: a machine may have switched it off for all new namespaces."""
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("0", encoding="ascii")


def _route() -> None:
    """Let the kernel forward, and answer each packet that has no way."""
    for name, value in (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1), ("ipv4/icmp_ratelimit", 0)):
        Path("/proc/sys/net", name).write_text(str(value), encoding="ascii")


def _up(device: str, *addresses: str) -> Iterator[str]:
    for address in addresses:
        yield f"addr add {address}/{'64 nodad' if ':' in address else '24'} dev {device}"
    yield f"link set {device} up"
    yield "link set lo up"


def _batch(namespace: str, commands: list[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".ip") as batch:
        batch.write("\n".join([*commands, ""]))
        batch.flush()
        run("ip", "-n", namespace, "-batch", batch.name)


def _write_hosts(namespace: str, names: Mapping[str, tuple[str, ...]]) -> Callable[[], None]:
    """Let `ip netns exec` show these names; return how to remove them."""
    directory = Path("/etc/netns") / namespace
    directory.mkdir(parents=True)
    lines = [f"{address} {name}" for name, addresses in names.items() for address in addresses]
    (directory / "hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]), encoding="utf-8")

    def remove() -> None:
        shutil.rmtree(directory)
        with suppress(OSError):
            directory.parent.rmdir()

    return remove
