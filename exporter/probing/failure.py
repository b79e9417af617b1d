"""Turn the exception that ended an exchange into a verdict with its exact cause. No I/O.

An exception's text is not shown: it may quote the provider, or a secret.
"""

import errno
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime

import h11

from exporter.internal_errors import is_resource_exhaustion
from exporter.outcome import Phase
from exporter.probing.certificate import RefusedCertificate
from exporter.probing.connection import BodyError
from exporter.probing.detail import VIOLATIONS, WHILE, Detail, Template
from exporter.probing.links import endpoint
from exporter.probing.messages import Verdict, failed
from exporter.probing.resolver import ResolutionError
from exporter.probing.stream import EXHAUSTION
from exporter.probing.timing import DeadlineError, OwnDelayError
from exporter.probing.transport import AddressNotAllowedError, Exchange, ProxyError
from exporter.reasons import Fault, Reason

OUR_BUG = failed(Reason.INTERNAL, Fault.EXPORTER, Template.BUG)
STALLED = failed(Reason.INTERNAL, Fault.EXPORTER, Template.STALLED)

_REASONS = {
    Phase.RESOLVE: Reason.DNS,
    Phase.CONNECT: Reason.CONNECT,
    Phase.TLS: Reason.TLS,
    Phase.PROCESSING: Reason.PROTOCOL,
    Phase.TRANSFER: Reason.PROTOCOL,
}

_X509_NOT_YET_VALID, _X509_EXPIRED = 9, 10
_X509_OTHER_NAME = frozenset({62, 64})
"""X509_V_ERR_… of OpenSSL's x509_vfy.h; the last of a host and of an IP address."""

# Only the provider can fix these. An unknown issuer is as often an intercepting proxy, or an old CA_FILE.
_PROVIDER_CERTIFICATE_ERRORS = frozenset({_X509_NOT_YET_VALID, _X509_EXPIRED, *_X509_OTHER_NAME})

_EAI = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
"""Codes of getaddrinfo(3), as far as this system has them."""


def read_failure(exchange: Exchange) -> Verdict:
    """Return the verdict on an exchange without a complete answer; without an exception it is our bug."""
    error, phase = exchange.error, exchange.phase
    name, port = exchange.peer or ("", 0)
    address = endpoint(exchange.address or "", port)
    known: dict[str, object] = {"name": name, "address": address, "while": WHILE.get(phase)}
    if isinstance(error, AddressNotAllowedError):
        return failed(Reason.LOCATION_INVALID, Fault.CONFIGURATION, Template.ADDRESS_NOT_ALLOWED)
    if isinstance(error, DeadlineError):
        return _read_timeout(exchange, known)
    if isinstance(error, OwnDelayError):
        return STALLED  # not a bug: this machine is overloaded
    exhausted = _exhausted_resource(error)
    if exhausted is not None:
        return failed(Reason.INTERNAL, Fault.EXPORTER, Template.SHORTAGE, errno=exhausted)
    detail = _detail(error, exchange, known)
    if detail is None:
        return OUR_BUG
    reason = _REASONS[phase]
    if phase is Phase.PROCESSING and isinstance(error, ssl.SSLError) and "ALERT" in _openssl_reason(error):
        reason = Reason.TLS  # since TLS 1.3 a server refuses a client when the handshake looks complete
    if exchange.proxied and reason in {Reason.DNS, Reason.CONNECT}:
        reason = Reason.PROXY  # it resolves the name, and is connected to
    is_providers = reason is Reason.PROTOCOL or verify_code(error) in _PROVIDER_CERTIFICATE_ERRORS
    return Verdict(reason, Fault.PROVIDER if is_providers else Fault.NETWORK, detail=detail)


def _read_timeout(exchange: Exchange, known: Mapping[str, object]) -> Verdict:
    phase = exchange.phase
    is_received = phase in {Phase.PROCESSING, Phase.TRANSFER} and not exchange.unacknowledged
    cause = Template[f"{phase.name}_TIMEOUT"]
    if exchange.tunneling:
        cause = Template.TUNNEL_TIMEOUT
    elif phase is Phase.PROCESSING and not is_received:
        cause = Template.NOT_ACKNOWLEDGED
    return failed(Reason.TIMEOUT, Fault.PROVIDER if is_received else Fault.NETWORK, cause, **known)


def _exhausted_resource(error: BaseException | None) -> str | None:
    """Return the name of the errno if this machine ran out of descriptors, memory, threads or local ports."""
    while error is not None:
        if is_resource_exhaustion(error):
            return "ENOMEM" if isinstance(error, MemoryError) else "EAGAIN"
        if isinstance(error, OSError) and error.errno in EXHAUSTION and not isinstance(error, ssl.SSLError):
            return errno.errorcode[error.errno]
        error = error.__cause__
    return None


def verify_code(error: BaseException | None) -> int | None:
    """Return OpenSSL's code for why a certificate was refused; None for anything else."""
    # Only OpenSSL's own errors have a code; those that Python raises lack the attribute.
    return getattr(error, "verify_code", None) if isinstance(error, ssl.SSLCertVerificationError) else None


def _detail(error: Exception | None, exchange: Exchange, known: Mapping[str, object]) -> Detail | None:
    """Return the cause of a failure of name, connection, TLS or HTTP; None for anything else, a bug."""
    if isinstance(error, ProxyError):
        return Detail(Template.TUNNEL_REFUSED, {"code": error.args[0]})
    if isinstance(error, ssl.SSLCertVerificationError):
        # OpenSSL's own text; Python adds our own host to it.
        message = getattr(error, "verify_message", "").partition(", certificate is not valid for")[0]
        return Detail(Template.NOT_TRUSTED, {"verify": message.replace("in certificate chain", "in chain")})
    if isinstance(error, ssl.SSLError):
        return _tls_detail(error)
    if isinstance(error, h11.RemoteProtocolError | BodyError):
        return _message_detail(str(error), known)
    if isinstance(error, ResolutionError) or (isinstance(error, OSError) and exchange.phase is Phase.RESOLVE):
        return _resolution_detail(error.__cause__, known)
    return _connection_detail(error, exchange, known) if isinstance(error, OSError) else None


def _resolution_detail(cause: BaseException | None, known: Mapping[str, object]) -> Detail:
    if isinstance(cause, UnicodeError):
        return Detail(Template.NO_HOST_NAME, known)
    eai = _EAI.get(cause.errno, "EAI_SYSTEM") if isinstance(cause, socket.gaierror) else "EAI_SYSTEM"
    if cause is None or eai == "EAI_ADDRFAMILY":  # a literal address of the other family, or none of this one
        eai = "EAI_NODATA"
    return Detail(Template.__members__.get(eai, Template.NOT_RESOLVED), {**known, "eai": eai})


def _connection_detail(error: OSError, exchange: Exchange, known: Mapping[str, object]) -> Detail:
    name = errno.errorcode.get(error.errno or 0)
    known = {**known, "errno": name}
    if exchange.phase is not Phase.CONNECT or exchange.tunneling:
        return Detail(Template.RESET if isinstance(error, ConnectionError) else Template.BROKEN, known)
    if isinstance(error.filename, str) and exchange.peer is not None:
        known["address"] = endpoint(error.filename, exchange.peer[1])
    return Detail(Template.__members__.get(str(name), Template.NOT_CONNECTED), known)


def certificate_detail(
    error: BaseException | None, refused: RefusedCertificate, now: datetime
) -> Detail | None:
    """Return why a certificate was refused; None if it does not show more than OpenSSL's text."""
    code, (_, begins, ends, names) = verify_code(error), refused
    if code == _X509_EXPIRED and ends is not None:
        return Detail(Template.EXPIRED if ends <= now else Template.CHAIN_EXPIRED, {"date": ends.date()})
    if code == _X509_NOT_YET_VALID and begins is not None and begins > now:
        return Detail(Template.NOT_YET_VALID, {"date": begins.date()})
    return Detail(Template.OTHER_NAME, {"names": names}) if code in _X509_OTHER_NAME and names else None


def _openssl_reason(error: ssl.SSLError) -> str:
    """Return the name of an error from OpenSSL's own table; those that Python raises have none."""
    return getattr(error, "reason", None) or "unknown"


def _tls_detail(error: ssl.SSLError) -> Detail:
    reason = _openssl_reason(error)
    if isinstance(error, ssl.SSLEOFError) or reason == "UNEXPECTED_EOF_WHILE_READING":
        return Detail(Template.CLOSED, {"while": WHILE[Phase.TLS]})
    if reason == "WRONG_VERSION_NUMBER":
        return Detail(Template.NOT_TLS)
    _, is_alert, alert = reason.partition("ALERT_")
    words = (alert or reason).replace("_", " ").lower()
    return Detail(Template.ALERT if is_alert else Template.TLS_ERROR, {"tls": words})


def _message_detail(message: str, known: Mapping[str, object]) -> Detail:
    if message == "no response" or message.startswith("can't handle event type ConnectionClosed"):
        return Detail(Template.NO_RESPONSE)
    if message.startswith(("peer unexpectedly closed", "peer closed connection")):
        return Detail(Template.CLOSED, known)
    found = next(words for beginning, words in VIOLATIONS.items() if message.startswith(beginning))
    return Detail(Template.NOT_HTTP, {"violation": found})
