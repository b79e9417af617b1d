"""What is known of a TLS connection, and a second look at a certificate that was refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509

from exporter.outcome import TlsFacts

SECOND_LOOK_EVERY = 3600.0
"""Seconds between two second looks at one target: a refused certificate is seldom mended within minutes,
and each look is a connection more for the provider."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a handshake agreed on, not looked into yet.

    It must be taken as soon as the handshake is over: OpenSSL forgets it with the first alert.
    """

    version: str | None
    cipher: str | None
    certificate: bytes | None

    @classmethod
    def of(cls, connection: object) -> Handshake | None:
        """Take it from an established connection; None in the clear."""
        if not isinstance(connection, ssl.SSLObject | ssl.SSLSocket):
            return None
        cipher = connection.cipher()
        return cls(
            version=connection.version(),
            cipher=None if cipher is None else cipher[0],
            certificate=connection.getpeercert(binary_form=True),
        )

    def facts(self) -> TlsFacts:
        """Look into it; takes longer than taking it."""
        return TlsFacts(version=self.version, cipher=self.cipher, not_after=not_after(self.certificate))


def not_after(der: bytes | None) -> float | None:
    """Return when a certificate expires, as seconds since the epoch; None for what cannot be read.

    OpenSSL shakes hands with certificates that cryptography refuses, such as one of version 2.
    """
    if der is None:
        return None
    try:
        return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
    except (ValueError, x509.InvalidVersion):
        return None


class SecondLook:
    """Looks at certificates that were refused.

    A refused handshake hides the certificate, and whoever is woken by it wants to know when it expired.
    So it is looked at once more, without verification, on a connection that never carries a request.

    Args:
        clock: monotonic seconds, the event loop's clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked: dict[str, tuple[float, tuple[str, int]]] = {}
        # Without the system's authorities, which nothing is verified by: reading them takes some 20 ms.
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.set_alpn_protocols(["http/1.1"])

    def forget(self, target: str) -> None:
        """Forget a target that is no longer probed; should it come back, nothing is known of it any more."""
        self._looked.pop(target, None)

    async def __call__(
        self, target: str, *, address: str, port: int, server_name: str, deadline: float,
    ) -> TlsFacts | None:  # fmt: skip
        """Return the facts of the connection that would have been; None if not looked, or not seen.

        Args:
            target: whose certificate it is; one look an hour each, and one when it moves.
            address: where to connect.
            port: likewise.
            server_name: what to ask for.
            deadline: the probe's own; a look takes no time that the probe did not have.
        """
        now, place = self._clock(), (server_name, port)
        looked_at, looked_where = self._looked.get(target, (now, None))
        if looked_where == place and now < looked_at + SECOND_LOOK_EVERY:
            return None
        self._looked[target] = now, place
        try:
            async with asyncio.timeout_at(deadline):
                _, writer = await asyncio.open_connection(
                    address, port, ssl=self._context, server_hostname=server_name
                )
        except (OSError, TimeoutError):
            return None
        try:
            handshake = Handshake.of(writer.get_extra_info("ssl_object"))
            return None if handshake is None else handshake.facts()
        finally:
            writer.transport.abort()
