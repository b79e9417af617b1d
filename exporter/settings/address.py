"""Hosts, ports and URLs as operators write them, checked and in one normal form. Pure.

locator     where an environment answers: a base URL, a region or a custom domain
listener    where the exporter itself listens: host:port
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

REGIONS = {"NA": "com", "CA": "ca", "EU": "eu", "AU": "com.au", "SG": "sg", "AP": "asia"}
"""Top-level domains of PingOne's regions (PingOne Platform API, "PingOne API domains")."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_NAME = 253
URL = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#\\]*)(?P<path>[^?#]*)(?P<rest>.*)", re.IGNORECASE | re.ASCII
)
PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)"
)

_NO_DOMAIN = "is no domain; write the host alone, for example login.example.com, without scheme and path"
_NO_LISTENER = "is no listen address; write host:port, for example :9988, 127.0.0.1:9988 or [::1]:9988"
_NO_URI = "is no absolute URI; write for example https://app.example.com/callback"


@dataclass(frozen=True, slots=True)
class Locator:
    """Where an environment answers.

    Args:
        url: base URL without a trailing slash.
        whole: whether it belongs to one environment alone, whose id is then not in its paths.
    """

    url: str
    whole: bool = False

    def environment_url(self, environment_id: str) -> str:
        """Return the URL that the endpoints of an environment are appended to."""
        return self.url if self.whole else f"{self.url}/{environment_id}"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A socket to listen on.

    Args:
        host: name or address, IPv6 without brackets; empty for all addresses.
        port: 0 for any free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as an operator would."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def region(text: str) -> Locator:
    """Read a region's code, in any case."""
    if text.upper() not in REGIONS:
        *others, last = REGIONS
        raise ValueError(f"is no region; write {', '.join(others)} or {last}")
    return Locator(f"https://auth.pingone.{REGIONS[text.upper()]}")


TOO_LONG = "must end before the environment's id; write for example https://auth.pingone.eu"


def auth_url(text: str) -> Locator:
    """Read where environments answer: host in lower case, default port and trailing slash dropped."""
    url = _base_url(text, "https://auth.pingone.eu")
    path = url.split("/")[3:]
    if path[-1:] == ["as"] or path[-2:] == ["as", "authorize"]:
        raise ValueError(TOO_LONG)
    return Locator(url)


def external_url(text: str) -> str:
    """Read what links to the exporter start with, in the same form."""
    return _base_url(text, "https://flows.example.com")


def _base_url(text: str, example: str) -> str:
    wrong = f"is no base URL; write for example {example}"
    match = URL.fullmatch(text)
    if match is None:
        raise ValueError(wrong)
    if "@" in match["authority"]:
        raise ValueError(f"must not hold a user or password; write for example {example}")
    if match["rest"]:
        raise ValueError(f"must not hold a query or fragment; write for example {example}")
    if not PATH.fullmatch(match["path"]):
        raise ValueError(wrong)
    if {".", ".."} & set(match["path"].split("/")):
        raise ValueError("must not hold . or .. as a part of its path; write the path that is meant")
    scheme = match["scheme"].lower()
    return f"{scheme}://{_authority(match['authority'], scheme, wrong)}{match['path'].rstrip('/')}"


def custom_domain(text: str) -> Locator:
    """Read a custom domain, which is always served over https."""
    return Locator(f"https://{_authority(text, 'https', _NO_DOMAIN)}", whole=True)


def absolute_uri(text: str) -> str:
    """Check a redirect URI and return it as it is (RFC 6749, section 3.1.2: absolute, without a fragment)."""
    if "#" in text:
        raise ValueError("must not hold a fragment; write the URI without # and what follows")
    match = _URI.fullmatch(text)
    if match is None:
        raise ValueError(_NO_URI)
    authority = re.match(r"//([^/?]*)", match["rest"])
    if authority is not None and "@" in authority[1]:
        raise ValueError("must not hold a user or password")
    if match["scheme"].lower() in _DEFAULT_PORTS:
        _authority(authority[1] if authority else "", match["scheme"].lower(), _NO_URI)
    return text


def listen_addresses(text: str) -> tuple[ListenAddress, ...]:
    """Read comma-separated listen addresses."""
    addresses = tuple(_listen_address(part.strip()) for part in text.split(","))
    fixed = [address for address in addresses if address.port]
    if len(set(fixed)) < len(fixed):
        raise ValueError("has one listen address twice; write each one once")
    return addresses


def _listen_address(text: str) -> ListenAddress:
    match = _AUTHORITY.fullmatch(text)
    if match is None or match["port"] is None or int(match["port"]) > 65535:  # noqa: PLR2004  TCP's own limit
        raise ValueError(_NO_LISTENER)
    host = _host(match["host"], _NO_LISTENER) if match["host"] else ""
    return ListenAddress(host.strip("[]"), int(match["port"]))


def _authority(text: str, scheme: str, wrong: str) -> str:
    host, port = host_and_port(text, wrong)
    return host if port in {None, _DEFAULT_PORTS[scheme]} else f"{host}:{port}"


def host_and_port(text: str, wrong: str) -> tuple[str, int | None]:
    """Read a host in its normal form, IPv6 in brackets, and its port; None where none is written.

    Raises:
        ValueError: `wrong`, or what is wrong with the host.
    """
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError(wrong)
    host = _host(match["host"], wrong)
    if match["port"] is None:
        return host, None
    port = int(match["port"])
    if not 1 <= port <= 65535:  # noqa: PLR2004  TCP's own limit
        raise ValueError(wrong)
    return host, port


def _host(text: str, wrong: str) -> str:
    if not text.isascii():
        raise ValueError("has a host beyond ASCII; write it in punycode, for example xn--bcher-kva.example")
    host = text.lower()
    try:
        if host.startswith("["):
            if "%" in host:
                raise ValueError(wrong)
            return f"[{IPv6Address(host[1:-1]).compressed}]"
        labels = host.split(".")
        if labels[-1].isdigit():
            return str(IPv4Address(host))
    except AddressValueError:
        raise ValueError(wrong) from None
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(wrong)
    return host
