"""Sockets to listen on, made before anything else is started.

A port in use is then known, in one sentence, before a probe is sent. The sockets listen at once: two
sockets that are merely bound may share a port, and the clash would show only later.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

SETTING = "FLOW_EXPORTER_WEB__LISTEN_ADDRESS"
BACKLOG = 128
"""Connections that may wait while the loop is busy; scrapers and kubelets are few."""

_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""How systems without IPv6, or without the address, say so."""


class ListenError(Exception):
    """An address cannot be listened on. Its text is one sentence for the operator."""


def bind(addresses: Sequence[tuple[str, int]], *, setting: str = SETTING) -> list[socket.socket]:
    """Listen on addresses.

    Args:
        addresses: host and port of each. The host is an address, a name, all of whose addresses are
            listened on, or empty for every address of the machine, IPv4 and IPv6. `::` means the
            same, unless `0.0.0.0` is listed with it.
        setting: the variable that the operator wrote the addresses in, for messages.

    Returns:
        listening, non-blocking sockets, one or more per address, in the same order.

    Raises:
        ListenError: an address cannot be listened on; no socket is left open.
    """
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for host, port in addresses:
            both = host in {"", "::"} and ("0.0.0.0", port) not in addresses  # noqa: S104  compared, not listened on
            try:
                new = _everywhere(port) if not host else _at(host, port, both=both)
            except (OSError, UnicodeError) as error:
                taken = port in {sock.getsockname()[1] for sock in sockets}
                text = _cause(error, port, setting, taken=taken)
                raise ListenError(f"cannot listen on {_spelt(host, port)}: {text}") from error
            sockets.extend(map(opened.enter_context, new))
        opened.pop_all()
        return sockets


def _everywhere(port: int) -> list[socket.socket]:
    try:
        return [_listen(socket.AF_INET6, ("::", port, 0, 0), both=True)]
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return [_listen(socket.AF_INET, ("0.0.0.0", port))]  # noqa: S104  an empty host asks for every address


def _at(host: str, port: int, *, both: bool) -> list[socket.socket]:
    """Listen on all addresses of a host. One that the machine lacks is passed over if there is another.

    /etc/hosts names ::1 for localhost on machines that have IPv6 switched off.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    absent: OSError | None = None
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            try:
                sockets.append(opened.enter_context(_listen(family, address, both=both)))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
        if absent is not None and not sockets:
            raise absent
        opened.pop_all()
        return sockets


def _listen(
    family: socket.AddressFamily, address: tuple[str | int, ...] | tuple[int, bytes], *, both: bool = False
) -> socket.socket:
    # The protocol is named, or asyncio would not know it for TCP and leave Nagle's algorithm on: each answer
    # on a connection that was kept would then wait 40 ms for the client's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # connections of the last run that linger in TIME_WAIT must not delay a restart
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)  # noqa: FBT003  the standard library's signature
    except BaseException:
        sock.close()
        raise
    return sock


def _cause(error: OSError | UnicodeError, port: int, setting: str, *, taken: bool) -> str:
    """Say what is wrong and what would be right."""
    if isinstance(error, UnicodeError | socket.gaierror):
        return f"the name does not resolve; {setting}=:{port} listens on all addresses"
    match error.errno:
        case errno.EADDRINUSE:
            question = f"is it listed twice in {setting}" if taken else "is another exporter running"
            return f"address already in use; {question}? {setting} sets another address"
        case errno.EACCES | errno.EPERM:
            return f"permission denied; {setting} sets another address, ports from 1024 up need no privilege"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return f"this machine has no such address; {setting}=:{port} listens on all it has"
    return f"{(error.strerror or type(error).__name__).lower()}; {setting} sets another address"


def _spelt(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
