"""Prometheus' web configuration file -> `WebSecurity`, with every mistake told at its line.

tls_server_config     certificate, client certificates, versions; see web_tls
http_server_config    http2, headers
basic_auth_users      names and bcrypt hashes
rate_limit            interval, burst

Source: prometheus/exporter-toolkit, docs/web-configuration.md and web/tls_config.go. A file that Prometheus
takes is taken here, and means the same, or is refused with the reason. Hashes and keys are never repeated.
"""

from __future__ import annotations

import re
from pathlib import Path

from exporter.durations import parse_duration
from exporter.settings import values
from exporter.settings.mistake import InvalidSetting
from exporter.settings.section import Section
from exporter.settings.web_tls import KEYS, tls_server
from exporter.settings.written import Place
from exporter.settings.yaml_reading import read_yaml
from exporter.tls import RateLimit, WebSecurity

LARGEST = 256 * 1024
"""Bytes; a file with a thousand users has a third of it."""
MOST_USERS = 1000
HIGHEST_COST = 16
"""Each step doubles the time of a login: 10 takes about 0.05 s, 16 three seconds of a whole processor."""

_SECTIONS = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": (),
    "Strict-Transport-Security": (),
}
"""What may be set, and to which values; to any when there are none."""
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?")
# The last letter of a salt has four bits that count: Go ignores the others, bcrypt's own library does not.
_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_LOWEST_COST, _HIGHEST_POSSIBLE_COST = 4, 31


def read_web_file(path: Path) -> tuple[WebSecurity, list[InvalidSetting]]:
    """Read a web configuration file.

    Returns:
        What it asks for, to be used only when there is no mistake; and the mistakes.

    Raises:
        ValueError: why there is nothing to read, told of the variable that names the file.
    """
    document = read_yaml(path, LARGEST)
    mistakes = document.mistakes
    if document.root is None:
        return WebSecurity(), mistakes
    root = Section(document.root, Place("", file=path.name), _SECTIONS, mistakes)
    http = root.section("http_server_config", ("http2", "headers"))
    http.read("http2", values.boolean)  # HTTP/1.1 is spoken either way: with true it is a client's choice
    return (
        WebSecurity(
            tls=tls_server(root.section("tls_server_config", KEYS), path.parent),
            users=_users(root.section("basic_auth_users", None)),
            headers=_headers(http.section("headers", _HEADERS)),
            rate_limit=_rate_limit(root.section("rate_limit", ("interval", "burst"))),
        ),
        mistakes,
    )


def _users(section: Section) -> dict[str, str]:
    if len(section.names) > MOST_USERS:
        section.mistakes.append(section.place.mistake(f"has more than {MOST_USERS} users; write fewer"))
        return {}
    users = {}
    for name in section.names:
        if ":" in name:
            section.wrong(name, "has a colon in its name, which no client can send; write another name")
        stored = section.read(name, _hash)
        if stored is not None:
            users[name] = stored
    return users


def _hash(text: str) -> str:
    match = _HASH.fullmatch(text)
    if match is None or not _LOWEST_COST <= int(match["cost"]) <= _HIGHEST_POSSIBLE_COST:
        raise ValueError(
            "is no bcrypt hash; write one that begins with $2a$, $2b$ or $2y$, as htpasswd -nBC 10 makes them"
        )
    if int(match["cost"]) > HIGHEST_COST:
        raise ValueError(
            f"has a cost above {HIGHEST_COST}, with which one login takes a processor for many seconds; "
            "hash the password again, with a cost of 10 to 12"
        )
    return text


def _headers(section: Section) -> tuple[tuple[str, str], ...]:
    found = []
    for name in section.names:
        value = section.read(name, _header_value)
        allowed = _HEADERS[name]
        if value is not None and allowed and value not in allowed:
            section.wrong(name, f"is no value of this header; write {' or '.join(allowed)}")
        elif value is not None:
            found.append((name, value))
    return tuple(found)


def _header_value(text: str) -> str:
    if not _HEADER_VALUE.fullmatch(text):
        raise ValueError(
            "is no value of a header; write at most 4096 printable ASCII characters, without spaces around"
        )
    return text


def _rate_limit(section: Section) -> RateLimit | None:
    interval = section.read("interval", parse_duration)
    burst = section.read("burst", lambda text: values.whole(text, 1, "requests, for example 20"))
    if not interval:  # Prometheus: 0 is no limit
        return None
    if burst is None and "burst" not in section.names:
        section.wrong("interval", "needs burst, how many requests may come at once; set it, too")
    return None if burst is None else RateLimit(interval=interval, burst=burst)
