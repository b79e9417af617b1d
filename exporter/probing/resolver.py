"""Names to addresses, timed by the caller, never blocking another target.

The system's own `getaddrinfo`, each call on a daemon thread of its own. What else was tried:

- asyncio's `loop.getaddrinfo` shares a pool of a few threads, so that a few hanging name servers
  starve every target; and at exit the interpreter waits for that pool.
- c-ares (aiodns) keeps answers for their time to live in a cache that its binding cannot switch
  off. A broken resolution would be seen late and timed as 0. A channel per look-up avoids the
  cache, but takes an inotify instance each, of which a user has 128.

The system's resolver also answers as it does for every other program on the machine: hosts file,
search domains and name service switch included.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, TypeAlias

from exporter.probing.failure import ResolutionError

if TYPE_CHECKING:
    from collections.abc import Callable

Addresses: TypeAlias = tuple[str, ...]

_MOST_ADDRESSES = 16
"""More than any provider publishes; bounds what a hostile answer makes us try."""

_MOST_LOOKUPS = 4
"""At once for one name. The fifth joins the fourth: a thread lives until the resolver gives up,
which may be minutes after the probe's deadline."""


class Resolver:
    """Resolves names with the system's resolver.

    Args:
        look_up: name to addresses, blocking; raises OSError or UnicodeError.
    """

    def __init__(self, look_up: Callable[[str], Addresses] | None = None) -> None:
        self._look_up = look_up or system_addresses
        self._under_way: dict[str, list[asyncio.Future[Addresses | Exception]]] = {}

    async def __call__(self, host: str) -> Addresses:
        """Return the addresses of `host` in the order in which to try them; a literal is itself.

        Raises:
            ResolutionError: if the name did not resolve.
        """
        if _is_address(host):
            return (host,)
        under_way = self._under_way.setdefault(host, [])
        lookup = under_way[-1] if len(under_way) >= _MOST_LOOKUPS else self._start(host, under_way)
        # Shielded: the deadline of one probe must not end a look-up that another one joined.
        found = await asyncio.shield(lookup)
        if isinstance(found, Exception):
            # A fresh exception each time; joined probes must not share a traceback.
            raise ResolutionError(f"{host} did not resolve") from found
        return found

    def _start(
        self,
        host: str,
        under_way: list[asyncio.Future[Addresses | Exception]],
    ) -> asyncio.Future[Addresses | Exception]:
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[Addresses | Exception] = loop.create_future()

        def settle(found: Addresses | Exception) -> None:
            under_way.remove(lookup)
            if not under_way:
                self._under_way.pop(host, None)
            lookup.set_result(found)

        def work() -> None:
            found: Addresses | Exception
            try:
                found = self._look_up(host)
            except Exception as error:  # noqa: BLE001  handed to the probe, which reads it
                found = error
            try:
                loop.call_soon_threadsafe(settle, found)
            except RuntimeError:
                return  # the loop was closed meanwhile: nobody waits for this any more

        threading.Thread(target=work, name=f"resolve {host}", daemon=True).start()
        under_way.append(lookup)
        return lookup


def system_addresses(host: str) -> Addresses:
    """Ask the system's resolver, blocking; each address once, in its order (RFC 6724).

    Raises:
        OSError: if the name did not resolve.
        UnicodeError: if it is no host name.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))[:_MOST_ADDRESSES]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
