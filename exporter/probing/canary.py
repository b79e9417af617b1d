"""The own-connectivity check: is it the provider that does not answer, or do we reach nobody?"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable

from exporter import __version__
from exporter.probing import timeline
from exporter.probing.exchange import Exchanger
from exporter.probing.failure import read_failure
from exporter.probing.resolver import Resolver
from exporter.probing.route import Route
from exporter.probing.stall import StallsSince, explains_timeout
from exporter.probing.step import Request
from exporter.reasons import Reason
from exporter.target import IpFamily

_log = logging.getLogger(__name__)

_DEADLINE = 5.0


class EgressCheck:
    """Asks a URL of the operator's choice, by the way out that probes take.

    Any HTTP answer will do, so that certificates are not verified: nothing secret is sent, and an
    authority that is missing here does not mean that the network is down.

    Args:
        url: http or https.
        proxy_url: a forward proxy, or None.
        family: which addresses are tried.
        clock: monotonic seconds, the event loop's clock.
        stalls: when our own event loop stood still since a time of that clock.
    """

    INTERVAL = 15.0
    """Seconds between two checks."""

    def __init__(
        self,
        url: str,
        *,
        proxy_url: str | None = None,
        family: IpFamily = IpFamily.ANY,
        clock: Callable[[], float] = time.monotonic,
        stalls: StallsSince = lambda _since: (),
    ) -> None:
        self._request = Request("GET", url)
        self._clock = clock
        self._stalls = stalls
        self._exchange = Exchanger(Resolver(), clock)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._route = Route(context, family, proxy_url)
        self._last: Reason | None = None

    async def __call__(self) -> bool | None:
        """Whether any HTTP answer came within 5 s, whatever it said; None if it is our fault not to know."""
        begun = self._clock()
        exchange = await self._exchange(
            self._request,
            (("User-Agent", f"pingone-flow-exporter/{__version__}"), ("Accept", "*/*")),
            route=self._route,
            deadline=begun + _DEADLINE,
        )
        if exchange.answer is not None:
            self._tell(Reason.OK)
            return True
        error = exchange.error or RuntimeError("an exchange without an answer has an error")
        proxied = self._route.proxy_url is not None
        reason, _ = read_failure(error, timeline.reached(exchange.marks), proxied=proxied)
        if reason is Reason.INTERNAL or self._was_ours(begun):
            return None
        self._tell(reason)
        return False

    def _was_ours(self, begun: float) -> bool:
        """Whether we were not there to see an answer; by the measure of probes, or both would disagree.

        In a container that is throttled there is a stall in every 5 s: each of them must not hide an outage.
        """
        return explains_timeout(self._stalls(begun), deadline=begun + _DEADLINE, timeout=_DEADLINE)

    def _tell(self, reason: Reason) -> None:
        """Log a change; whoever reads a page about it wants to know why."""
        if reason is not self._last:
            level = logging.INFO if reason is Reason.OK else logging.WARNING
            _log.log(level, "egress check", extra={"up": reason is Reason.OK, "reason": reason.value})
        self._last = reason
