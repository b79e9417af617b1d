"""Exceptions of an exchange, read into a reason and a fault. Pure.

The chain matters more than the outermost error: httpx and httpcore wrap, the root hangs on
`__context__` or `__cause__`, and several addresses nest an ExceptionGroup.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator

import httpx

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason


class DeadlineError(Exception):
    """The probe's deadline passed."""


class ResolutionError(Exception):
    """The name did not resolve."""


class BodyError(Exception):
    """The body was not what its headers said: an unknown or broken content encoding."""


_BEFORE_REQUEST = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.TLS})

_OF_PHASE = {
    Phase.RESOLVE: Reason.DNS,
    Phase.CONNECT: Reason.CONNECT,
    Phase.TLS: Reason.TLS,
    Phase.PROCESSING: Reason.PROTOCOL,
    Phase.TRANSFER: Reason.PROTOCOL,
}

# X509_V_ERR_… of OpenSSL's x509_vfy.h: what the provider alone can mend. An unknown issuer is not
# here: it is as often a proxy that breaks TLS open, or a CA_FILE that was not kept up.
_PROVIDERS_CERTIFICATE = frozenset({
    9,   # CERT_NOT_YET_VALID
    10,  # CERT_HAS_EXPIRED
    62,  # HOSTNAME_MISMATCH
    64,  # IP_ADDRESS_MISMATCH
})  # fmt: skip

# Our own machine is out of something; blaming the network would send the wrong person out of bed.
_OWN_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

_TRANSPORT_ERRORS = (
    httpx.NetworkError,
    httpx.ProxyError,
    httpx.RemoteProtocolError,
    httpx.TimeoutException,
    OSError,
    ResolutionError,
    BodyError,
)


def read_failure(error: BaseException, phase: Phase, *, proxied: bool = False) -> tuple[Reason, Fault]:
    """Return why an exchange failed and whose problem that is.

    Args:
        error: what was raised.
        phase: the phase that the exchange had reached.
        proxied: whether it went through a proxy of ours, to which name and connection then belong.
    """
    reason = _reason(error, phase)
    if proxied and reason in {Reason.DNS, Reason.CONNECT}:
        reason = Reason.PROXY
    if reason is Reason.TLS:
        return reason, _fault_of_tls(error)
    if reason in {Reason.TIMEOUT, Reason.PROTOCOL}:
        return reason, Fault.NETWORK if phase in _BEFORE_REQUEST else Fault.PROVIDER
    if reason is Reason.INTERNAL:
        return reason, Fault.EXPORTER
    return reason, Fault.NETWORK


def _reason(error: BaseException, phase: Phase) -> Reason:
    if isinstance(error, DeadlineError):
        return Reason.TIMEOUT
    chain = tuple(_chain(error))
    if any(isinstance(link, OSError) and link.errno in _OWN_SHORTAGE for link in chain):
        return Reason.INTERNAL
    if not isinstance(error, _TRANSPORT_ERRORS):
        return Reason.INTERNAL
    # TLS 1.3 refuses a client after the handshake looked complete: with the first read.
    if phase is Phase.PROCESSING and any(_is_alert(link) for link in chain):
        return Reason.TLS
    return _OF_PHASE[phase]


def is_refused_certificate(error: BaseException | None) -> bool:
    """Whether a handshake ended because the provider's certificate was not to be trusted."""
    return error is not None and any(isinstance(link, ssl.SSLCertVerificationError) for link in _chain(error))


def _is_alert(link: BaseException) -> bool:
    # Only OpenSSL's own errors have a reason; those that Python raises lack the attribute.
    return isinstance(link, ssl.SSLError) and "ALERT" in (getattr(link, "reason", None) or "")


def _fault_of_tls(error: BaseException) -> Fault:
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            verify_code = getattr(link, "verify_code", None)
            if verify_code in _PROVIDERS_CERTIFICATE:
                return Fault.PROVIDER
    return Fault.NETWORK


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and everything it was caused by, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            waiting += link.exceptions
