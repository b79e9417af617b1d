"""Which URLs a probe may request, whatever a provider links or redirects to. No I/O.

    environment        the origin and path of its settings; one with a custom domain also answers at PingOne's
                       own host, with its id in the path
    PingOne's hosts    the exact names auth.pingone.<tld>, over https at its usual port
    another provider   the one https URL that the destination names, http to loopback only, and LOGIN_HOSTS
    addresses          a host that the operator did not configure must be global, on the address connected to

Text that different programs read differently is refused as malformed: control characters, backslashes,
spaces, user names, dot segments, short forms of addresses, anything but ASCII.
"""

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from exporter.target import REGIONS, Target

PINGONE_HOSTS = frozenset(f"auth.pingone.{domain}" for domain in REGIONS.values())
"""Where PingOne answers, by region. Only the exact names: a suffix could be a stranger's domain."""

MAX_URL_CHARACTERS = 16 * 1024
MAX_PARAMETERS = 200

FLOW_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_NETLOC = re.compile(
    r"(?=.{1,260}\Z)(?:[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|\[[0-9a-f]*:[0-9a-f:.]*\])(?::[0-9]*)?",
    re.IGNORECASE,
)
"""All of it: `urlsplit` ignores what is beside brackets. A DNS name, a dot and a port are 260 at most."""
_NUMERIC_HOST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_DOTS = re.compile(r"\.{1,2}")

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Link(NamedTuple):
    """A URL that may be read in one way only; path, query and fragment are percent-encoded."""

    url: str  # as it was written, resolved against the request's URL, without a fragment
    scheme: str  # http or https
    host: str  # in lower case, without brackets, nor the trailing dot of an absolute name
    port: int  # the URL's, or the scheme's
    path: str  # at least `/`
    query: str  # without `?`
    fragment: str  # without `#`

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def endpoint(self) -> str:
        """Host and port, an IPv6 address in brackets."""
        return endpoint(self.host, self.port)

    @property
    def authority(self) -> str:
        """The same without the usual port, as in the `Host` header."""
        return self.endpoint.removesuffix(f":{_DEFAULT_PORTS[self.scheme]}")

    @property
    def target(self) -> str:
        """What a server is asked for: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __repr__(self) -> str:
        """Show host and path alone: codes and states are in the query or the fragment."""
        return f"Link({self.scheme}://{self.host}:{self.port})"

    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Return the decoded parameters of the query, then those of the fragment."""
        found: list[tuple[str, str]] = []
        # In a fragment the parameters may follow a path of the page's own.
        path, _, behind = self.fragment.partition("?")
        for part in (self.query, self.fragment if "=" in path else behind):
            with suppress(ValueError):
                found += parse_qsl(part, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        return tuple(found)

    def parameter(self, name: str) -> str | None:
        """Return the first value of a parameter that is not empty."""
        return next((value for key, value in self.parameters() if key == name and value), None)


def endpoint(host: str, port: int) -> str:
    """Return host and port as they are shown, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_link(text: object, base: str | None = None) -> Link | None:
    """Return a URL, or None if it is malformed; a relative reference is resolved against `base`."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_URL_CHARACTERS or not text.isascii():
        return None
    try:
        url = text if base is None or _URL.match(text) else urljoin(base, text)
    except ValueError:
        return None
    if not _URL.fullmatch(url) or "\\" in url:
        return None
    url, _, fragment = url.partition("#")
    start, _, query = url.partition("?")
    scheme, _, rest = start.partition("://")
    netloc, _, path = rest.partition("/")
    origin = _parse_origin(scheme.lower(), netloc) if _NETLOC.fullmatch(netloc) else None
    # A dot segment is one that a server may resolve to another path.
    has_dots = any(map(_DOTS.fullmatch, unquote(path).replace("\\", "/").split("/")))
    return None if origin is None or has_dots else Link(url, *origin, f"/{path}", query, fragment)


@lru_cache(maxsize=8192)
def _parse_origin(scheme: str, netloc: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port; remembered, since all probes of a target have the same ones."""
    try:
        parts = urlsplit(f"{scheme}://{netloc}")
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return None
    # 127.1, 2130706433 and 0x7f000001 are addresses to some programs.
    if port == 0 or (_NUMERIC_HOST.fullmatch(host) and parse_address(host) is None):
        return None
    return scheme, host, _DEFAULT_PORTS[scheme] if port is None else port


def with_parameter(url: str, name: str, value: str) -> str:
    """Return a URL with a parameter of its query added, or replaced; all else stays byte for byte."""
    address, _, query = url.partition("?")
    query = "&".join(field for field in query.split("&") if unquote(field.partition("=")[0]) != name)
    return f"{address}?{query}{'&' if query else ''}{name}={value}"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one PingOne environment answers."""

    environment_id: str  # lower case; empty if unknown
    url: str  # the base to build URLs from, without a trailing slash
    bases: tuple[Link, ...]  # of all its endpoints, that one included

    def has(self, link: Link, path: str) -> bool:
        """Return True if `link` leads to an endpoint of this environment, or below one that ends in `/`."""
        wanted = [f"{base.path.rstrip('/')}{path}" for base in self.bases if base.origin == link.origin]
        return link.path.startswith(tuple(wanted)) if path.endswith("/") else link.path in wanted

    def is_at(self, link: Link) -> bool:
        """Return True if `link` leads to where this environment answers, whatever its path."""
        return any(base.origin == link.origin for base in self.bases)


@lru_cache(maxsize=8192)
def endpoints(url: str, environment_id: str) -> Endpoints:
    """Return where an environment answers; its URL ends in its id, except on a custom domain."""
    urls = [url]
    if not url.endswith(f"/{environment_id}"):
        urls += [f"https://auth.pingone.{domain}/{environment_id}" for domain in REGIONS.values()]
    return Endpoints(environment_id, url, tuple(filter(None, map(parse_link, urls))))


def is_pingone(link: Link) -> bool:
    """Return True for a URL at one of PingOne's own hosts."""
    return link.scheme == "https" and link.port == _DEFAULT_PORTS["https"] and link.host in PINGONE_HOSTS


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Which hosts a probe of one target may reach."""

    origins: frozenset[tuple[str, str, int]]  # scheme, host and port of the environments of its settings
    hosts: frozenset[str]  # all hosts that the operator named
    issuer_host: str | None = None  # host of the source's issuer; None if there is none
    on_loopback: bool = False  # whether the settings name a loopback host for the destination

    def is_own(self, link: Link) -> bool:
        """Return True for hosts of the two environments: only they get cookies and the transaction id."""
        return link.origin in self.origins or is_pingone(link)

    def may_request(self, link: Link, *, foreign: bool) -> bool:
        """Return True if a URL may be requested; `foreign`: the destination named it as its provider."""
        return self.is_own(link) or link.host == self.issuer_host or (foreign and is_safe_scheme(link))

    def admits(self, link: Link, address: str, *, on_loopback: bool, confidential: bool) -> bool:
        """Return True if a connection to `address` may carry the request.

        Args:
            link: of the request.
            address: to connect to.
            on_loopback: whether the destination itself is there.
            confidential: whether the request carries a password or a client secret.
        """
        parsed = parse_address(address)
        if parsed is None:
            return False
        if confidential and link.scheme != "https" and not parsed.is_loopback:
            return False
        if link.host in self.hosts:
            return True
        if parsed.is_loopback:
            return on_loopback
        return link.scheme == "https" and is_global(parsed)

    def admits_through_proxy(self, link: Link, *, confidential: bool) -> bool:
        """Return True if a proxy, which resolves names itself, may be given the request, secrets included."""
        if confidential and link.scheme != "https":
            return False
        is_localhost = link.host == "localhost" or link.host.endswith(".localhost")  # RFC 6761, 6.3
        if parse_address(link.host) is None and not is_localhost:
            return True
        address = "127.0.0.1" if is_localhost else link.host
        return self.admits(link, address, on_loopback=self.on_loopback, confidential=confidential)


def allowed_hosts(target: Target) -> AllowedHosts:
    """Return which hosts a probe of `target` may reach."""
    return _allowed_hosts(target.source_url, target.destination_url, target.issuer, target.login_hosts)


@lru_cache(maxsize=8192)
def _allowed_hosts(
    source_url: str | None, destination_url: str, issuer_url: str | None, login_hosts: tuple[str, ...]
) -> AllowedHosts:
    source, destination, issuer = map(parse_link, (source_url, destination_url, issuer_url))
    named = {link.host for link in (source, destination, issuer) if link is not None}
    return AllowedHosts(
        origins=frozenset(link.origin for link in (source, destination) if link is not None),
        hosts=frozenset(named.union(map(str.lower, login_hosts))),
        issuer_host=None if issuer is None else issuer.host,
        on_loopback=destination is not None and is_loopback_host(destination.host),
    )


def is_safe_scheme(link: Link) -> bool:
    """Return True for https, and for http to a host that is loopback by its name or literal address."""
    return link.scheme == "https" or is_loopback_host(link.host)


def is_loopback_host(host: str) -> bool:
    """Return True for a literal loopback address and for `localhost`."""
    return host == "localhost" or is_loopback_address(host)


def is_loopback_address(address: str | None) -> bool:
    """Return True for an address of this machine alone."""
    parsed = parse_address(address or "")
    return parsed is not None and parsed.is_loopback


def is_global(address: Address) -> bool:
    """Return True for an address of the public Internet.

    An IPv6 address that stands for an IPv4 address (v4-mapped, NAT64, 6to4, Teredo) counts as that one.
    """
    return all(
        part.is_global
        and not (part.is_multicast or part.is_reserved or part.is_unspecified)
        and not (isinstance(part, ipaddress.IPv6Address) and part.is_site_local)
        for part in _stands_for(address)
    )


def _stands_for(address: Address) -> tuple[Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    sixtofour = () if address.sixtofour is None else (address.sixtofour,)
    return (address, *sixtofour, *(address.teredo or ()))


def parse_address(text: str) -> Address | None:
    """Return an IP address, None for any other text; a v4-mapped one is the IPv4 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
