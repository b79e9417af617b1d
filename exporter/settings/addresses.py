"""Parse hosts, ports and URLs into one normal form. A message repeats no part: it may be a password."""

import re
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from exporter.target import REGIONS

ENDS_IN_ENVIRONMENT = "must end before the environment ID; use e.g. https://auth.pingone.eu"

TARGET_PLACEHOLDER = "{target}"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
_MAX_HOST_LENGTH = 253
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as the last label it makes an address of a host
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\]*)(?P<path>[^?#]*)(?P<rest>.*)", re.IGNORECASE | re.ASCII
)
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_LINK = re.compile(r"[!#-;=?-\[\]_a-~]*")
"""Printable ASCII but space, quotes, angle brackets, backslash, caret and backtick."""
_QUERY = re.compile(r"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:/?-]|%[0-9A-Fa-f]{2})*)?")
_CREDENTIALS = re.compile(r"(?=[^:]+:)(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")  # with a user
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)"
)


@dataclass(frozen=True, slots=True)
class AuthServer:
    """Where the endpoints of an environment are."""

    url: str  # base URL without a trailing slash, and without the trailing dot of an absolute host name
    custom_domain: bool = False
    """The host belongs to one environment, so the environment ID is not in its paths."""
    absolute: bool = False  # the host name was written with a trailing dot: resolve it without search domains

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine: `localhost`, or a loopback address."""
        host = urlsplit(self.url).hostname or ""
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    def environment_url(self, environment_id: str) -> str:
        """Return the URL that the endpoints of an environment are appended to."""
        return self.url if self.custom_domain else f"{self.url}/{environment_id}"


def absolute_hosts(*servers: AuthServer) -> tuple[str, ...]:
    """Return the hosts of `servers` that were written with a trailing dot, each once."""
    return tuple(sorted({urlsplit(server.url).hostname or "" for server in servers if server.absolute}))


class ListenAddress(NamedTuple):
    """A socket to listen on."""

    host: str  # name or address, IPv6 without brackets; empty for all addresses
    port: int  # 0 for any free one

    def __str__(self) -> str:
        """Format the address as `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_region(text: str) -> AuthServer:
    """Parse a region's code, in any case."""
    if text.upper() not in REGIONS:
        *others, last = REGIONS
        raise ValueError(f"unknown region; use {', '.join(others)} or {last}")
    return AuthServer(f"https://auth.pingone.{REGIONS[text.upper()]}")


def parse_auth_url(text: str) -> AuthServer:
    """Parse the base URL of environments: host in lower case, default port and trailing slash dropped."""
    url, absolute = _parse_base_url(text, "https://auth.pingone.eu")
    path = url.split("/")[3:]
    _require(path[-1:] != ["as"] and path[-2:] != ["as", "authorize"], ENDS_IN_ENVIRONMENT)
    return AuthServer(url, absolute=absolute)


def parse_external_url(text: str) -> str:
    """Parse the base URL of links to the exporter, in the same form."""
    return _parse_base_url(text, "https://flows.example.com")[0]


def check_link_template(text: str) -> str:
    """Check a URL template of links, where `{target}` stands for a target's name; it is kept as it is."""
    example = "https://grafana.example.com/d/pingone-flow-target?var-target={target}"
    invalid = f"invalid URL template; use e.g. {example}"
    match = _match(_URL, text, invalid)
    _match(_LINK, match["path"] + match["rest"], invalid)
    _require("@" not in match["authority"], f"must not contain a user or password; use e.g. {example}")
    _parse_authority(match["authority"], match["scheme"].lower(), invalid)
    has_target = TARGET_PLACEHOLDER in match["path"] + match["rest"]
    _require(has_target, f"must contain {TARGET_PLACEHOLDER}, which stands for the target's name")
    return text


def check_issuer(text: str) -> str:
    """Check an issuer, which is compared byte for byte (OpenID Connect Discovery, section 4.3)."""
    _parse_base_url(text, "https://auth.pingone.eu/94e3268d-847d-47aa-a45e-1ef8dd8f4df0/as")
    return text


def parse_host(text: str) -> str:
    """Parse a host without a port, IPv6 in brackets; in lower case, without brackets."""
    invalid = "invalid host; use a name without scheme, port and path, e.g. login.example.com"
    return _parse_host(text, invalid).strip("[]")


def _parse_base_url(text: str, example: str) -> tuple[str, bool]:
    invalid = f"invalid base URL; use e.g. {example}"
    match = _match(_URL, text, invalid)
    _require("@" not in match["authority"], f"must not contain a user or password; use e.g. {example}")
    _require(not match["rest"], f"must not contain a query or fragment; use e.g. {example}")
    _check_path(match["path"], invalid)
    scheme = match["scheme"].lower()
    authority, absolute = _parse_authority(match["authority"], scheme, invalid)
    return f"{scheme}://{authority}{match['path'].rstrip('/')}", absolute


def parse_custom_domain(text: str) -> AuthServer:
    """Parse a custom domain, which is always served over https."""
    invalid = "invalid domain; use a host without scheme and path, e.g. login.example.com"
    authority, absolute = _parse_authority(text, "https", invalid)
    return AuthServer(f"https://{authority}", custom_domain=True, absolute=absolute)


def check_redirect_uri(text: str) -> str:
    """Check a redirect URI, which is sent byte for byte (RFC 6749, section 3.1.2)."""
    invalid = "invalid absolute URI; use e.g. https://app.example.com/callback"
    _require("#" not in text, "must not contain a fragment (#)")
    match = _match(_URI, text, invalid)
    found = re.match(r"//([^/?]*)", match["rest"])
    authority = found[1] if found else ""
    _require("@" not in authority, "must not contain a user or password")
    if match["scheme"].lower() in _DEFAULT_PORTS:
        _parse_authority(authority, match["scheme"].lower(), invalid)
    return text


def parse_listen_address(text: str) -> ListenAddress:
    """Parse `host:port`; without a host, all addresses."""
    invalid = "invalid listen address; use host:port, e.g. :9988, 127.0.0.1:9988 or [::1]:9988"
    match = _match(_AUTHORITY, text, invalid)
    _require(match["port"] is not None and int(match["port"]) <= _MAX_PORT, invalid)
    host = _parse_host(match["host"], invalid) if match["host"] else ""
    return ListenAddress(host.strip("[]"), int(match["port"]))


def check_proxy_url(text: str) -> str:
    """Check the URL of an http forward proxy; it is kept byte for byte.

    A port is required: 80, 3128 and 8080 are all common, and programs differ in which they assume.
    """
    example = "http://proxy.example.com:3128"
    invalid = f"invalid URL of an http proxy; use e.g. {example}"
    scheme, _, rest = text.partition("://")
    _require(scheme.lower() == "http", invalid)
    # The last @ of all, even after a slash: what precedes it may be a password that was not encoded.
    credentials, at, address = rest.rpartition("@")
    if at:
        needed = "needs user and password, percent-encoded, as in http://user:p%40ss@proxy.example.com:3128"
        _match(_CREDENTIALS, credentials, needed)
    match = _match(_URL, f"http://{address}", invalid)
    _require(match["path"] in {"", "/"} and not match["rest"], invalid)
    _, port = _split_authority(match["authority"], invalid)
    _require(port is not None, f"port missing; use e.g. {example}")
    return text


def check_egress_url(text: str) -> str:
    """Check the URL of the egress check; only the trailing dot of its host is dropped."""
    invalid = "invalid http or https URL; use e.g. https://www.example.com/"
    match = _match(_URL, text, invalid)
    # Also after a slash: there an @ may end a password that was not encoded, and paths are shown.
    _require("@" not in text, "must not contain a user or password; write an @ elsewhere as %40")
    _require("#" not in text, "must not contain a fragment (#)")
    _check_path(match["path"], invalid)
    _match(_QUERY, match["rest"], invalid)
    authority = match["authority"]
    _split_authority(authority, invalid)
    return text.replace(authority, re.sub(r"\.(?=:|$)", "", authority), 1)


def _check_path(path: str, invalid: str) -> None:
    """Check the path of a URL that is requested: it must be read in one way, as all of a probe's URLs."""
    _match(_PATH, path, invalid)
    dots = {".", ".."} & set(unquote(path).replace("\\", "/").split("/"))
    _require(not dots, "path must not contain . or .. segments")


def _require(holds: object, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _match(pattern: re.Pattern[str], text: str, invalid: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(invalid)
    return match


def _parse_authority(text: str, scheme: str, invalid: str) -> tuple[str, bool]:
    host, port = _split_authority(text, invalid)
    absolute = text.partition(":")[0].endswith(".")
    return host if port in {None, _DEFAULT_PORTS[scheme]} else f"{host}:{port}", absolute


def _split_authority(text: str, invalid: str) -> tuple[str, int | None]:
    """Return a host in normal form, IPv6 in brackets, and its port."""
    match = _match(_AUTHORITY, text, invalid)
    host = _parse_host(match["host"], invalid)
    if match["port"] is None:
        return host, None
    port = int(match["port"])
    _require(1 <= port <= _MAX_PORT, invalid)
    return host, port


def _parse_host(text: str, invalid: str) -> str:
    """Return a host in lower case, without the trailing dot of an absolute name."""
    _require(text.isascii(), "host must be ASCII; write it in punycode, e.g. xn--bcher-kva.example")
    host = text.lower()
    name = host.removesuffix(".")
    labels = name.split(".")
    try:
        if host.startswith("["):
            _require("%" not in host, invalid)
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        if _NUMBER.fullmatch(labels[-1]):
            return str(IPv4Address(host))
    except AddressValueError:
        raise ValueError(invalid) from None
    _require(len(name) <= _MAX_HOST_LENGTH and all(map(_LABEL.fullmatch, labels)), invalid)
    return name
