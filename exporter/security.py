"""How the web port is secured: what Prometheus' web configuration file says, as far as Python honours it.

TlsServer ── read ──> Material ── context ──> ssl.SSLContext
what is configured    what the files hold     what handshakes are made with

Settings make a context to find what is wrong, serving to serve: so that no file passes the one and fails
the other, both do it here.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LARGEST_FILE = 1024 * 1024
"""Bytes of a PEM file; the whole of Mozilla's list of authorities has a quarter of it."""

CERTIFICATE, KEY, AUTHORITIES = "certificate", "key", "client authorities"


class UnusableError(ValueError):
    """A certificate, key or list of authorities cannot be used.

    Args:
        part: `CERTIFICATE`, `KEY` or `AUTHORITIES`.
        message: what is wrong and what would be right, without any of its content.
    """

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServer:
    """How the server shows who it is, and whom it lets in by a certificate.

    Args:
        certificate: its chain, leaf first: a PEM file, or its content.
        key: the leaf's private key, likewise.
        authorities: who may vouch for clients, likewise; None when clients need no certificate.
        certificate_required: whether a client without a certificate is turned away; one with a certificate
            of somebody else always is, when there are authorities.
        minimum: lowest version of TLS.
        maximum: highest version of TLS.
        ciphers: OpenSSL's names of the suites of TLS 1.2, best first; empty for Python's choice.
        server_chooses: whether the server's order of suites counts, not the client's.
        curve: OpenSSL's name of the one curve for the key exchange; None for OpenSSL's choice.
    """

    certificate: Path | str = field(repr=False)
    key: Path | str = field(repr=False)
    authorities: Path | str | None = field(default=None, repr=False)
    certificate_required: bool = False
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    server_chooses: bool = True
    curve: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests are answered: a bucket of tokens.

    Args:
        interval: seconds in which one more request is allowed.
        burst: how many may come at once.
    """

    interval: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSecurity:
    """What a web configuration file asks for.

    Args:
        tls: None for plain HTTP.
        users: names and bcrypt hashes of their passwords; empty when anybody may come in.
        headers: what every answer carries, names and values.
        rate_limit: None for none.
    """

    tls: TlsServer | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What the files of a `TlsServer` held at one moment.

    Args:
        certificate: PEM.
        key: PEM; a secret.
        authorities: PEM, or None.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    authorities: bytes | None = field(repr=False)


def read(tls: TlsServer) -> Material:
    """Read the files; what is written in place is taken as it is.

    Raises:
        UnusableError: a file cannot be read.
    """
    return Material(
        _bytes(CERTIFICATE, tls.certificate),
        _bytes(KEY, tls.key),
        None if tls.authorities is None else _bytes(AUTHORITIES, tls.authorities),
    )


def context(tls: TlsServer, material: Material) -> ssl.SSLContext:
    """Make a context for handshakes.

    Raises:
        UnusableError: the material is not what it should be, or key and certificate are not a pair.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = tls.minimum, tls.maximum
    made.set_alpn_protocols(["http/1.1"])
    if tls.ciphers:
        made.set_ciphers(":".join(tls.ciphers))
    if not tls.server_chooses:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.curve is not None:
        made.set_ecdh_curve(tls.curve)
    _load_pair(made, material)
    if material.authorities is not None:
        _load_authorities(made, material.authorities)
        made.verify_mode = ssl.CERT_REQUIRED if tls.certificate_required else ssl.CERT_OPTIONAL
        # Go trusts whatever stands in the file, OpenSSL by itself only what ends in a root.
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return made


def _bytes(part: str, source: Path | str) -> bytes:
    if isinstance(source, str):
        return source.encode(errors="replace")
    try:
        if source.exists() and not source.is_file():
            raise UnusableError(part, "is no file; write the path of a PEM file")
        with source.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UnusableError(
            part,
            "names a file that does not exist; write a path that does, relative to this file's directory",
        ) from None
    except OSError as error:
        raise UnusableError(part, f"names a file that cannot be read ({error.strerror})") from None
    if len(content) > LARGEST_FILE:
        raise UnusableError(part, "names a file of more than 1 MiB; write the path of a PEM file")
    return content


def _load_pair(made: ssl.SSLContext, material: Material) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in material.certificate:
        raise UnusableError(CERTIFICATE, "holds no certificate; write one in PEM, the server's own first")
    if b"PRIVATE KEY-----" not in material.key:
        raise UnusableError(KEY, "holds no private key; write one in PEM")
    if b"ENCRYPTED" in material.key:
        raise UnusableError(KEY, "is protected by a passphrase, which nobody is there to type; decrypt it")
    with _file(material.certificate) as certificate, _file(material.key) as key:
        _check_certificate(certificate)
        try:
            # Without a password of ours OpenSSL would ask at the terminal.
            made.load_cert_chain(certificate, key, password="")
        except ssl.SSLError as error:
            if error.reason in {"KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
                raise UnusableError(KEY, "does not belong to the certificate; write the pair") from None
            raise UnusableError(KEY, "cannot be used with the certificate") from None


def _check_certificate(path: str) -> None:
    """Look at the certificate alone, to tell what is wrong with it from what is wrong with the key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise UnusableError(CERTIFICATE, "holds a certificate that cannot be read") from None


def _load_authorities(made: ssl.SSLContext, content: bytes) -> None:
    with _file(content) as path:
        try:
            made.load_verify_locations(cafile=path)
        except ssl.SSLError:
            raise UnusableError(AUTHORITIES, "holds no PEM certificates that can be read") from None


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Give content a name, for OpenSSL takes nothing else; in memory, where a key leaves no trace.

    Loading what was read, not the files anew, makes what is compared and what is served the same.
    """
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
