"""Prometheus' web configuration file: TLS, headers, users and rate limit of the web port.

Source: prometheus/exporter-toolkit, docs/web-configuration.md and web/tls_config.go. A file that Prometheus
accepts has the same meaning here, or is rejected: ignoring what Python's ssl cannot do would be less safe.
Hashes and keys are never shown.
"""

import re
import ssl
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from exporter.settings.explain import explain
from exporter.settings.provenance import Location, RawSettings
from exporter.settings.section import Conflict, Section, exclusive
from exporter.settings.values import Duration, WholeNumber, check_characters, require
from exporter.settings.yaml_file import read_yaml_file
from exporter.tls import (
    AUTHORITIES,
    CERTIFICATE,
    KEY,
    RateLimit,
    TlsFileError,
    TlsServer,
    WebSecurity,
    read_pem,
)

MAX_BYTES = 256 * 1024
"""A file with a thousand users has a third of it."""
MAX_USERS = 1000
MAX_BCRYPT_COST = 16
"""Each step doubles the time of a login: 10 takes about 0.05 s, 16 three seconds of a whole processor."""

_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?")
# The last letter of a salt has four bits that count: Go ignores the others, bcrypt's own library does not.
_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_MIN_POSSIBLE_COST, _MAX_POSSIBLE_COST = 4, 31

_VERIFIED = "RequireAndVerifyClientCert"
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
CIPHER_SUITES = {
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
_TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Always enabled, in Go and here."""


def _cipher_suite(name: str) -> str:
    if name in _TLS13_SUITES:
        return name
    if name not in CIPHER_SUITES:
        raise ValueError("unknown or unsafe cipher suite; use e.g. TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(CIPHER_SUITES[name])
    except ssl.SSLError:
        raise ValueError(f"this OpenSSL does not support {name}") from None
    return name


def _curve(name: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(_CURVES[name])
    except (ValueError, ssl.SSLError):
        raise ValueError(f"this OpenSSL does not support {name}") from None
    return name


def _bcrypt_hash(value: object) -> str:
    match = _HASH.fullmatch(value) if isinstance(value, str) else None
    if match is None or not _MIN_POSSIBLE_COST <= int(match["cost"]) <= _MAX_POSSIBLE_COST:
        raise ValueError("invalid bcrypt hash; create one with htpasswd -nBC 10")
    if int(match["cost"]) > MAX_BCRYPT_COST:
        raise ValueError(
            f"cost above {MAX_BCRYPT_COST}: a login would take many seconds; hash with a cost of 10 to 12"
        )
    return match.string


_USERS = ("basic_auth_users",)
_TLS_FILES = tuple(("tls_server_config", name) for name in ("cert_file", "key_file", "client_ca_file"))

Text = Annotated[str, BeforeValidator(check_characters)]
UserName = Annotated[
    str, require(lambda name: ":" not in name, "user name must not contain a colon; no client can send it")
]
HeaderValue = Annotated[
    Text,
    require(_HEADER_VALUE.fullmatch, "invalid header value; use at most 4096 printable ASCII characters"),
]


class TlsServerConfig(Section):
    """TLS of the web port; paths are relative to the directory of the file."""

    cert_file: Text | None = None
    cert: str | None = None
    key_file: Text | None = None
    key: str | None = None
    client_ca_file: Text | None = None
    client_ca: str | None = None
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = (
        "NoClientCert"
    )
    """The other types of Go do not verify certificates, which Python's ssl always does."""
    client_allowed_sans: Annotated[
        object,
        require(
            lambda _: False,
            "not supported (Python's ssl cannot check it); use a client_ca_file of an authority that signs "
            "certificates for scrapers only",
        ),
    ] = None
    cipher_suites: tuple[Annotated[Text, AfterValidator(_cipher_suite)], ...] = ()
    prefer_server_cipher_suites: bool = True  # without effect, as in Go since 1.17: the server chooses
    curve_preferences: Annotated[
        tuple[
            Annotated[Literal["CurveP256", "CurveP384", "CurveP521", "X25519"], AfterValidator(_curve)], ...
        ],
        require(lambda curves: len(curves) <= 1, "Python's ssl supports one curve only"),
    ] = ()
    max_version: Literal["TLS12", "TLS13"] = "TLS13"
    min_version: Literal["TLS12", "TLS13"] = "TLS12"

    @classmethod
    def conflicts(cls, given: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield what is missing and what cannot be combined."""
        for name in ("cert", "key", "client_ca"):
            yield from exclusive(given, (f"{name}_file", name), shown=str)
        for name in ("cert", "key"):
            if given and name not in given and f"{name}_file" not in given:
                yield f"{name}_file", "missing; TLS requires it"
        authorities = next((name for name in ("client_ca_file", "client_ca") if name in given), None)
        requested = valid.get("client_auth_type")
        if authorities and requested == "NoClientCert":
            yield authorities, f"requires client_auth_type: {_VERIFIED}"
        if not authorities and requested in ("VerifyClientCertIfGiven", _VERIFIED):
            yield "client_auth_type", "requires client_ca_file"
        if valid.get("min_version", "") > valid.get("max_version", "TLS13"):
            yield "min_version", "must not be above max_version"

    def server(self, directory: Path) -> TlsServer | None:
        """Return what serving uses, None for plain HTTP; raise TlsFileError if a file cannot be used."""

        def pem(part: str, file: str | None, inline: str | None) -> bytes | None:
            if file is not None:
                return read_pem(part, directory / file)
            return None if inline is None else inline.encode(errors="replace")

        certificate, key = pem(CERTIFICATE, self.cert_file, self.cert), pem(KEY, self.key_file, self.key)
        if certificate is None or key is None:
            return None
        tls12_suites = tuple(CIPHER_SUITES[name] for name in self.cipher_suites if name in CIPHER_SUITES)
        only_tls13 = bool(self.cipher_suites) and not tls12_suites
        return TlsServer(
            certificate=certificate,
            key=key,
            authorities=pem(AUTHORITIES, self.client_ca_file, self.client_ca),
            certificate_required=self.client_auth_type == _VERIFIED,
            minimum=ssl.TLSVersion.TLSv1_3 if only_tls13 else _VERSIONS[self.min_version],
            maximum=_VERSIONS[self.max_version],
            ciphers=tls12_suites,
            curve=_CURVES[self.curve_preferences[0]] if self.curve_preferences else None,
        )


class HeadersConfig(Section):
    """Headers of every response."""

    content_security_policy: HeaderValue | None = Field(None, alias="Content-Security-Policy")
    x_frame_options: Literal["deny", "sameorigin"] | None = Field(None, alias="X-Frame-Options")
    x_content_type_options: Literal["nosniff"] | None = Field(None, alias="X-Content-Type-Options")
    x_xss_protection: HeaderValue | None = Field(None, alias="X-XSS-Protection")
    strict_transport_security: HeaderValue | None = Field(None, alias="Strict-Transport-Security")


class HttpServerConfig(Section):
    """HTTP of the web port."""

    http2: bool = True  # HTTP/1.1 is spoken either way: in Prometheus, HTTP/2 is the client's choice
    headers: HeadersConfig = HeadersConfig()


class RateLimitConfig(Section):
    """A limit of all requests together."""

    burst: Annotated[WholeNumber, Field(ge=1)] | None = None
    interval: Duration = 0.0

    @classmethod
    def conflicts(cls, _: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error for an interval without a burst."""
        if valid.get("interval") and valid.get("burst", 1) is None:
            yield "interval", "requires burst, the number of requests allowed at once"


class WebConfigFile(Section):
    """The whole file."""

    tls_server_config: TlsServerConfig = TlsServerConfig()
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: dict[UserName, Annotated[str, BeforeValidator(_bcrypt_hash)]] = Field(
        default_factory=dict, max_length=MAX_USERS
    )
    rate_limit: RateLimitConfig = RateLimitConfig()

    def security(self, directory: Path) -> WebSecurity:
        """Return what serving uses; raise TlsFileError if a certificate or key cannot be used."""
        limit = self.rate_limit
        return WebSecurity(
            tls=self.tls_server_config.server(directory),
            users=self.basic_auth_users,
            headers=tuple(
                self.http_server_config.headers.model_dump(by_alias=True, exclude_none=True).items()
            ),
            rate_limit=RateLimit(interval=limit.interval, burst=limit.burst)
            if limit.interval and limit.burst
            else None,
        )


def read_web_file(path: Path, named_at: Location) -> tuple[WebSecurity | None, RawSettings]:
    """Read a web configuration file; `named_at` is where the operator names it.

    Returns:
        What it sets, None if there are errors; the raw settings with the errors and the files that it names.
    """
    raw = read_yaml_file(path, named_at, MAX_BYTES)
    # A key without a value is not set. A user without a hash is an error: without users, the port is open.
    empty = [keys for keys, each in raw.values.items() if each.value in (None, "") and keys[:-1] != _USERS]
    raw.items |= {keys: raw.values.pop(keys).location for keys in empty}
    named = (raw.values[keys].value for keys in _TLS_FILES if keys in raw.values)
    raw.note(*(path.parent / file for file in named if isinstance(file, str)))
    if not raw.complete:
        return None, raw
    security = None
    try:
        security = WebConfigFile.model_validate(raw.nested()).security(path.parent)
    except ValidationError as error:
        raw.errors += explain(error, raw, WebConfigFile)
    except TlsFileError as error:
        names = (("tls_server_config", f"{error.part}_file"), ("tls_server_config", error.part))
        raw.error(next(raw.values[keys].location for keys in names if keys in raw.values), str(error))
    return None if raw.errors else security, raw
