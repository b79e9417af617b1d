"""Which template of `exporter.probing.detail` describes a failed step, and its parameters. No I/O."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Collection
from datetime import UTC, datetime

import h11

from exporter.outcome import KNOWN_STATUSES, UNKNOWN, Phase
from exporter.probing.certificate import RefusedCertificate
from exporter.probing.detail import (
    VIOLATIONS,
    WHILE,
    Detail,
    Template,
    contains_any,
    origin_of,
    sentence,
)
from exporter.probing.failure import (
    AddressNotAllowedError,
    BodyError,
    ProxyError,
    ResolutionError,
    own_shortage,
    verify_code,
)
from exporter.probing.judge import leads_to_sign_on_page
from exporter.probing.links import parse_link
from exporter.probing.messages import Answer, Step, Verdict
from exporter.probing.origin import Origin, endpoint
from exporter.probing.timing import DeadlineError, OwnDelayError
from exporter.probing.transport import Exchange
from exporter.reasons import Reason

_WHILE = dict(zip((Phase.CONNECT, Phase.TLS, Phase.PROCESSING, Phase.TRANSFER), WHILE, strict=True))
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME = 9, 10, frozenset({62, 64})
"""X509_V_ERR_… of OpenSSL's x509_vfy.h; the last of a host and of an IP address."""


def describe(  # noqa: PLR0913  each is known in another place
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    secrets: Collection[str],
    *,
    timeout: float,
    proxied: bool,
    refused: RefusedCertificate | None,
    at: float,
) -> str:
    """Return the exact cause of a failed step; `at` is the time, in seconds since the epoch."""
    is_judged = exchange.error is None or verdict.reason is Reason.RATE_LIMITED
    if verdict.detail is not None:
        detail = verdict.detail
    elif is_judged and exchange.answer is not None:
        detail = _of_answer(exchange.answer, step, verdict)
    else:
        detail = _of_error(exchange, f"{timeout:g} s", refused, at)
    host = shown_host(exchange.origin, step, secrets)
    if host is None:
        detail = Detail(detail.cause, {**detail.parameters, "name": ""})
    text = sentence(detail, host, secrets)
    of_proxy = verdict.reason is Reason.PROXY or exchange.phase in {Phase.RESOLVE, Phase.CONNECT}
    return f"proxy: {text}" if proxied and of_proxy else text


def shown_host(origin: Origin | None, step: Step, secrets: Collection[str]) -> str | None:
    """Return host and port of a request; None if it has none, or a provider put a secret into it."""
    if origin is None or (step.foreign and contains_any(origin.endpoint, secrets)):
        return None
    return origin.endpoint


def _of_answer(answer: Answer, step: Step, verdict: Verdict) -> Detail:
    location, codes = answer.headers.get("location"), verdict.error_codes
    link = parse_link(location, step.request.url)
    status = verdict.flow_status if verdict.flow_status in KNOWN_STATUSES else UNKNOWN
    known: dict[str, object] = {"code": answer.status_code, "codes": codes, "status": status}
    known |= {"size": step.request.max_body_bytes // 1024, "origin": origin_of(link)}
    is_redirect = 300 <= answer.status_code < 400  # noqa: PLR2004  of RFC 9110
    if verdict.reason is Reason.TOO_LARGE:
        cause = Template.TOO_LARGE
    elif verdict.reason is Reason.LOGIN_PAGE_ERROR and not codes:
        cause = Template.NO_LOGIN_FORM
    elif is_redirect and link is not None and codes:
        cause = Template.REDIRECT_WITH_ERROR
    elif is_redirect and link is not None and verdict.reason is Reason.LOCATION_INVALID:
        cause = Template.LOCATION_ELSEWHERE
    elif is_redirect and link is not None:
        cause = Template.REDIRECT_TO_SIGN_ON if leads_to_sign_on_page(location) else Template.REDIRECT
    elif is_redirect and not codes:
        cause = Template.NO_LOCATION if location is None else Template.LOCATION_MALFORMED
    elif verdict.flow_status is not None:
        cause = Template.STATUS_AND_ERROR if codes else Template.STATUS
    else:
        cause = Template.ERROR if codes else Template.RESPONDED
    return Detail(cause, known)


def _of_error(exchange: Exchange, seconds: str, refused: RefusedCertificate | None, at: float) -> Detail:
    """Return the cause by the exception that ended an exchange, of which no text is shown."""
    error, phase = exchange.error, exchange.phase
    shortage = own_shortage(error)
    known: dict[str, object] = {"seconds": seconds, "while": _WHILE.get(phase), "errno": shortage}
    known["name"], port = exchange.peer or ("", 0 if exchange.origin is None else exchange.origin.port)
    known["address"] = endpoint(exchange.address or "", port)
    if isinstance(error, DeadlineError):
        unacknowledged = phase is Phase.PROCESSING and exchange.unacknowledged
        waiting = Template.NOT_ACKNOWLEDGED if unacknowledged else Template[f"{phase.name}_TIMEOUT"]
        return Detail(Template.TUNNEL_TIMEOUT if exchange.tunneling else waiting, known)
    if shortage is not None:
        return Detail(Template.SHORTAGE, known)
    if isinstance(error, OwnDelayError):
        return Detail(Template.DELAYED)
    if isinstance(error, AddressNotAllowedError):
        return Detail(Template.ADDRESS_NOT_ALLOWED)
    if isinstance(error, ProxyError):
        return Detail(Template.TUNNEL_REFUSED, {"code": error.args[0]})
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error, refused, datetime.fromtimestamp(at, UTC))
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, h11.RemoteProtocolError | BodyError):
        return _of_message(str(error), known)
    if isinstance(error, ResolutionError):
        return _of_resolution(error.__cause__, known)
    if isinstance(error, OSError) and phase is not Phase.RESOLVE:
        return _of_connection(error, exchange, {**known, "errno": errno.errorcode.get(error.errno or 0)})
    return Detail(Template.EAI_NODATA if isinstance(error, OSError) else Template.BUG, known)


def _of_resolution(error: BaseException | None, known: dict[str, object]) -> Detail:
    if isinstance(error, UnicodeError):
        return Detail(Template.NO_HOST_NAME, known)
    number = error.errno if isinstance(error, socket.gaierror) else None
    eai = "EAI_NODATA" if error is None else "EAI_SYSTEM"  # a literal address of the other family
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_AGAIN", "EAI_FAIL", "EAI_ADDRFAMILY", "EAI_MEMORY"):
        if number is not None and number == getattr(socket, name, None):
            eai = name
    eai = "EAI_NODATA" if eai == "EAI_ADDRFAMILY" else eai
    return Detail(Template.__members__.get(eai, Template.NOT_RESOLVED), {**known, "eai": eai})


def _of_connection(error: OSError, exchange: Exchange, known: dict[str, object]) -> Detail:
    if exchange.phase is not Phase.CONNECT or exchange.tunneling:
        return Detail(Template.RESET if isinstance(error, ConnectionError) else Template.BROKEN, known)
    if isinstance(error.filename, str) and exchange.peer is not None:
        known["address"] = endpoint(error.filename, exchange.peer[1])
    return Detail(Template.__members__.get(str(known["errno"]), Template.NOT_CONNECTED), known)


def _of_certificate(
    error: ssl.SSLCertVerificationError, refused: RefusedCertificate | None, now: datetime
) -> Detail:
    code = verify_code(error)
    begins, ends, names = (None, None, ()) if refused is None else refused[1:]
    if code == _EXPIRED and ends is not None:
        return Detail(Template.EXPIRED if ends <= now else Template.CHAIN_EXPIRED, {"date": ends.date()})
    if code == _NOT_YET_VALID and begins is not None and begins > now:
        return Detail(Template.NOT_YET_VALID, {"date": begins.date()})
    if code in _OTHER_NAME and names:
        return Detail(Template.OTHER_NAME, {"names": names})
    # OpenSSL's own text; Python adds our own host to it.
    message = getattr(error, "verify_message", "").partition(", certificate is not valid for")[0]
    return Detail(Template.NOT_TRUSTED, {"verify": message.replace("in certificate chain", "in chain")})


def _of_tls(error: ssl.SSLError) -> Detail:
    # Only OpenSSL's own errors have a reason, from a table of its own; those that Python raises lack it.
    reason = getattr(error, "reason", None) or "unknown"
    if isinstance(error, ssl.SSLEOFError) or reason == "UNEXPECTED_EOF_WHILE_READING":
        return Detail(Template.CLOSED, {"while": _WHILE[Phase.TLS]})
    if reason == "WRONG_VERSION_NUMBER":
        return Detail(Template.NOT_TLS)
    _, is_alert, alert = reason.partition("ALERT_")
    words = (alert or reason).replace("_", " ").lower()
    return Detail(Template.ALERT if is_alert else Template.TLS_ERROR, {"tls": words})


def _of_message(message: str, known: dict[str, object]) -> Detail:
    if message == "no response" or message.startswith("can't handle event type ConnectionClosed"):
        return Detail(Template.NO_RESPONSE)
    if message.startswith(("peer unexpectedly closed", "peer closed connection")):
        return Detail(Template.CLOSED, known)
    found = next(words for beginning, words in VIOLATIONS.items() if message.startswith(beginning))
    return Detail(Template.NOT_HTTP, {"violation": found})
