"""The egress check: whether any HTTP response arrives at all, over the same route as probes."""

import logging
import time
from contextlib import closing

from exporter import __version__
from exporter.probing.certificate import unverified_context
from exporter.probing.failure import OUR_BUG, read_failure
from exporter.probing.messages import Request
from exporter.probing.probe import stalls_explain
from exporter.probing.timing import Deadline
from exporter.probing.transport import Network, ProbeTransport, StallsSince
from exporter.reasons import Reason
from exporter.status import EgressStatus
from exporter.target import NetworkRoute

_log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0


class EgressCheck:
    """Requests a URL of the operator's choice.

    Any HTTP response counts, so certificates are not verified: nothing secret is sent, and an authority that
    is missing here does not mean that the network is down.

    Args:
        url: http or https.
        route: how to get there; its authorities do not matter.
        stalls: the stalls of our event loop since a time of its clock.

    Attributes:
        status: result of the last check that had one, and since when; None before that.
    """

    INTERVAL = 15.0  # seconds between two checks

    def __init__(
        self,
        url: str,
        route: NetworkRoute | None = None,
        *,
        stalls: StallsSince = lambda _since: (),
    ) -> None:
        headers = (("User-Agent", f"pingone-flow-exporter/{__version__}"), ("Accept", "*/*"))
        self._request = Request("GET", url, headers)
        self._network = Network(stalls=stalls)
        self._route = route or NetworkRoute()
        self._tls = unverified_context()
        self._last: Reason | None = None
        self.status: EgressStatus | None = None

    async def __call__(self) -> bool | None:
        """Return whether any HTTP response came within 5 s; None if the exporter itself is the reason."""
        route = self._route
        deadline = Deadline(TIMEOUT_SECONDS)
        transport = ProbeTransport(self._network, deadline, self._tls, route.ip_family, route.proxy_url)
        with closing(deadline), closing(transport):
            exchange = await transport.exchange(self._request)
        up, reason = exchange.answer is not None, Reason.OK
        if not up:
            verdict = read_failure(exchange)
            if verdict == OUR_BUG:
                raise exchange.error or RuntimeError("an exchange without an answer has an error")
            reason = verdict.reason
            if reason is Reason.INTERNAL or stalls_explain(exchange, deadline, self._network.stalls):
                return None
        if reason is not self._last:
            level = logging.INFO if up else logging.WARNING
            _log.log(level, "egress check", extra={"up": up, "reason": reason.value})
        self._last = reason
        if self.status is None or self.status.up is not up:
            self.status = EgressStatus(up=up, since=time.time())
        return up
