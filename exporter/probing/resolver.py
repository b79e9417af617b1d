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
from collections.abc import Callable
from typing import TypeAlias

from exporter.probing.failure import ResolutionError
from exporter.target import IpFamily

Addresses: TypeAlias = tuple[str, ...]

_Question: TypeAlias = tuple[str, IpFamily]

_FAMILIES = {
    IpFamily.ANY: socket.AF_UNSPEC,
    IpFamily.V4: socket.AF_INET,
    IpFamily.V6: socket.AF_INET6,
}

_MOST_ADDRESSES = 16
"""More than any provider publishes; bounds what a hostile answer makes us try."""

_MOST_LOOKUPS = 4
"""At once for one name. The fifth joins the fourth: a thread lives until the resolver gives up,
which may be minutes after the probe's deadline."""


class Resolver:
    """Resolves names with the system's resolver.

    Args:
        look_up: name and family to addresses, blocking; raises OSError or UnicodeError.
    """

    def __init__(self, look_up: Callable[[str, IpFamily], Addresses] | None = None) -> None:
        self._look_up = look_up or system_addresses
        self._under_way: dict[_Question, list[asyncio.Future[Addresses | Exception]]] = {}

    async def __call__(self, host: str, family: IpFamily = IpFamily.ANY) -> Addresses:
        """Return the addresses of `host` in the order in which to try them; a literal is itself.

        Raises:
            ResolutionError: if the name did not resolve, or to no address of the family.
        """
        version = _version(host)
        if version is not None:
            if family in {IpFamily.ANY, version}:
                return (host,)
            raise ResolutionError(f"{host} is no IPv{family} address")
        question = host, family
        under_way = self._under_way.setdefault(question, [])
        lookup = under_way[-1] if len(under_way) >= _MOST_LOOKUPS else self._start(question, under_way)
        # Shielded: the deadline of one probe must not end a look-up that another one joined.
        found = await asyncio.shield(lookup)
        if isinstance(found, Exception):
            # A fresh exception each time; joined probes must not share a traceback.
            raise ResolutionError(f"{host} did not resolve") from found
        return found

    def _start(
        self,
        question: _Question,
        under_way: list[asyncio.Future[Addresses | Exception]],
    ) -> asyncio.Future[Addresses | Exception]:
        loop = asyncio.get_running_loop()
        lookup: asyncio.Future[Addresses | Exception] = loop.create_future()

        def settle(found: Addresses | Exception) -> None:
            under_way.remove(lookup)
            if not under_way:
                self._under_way.pop(question, None)
            lookup.set_result(found)

        def work() -> None:
            found: Addresses | Exception
            try:
                found = self._look_up(*question)
            except Exception as error:  # noqa: BLE001  handed to the probe, which reads it
                found = error
            try:
                loop.call_soon_threadsafe(settle, found)
            except RuntimeError:
                return  # the loop was closed meanwhile: nobody waits for this any more

        threading.Thread(target=work, name=f"resolve {question[0]}", daemon=True).start()
        under_way.append(lookup)
        return lookup


def system_addresses(host: str, family: IpFamily) -> Addresses:
    """Ask the system's resolver, blocking; each address once, in its order (RFC 6724).

    Raises:
        OSError: if the name did not resolve.
        UnicodeError: if it is no host name.
    """
    found = socket.getaddrinfo(host, None, _FAMILIES[family], socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))[:_MOST_ADDRESSES]


def _version(host: str) -> IpFamily | None:
    """Return the family of a literal address, None for a name."""
    try:
        return IpFamily(str(ipaddress.ip_address(host).version))
    except ValueError:
        return None
