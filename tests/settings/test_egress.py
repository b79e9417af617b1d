"""Proxies and the URL of the egress check: kept byte for byte, or told what would be right."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import egress

NO_PROXY = "is no proxy URL; write for example http://proxy.example.com:3128"
OTHER_PROXY = (
    "is an https or socks proxy, which is not supported; write an http one, for example "
    "http://proxy.example.com:3128 (https targets are reached through it, too)"
)
NO_PORT = "has no port, and no single one is usual; write it, as in http://proxy.example.com:3128"
NO_PATH = "must not hold a path, query or fragment; write for example http://proxy.example.com:3128"
NOT_ENCODED = "has a user or password that is not percent-encoded; write for example %40 for @ and %2F for /"
ALONE = "has a user or a password alone; write both, as in http://user:password@proxy.example.com:3128"
COLON = "has a user with a colon (%3A), which no proxy can read; write another user"
NOT_TEXT = (
    "has a user or password that stands for control characters or for bytes beyond UTF-8; write it without"
)
NO_CHECK_URL = "is no http or https URL; write for example https://www.example.com/"
NO_USER = "must not hold a user or password; write an @ that belongs elsewhere as %40"
NO_FRAGMENT = "must not hold a fragment; write the URL without # and what follows"
BEYOND_ASCII = "has a host beyond ASCII; write it in punycode, for example xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text",
    [
        "http://proxy.example:3128",
        "HTTP://Proxy.Example:80/",
        "http://10.0.0.1:8080",
        "http://[2001:db8::1]:65535/",
        "http://user:password@proxy.example:3128",
        "http://DOMAIN%5Cuser:@proxy.example:1",
        "http://user:a:b%40%2F%C3%A9!$&'()*+,;=@[::1]:3128/",
    ],
)
def test_a_proxys_url_stays_byte_for_byte(text: str) -> None:
    assert egress.proxy_url(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_PROXY),
        ("http", NO_PROXY),
        ("https", NO_PROXY),
        ("http://", NO_PROXY),
        ("http:/proxy.example:3128", NO_PROXY),
        ("http:///", NO_PROXY),
        ("proxy.example:3128", NO_PROXY),
        ("user:password@proxy.example:3128", NO_PROXY),
        ("ftp://proxy.example:3128", NO_PROXY),
        ("http\u017f://proxy.example:3128", NO_PROXY),
        ("http://:3128", NO_PROXY),
        ("http://user:password@:3128", NO_PROXY),
        ("http://proxy.example:", NO_PROXY),
        ("http://proxy.example:0", NO_PROXY),
        ("http://proxy.example:65536", NO_PROXY),
        ("http://proxy.example:http", NO_PROXY),
        ("http://proxy example:3128", NO_PROXY),
        ("http://proxy.example:3128?\n", NO_PROXY),
        ("http://1.2.3:3128", NO_PROXY),
        ("http://[fe80::1%eth0]:3128", NO_PROXY),
        ("http://bücher.example:3128", BEYOND_ASCII),
        ("https://proxy.example:3128", OTHER_PROXY),
        ("HTTPS://user:password@proxy.example", OTHER_PROXY),
        ("socks://proxy.example:1080", OTHER_PROXY),
        ("socks4a://proxy.example:1080", OTHER_PROXY),
        ("SOCKS5h://proxy.example:1080", OTHER_PROXY),
        ("http://proxy.example", NO_PORT),
        ("http://user:password@proxy.example/", NO_PORT),
        ("http://[::1]", NO_PORT),
        ("http://proxy.example:3128/path", NO_PATH),
        ("http://proxy.example:3128//", NO_PATH),
        ("http://proxy.example:3128?x", NO_PATH),
        ("http://proxy.example:3128/?", NO_PATH),
        ("http://proxy.example:3128#", NO_PATH),
        ("http://proxy.example/path", NO_PATH),
        ("http://proxy.example\\:3128", NO_PATH),
        ("http://user:p@ss@proxy.example:3128", NOT_ENCODED),
        ("http://user:80/ss@proxy.example:3128", NOT_ENCODED),
        ("http://user:80?ss@proxy.example:3128", NOT_ENCODED),
        ("http://user:80#ss@proxy.example:3128", NOT_ENCODED),
        ("http://user:p%zz@proxy.example:3128", NOT_ENCODED),
        ("http://DOMAIN\\user:password@proxy.example:3128", NOT_ENCODED),
        ("http://user:pässword@proxy.example:3128", NOT_ENCODED),
        ("http://user:pass word@proxy.example:3128", NOT_ENCODED),
        ("http://@proxy.example:3128", ALONE),
        ("http://user@proxy.example:3128", ALONE),
        ("http://:password@proxy.example:3128", ALONE),
        ("http://:@proxy.example:3128", ALONE),
        ("http://us%3Aer:password@proxy.example:3128", COLON),
        ("http://us%3aer:password@proxy.example:3128", COLON),
        ("http://user:p%FF@proxy.example:3128", NOT_TEXT),
        ("http://user:p%0D%0Ax@proxy.example:3128", NOT_TEXT),
        ("http://us%00er:password@proxy.example:3128", NOT_TEXT),
        ("http://user:p%7F@proxy.example:3128", NOT_TEXT),
        ("http://user:p%C2%85@proxy.example:3128", NOT_TEXT),
    ],
)
def test_a_wrong_proxy_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        egress.proxy_url(text)
    assert str(caught.value) == message


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.text())
def test_any_user_and_password_of_printable_text_can_be_written(user: str, password: str) -> None:
    user, password = user.replace(":", "."), "".join(filter(str.isprintable, password))
    text = f"http://{quote(user, safe='')}:{quote(password, safe='')}@proxy.example:3128"
    assert egress.proxy_url(text) == text
    parts = urlsplit(text)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)


@given(st.text(st.sampled_from("a1.:@%40[]/?#-")) | st.text())
def test_whatever_is_taken_for_a_proxy_leads_to_one_host_and_one_port_for_every_reader(text: str) -> None:
    try:
        taken = egress.proxy_url(f"http://{text}:3128")
    except ValueError:
        return
    parts = urlsplit(taken)
    assert parts.hostname
    assert parts.port == 3128
    assert (parts.username is None) is ("@" not in text)


@pytest.mark.parametrize(
    "text",
    [
        "https://www.example.com",
        "HTTP://WWW.example.com:8080/Generate_204",
        "http://[::1]/",
        "https://10.0.0.1/a%20b?key=%2F&x=a/b?c",
        "https://www.example.com?",
    ],
)
def test_the_url_of_a_check_stays_byte_for_byte(text: str) -> None:
    assert egress.check_url(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_CHECK_URL),
        ("www.example.com", NO_CHECK_URL),
        ("ftp://www.example.com/", NO_CHECK_URL),
        ("https://", NO_CHECK_URL),
        ("https:///path", NO_CHECK_URL),
        ("https://a..b/", NO_CHECK_URL),
        ("https://www.example.com:0/", NO_CHECK_URL),
        ("https://www.example.com:65536/", NO_CHECK_URL),
        ("https://www.example.com:x/", NO_CHECK_URL),
        ("https://www.example.com/a b", NO_CHECK_URL),
        ("https://www.example.com/%zz", NO_CHECK_URL),
        ("https://www.example.com/?x=%zz", NO_CHECK_URL),
        ("https://www.example.com/?x=a b", NO_CHECK_URL),
        ("https://www.example.com/é", NO_CHECK_URL),
        ("https://bücher.example/", BEYOND_ASCII),
        ("https://user:password@www.example.com/", NO_USER),
        ("https://user@www.example.com/", NO_USER),
        ("https://@www.example.com/", NO_USER),
        ("https://user:80/password@www.example.com/", NO_USER),
        ("https://user:80?password@www.example.com/", NO_USER),
        ("https://user:80#password@www.example.com/", NO_USER),
        ("https://www.example.com/#top", NO_FRAGMENT),
        ("https://www.example.com/?x#", NO_FRAGMENT),
    ],
)
def test_a_wrong_url_of_a_check_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        egress.check_url(text)
    assert str(caught.value) == message
