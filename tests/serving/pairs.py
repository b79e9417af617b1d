"""Certificates for the port under test, on disk as an operator has them."""

import ssl
from pathlib import Path

import trustme

from exporter.tls import TlsServer

LOCAL = ("localhost", "127.0.0.1")


class Pair:
    """A server's certificate and key in a directory, and what a client needs to trust it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.renew()

    def renew(self) -> None:
        """Write another pair, by another authority."""
        self.authority = trustme.CA()
        self.write(self.authority.issue_cert(*LOCAL))

    def swap(self) -> None:
        """Write another pair by the same authority."""
        self.write(self.authority.issue_cert(*LOCAL))

    def write(self, issued: trustme.LeafCert) -> None:
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        (self.directory / "server.crt").write_bytes(chain)
        (self.directory / "server.key").write_bytes(issued.private_key_pem.bytes())

    def tls(self, authorities: Path | None = None, *, required: bool = True) -> TlsServer:
        return TlsServer(
            certificate=(self.directory / "server.crt").read_bytes(),
            key=(self.directory / "server.key").read_bytes(),
            authorities=None if authorities is None else authorities.read_bytes(),
            certificate_required=required,
        )

    def client(self, own: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """Return a client's context that trusts the present pair, perhaps with a certificate of its own."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if own is not None:
            own.configure_cert(context)
        return context
