"""Hosts, URLs and listen addresses: one normal form, or a message that says what would be right."""

from __future__ import annotations

import pytest

from exporter.settings import address
from exporter.settings.address import ListenAddress, Locator

NO_URL = "is no base URL; write for example https://auth.pingone.eu"
NO_DOMAIN = "is no domain; write the host alone, for example login.example.com, without scheme and path"
NO_URI = "is no absolute URI; write for example https://app.example.com/callback"
NO_LISTENER = "is no listen address; write host:port, for example :9988, 127.0.0.1:9988 or [::1]:9988"
BEYOND_ASCII = "has a host beyond ASCII; write it in punycode, for example xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("code", "domain"),
    [("NA", "com"), ("ca", "ca"), ("Eu", "eu"), ("AU", "com.au"), ("SG", "sg"), ("ap", "asia")],
)
def test_each_region_has_its_top_level_domain_in_any_case(code: str, domain: str) -> None:
    assert address.region(code) == Locator(f"https://auth.pingone.{domain}")


def test_a_wrong_region_is_told_the_right_ones() -> None:
    with pytest.raises(ValueError, match=r"^is no region; write NA, CA, EU, AU, SG or AP$"):
        address.region("US")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://auth.pingone.eu", "https://auth.pingone.eu"),
        ("HTTPS://Auth.PingOne.EU/", "https://auth.pingone.eu"),
        ("https://auth.pingone.eu:443", "https://auth.pingone.eu"),
        ("http://localhost:80/", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://proxy.example:08443/PingOne/v1//", "https://proxy.example:8443/PingOne/v1"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://[2001:DB8:0:0::1]", "http://[2001:db8::1]"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("https://my_host.example/a%20b", "https://my_host.example/a%20b"),
    ],
)
def test_a_base_url_has_one_normal_form(text: str, url: str) -> None:
    assert address.auth_url(text) == Locator(url)


def test_an_external_url_has_the_same_form() -> None:
    assert (
        address.external_url("HTTPS://Flows.Example.com:443/pingone/") == "https://flows.example.com/pingone"
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("flows.example.com", "is no base URL"),
        ("ftp://flows.example.com", "is no base URL"),
        ("https://u:p@flows.example.com", "must not hold a user or password"),
        ("https://flows.example.com/?a=b", "must not hold a query or fragment"),
        ("https://flows.example.com/#a", "must not hold a query or fragment"),
    ],
)
def test_a_wrong_external_url_is_told_with_an_example_of_its_own(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{wrong}; write for example https://flows.example.com$"):
        address.external_url(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_URL),
        ("auth.pingone.eu", NO_URL),
        ("ftp://auth.pingone.eu", NO_URL),
        ("https://", NO_URL),
        ("https://:8443", NO_URL),
        ("https://a..b", NO_URL),
        ("https://-a.example", NO_URL),
        ("https://a.example.", NO_URL),
        (f"https://{'a' * 64}.example", NO_URL),
        (f"https://{'a.' * 130}example", NO_URL),
        ("https://a.example:0", NO_URL),
        ("https://a.example:65536", NO_URL),
        ("https://a.example:", NO_URL),
        ("https://a.example:x", NO_URL),
        ("https://a b.example", NO_URL),
        ("https://a.example\\@b.example", NO_URL),
        ("https://a.example/a b", NO_URL),
        ("https://a.example/%zz", NO_URL),
        ("https://a.example/é", NO_URL),
        ("https://1.2.3.256", NO_URL),
        ("https://1.2.3", NO_URL),
        ("https://[::1", NO_URL),
        ("https://[nope]", NO_URL),
        ("https://[fe80::1%eth0]", NO_URL),
        ("http\u017f://a.example", NO_URL),
        ("https://bücher.example", BEYOND_ASCII),
        ("https://a.example\u3002b", BEYOND_ASCII),
        (
            "https://u:p@a.example",
            "must not hold a user or password; write for example https://auth.pingone.eu",
        ),
        ("https://@a.example", "must not hold a user or password; write for example https://auth.pingone.eu"),
        (
            "https://a.example?x=1",
            "must not hold a query or fragment; write for example https://auth.pingone.eu",
        ),
        (
            "https://a.example/#",
            "must not hold a query or fragment; write for example https://auth.pingone.eu",
        ),
        (
            "https://a.example/?",
            "must not hold a query or fragment; write for example https://auth.pingone.eu",
        ),
    ],
)
def test_a_wrong_base_url_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        address.auth_url(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("login.example.com", "https://login.example.com"),
        ("LOGIN.example.com:443", "https://login.example.com"),
        ("login.example.com:8443", "https://login.example.com:8443"),
        ("[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_custom_domain_is_served_over_https_and_belongs_to_one_environment(text: str, url: str) -> None:
    locator = address.custom_domain(text)
    assert locator == Locator(url, whole=True)
    assert locator.environment_url("id") == url


def test_elsewhere_the_environment_is_in_the_path() -> None:
    assert Locator("https://auth.pingone.eu").environment_url("id") == "https://auth.pingone.eu/id"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_DOMAIN),
        ("https://login.example.com", NO_DOMAIN),
        ("login.example.com/", NO_DOMAIN),
        ("user@login.example.com", NO_DOMAIN),
        ("login.example.com:http", NO_DOMAIN),
        ("bücher.example", BEYOND_ASCII),
    ],
)
def test_a_wrong_custom_domain_is_told_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        address.custom_domain(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "https://APP.example.com:443/Callback?x=1&y=%2F",
        "com.example.app:/callback",
        "com.example.app://callback",
        "http://[::1]:3000/cb/",
        "urn:ietf:wg:oauth:2.0:oob",
    ],
)
def test_a_redirect_uri_stays_byte_for_byte(text: str) -> None:
    assert address.absolute_uri(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_URI),
        ("/callback", NO_URI),
        ("app.example.com/callback", NO_URI),
        ("https:", NO_URI),
        ("https:/callback", NO_URI),
        ("https:///callback", NO_URI),
        (" https://a.example/", NO_URI),
        ("https://a.example/ ", NO_URI),
        ("https://a.example/é", NO_URI),
        ("https://a.example/%z", NO_URI),
        ("https://a.example/#top", "must not hold a fragment; write the URI without # and what follows"),
        ("https://u:p@a.example/", "must not hold a user or password"),
        ("custom://u:p@a/", "must not hold a user or password"),
    ],
)
def test_a_wrong_redirect_uri_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        address.absolute_uri(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (":9988", (ListenAddress("", 9988),)),
        ("[::1]:9988", (ListenAddress("::1", 9988),)),
        ("127.0.0.1:0 , Localhost:65535", (ListenAddress("127.0.0.1", 0), ListenAddress("localhost", 65535))),
        (":0,:0", (ListenAddress("", 0), ListenAddress("", 0))),
    ],
)
def test_listen_addresses_are_read_in_their_order(text: str, addresses: tuple[ListenAddress, ...]) -> None:
    assert address.listen_addresses(text) == addresses


@pytest.mark.parametrize(
    "text", ["", "9988", ":", ":65536", "::1:9988", ":9988,", "*:9988", "http://a:1", ":-1"]
)
def test_a_wrong_listen_address_is_told_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        address.listen_addresses(text)
    assert str(caught.value) == NO_LISTENER


def test_one_socket_cannot_be_listened_on_twice() -> None:
    with pytest.raises(ValueError, match=r"^has one listen address twice; write each one once$"):
        address.listen_addresses(":9988,:9988")


@pytest.mark.parametrize("text", [":9988", "[::1]:9988", "localhost:0"])
def test_a_listen_address_is_shown_as_it_is_written(text: str) -> None:
    assert str(address.listen_addresses(text)[0]) == text


@pytest.mark.parametrize("path", ["/as", "/as/", "/as/authorize", "/tenant/as/authorize/"])
def test_an_auth_url_that_was_copied_whole_is_a_mistake(path: str) -> None:
    with pytest.raises(ValueError, match=r"^must end before the environment's id; write for example "):
        address.auth_url(f"https://auth.pingone.eu{path}")


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/a/.."])
def test_an_auth_url_is_written_as_it_will_be_sent(path: str) -> None:
    with pytest.raises(ValueError, match=r"^must not hold \. or \.\. as a part of its path; "):
        address.auth_url(f"https://auth.pingone.eu{path}")
