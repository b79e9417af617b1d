"""The own-connectivity check: is it the provider that does not answer, or do we reach nobody?"""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.probing.exchange import Exchanger
from exporter.probing.resolver import Resolver
from exporter.probing.route import Route
from exporter.probing.step import Request
from exporter.target import IpFamily

if TYPE_CHECKING:
    from collections.abc import Callable

_DEADLINE = 5.0


class Canary:
    """Asks a URL of the operator's choice.

    Args:
        url: http or https.
        clock: monotonic seconds, the event loop's clock.
    """

    INTERVAL = 15.0
    """Seconds between two checks."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._request = Request("GET", url)
        self._clock = clock
        self._exchange = Exchanger(Resolver(), clock)
        self._route = Route(ssl.create_default_context(), IpFamily.ANY)

    async def __call__(self) -> bool:
        """Whether any HTTP answer came within 5 s, whatever it said."""
        exchange = await self._exchange(
            self._request,
            (("User-Agent", f"pingone-flow-exporter/{__version__}"), ("Accept", "*/*")),
            route=self._route,
            deadline=self._clock() + _DEADLINE,
        )
        return exchange.answer is not None
