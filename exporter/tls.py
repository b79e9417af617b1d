"""TLS files and contexts, and what the web configuration file sets: for settings, serving and probing.

Settings check files by the functions with which they are loaded later: a file that passes also loads.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exporter.files import FileError, read_bounded

MAX_PEM_BYTES = 1024 * 1024
"""Mozilla's whole list of certificate authorities has a quarter of it."""

_ENCRYPTED_KEY = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")  # PKCS #8, and before that

CERTIFICATE, KEY, AUTHORITIES = "certificate", "key", "client authorities"


class TlsFileError(ValueError):
    """The `part` (`CERTIFICATE`, `KEY` or `AUTHORITIES`) cannot be used; the message has no file content."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServer:
    """How the server speaks TLS; certificates and keys are the path of a PEM file, or its content."""

    certificate: Path | str = field(repr=False)  # certificate chain, leaf first
    key: Path | str = field(repr=False)  # private key of the leaf
    authorities: Path | str | None = field(default=None, repr=False)
    """Those that sign client certificates; None to request no client certificate."""
    certificate_required: bool = False
    """Reject clients without a certificate; one from another authority is always rejected."""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    """OpenSSL names of the TLS 1.2 cipher suites, best first; empty for Python's default."""
    server_chooses: bool = True  # the server's order of cipher suites wins over the client's
    curve: str | None = None  # OpenSSL name of the curve for the key exchange; None for OpenSSL's default


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A token bucket for requests."""

    interval: float  # seconds until one token is added
    burst: int  # size of the bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSecurity:
    """What the web configuration file sets."""

    tls: TlsServer | None = None  # None for plain HTTP
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """User names and bcrypt hashes of their passwords; empty for no authentication."""
    headers: tuple[tuple[str, str], ...] = ()  # names and values of headers added to every response
    rate_limit: RateLimit | None = None  # None for no limit


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """Content of the files of a `TlsServer`, all PEM; compare two to see whether a file changed."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    authorities: bytes | None = field(repr=False)


def read_material(tls: TlsServer) -> TlsMaterial:
    """Read certificate, key and client authorities; inline content is returned as it is.

    Raises:
        TlsFileError: a file cannot be read.
    """
    certificate, key = _read(CERTIFICATE, tls.certificate), _read(KEY, tls.key)
    authorities = None if tls.authorities is None else _read(AUTHORITIES, tls.authorities)
    return TlsMaterial(certificate, key, authorities)


def server_context(tls: TlsServer, material: TlsMaterial) -> ssl.SSLContext:
    """Build the server's SSL context.

    Raises:
        TlsFileError: the material cannot be used, or key and certificate are not a pair.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = tls.minimum, tls.maximum
    context.set_alpn_protocols(["http/1.1"])
    if tls.ciphers:
        context.set_ciphers(":".join(tls.ciphers))
    if not tls.server_chooses:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.curve is not None:
        context.set_ecdh_curve(tls.curve)
    _load_pair(context, material.certificate, material.key)
    if material.authorities is not None:
        _load_authorities(context, AUTHORITIES, material.authorities)
        context.verify_mode = ssl.CERT_REQUIRED if tls.certificate_required else ssl.CERT_OPTIONAL
        # Go trusts every certificate in the file, OpenSSL by default only a chain that ends in a root.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def check_authorities(path: Path) -> None:
    """Check that a file holds certificate authorities.

    Raises:
        TlsFileError: it does not, or cannot be read.
    """
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), AUTHORITIES, _read(AUTHORITIES, path))


def check_client_certificate(certificate: Path, key: Path | None) -> None:
    """Check that a client certificate and its key, which may be in the same PEM file, can be used together.

    Raises:
        TlsFileError: they cannot be used; `part` is the file to fix.
    """
    pem = _read(CERTIFICATE, certificate)
    _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pem, None if key is None else _read(KEY, key))


def _read(part: str, source: Path | str) -> bytes:
    if isinstance(source, str):
        return source.encode(errors="replace")
    if "-----BEGIN" in str(source):  # it may be a private key: do not quote it
        raise TlsFileError(part, "expected the path of a PEM file, not its content")
    try:
        return read_bounded(source, MAX_PEM_BYTES)
    except FileError as error:
        raise TlsFileError(part, str(error)) from None


def _load_authorities(context: ssl.SSLContext, part: str, pem: bytes) -> None:
    """Load PEM certificates into a context, and so check them."""
    with _memory_file(pem) as path:
        try:
            context.load_verify_locations(cafile=path)
        except ssl.SSLError:
            raise TlsFileError(part, "no readable certificate found; expected PEM certificates") from None
    if not context.cert_store_stats()["x509"]:
        raise TlsFileError(part, "no certificate found; expected PEM certificates")


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes | None) -> None:
    """Load a certificate chain and its key; without `key`, the key is in the same PEM."""
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), CERTIFICATE, certificate)
    part, key = (CERTIFICATE, certificate) if key is None else (KEY, key)
    if b"PRIVATE KEY-----" not in key:
        raise TlsFileError(part, "no private key found; expected one in PEM")
    if any(sign in key for sign in _ENCRYPTED_KEY):
        raise TlsFileError(part, "private key is encrypted; decrypt it")
    with _memory_file(certificate) as chain, _memory_file(key) as own:
        try:
            context.load_cert_chain(chain, own, password="")  # never a prompt on a terminal
        except ssl.SSLError as error:
            if error.reason in {"KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
                raise TlsFileError(part, "private key does not match the certificate") from None
            if error.reason:  # such as EE_KEY_TOO_SMALL: names a rule of OpenSSL, nothing from the file
                rule = error.reason.replace("_", " ").lower()
                raise TlsFileError(CERTIFICATE, f"certificate rejected by OpenSSL ({rule})") from None
            raise TlsFileError(part, "private key cannot be read; expected one in PEM") from None


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """Yield a path to content in memory, since OpenSSL loads keys by path only; nothing touches the disk."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def system_has_no_authorities() -> bool:
    """Return True if the system trusts no authority, as in an image without the package `ca-certificates`."""
    paths = ssl.get_default_verify_paths()
    try:
        if paths.capath and any(Path(paths.capath).iterdir()):
            return False
    except PermissionError:
        return False  # OpenSSL opens files there by name, which needs no permission to list them
    return not ssl.create_default_context().cert_store_stats()["x509_ca"]
