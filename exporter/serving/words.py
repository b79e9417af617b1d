"""Why a probe ended as it did, in words that a person can act upon at night. Pure.

finding    tls, certificate expired                 about one probe
clause     auth.pingone.eu has an expired certificate    about a host, after its name
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.outcome import Outcome, Phase, StepRecord
from exporter.reasons import Fault, Reason

CULPRITS: Mapping[Fault, str] = {
    Fault.PROVIDER: "the provider",
    Fault.NETWORK: "the network",
    Fault.CONFIGURATION: "the configuration",
    Fault.QUOTA: "a rate limit",
    Fault.EXPORTER: "the exporter itself",
    Fault.NONE: "nobody",
}
"""Whose problem it looks like."""

_NOT_IN_TIME: Mapping[Phase, tuple[str, str]] = {
    Phase.RESOLVE: ("the name did not resolve in time", "does not resolve in time"),
    Phase.CONNECT: ("no connection in time", "accepts no connection in time"),
    Phase.TLS: ("no TLS handshake in time", "completes no TLS handshake in time"),
    Phase.PROCESSING: ("no answer in time", "times out"),
    Phase.TRANSFER: ("the answer was not complete in time", "does not complete its answers in time"),
}

_FIXED: Mapping[tuple[Reason, Fault], tuple[str, str]] = {
    (Reason.DNS, Fault.NETWORK): ("the name does not resolve", "does not resolve"),
    (Reason.CONNECT, Fault.NETWORK): ("no connection", "accepts no connection"),
    (Reason.PROXY, Fault.NETWORK): (
        "our own proxy refused or failed",
        "is not reached through our own proxy",
    ),
    (Reason.TLS, Fault.NETWORK): (
        "no handshake, or an issuer not trusted here",
        "completes no TLS handshake that is trusted here",
    ),
    (Reason.PROTOCOL, Fault.NETWORK): ("the connection broke off", "breaks off connections"),
    (Reason.PROTOCOL, Fault.PROVIDER): (
        "the answer broke off, or was no HTTP",
        "breaks off answers or speaks no HTTP",
    ),
    (Reason.REDIRECTED, Fault.CONFIGURATION): (
        "to the sign-on page: pi.flow was not honored",
        "redirects to the sign-on page",
    ),
    (Reason.REDIRECTED, Fault.PROVIDER): ("to another page", "redirects to another page"),
    (Reason.TOO_LARGE, Fault.PROVIDER): ("the body is larger than 256 KiB", "answers with too large a body"),
    (Reason.NOT_JSON, Fault.PROVIDER): ("the answer is no JSON object", "answers with no JSON"),
    (Reason.NOT_A_FLOW, Fault.PROVIDER): (
        "no flow, or one of another environment",
        "answers with no flow of this environment",
    ),
    (Reason.INTERNAL, Fault.EXPORTER): (
        "the exporter stood still, or has a bug",
        "was not judged: the exporter stood still, or has a bug",
    ),
}


def finding(outcome: Outcome, expiry: float | None = None) -> str:
    """Write why a probe ended as it did: the reason, and what is behind it.

    Args:
        outcome: the probe's.
        expiry: when the host's certificate expires, if that is known from another probe.
    """
    if outcome.success:
        return "ok"
    return f"{outcome.reason}, {_words(outcome, expiry)[0]}"


def clause(outcome: Outcome, expiry: float | None = None) -> str:
    """Write what the host of a failed probe does wrong, to follow its name; `expiry` as for `finding`."""
    return _words(outcome, expiry)[1]


def status(outcome: Outcome) -> str:
    """Write what came back last: code and flow status, as far as there are any."""
    parts = [part for record in outcome.steps[-1:] for part in (record.http_status_code, record.flow_status)]
    return " ".join(str(part) for part in parts if part is not None) or "no response"


def _words(outcome: Outcome, expiry: float | None) -> tuple[str, str]:
    record = outcome.steps[-1] if outcome.steps else None
    if outcome.reason is Reason.TIMEOUT:
        return _NOT_IN_TIME[outcome.phase]
    if outcome.reason is Reason.TLS and outcome.fault is Fault.PROVIDER:
        return _certificate(outcome, record, expiry)
    if telling := _TELLING.get(outcome.reason):
        return telling(record)
    return _FIXED[outcome.reason, outcome.fault]


def _certificate(outcome: Outcome, record: StepRecord | None, expiry: float | None) -> tuple[str, str]:
    own = record.tls.not_after if record and record.tls else None
    known = expiry if own is None else own
    if known is None:
        return "certificate expired, not yet valid or for another name", "has a certificate that is not valid"
    if known <= outcome.ended_at:
        return "certificate expired", "has an expired certificate"
    return "certificate not yet valid, or for another name", "has a certificate that is not valid for it"


def _code(record: StepRecord | None) -> str:
    code = record.http_status_code if record else None
    return "an error" if code is None else str(code)


def _codes(record: StepRecord | None) -> str:
    return ", ".join(record.error_codes) if record and record.error_codes else _code(record)


def _answered(record: StepRecord | None) -> tuple[str, str]:
    code = _code(record)
    named = f"{code} ({', '.join(record.error_codes)})" if record and record.error_codes else code
    return f"answered {named}", f"answers {code}"


def _refused(record: StepRecord | None) -> tuple[str, str]:
    codes = _codes(record)
    return codes, f"refuses the request ({codes})"


def _blocked(record: StepRecord | None) -> tuple[str, str]:
    code = _code(record)
    return f"{code} of a firewall or allow-list", f"is behind something that blocks us ({code})"


def _limited(_: StepRecord | None) -> tuple[str, str]:
    return "too many requests", "limits our rate"


def _failed(record: StepRecord | None) -> tuple[str, str]:
    codes = f" ({', '.join(record.error_codes)})" if record and record.error_codes else ""
    return f"the flow failed{codes}", "lets flows fail"


def _unexpected(record: StepRecord | None) -> tuple[str, str]:
    came = (record.flow_status if record else None) or "another status"
    return f"{came} came back", f"answers the unexpected {came}"


_TELLING: Mapping[Reason, Callable[[StepRecord | None], tuple[str, str]]] = {
    Reason.SERVER_ERROR: _answered,
    Reason.CLIENT_ERROR: _answered,
    Reason.OAUTH_ERROR: _refused,
    Reason.BLOCKED: _blocked,
    Reason.RATE_LIMITED: _limited,
    Reason.FLOW_FAILED: _failed,
    Reason.UNEXPECTED_STATUS: _unexpected,
}
"""Reasons of which the answer itself says more."""
