"""Turn an exchange into a verdict, a sentence with the exact cause, and a record. No I/O.

No secret of the probe gets into any of them.
"""

import errno
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import h11

from exporter.outcome import KNOWN_STATUSES, UNKNOWN, Phase, StepRecord, TlsFacts
from exporter.probing import failure
from exporter.probing.certificate import RefusedCertificate
from exporter.probing.clock_skew import clock_skew, date_timestamp
from exporter.probing.detail import VIOLATIONS, WHILE, Detail, Template, contains_any, origin_of, sentence
from exporter.probing.judge import leads_to_sign_on_page
from exporter.probing.links import Link, endpoint, parse_link
from exporter.probing.messages import Answer, Step, Verdict
from exporter.probing.timing import DeadlineError, OwnDelayError
from exporter.probing.transport import Exchange
from exporter.reasons import Fault, Reason
from exporter.target import Journey

MAX_OWN_DELAY_SECONDS = 1.0
"""A peer that we kept waiting for longer may hang up because of that."""

OUR_BUG = Verdict(Reason.INTERNAL, Fault.EXPORTER)
STALLED = Verdict(Reason.INTERNAL, Fault.EXPORTER, detail=Detail(Template.STALLED))
_KEPT_WAITING = Verdict(Reason.INTERNAL, Fault.EXPORTER, detail=Detail(Template.KEPT_WAITING))
WAITED = Verdict(Reason.INTERNAL, Fault.EXPORTER, detail=Detail(Template.WAITED))
OWN_DELAYS = (STALLED, _KEPT_WAITING)


def evaluate(exchange: Exchange, step: Step) -> Verdict:
    """Return the verdict on an exchange: on its failure, or else on its answer."""
    answer, error = exchange.answer, exchange.error
    if error is None and answer is not None:
        if exchange.proxied and answer.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Verdict(Reason.PROXY, Fault.NETWORK, detail=Detail(Template.AUTHENTICATION))
        return step.judge(answer)
    if answer is not None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        # The head alone is enough: it also has Retry-After, and further probes would make it worse.
        return step.judge(answer)
    if isinstance(error, OwnDelayError):
        return STALLED  # not a bug: this machine is overloaded
    kept_waiting = exchange.closed_by_peer and exchange.own_delay > MAX_OWN_DELAY_SECONDS
    if kept_waiting and not isinstance(error, ssl.SSLCertVerificationError):
        return _KEPT_WAITING
    known = {"proxied": exchange.proxied, "unacknowledged": exchange.unacknowledged}
    return Verdict(*failure.read_failure(error, exchange.phase, **known))


def step_record(
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    wall_offset: float,
    tls: TlsFacts | None,
    own_secrets: Collection[str],
    detail: str | None = None,
) -> StepRecord:
    """Return what is kept of a step; `own_secrets` must never leave the probe.

    `wall_offset` is our wall clock minus the event loop's clock, in seconds, when the probe began. `tls` is
    the connection's, or what was fetched of a refused certificate.
    """
    answer = exchange.answer
    headers: Mapping[str, str] = {} if answer is None else answer.headers
    skew, skew_error = _clock_skew(exchange, step, verdict, wall_offset)
    return StepRecord(
        step=step.name,
        reason=verdict.reason,
        phase=exchange.phase,
        phases=exchange.phases,
        host=shown_host(exchange.link, step, own_secrets),
        detail=detail,
        http_status_code=None if answer is None else answer.status_code,
        flow_status=sanitize_status(verdict.flow_status, step.statuses, own_secrets),
        error_codes=verdict.error_codes,
        correlation_id=sanitize_id(headers.get("correlation-id"), own_secrets),
        address=exchange.address,
        checks=verdict.checks,
        lifetime=verdict.lifetime,
        clock_skew=skew,
        clock_skew_error=skew_error,
        tls=tls,
        addresses_tried=exchange.addresses_tried if len(exchange.addresses_tried) > 1 else (),
    )


def _clock_skew(
    exchange: Exchange, step: Step, verdict: Verdict, wall_offset: float
) -> tuple[float, float] | tuple[None, None]:
    """Return the provider's clock minus ours and the bound of the error, if the answer is a healthy flow."""
    answer, sent, received = exchange.answer, exchange.sent, exchange.received
    # An answer of `discovery` may come from a cache, together with its time.
    is_healthy = bool(verdict.checks) and step.name not in Journey.DISCOVERY.steps
    if not is_healthy or answer is None or sent is None or received is None:
        return None, None
    is_new = "/flows/" not in step.request.url.partition("?")[0]  # or an earlier step created the flow
    timestamps = verdict.created if is_new else None, date_timestamp(answer.headers.get("date"))
    skew = clock_skew(timestamps, sent=sent + wall_offset, received=max(sent, received) + wall_offset)
    return (None, None) if skew is None else skew


_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Only upper-case words: tokens and identifiers have digits or lower-case letters.
_STATUS = re.compile(r"(?=.{1,64}\Z)[A-Z]+(?:_[A-Z]+)+")


def sanitize_id(correlation_id: str | None, own_secrets: Collection[str]) -> str | None:
    """Return a `Correlation-Id` if it has the shape of one and contains none of the probe's secrets.

    A provider, or something in between, can echo anything anywhere, such as a nonce as a correlation id.
    """
    if correlation_id is None or not _CORRELATION_ID.fullmatch(correlation_id):
        return None
    return None if contains_any(correlation_id, own_secrets) else correlation_id


def sanitize_status(
    status: str | None, expected: Collection[str], own_secrets: Collection[str] = ()
) -> str | None:
    """Return a flow status that is known, expected or at least looks like one; else `UNKNOWN`.

    The list of statuses is open, and an operator who adds one to `EXPECTED_STATUSES` needs its name.
    """
    if status is None or status in KNOWN_STATUSES or status in expected:
        return status
    return status if _STATUS.fullmatch(status) and not contains_any(status, own_secrets) else UNKNOWN


_WHILE = dict(zip((Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER), WHILE, strict=True))


def describe(
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    secrets: Collection[str],
    refused: RefusedCertificate | None,
    *,
    within: str,
    at: float,
) -> str:
    """Return the exact cause of a failed step that had to end `within` a time; `at` is that of the probe."""
    is_judged = exchange.error is None or verdict.reason is Reason.RATE_LIMITED
    if verdict.detail is not None:
        detail = verdict.detail
    elif is_judged and exchange.answer is not None:
        detail = _answer_detail(exchange.answer, step, verdict)
    else:
        detail = _error_detail(exchange, within, refused, at)
    host = shown_host(exchange.link, step, secrets)
    if host is None:
        detail = Detail(detail.cause, {**detail.parameters, "name": ""})
    text = sentence(detail, host, secrets)
    of_proxy = verdict.reason is Reason.PROXY or exchange.phase in {Phase.RESOLVE, Phase.CONNECT}
    return f"proxy: {text}" if exchange.proxied and of_proxy else text


def shown_host(link: Link | None, step: Step, secrets: Collection[str]) -> str | None:
    """Return host and port of a request; None if it has none, or a provider put a secret into it."""
    if link is None or (step.foreign and contains_any(link.endpoint, secrets)):
        return None
    return link.endpoint


def _answer_detail(answer: Answer, step: Step, verdict: Verdict) -> Detail:
    location, codes = answer.headers.get("location"), verdict.error_codes
    link = parse_link(location, step.request.url)
    status = verdict.flow_status if verdict.flow_status in KNOWN_STATUSES else UNKNOWN
    known: dict[str, object] = {"code": answer.status_code, "codes": codes, "status": status}
    known |= {"size": step.request.max_body_bytes // 1024, "origin": origin_of(link)}
    is_redirect = 300 <= answer.status_code < 400  # noqa: PLR2004  of RFC 9110
    leads, has_status = is_redirect and link is not None, verdict.flow_status is not None
    rows = (
        (verdict.reason is Reason.TOO_LARGE, Template.TOO_LARGE),
        (verdict.reason is Reason.LOGIN_PAGE_ERROR and not codes, Template.NO_LOGIN_FORM),
        (leads and codes, Template.REDIRECT_WITH_ERROR),
        (leads and verdict.reason is Reason.LOCATION_INVALID, Template.LOCATION_ELSEWHERE),
        (leads and leads_to_sign_on_page(location), Template.REDIRECT_TO_SIGN_ON),
        (leads, Template.REDIRECT),
        (is_redirect and not codes and location is None, Template.NO_LOCATION),
        (is_redirect and not codes, Template.LOCATION_MALFORMED),
        (has_status and codes, Template.STATUS_AND_ERROR),
        (has_status, Template.STATUS),
        (codes, Template.ERROR),
        (True, Template.RESPONDED),
    )
    cause = next(cause for applies, cause in rows if applies)
    return Detail(cause, known)


def _error_detail(exchange: Exchange, seconds: str, refused: RefusedCertificate | None, at: float) -> Detail:
    """Return the cause from the exception that ended an exchange; its text is never shown."""
    error, phase = exchange.error, exchange.phase
    exhausted = failure.exhausted_resource(error)
    known: dict[str, object] = {"seconds": seconds, "while": _WHILE.get(phase), "errno": exhausted}
    known["name"], port = exchange.peer or ("", 0)
    known["address"] = endpoint(exchange.address or "", port)
    if isinstance(error, DeadlineError):
        unacknowledged = phase is Phase.PROCESSING and exchange.unacknowledged
        waiting = Template.NOT_ACKNOWLEDGED if unacknowledged else Template[f"{phase.name}_TIMEOUT"]
        return Detail(Template.TUNNEL_TIMEOUT if exchange.tunneling else waiting, known)
    if exhausted is not None:
        return Detail(Template.SHORTAGE, known)
    if isinstance(error, OwnDelayError):
        return Detail(Template.DELAYED)
    if isinstance(error, failure.AddressNotAllowedError):
        return Detail(Template.ADDRESS_NOT_ALLOWED)
    if isinstance(error, failure.ProxyError):
        return Detail(Template.TUNNEL_REFUSED, {"code": error.args[0]})
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_detail(error, refused, datetime.fromtimestamp(at, UTC))
    if isinstance(error, ssl.SSLError):
        return _tls_detail(error)
    if isinstance(error, h11.RemoteProtocolError | failure.BodyError):
        return _message_detail(str(error), known)
    if isinstance(error, failure.ResolutionError):
        return _resolution_detail(error.__cause__, known)
    if isinstance(error, OSError) and phase is not Phase.RESOLVE:
        return _connection_detail(error, exchange, {**known, "errno": errno.errorcode.get(error.errno or 0)})
    return Detail(Template.EAI_NODATA if isinstance(error, OSError) else Template.BUG, known)


_EAI = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
"""Codes of getaddrinfo(3), as far as this system has them."""


def _resolution_detail(error: BaseException | None, known: dict[str, object]) -> Detail:
    if isinstance(error, UnicodeError):
        return Detail(Template.NO_HOST_NAME, known)
    eai = _EAI.get(error.errno, "EAI_SYSTEM") if isinstance(error, socket.gaierror) else "EAI_SYSTEM"
    if error is None or eai == "EAI_ADDRFAMILY":  # a literal address of the other family, or none of this one
        eai = "EAI_NODATA"
    return Detail(Template.__members__.get(eai, Template.NOT_RESOLVED), {**known, "eai": eai})


def _connection_detail(error: OSError, exchange: Exchange, known: dict[str, object]) -> Detail:
    if exchange.phase is not Phase.CONNECT or exchange.tunneling:
        return Detail(Template.RESET if isinstance(error, ConnectionError) else Template.BROKEN, known)
    if isinstance(error.filename, str) and exchange.peer is not None:
        known["address"] = endpoint(error.filename, exchange.peer[1])
    return Detail(Template.__members__.get(str(known["errno"]), Template.NOT_CONNECTED), known)


def _certificate_detail(
    error: ssl.SSLCertVerificationError, refused: RefusedCertificate | None, now: datetime
) -> Detail:
    code = failure.verify_code(error)
    begins, ends, names = (None, None, ()) if refused is None else refused[1:]
    if code == failure.X509_EXPIRED and ends is not None:
        return Detail(Template.EXPIRED if ends <= now else Template.CHAIN_EXPIRED, {"date": ends.date()})
    if code == failure.X509_NOT_YET_VALID and begins is not None and begins > now:
        return Detail(Template.NOT_YET_VALID, {"date": begins.date()})
    if code in failure.X509_OTHER_NAME and names:
        return Detail(Template.OTHER_NAME, {"names": names})
    # OpenSSL's own text; Python adds our own host to it.
    message = getattr(error, "verify_message", "").partition(", certificate is not valid for")[0]
    return Detail(Template.NOT_TRUSTED, {"verify": message.replace("in certificate chain", "in chain")})


def _tls_detail(error: ssl.SSLError) -> Detail:
    # Only OpenSSL's own errors have a reason, from a table of its own; those that Python raises lack it.
    reason = getattr(error, "reason", None) or "unknown"
    if isinstance(error, ssl.SSLEOFError) or reason == "UNEXPECTED_EOF_WHILE_READING":
        return Detail(Template.CLOSED, {"while": _WHILE[Phase.TLS]})
    if reason == "WRONG_VERSION_NUMBER":
        return Detail(Template.NOT_TLS)
    _, is_alert, alert = reason.partition("ALERT_")
    words = (alert or reason).replace("_", " ").lower()
    return Detail(Template.ALERT if is_alert else Template.TLS_ERROR, {"tls": words})


def _message_detail(message: str, known: dict[str, object]) -> Detail:
    if message == "no response" or message.startswith("can't handle event type ConnectionClosed"):
        return Detail(Template.NO_RESPONSE)
    if message.startswith(("peer unexpectedly closed", "peer closed connection")):
        return Detail(Template.CLOSED, known)
    found = next(words for beginning, words in VIOLATIONS.items() if message.startswith(beginning))
    return Detail(Template.NOT_HTTP, {"violation": found})
