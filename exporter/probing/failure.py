"""Turn the exception that ended an exchange into a reason and a fault. No I/O."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator

import h11

from exporter.internal_errors import is_shortage
from exporter.outcome import Phase
from exporter.probing.stream import OWN_SHORTAGE
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


_BEFORE_REQUEST = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.TLS})

_REASONS = {
    Phase.RESOLVE: Reason.DNS,
    Phase.CONNECT: Reason.CONNECT,
    Phase.TLS: Reason.TLS,
    Phase.PROCESSING: Reason.PROTOCOL,
    Phase.TRANSFER: Reason.PROTOCOL,
}

# X509_V_ERR_… of OpenSSL's x509_vfy.h that only the provider can fix. An unknown issuer is not here: it is as
# often a proxy that intercepts TLS, or a CA_FILE that is out of date.
_NOT_YET_VALID = 9
_PROVIDER_CERTIFICATE_ERRORS = frozenset({
    _NOT_YET_VALID,
    10,  # CERT_HAS_EXPIRED
    62,  # HOSTNAME_MISMATCH
    64,  # IP_ADDRESS_MISMATCH
})  # fmt: skip

_TRANSPORT_ERRORS = (OSError, h11.RemoteProtocolError, ResolutionError, BodyError, ProxyError)


def read_failure(
    error: BaseException, phase: Phase, *, proxied: bool = False, unacknowledged: bool = False
) -> tuple[Reason, Fault]:
    """Return why an exchange failed, and which side is at fault.

    Args:
        error: the exception.
        phase: the phase that the exchange had reached.
        proxied: whether it went through a proxy of ours, to which name and connection then belong.
        unacknowledged: whether the peer's system acknowledged nothing of what was sent last.
    """
    if isinstance(error, AddressNotAllowedError):
        return Reason.LOCATION_INVALID, Fault.CONFIGURATION
    reason = _reason(error, phase)
    if proxied and reason in {Reason.DNS, Reason.CONNECT}:
        reason = Reason.PROXY
    if reason is Reason.TLS:
        return reason, _fault_of_tls(error)
    if reason is Reason.INTERNAL:
        return reason, Fault.EXPORTER
    if reason is Reason.TIMEOUT:
        reached = phase not in _BEFORE_REQUEST and not unacknowledged
        return reason, Fault.PROVIDER if reached else Fault.NETWORK
    if reason is Reason.PROTOCOL:
        return reason, Fault.PROVIDER
    return reason, Fault.NETWORK


def is_refused_certificate(error: BaseException | None) -> bool:
    """Return True if the handshake failed because the provider's certificate is not trusted."""
    return isinstance(error, ssl.SSLCertVerificationError)


def is_not_yet_valid(error: BaseException | None) -> bool:
    """Return True if a certificate was refused because its validity begins later, by our own clock."""
    return verify_code(error) == _NOT_YET_VALID


def is_bug(error: BaseException) -> bool:
    """Return True if an exchange cannot fail like this but for a bug of ours."""
    if isinstance(error, OwnDelayError) or own_shortage(error) is not None:
        return False
    return _reason(error, Phase.RESOLVE) is Reason.INTERNAL


def own_shortage(error: BaseException | None) -> str | None:
    """Return the name of the errno if this machine ran out of descriptors, memory, threads or local ports."""
    for link in _chain(error):
        if is_shortage(link):
            return "ENOMEM" if isinstance(link, MemoryError) else "EAGAIN"
        if isinstance(link, OSError) and link.errno in OWN_SHORTAGE and not isinstance(link, ssl.SSLError):
            return errno.errorcode[link.errno]
    return None


def _reason(error: BaseException, phase: Phase) -> Reason:
    if isinstance(error, DeadlineError):
        return Reason.TIMEOUT
    if own_shortage(error) is not None or not isinstance(error, _TRANSPORT_ERRORS):
        return Reason.INTERNAL
    # Since TLS 1.3 a server refuses a client when the handshake looks complete: with the first read.
    if phase is Phase.PROCESSING and _is_alert(error):
        return Reason.TLS
    return _REASONS[phase]


def _is_alert(error: BaseException) -> bool:
    # Only OpenSSL's own errors have a reason; those that Python raises lack the attribute.
    return isinstance(error, ssl.SSLError) and "ALERT" in (getattr(error, "reason", None) or "")


def _fault_of_tls(error: BaseException) -> Fault:
    return Fault.PROVIDER if verify_code(error) in _PROVIDER_CERTIFICATE_ERRORS else Fault.NETWORK


def verify_code(error: BaseException | None) -> int | None:
    """Return OpenSSL's code for why a certificate was refused; None for anything else."""
    # Only OpenSSL's own errors have a code; those that Python raises lack the attribute.
    return getattr(error, "verify_code", None) if isinstance(error, ssl.SSLCertVerificationError) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__
