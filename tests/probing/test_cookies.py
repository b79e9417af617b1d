"""The cookies of one probe: Path, Domain and Secure are honored, whatever a server sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probing.cookies import MAX_COOKIE_BYTES, MAX_COOKIES, CookieJar
from exporter.probing.links import Link, parse_link

NOW = 1_800_000_000.0


LONG = "v" * (MAX_COOKIE_BYTES - 1)


def link(url: str) -> Link:
    parsed = parse_link(url)
    assert parsed is not None
    return parsed


def sent(set_cookie: str, *, by: str = "https://a.example/x/y", to: str) -> str | None:
    """Return the `Cookie` header of a request to `to` after a response of `by`."""
    jar = CookieJar()
    jar.store(link(by), [(b"set-cookie", set_cookie.encode("latin-1"))], NOW)
    return jar.header(link(to))


@pytest.mark.parametrize(
    ("set_cookie", "to", "cookie"),
    [
        # Path, RFC 6265 section 5.1.4
        ("n=v", "https://a.example/x", "n=v"),
        ("n=v", "https://a.example/x/z", "n=v"),
        ("n=v", "https://a.example/xx", None),
        ("n=v", "https://a.example/", None),
        ("n=v; Path=/", "https://a.example/", "n=v"),
        ("n=v; Path=/x/", "https://a.example/x/", "n=v"),
        ("n=v; Path=/x/", "https://a.example/x", None),
        ("n=v; path=/q", "https://a.example/q/r?s", "n=v"),
        ("n=v; Path=q", "https://a.example/x", "n=v"),
        # Domain, section 5.1.3
        ("n=v; Path=/", "https://b.a.example/", None),
        ("n=v; Path=/; Domain=a.example", "https://b.a.example/", "n=v"),
        ("n=v; Path=/; Domain=.A.example", "https://a.example/", "n=v"),
        ("n=v; Path=/; Domain=a.example", "https://ba.example/", None),
        ("n=v; Path=/; Domain=b.a.example", "https://b.a.example/", None),
        ("n=v; Path=/; Domain=example", "https://a.example/", None),
        ("n=v; Path=/; Domain=evil.example", "https://evil.example/", None),
        # Secure
        ("n=v; Path=/; Secure", "https://a.example/", "n=v"),
        ("n=v; Path=/; Secure", "http://a.example/", None),
        ("n=v; Path=/", "http://a.example/", "n=v"),
        # expiry
        ("n=v; Path=/; Max-Age=0", "https://a.example/", None),
        ("n=v; Path=/; Max-Age=-1", "https://a.example/", None),
        ("n=v; Path=/; Max-Age=x", "https://a.example/", "n=v"),
        ("n=v; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://a.example/", None),
        ("n=v; Path=/; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://a.example/", "n=v"),
        # shape
        ('n="v"; Path=/', "https://a.example/", 'n="v"'),
        ("n=; Path=/", "https://a.example/", "n="),
        ("n=v=w; Path=/; HttpOnly; SameSite=None", "https://a.example/", "n=v=w"),
        ("ctx_a.example:443=v; Path=/", "https://a.example/", "ctx_a.example:443=v"),
        ("n[a]=v; Path=/", "https://a.example/", "n[a]=v"),
        ("n m=v", "https://a.example/x", None),
        ("n", "https://a.example/x", None),
        ("=v", "https://a.example/x", None),
        ("n=v\r\nEvil: 1", "https://a.example/x", None),
        ("n=\xe4", "https://a.example/x", None),
        ("n=" + "v" * MAX_COOKIE_BYTES, "https://a.example/x", None),
        ("n=a b, c\\d; Path=/", "https://a.example/", "n=a b, c\\d"),
        (
            f"n={LONG}; Path=/; Secure; HttpOnly; SameSite=None; {'x' * 1000}",
            "https://a.example/",
            f"n={LONG}",
        ),
    ],
)
def test_a_cookie_goes_where_it_may(set_cookie: str, to: str, cookie: str | None) -> None:
    assert sent(set_cookie, to=to) == cookie


def test_an_address_has_no_domain() -> None:
    assert sent("n=v; Domain=0.0.1; Path=/", by="http://127.0.0.1/", to="http://127.0.0.1/") is None
    assert sent("n=v; Domain=127.0.0.1; Path=/", by="http://127.0.0.1/", to="http://127.0.0.1/") == "n=v"


def test_a_secure_cookie_is_not_taken_from_plain_http() -> None:
    assert sent("n=v; Secure; Path=/", by="http://a.example/", to="https://a.example/") is None


def test_longer_paths_come_first_and_a_cookie_replaces_or_deletes_its_predecessor() -> None:
    jar, url = CookieJar(), link("https://a.example/x/y")

    def store(*cookies: bytes) -> list[str]:
        return jar.store(url, [(b"set-cookie", cookie) for cookie in cookies] + [(b"date", b"x=y")], NOW)

    store(b"a=1; Path=/", b"b=2; Path=/x", b"a=3; Path=/x")
    assert jar.header(url) == "b=2; a=3; a=1"
    store(b"a=4; Path=/x", b"b=; Path=/x; Max-Age=0")
    assert jar.header(url) == "a=4; a=1"
    assert store(b"session=planted-value; Path=/") == ["planted-value"]


def test_a_jar_is_bounded() -> None:
    jar, url = CookieJar(), link("https://a.example/")
    jar.store(url, [(b"set-cookie", f"n{number}=planted-value".encode()) for number in range(1000)], NOW)
    assert (jar.header(url) or "").count("planted-value") == MAX_COOKIES


def test_a_cookie_expires_by_the_clock_of_the_server_that_sets_it() -> None:
    """Its clock may be an hour behind ours, or ahead."""
    for date, kept in ((b"Fri, 15 Jan 2027 07:00:00 GMT", True), (b"Fri, 15 Jan 2027 08:00:00 GMT", False)):
        jar, url = CookieJar(), link("https://a.example/")
        cookie = (b"set-cookie", b"n=v; Expires=Fri, 15 Jan 2027 07:30:00 GMT")
        jar.store(url, [(b"date", date), cookie], NOW)
        assert (jar.header(url) == "n=v") is kept


@pytest.mark.parametrize(
    "cookie",
    [
        "n=planted-value==",
        "n=planted-value; Domain=other.example",
        'n="planted-value"',
        "planted-value",
        "n\xe4=planted-value",
        "n=planted-value; Max-Age=0",
        f"n=planted-value; x={LONG}{LONG}",
    ],
)
def test_every_value_that_a_server_sets_is_a_secret_kept_or_not(cookie: str) -> None:
    header = (b"set-cookie", cookie.encode("latin-1"))
    values = CookieJar().store(link("https://a.example/"), [header], NOW)
    assert [value.removesuffix("==") for value in values] == ["planted-value"]


@given(st.binary(max_size=80), st.sampled_from(["https://a.example/x", "http://127.0.0.1/", "http://[::1]/"]))
def test_whatever_a_server_sets_the_header_is_one_line_of_ascii(raw: bytes, url: str) -> None:
    jar = CookieJar()
    jar.store(link(url), [(b"set-cookie", raw), (b"set-cookie", b"n=" + raw)], NOW)
    header = jar.header(link(url))
    assert header is None or (header.isascii() and header.isprintable())
