"""Certificates made at start, for the environments that are served over https.

    authority                       its certificate is what an exporter is told to trust
      ├─ good                       for the names and addresses the simulator answers at
      ├─ expired                    the same, until yesterday
      └─ wrong name                 valid, for another name

Private keys are never written anywhere but to a file of mode 0600 that is removed as soon as OpenSSL has
read it, since the standard library loads a key from a file only.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from exporter.simulator.weather import Kind

_DAY = timedelta(days=1)
_LONG = 365 * _DAY
_OTHER_NAME = "elsewhere.example"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of the simulator's own.

    Args:
        certificate: self-signed.
        key: its private key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """What those who connect must trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def new_authority(now: datetime) -> Authority:
    """Make an authority that is valid for a year from `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("pingone-flow-exporter simulator")
    public = key.public_key()
    certificate = (
        _builder(name, name, public, now - _DAY, now + _LONG)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def server_contexts(
    authority: Authority, names: Iterable[str], now: datetime, directory: Path | None = None
) -> Mapping[Kind, ssl.SSLContext]:
    """Make a server's context for each kind of weather that has a certificate of its own.

    Args:
        authority: signs them.
        names: host names and addresses that clients connect to.
        now: the certificates' present; must be that of those who verify.
        directory: where keys lie while they are read; None means the system's directory for such files.

    Returns:
        Contexts for `healthy` (which serves all other weather too), `tls_expired` and `tls_wrong_name`.
    """
    own = tuple(dict.fromkeys(names))
    kinds = {
        Kind.HEALTHY: (own, now - _DAY, now + _LONG),
        Kind.TLS_EXPIRED: (own, now - 30 * _DAY, now - _DAY),
        Kind.TLS_WRONG_NAME: ((_OTHER_NAME,), now - _DAY, now + _LONG),
    }
    return {kind: _context(_leaf(authority, *facts), directory) for kind, facts in kinds.items()}


def _leaf(authority: Authority, names: tuple[str, ...], start: datetime, end: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(names[0]), authority.certificate.subject, key.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        # Python 3.13 verifies strictly by default (RFC 5280), and then wants both key identifiers.
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _context(pem: bytes, directory: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with NamedTemporaryFile(dir=directory, suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def present() -> datetime:
    """Return the wall clock's time, by which certificates are verified."""
    return datetime.now(UTC)
