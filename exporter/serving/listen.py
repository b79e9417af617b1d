"""Listening sockets, made before anything else starts, so that a port in use is known before the first probe.

The sockets listen at once: two that are only bound may share a port, and the conflict would show later.
"""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from exporter.process import CommandError

SETTING = "FLOW_EXPORTER_WEB__LISTEN_ADDRESS"
BACKLOG = 128
"""Connections that may wait while the event loop is busy; scrapers and kubelets are few."""

_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""The errors of a system without IPv6, or without the address."""


class ListenError(CommandError):
    """The exporter cannot listen on an address; the text is one sentence for the operator."""


def bind(addresses: Sequence[tuple[str, int]], *, setting: str = SETTING) -> list[socket.socket]:
    """Listen on addresses.

    Args:
        addresses: host and port of each. The host is an address, a name (all its addresses are used), or
            empty for every address of the machine, IPv4 and IPv6. `::` means the same, unless `0.0.0.0`
            is listed too.
        setting: the variable that holds the addresses, for messages.

    Returns:
        listening, non-blocking sockets, one or more per address, in the same order.

    Raises:
        ListenError: an address cannot be used; no socket is left open.
    """
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for host, port in addresses:
            both = host == "::" and ("0.0.0.0", port) not in addresses  # noqa: S104  compared, not listened on
            try:
                sockets.extend(map(opened.enter_context, _at(host, port, both=both)))
            except (OSError, UnicodeError) as error:
                cause = "the host name does not resolve"
                if isinstance(error, OSError) and not isinstance(error, socket.gaierror):
                    cause = os.strerror(error.errno or 0).lower()
                shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                raise ListenError(f"cannot listen on {shown}: {cause}; use {setting} to change it") from error
        opened.pop_all()
        return sockets


def _at(host: str, port: int, *, both: bool) -> Iterator[socket.socket]:
    """Listen on all addresses of a host, except those that the machine lacks.

    /etc/hosts lists ::1 for localhost on machines without IPv6, too.
    """
    if host:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = list(dict.fromkeys((family, address) for family, *_, address in found))
    else:  # every address; the second is for a machine without IPv6
        addresses = [(socket.AF_INET6, ("::", port, 0, 0)), (socket.AF_INET, ("0.0.0.0", port))]  # noqa: S104  asked for
    listening = False
    for family, address in addresses:
        try:
            yield _listen(family, address, both=both or not host)
            listening = True
        except OSError as error:
            if error.errno not in _ABSENT or (not listening and (family, address) == addresses[-1]):
                raise
        if listening and not host:
            return


def _listen(
    family: socket.AddressFamily, address: tuple[str | int, ...] | tuple[int, bytes], *, both: bool
) -> socket.socket:
    # Without IPv6, create_server would raise a ValueError for `dual`, and raises an OSError for the family.
    dual = both and family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    sock = socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    sock.setblocking(False)  # noqa: FBT003  the standard library's signature
    # Connections inherit it. With Nagle's algorithm, each response on a kept connection would wait 40 ms for
    # the client's delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
