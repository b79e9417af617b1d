"""Turn the exception that ended an exchange into a reason and a fault. No I/O."""

import errno
import ssl

import h11

from exporter.internal_errors import is_resource_exhaustion
from exporter.outcome import Phase
from exporter.probing.stream import EXHAUSTION
from exporter.probing.timing import DeadlineError, OwnDelayError
from exporter.reasons import Fault, Reason


class ResolutionError(Exception):
    """The name did not resolve."""


class BodyError(Exception):
    """The body was not what its headers announced: an unknown or broken content encoding."""


class ProxyError(Exception):
    """Our own proxy refused the tunnel; the argument is the code of its answer."""


class AddressNotAllowedError(Exception):
    """The host resolved to addresses that must not be connected to."""


_REASONS = {
    Phase.RESOLVE: Reason.DNS,
    Phase.CONNECT: Reason.CONNECT,
    Phase.TLS: Reason.TLS,
    Phase.PROCESSING: Reason.PROTOCOL,
    Phase.TRANSFER: Reason.PROTOCOL,
}

X509_NOT_YET_VALID, X509_EXPIRED = 9, 10
X509_OTHER_NAME = frozenset({62, 64})
"""X509_V_ERR_… of OpenSSL's x509_vfy.h; the last of a host and of an IP address."""

# Only the provider can fix these. An unknown issuer is as often an intercepting proxy, or an old CA_FILE.
_PROVIDER_CERTIFICATE_ERRORS = frozenset({X509_NOT_YET_VALID, X509_EXPIRED, *X509_OTHER_NAME})

_TRANSPORT_ERRORS = (OSError, h11.RemoteProtocolError, ResolutionError, BodyError, ProxyError)


def read_failure(
    error: BaseException | None, phase: Phase, *, proxied: bool = False, unacknowledged: bool = False
) -> tuple[Reason, Fault]:
    """Return why an exchange failed, and which side is at fault.

    Args:
        error: the exception; without one, and without an answer, it is our bug.
        phase: the phase that the exchange had reached.
        proxied: whether it went through a proxy of ours, to which name and connection then belong.
        unacknowledged: whether the peer's system acknowledged nothing of what was sent last.
    """
    if isinstance(error, AddressNotAllowedError):
        return Reason.LOCATION_INVALID, Fault.CONFIGURATION
    reason = _reason(error, phase)
    if proxied and reason in {Reason.DNS, Reason.CONNECT}:
        reason = Reason.PROXY
    is_sent = phase in {Phase.PROCESSING, Phase.TRANSFER}
    blames_provider = {
        Reason.TLS: verify_code(error) in _PROVIDER_CERTIFICATE_ERRORS,
        Reason.TIMEOUT: is_sent and not unacknowledged,
        Reason.PROTOCOL: True,
    }
    if reason is Reason.INTERNAL:
        return reason, Fault.EXPORTER
    return reason, Fault.PROVIDER if blames_provider.get(reason, False) else Fault.NETWORK


def is_bug(error: BaseException | None) -> bool:
    """Return True if only a bug in the exporter explains how an exchange failed."""
    if isinstance(error, OwnDelayError) or exhausted_resource(error) is not None:
        return False
    return _reason(error, Phase.RESOLVE) is Reason.INTERNAL


def exhausted_resource(error: BaseException | None) -> str | None:
    """Return the name of the errno if this machine ran out of descriptors, memory, threads or local ports."""
    while error is not None:
        if is_resource_exhaustion(error):
            return "ENOMEM" if isinstance(error, MemoryError) else "EAGAIN"
        if isinstance(error, OSError) and error.errno in EXHAUSTION and not isinstance(error, ssl.SSLError):
            return errno.errorcode[error.errno]
        error = error.__cause__
    return None


def _reason(error: BaseException | None, phase: Phase) -> Reason:
    if isinstance(error, DeadlineError):
        return Reason.TIMEOUT
    if exhausted_resource(error) is not None or not isinstance(error, _TRANSPORT_ERRORS):
        return Reason.INTERNAL
    # Since TLS 1.3 a server refuses a client when the handshake looks complete: with the first read. Only
    # OpenSSL's own errors have a reason; those that Python raises lack the attribute.
    is_alert = isinstance(error, ssl.SSLError) and "ALERT" in (getattr(error, "reason", None) or "")
    return Reason.TLS if is_alert and phase is Phase.PROCESSING else _REASONS[phase]


def verify_code(error: BaseException | None) -> int | None:
    """Return OpenSSL's code for why a certificate was refused; None for anything else."""
    # Only OpenSSL's own errors have a code; those that Python raises lack the attribute.
    return getattr(error, "verify_code", None) if isinstance(error, ssl.SSLCertVerificationError) else None
