"""Network namespaces: commands, sockets, TUN devices and captures in them; what a machine lacks for that."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from network.segments import Segment, unpack

T = TypeVar("T")

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 1, 0x1000
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_OUTGOING = 4
_CAPTURE_BYTES = 32 * 1024 * 1024


def missing() -> str | None:
    """Return why these tests cannot run here, if they cannot."""
    if os.geteuid() != 0:
        return "needs root: it makes a network namespace"
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return "needs ip and tc (make test-tools installs iproute2)"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    made = subprocess.run(["ip", "netns", "add", f"try-{os.getpid()}"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", f"try-{os.getpid()}"], capture_output=True, check=False)
    return "may not make network namespaces" if made.returncode else None


@dataclass(frozen=True, slots=True)
class Captured:
    """A segment as the prober's kernel saw it.

    Args:
        at: when, seconds since the epoch.
        sent: whether the prober's side sent it.
        segment: the segment.
    """

    at: float
    sent: bool
    segment: Segment


def run(*command: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def inside(namespace: str, call: Callable[[], T]) -> T:
    """Return what `call` returns inside a namespace: sockets that it makes stay there.

    Only a thread of its own enters (setns(2)).
    """

    def enter() -> T:
        with Path("/var/run/netns", namespace).open("rb") as entered:
            if ctypes.CDLL(None, use_errno=True).setns(entered.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        return call()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(enter).result()


def open_tun(name: str) -> int:
    """Make a TUN device in the namespace of this thread; return its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def packet_socket(namespace: str, interface: str) -> socket.socket:
    """Open a socket that captures what passes through an interface of a namespace."""

    def capture() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _CAPTURE_BYTES)
        made.bind((interface, 0))
        made.settimeout(0)
        return made

    return inside(namespace, capture)


def arrivals(capture: socket.socket) -> Iterator[Captured]:
    """Yield the TCP segments that were captured since the last call."""
    with suppress(BlockingIOError):
        while True:
            packet, ancillary, _, address = capture.recvmsg(65536, 64)
            segment = unpack(packet)
            stamps = [value for _, kind, value in ancillary if kind == _SO_TIMESTAMPNS]
            if segment is not None and stamps:
                seconds, nanoseconds = struct.unpack("qq", stamps[0])
                yield Captured(seconds + nanoseconds / 1e9, address[2] == _OUTGOING, segment)
