"""The cookies of one probe (RFC 6265). No I/O.

Source and destination usually share a host, and their session cookies differ by path alone: a jar that
ignored Path would send the session of one environment to the other.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.probing.clock_skew import http_date
from exporter.probing.links import Link, parse_address

MAX_COOKIES = 50
MAX_COOKIE_BYTES = 4096  # of name and value, as in browsers
MAX_VALUES = 500  # of one response that are kept secret, the last ones
MIN_SECRET_CHARACTERS = 8
"""A shorter value is a setting or a counter, which occurs in any text."""

_NAME = re.compile(r"[!-:<>-~]+")  # more than a token, as browsers take it (RFC 6265, section 5.2)
_VALUE = re.compile(r"[ -:<-~]*")
_MAX_AGE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """A stored cookie; `host` set it or, with `subdomains`, is the domain that it is for."""

    name: str
    value: str = field(repr=False)
    host: str
    subdomains: bool
    path: str
    secure: bool

    def is_for(self, link: Link) -> bool:
        """Return True if a request to `link` carries it."""
        if self.secure and link.scheme != "https":
            return False
        same_host = link.host == self.host or (self.subdomains and _is_below(link.host, self.host))
        below = f"{self.path.removesuffix('/')}/"
        return same_host and (link.path == self.path or link.path.startswith(below))


class CookieJar:
    """Keeps the cookies of one probe; it starts empty."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def store(self, link: Link, headers: Iterable[tuple[bytes, bytes]], now: float) -> list[str]:
        """Keep, replace or delete what a response sets; names of headers are in lower case.

        Returns:
            values that may be secret, kept or not: they must never leave the probe.
        """
        texts = [(name, value.decode("latin-1")) for name, value in headers]
        written = http_date(next((value for name, value in texts if name == b"date"), None))
        values = []
        for header in (value for name, value in texts if name == b"set-cookie"):
            pair = header.partition(";")[0]
            values.append((pair.partition("=")[2] or pair).strip(' "'))
            parsed = _parse(header, link, now if written is None else written)
            if parsed is None:
                continue
            cookie, expired = parsed
            key = cookie.host, cookie.path, cookie.name
            if expired:
                self._cookies.pop(key, None)
            elif key in self._cookies or len(self._cookies) < MAX_COOKIES:
                self._cookies[key] = cookie
        return [value for value in values[-MAX_VALUES:] if len(value) >= MIN_SECRET_CHARACTERS]

    def header(self, link: Link) -> str | None:
        """Return the `Cookie` header of a request, longer paths first; None if there are none for it."""
        fitting = [cookie for cookie in self._cookies.values() if cookie.is_for(link)]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting) or None


def _parse(header: str, link: Link, now: float) -> tuple[Cookie, bool] | None:
    """Return a cookie and whether it has expired; None if it is malformed or not for this host."""
    pair, *fields = header.split(";")
    name, separator, value = pair.strip().partition("=")
    name, value = name.strip(), value.strip()
    is_valid = _NAME.fullmatch(name) and _VALUE.fullmatch(value)
    if not separator or not is_valid or len(name + value) > MAX_COOKIE_BYTES:
        return None
    parts = (field.partition("=") for field in fields)
    attributes = {key.strip().lower(): written.strip() for key, _, written in parts}
    domain = attributes.get("domain", "").removeprefix(".").lower()
    if domain and domain != link.host and not _is_below(link.host, domain):
        return None
    if "secure" in attributes and link.scheme != "https":
        return None
    path = attributes.get("path", "")
    cookie = Cookie(
        name,
        value,
        host=domain or link.host,
        subdomains=bool(domain),
        path=path if path.startswith("/") else link.path.rpartition("/")[0] or "/",
        secure="secure" in attributes,
    )
    return cookie, _has_expired(attributes, now)


def _has_expired(attributes: dict[str, str], now: float) -> bool:
    max_age = attributes.get("max-age")
    if max_age is not None and _MAX_AGE.fullmatch(max_age):
        return int(max_age) <= 0
    expires = http_date(attributes.get("expires"))
    return expires is not None and expires <= now


def _is_below(host: str, domain: str) -> bool:
    """Return True if `host` is below `domain`; nothing is below a single label such as `com`."""
    return "." in domain and host.endswith(f".{domain}") and parse_address(host) is None
