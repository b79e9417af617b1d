"""What an exporter reports of each kind of weather. A test runs both and holds this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason
from exporter.simulator.weather import Kind


@dataclass(frozen=True, slots=True)
class Sign:
    """What is said of a probe.

    Args:
        reason: and
        fault: of the probe.
        code: of the response, with default parameters; None if there is none.
        phase: where it ended.
    """

    reason: Reason
    fault: Fault
    code: int | None
    phase: Phase = Phase.TRANSFER


_OK = Sign(Reason.OK, Fault.NONE, 200)
_ERROR = Sign(Reason.SERVER_ERROR, Fault.PROVIDER, 503)
_CERTIFICATE = Sign(Reason.TLS, Fault.PROVIDER, None, Phase.TLS)

SIGNS: Mapping[Kind, tuple[Sign, ...]] = {
    Kind.HEALTHY: (_OK,),
    Kind.SLOW: (_OK,),
    Kind.FLAKY: (_OK, _ERROR),
    Kind.RATE_LIMITED: (Sign(Reason.RATE_LIMITED, Fault.QUOTA, 429),),
    Kind.ERROR_JSON: (_ERROR,),
    Kind.ERROR_HTML: (_ERROR,),
    Kind.SILENT: (Sign(Reason.TIMEOUT, Fault.PROVIDER, None, Phase.PROCESSING),),
    Kind.REFUSED: (Sign(Reason.CONNECT, Fault.NETWORK, None, Phase.CONNECT),),
    Kind.RESET: (Sign(Reason.PROTOCOL, Fault.PROVIDER, None, Phase.PROCESSING),),
    Kind.TLS_EXPIRED: (_CERTIFICATE,),
    Kind.TLS_WRONG_NAME: (_CERTIFICATE,),
    Kind.FLOW_FAILED: (Sign(Reason.FLOW_FAILED, Fault.PROVIDER, 200),),
    Kind.POLICY_CHANGED: (Sign(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, 200),),
    Kind.MAINTENANCE: (Sign(Reason.REDIRECTED, Fault.PROVIDER, 302),),
    Kind.CLIENT_DELETED: (Sign(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 302),),
    Kind.REDIRECT_URI_REMOVED: (Sign(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 400),),
    Kind.CLOCK_SKEWED: (_OK,),
}
"""Of an application that expects what it got before the weather changed; several where chance decides."""
