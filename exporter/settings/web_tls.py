"""`tls_server_config` of a web configuration file -> `TlsServer`, or what is wrong with it.

What Python's ssl cannot honour is refused by name. To ignore it would leave a port less safe than its file
says.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from exporter import tls as tls_files
from exporter.settings import values
from exporter.settings.section import Section
from exporter.tls import AUTHORITIES, CERTIFICATE, KEY, TlsServer

KEYS = (
    "cert_file",
    "key_file",
    "cert",
    "key",
    "client_ca_file",
    "client_ca",
    "client_auth_type",
    "client_allowed_sans",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
    "min_version",
    "max_version",
)

_VERIFIED = "RequireAndVerifyClientCert"
_CLIENT_AUTH = {"NoClientCert": None, "VerifyClientCertIfGiven": False, _VERIFIED: True}
"""Whether a certificate is required, by Go's names; None when none is asked for."""
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_OLD_VERSIONS = ("TLS10", "TLS11")

_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
"""What Go's `tls.CipherSuites` returns, or did until Go 1.22 for the last four; OpenSSL's names for it."""
_NEW_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Those of TLS 1.3 are always on, in Go whatever is listed, and here."""

_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}


def tls_server(section: Section, directory: Path) -> TlsServer | None:
    """Read how the server speaks TLS.

    Args:
        section: what is written; mistakes are put there.
        directory: where relative paths start.

    Returns:
        None when nothing is written or what is written cannot be told; what was told to be wrong with the
        files themselves is left in, so that it is known which they are.
    """
    before = len(section.mistakes)
    certificate = _material(section, "cert", directory)
    key = _material(section, "key", directory)
    authorities = _material(section, "client_ca", directory)
    required = _client_auth(section, has_authorities=authorities is not None)
    minimum = section.read("min_version", _version) or ssl.TLSVersion.TLSv1_2
    maximum = section.read("max_version", _version) or ssl.TLSVersion.TLSv1_3
    suites = section.read_each("cipher_suites", _suite)
    chooses = section.read("prefer_server_cipher_suites", values.boolean)
    curves = section.read_each("curve_preferences", _curve)
    if minimum > maximum:
        section.wrong("min_version", "is above max_version; write one that is not")
    _refuse(section, curves)
    if suites and not any(suites):
        minimum = ssl.TLSVersion.TLSv1_3  # none is left for TLS 1.2
    if certificate is None or key is None:
        if section.names and len(section.mistakes) == before:
            section.mistakes.append(section.place.mistake(_missing(certificate)))
        return None
    tls = TlsServer(
        certificate=certificate,
        key=key,
        authorities=authorities,
        certificate_required=bool(required),
        minimum=minimum,
        maximum=maximum,
        ciphers=tuple(filter(None, suites)),
        server_chooses=chooses is not False,
        curve=curves[0] if curves else None,
    )
    if len(section.mistakes) > before:
        return None
    _check(tls, section)
    return tls


def _refuse(section: Section, curves: list[str]) -> None:
    """Name what could only be ignored."""
    if len(curves) > 1:
        section.wrong("curve_preferences", "has several curves, of which Python's ssl takes one; write one")
    if "client_allowed_sans" in section.names:
        section.wrong(
            "client_allowed_sans",
            "is not supported, for Python's ssl has no such check; remove it, and let client_ca_file be an "
            "authority that vouches for scrapers alone",
        )


def _material(section: Section, name: str, directory: Path) -> Path | str | None:
    """Read what may stand in the file itself or in one of its own."""
    inline = section.read(name, str, clean=False)
    path = section.read(f"{name}_file", str)
    if inline is not None and path is not None:
        section.wrong(name, f"cannot stand beside {name}_file; keep one of them")
    return inline if path is None else directory / path


def _client_auth(section: Section, *, has_authorities: bool) -> bool | None:
    required = section.read("client_auth_type", _client_auth_type)
    if required is None and has_authorities:
        name = "client_ca_file" if "client_ca_file" in section.names else "client_ca"
        if section.read("client_auth_type", str) in {None, "NoClientCert"}:
            section.wrong(name, f"is of no use unless client_auth_type asks for it; set that to {_VERIFIED}")
    if required is not None and not has_authorities:
        section.wrong(
            "client_auth_type", "needs client_ca_file, the authorities that vouch for clients; set it"
        )
    return required


def _client_auth_type(text: str) -> bool | None:
    if text in _UNVERIFIED:
        raise ValueError(
            f"is {text}, which is not supported, for Python's ssl verifies every certificate that it asks "
            f"for; write {_VERIFIED}"
        )
    if text not in _CLIENT_AUTH:
        raise ValueError(
            "is no client auth type; write NoClientCert, VerifyClientCertIfGiven or " + _VERIFIED
        )
    return _CLIENT_AUTH[text]


def _version(text: str) -> ssl.TLSVersion:
    if text in _OLD_VERSIONS:
        raise ValueError(f"is {text}, which OpenSSL no longer speaks; write TLS12 or TLS13")
    if text not in _VERSIONS:
        raise ValueError("is no TLS version; write TLS12 or TLS13")
    return _VERSIONS[text]


def _suite(text: str) -> str | None:
    """Read a suite; None for one of TLS 1.3."""
    if text in _NEW_SUITES:
        return None
    if text not in _SUITES:
        raise ValueError(
            "has a cipher suite that is unknown or no longer safe; write names such as "
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        )
    name = _SUITES[text]
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(name)
    except ssl.SSLError:
        raise ValueError(f"has {text}, which this OpenSSL does not have; remove it") from None
    return name


def _curve(text: str) -> str:
    if text not in _CURVES:
        raise ValueError(f"has a curve that is unknown or not supported; write one of {', '.join(_CURVES)}")
    return _CURVES[text]


def _missing(certificate: Path | str | None) -> str:
    name = "cert_file" if certificate is None else "key_file"
    return f"has no {name}, without which there is no TLS; set it, or remove the whole group"


def _check(tls: TlsServer, section: Section) -> None:
    try:
        tls_files.server_context(tls, tls_files.read_material(tls))
    except tls_files.TlsFileError as error:
        name = {CERTIFICATE: "cert", KEY: "key", AUTHORITIES: "client_ca"}[error.part]
        section.wrong(f"{name}_file" if f"{name}_file" in section.names else name, str(error))
