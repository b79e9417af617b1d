"""TLS files and contexts, and what the web configuration file sets."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exporter.files import describe_os_error, read_bounded

MAX_PEM_BYTES = 1024 * 1024
"""Mozilla's whole list of certificate authorities has a quarter of it."""

_ENCRYPTED_KEY = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")  # PKCS #8, and before that

CERTIFICATE, KEY, AUTHORITIES = "cert", "key", "client_ca"
"""Named as in the web configuration file."""


class TlsFileError(ValueError):
    """The `part` (`CERTIFICATE`, `KEY` or `AUTHORITIES`) cannot be used; the message has no file content."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServer:
    """How the server speaks TLS; certificates and keys are PEM. Two compare equal if nothing has changed.

    Raises:
        TlsFileError: the PEM cannot be used, or key and certificate are not a pair.
    """

    certificate: bytes = field(repr=False)  # certificate chain, leaf first
    key: bytes = field(repr=False)  # private key of the leaf
    authorities: bytes | None = field(default=None, repr=False)
    """Those that sign client certificates; None to request no client certificate."""
    certificate_required: bool = False
    """Reject clients without a certificate; one from another authority is always rejected."""
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    """OpenSSL names of the TLS 1.2 cipher suites, best first; empty for Python's default."""
    curve: str | None = None  # OpenSSL name of the curve for the key exchange; None for OpenSSL's default
    context: ssl.SSLContext = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the context."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = self.minimum, self.maximum
        context.set_alpn_protocols(["http/1.1"])
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))
        if self.curve is not None:
            context.set_ecdh_curve(self.curve)
        _load_pair(context, self.certificate, self.key)
        if self.authorities is not None:
            _load_authorities(context, AUTHORITIES, self.authorities)
            context.verify_mode = ssl.CERT_REQUIRED if self.certificate_required else ssl.CERT_OPTIONAL
            # Go trusts every certificate in the file, OpenSSL by default only a chain that ends in a root.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        object.__setattr__(self, "context", context)


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


def check_authorities(path: Path) -> None:
    """Check that a file holds certificate authorities.

    Raises:
        TlsFileError: it does not, or cannot be read.
    """
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), AUTHORITIES, read_pem(AUTHORITIES, path))


def check_client_certificate(certificate: Path, key: Path | None) -> None:
    """Check that a client certificate and its key, which may be in the same PEM file, can be used together.

    Raises:
        TlsFileError: they cannot be used; `part` is the file to fix.
    """
    pem = read_pem(CERTIFICATE, certificate)
    _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pem, None if key is None else read_pem(KEY, key))


def read_pem(part: str, path: Path) -> bytes:
    """Read a PEM file.

    Raises:
        TlsFileError: it cannot be read.
    """
    if "-----BEGIN" in str(path):  # it may be a private key: do not quote it
        raise TlsFileError(part, "expected the path of a PEM file, not its content")
    try:
        return read_bounded(path, MAX_PEM_BYTES)
    except OSError as error:
        raise TlsFileError(part, describe_os_error(error, path, MAX_PEM_BYTES)) from None


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
