"""What is known of a TLS connection, and fetching a certificate that was refused."""

import asyncio
import ssl
from contextlib import closing, suppress
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from exporter.outcome import TlsFacts
from exporter.probing.stream import Dialer
from exporter.probing.timing import Deadline, DeadlineError, OwnDelayError
from exporter.probing.tls_stream import TlsStream

FETCH_INTERVAL_SECONDS = 3600.0
"""Between two fetches for one target: a refused certificate is seldom replaced within minutes, and each fetch
is one more connection for the provider."""

Refusal: TypeAlias = tuple[str, int, int | None]
"""The host that a certificate must be for, the port, and OpenSSL's code of what is wrong with it."""

_parse_time = lru_cache(maxsize=256)(ssl.cert_time_to_seconds)  # strptime took 2 % of a probe's CPU


class RefusedCertificate(NamedTuple):
    """A certificate that was refused; what cannot be read of it is absent."""

    facts: TlsFacts  # of the connection that would have been made
    begins: datetime | None = None  # of its validity
    ends: datetime | None = None  # likewise
    names: tuple[str, ...] = ()  # host names and addresses that it is for, of any shape


def unverified_context() -> ssl.SSLContext:
    """Return a context that verifies nothing; it skips the system's authorities, which take some 20 ms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def tls_facts(session: ssl.SSLObject) -> TlsFacts:
    """Return what the handshake agreed on. OpenSSL forgets it with the first alert."""
    cipher, ends = session.cipher(), None
    with suppress(UnicodeDecodeError):  # of a name that is not UTF-8, which does not make it invalid
        ends = (session.getpeercert() or {}).get("notAfter")  # empty if nothing was verified
    leaf = b"" if isinstance(ends, str) else session.getpeercert(binary_form=True) or b""
    chain = map(not_after, getattr(session, "get_unverified_chain", tuple)())  # empty before Python 3.13
    return TlsFacts(
        version=session.version(),
        cipher=None if cipher is None else cipher[0],
        not_after=float(_parse_time(ends)) if isinstance(ends, str) else not_after(leaf),
        chain_not_after=min((at for at in chain if at is not None), default=None),
    )


@lru_cache(maxsize=256)
def not_after(der: bytes) -> float | None:
    """Return when a certificate expires, as seconds since the epoch; None if it cannot be read."""
    from cryptography import x509  # noqa: PLC0415  3 MB, for chains and refused certificates only

    try:
        return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
    except (ValueError, x509.InvalidVersion):
        return None


def refused_certificate(session: ssl.SSLObject) -> RefusedCertificate:
    """Return what a connection that verified nothing shows of the certificate."""
    from cryptography import x509  # noqa: PLC0415  most certificates are good

    found = RefusedCertificate(tls_facts(session))
    try:
        certificate = x509.load_der_x509_certificate(session.getpeercert(binary_form=True) or b"")
        found = found._replace(begins=certificate.not_valid_before_utc, ends=certificate.not_valid_after_utc)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        ValueError,
        x509.InvalidVersion,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return found
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return found._replace(names=(*names.get_values_for_type(x509.DNSName), *addresses))


class CertificateFetcher:
    """Fetches certificates that were refused, to learn what is wrong with them.

    A failed handshake hides the certificate. It is fetched without verification, on a connection of its own
    that never carries a request.
    """

    def __init__(self) -> None:
        self._fetched: dict[str, tuple[float, Refusal, RefusedCertificate | None]] = {}
        self._context = unverified_context()

    def forget(self, target: str) -> None:
        """Forget a target that is no longer probed."""
        self._fetched.pop(target, None)

    async def fetch(
        self, target: str, address: str, refusal: Refusal, deadline: Deadline
    ) -> RefusedCertificate | None:
        """Return the certificate that was refused; None if it was not seen.

        Fetches once an hour for each target, and again if the refusal changes; the probe's deadline applies.
        """
        now = asyncio.get_running_loop().time()
        fetched_at, known, found = self._fetched.get(target, (now, None, None))
        if known == refusal and now < fetched_at + FETCH_INTERVAL_SECONDS:
            return found
        self._fetched[target] = now, refusal, None
        try:
            deadline.start_peer_time(now)
            tcp = await Dialer(deadline).connect([address], refusal[1])
            with closing(TlsStream(tcp, self._context, refusal[0])) as stream:
                await stream.handshake(deadline)
                found = refused_certificate(stream.session)
                self._fetched[target] = now, refusal, found
                return found
        except (OSError, DeadlineError, OwnDelayError):
            return None
