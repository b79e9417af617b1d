"""Hosts, URLs and listen addresses: one normal form, or a message with what is valid."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, P, T, errors, only_target

from exporter.probing.links import parse_link
from exporter.settings import ConfigurationError, ListenAddress, load

AUTH_URL, CUSTOM_DOMAIN, REDIRECT_URI, PROXY_URL = (
    f"{T}{name}" for name in ("AUTH_URL", "CUSTOM_DOMAIN", "REDIRECT_URI", "PROXY_URL")
)
EGRESS, LISTEN, EXTERNAL = (
    f"{P}{name}" for name in ("EGRESS_CHECK_URL", "WEB__LISTEN_ADDRESS", "WEB__EXTERNAL_URL")
)

NO_URL = "invalid base URL; use e.g. https://auth.pingone.eu"
NO_USER_IN_URL = "must not contain a user or password; use e.g. https://auth.pingone.eu"
NO_QUERY = "must not contain a query or fragment; use e.g. https://auth.pingone.eu"
ENDS = "must end before the environment ID; use e.g. https://auth.pingone.eu"
DOTS = "path must not contain . or .. segments"
NO_DOMAIN = "invalid domain; use a host without scheme and path, e.g. login.example.com"
NO_URI = "invalid absolute URI; use e.g. https://app.example.com/callback"
NO_LISTENER = "invalid listen address; use host:port, e.g. :9988, 127.0.0.1:9988 or [::1]:9988"
BEYOND_ASCII = "host must be ASCII; write it in punycode, e.g. xn--bcher-kva.example"
NO_PROXY = "invalid URL of an http proxy; use e.g. http://proxy.example.com:3128"
NO_PORT = "port missing; use e.g. http://proxy.example.com:3128"
NO_LOGIN = "needs user and password, percent-encoded, as in http://user:p%40ss@proxy.example.com:3128"
NO_CHECK_URL = "invalid http or https URL; use e.g. https://www.example.com/"
NO_USER = "must not contain a user or password; write an @ elsewhere as %40"
NO_FRAGMENT = "must not contain a fragment (#)"


def message(name: str, value: str) -> str:
    (line,) = [line for line in errors({**EMEA, name: value}) if "requires" not in line]
    return line.removeprefix(f"{name}: ")


@pytest.mark.parametrize(
    ("code", "domain"),
    [("NA", "com"), ("ca", "ca"), ("Eu", "eu"), ("AU", "com.au"), ("SG", "sg"), ("ap", "asia")],
)
def test_each_region_has_its_top_level_domain_in_any_case(code: str, domain: str) -> None:
    assert only_target({f"{T}REGION": code}).source_url == f"https://auth.pingone.{domain}/{SOURCE}"


def test_an_unknown_region_is_reported_with_the_known_ones() -> None:
    assert message(f"{T}REGION", "US") == "unknown region; use NA, CA, EU, AU, SG or AP"


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
    assert only_target({AUTH_URL: text}).source_url == f"{url}/{SOURCE}"
    assert load({**EMEA, EXTERNAL: text}, NOWHERE).web.external_url == url


@pytest.mark.parametrize(
    ("name", "value", "url", "host"),
    [
        (AUTH_URL, "https://Auth.PingOne.eu.", f"https://auth.pingone.eu/{SOURCE}", "auth.pingone.eu"),
        (
            AUTH_URL,
            "https://auth.pingone.eu.:8443/a/",
            f"https://auth.pingone.eu:8443/a/{SOURCE}",
            "auth.pingone.eu",
        ),
        (CUSTOM_DOMAIN, "login.example.com.", "https://login.example.com", "login.example.com"),
    ],
)
def test_a_host_with_a_trailing_dot_is_absolute_and_used_without_the_dot(
    name: str, value: str, url: str, host: str
) -> None:
    extra = {f"{T}DESTINATION_REGION": "EU"}
    assert only_target({name: value, **extra}).source_url == url
    assert only_target({name: value, **extra}).absolute_hosts == (host,)
    assert only_target({name: value.replace(".:", ":").rstrip("."), **extra}).absolute_hosts == ()


def test_each_of_source_and_destination_is_absolute_or_not() -> None:
    own = {AUTH_URL: "https://idp.example", f"{T}DESTINATION_AUTH_URL": "https://RP.example.:8443"}
    target = only_target(own)
    assert target.absolute_hosts == ("rp.example",)
    assert target.destination_url == f"https://rp.example:8443/{DESTINATION}"
    both = {AUTH_URL: "https://idp.example.", f"{T}DESTINATION_AUTH_URL": "https://rp.example."}
    assert only_target(both).absolute_hosts == ("idp.example", "rp.example")


def test_a_trailing_dot_is_dropped_from_the_egress_check_and_kept_for_a_proxy() -> None:
    config = load(
        {**EMEA, EGRESS: "https://WWW.example.com.:8443/a.?b.", PROXY_URL: "http://a.example.:3128"}, NOWHERE
    )
    assert config.egress_check_url == "https://WWW.example.com:8443/a.?b."
    assert config.targets[0].proxy_url == "http://a.example.:3128"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("flows.example.com", "invalid base URL"),
        ("ftp://flows.example.com", "invalid base URL"),
        ("https://u:p@flows.example.com", "must not contain a user or password"),
        ("https://flows.example.com/?a=b", "must not contain a query or fragment"),
        ("https://flows.example.com/#a", "must not contain a query or fragment"),
    ],
)
def test_an_invalid_external_url_is_reported_with_an_example_of_its_own(text: str, wrong: str) -> None:
    assert message(EXTERNAL, text) == f"{wrong}; use e.g. https://flows.example.com"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", NO_URL),
        ("auth.pingone.eu", NO_URL),
        ("ftp://auth.pingone.eu", NO_URL),
        ("https://", NO_URL),
        ("https://:8443", NO_URL),
        ("https://a..b", NO_URL),
        ("https://.", NO_URL),
        ("https://a.example..", NO_URL),
        ("https://1.2.3.4.", NO_URL),
        ("https://-a.example", NO_URL),
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
        ("https://u:p@a.example", NO_USER_IN_URL),
        ("https://@a.example", NO_USER_IN_URL),
        ("https://a.example?x=1", NO_QUERY),
        ("https://a.example/#", NO_QUERY),
        ("https://a.example/?", NO_QUERY),
        ("https://auth.pingone.eu/as", ENDS),
        ("https://auth.pingone.eu/as/", ENDS),
        ("https://auth.pingone.eu/as/authorize", ENDS),
        ("https://auth.pingone.eu/tenant/as/authorize/", ENDS),
        (f"https://auth.pingone.eu/{SOURCE.upper()}", ENDS),
        ("https://auth.pingone.eu/a/../b", DOTS),
        ("https://auth.pingone.eu/./a", DOTS),
        ("https://auth.pingone.eu/a/..", DOTS),
        ("https://auth.pingone.eu/a/%2E%2e/b", DOTS),
        ("https://auth.pingone.eu/a%5C..%2Fb", DOTS),
    ],
)
def test_an_invalid_base_url_is_reported(text: str, wrong: str) -> None:
    assert message(AUTH_URL, text) == wrong


@given(st.text(st.sampled_from("a1.0x:@%2eE5c[]/-")), st.sampled_from(["http", "https"]))
@example("a/%5c.%2e/b", "https")
@example("a.0x1", "https")
@example("0x", "http")
def test_an_accepted_base_url_is_one_that_the_transport_requests(text: str, scheme: str) -> None:
    try:
        accepted = only_target({AUTH_URL: f"{scheme}://{text}"}).source_url
    except ConfigurationError:
        return
    assert parse_link(accepted) is not None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("login.example.com", "https://login.example.com"),
        ("LOGIN.example.com:443", "https://login.example.com"),
        ("login.example.com:8443", "https://login.example.com:8443"),
        ("[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_a_custom_domain_uses_https_and_has_no_environment_in_its_paths(text: str, url: str) -> None:
    assert only_target({CUSTOM_DOMAIN: text, f"{T}DESTINATION_REGION": "EU"}).source_url == url


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", NO_DOMAIN),
        ("https://login.example.com", NO_DOMAIN),
        ("login.example.com/", NO_DOMAIN),
        ("user@login.example.com", NO_DOMAIN),
        ("login.example.com:http", NO_DOMAIN),
        ("bücher.example", BEYOND_ASCII),
    ],
)
def test_an_invalid_custom_domain_is_reported(text: str, wrong: str) -> None:
    assert message(CUSTOM_DOMAIN, text) == wrong


@pytest.mark.parametrize(
    "text",
    [
        "https://APP.example.com:443/Callback?x=1&y=%2F",
        "com.example.app:/callback",
        "com.example.app://callback",
        "http://[::1]:3000/cb/",
        "urn:ietf:wg:oauth:2.0:oob",
        "https://app.example.com./callback",
    ],
)
def test_a_redirect_uri_is_kept_byte_for_byte(text: str) -> None:
    assert only_target({REDIRECT_URI: text}).redirect_uri == text


@pytest.mark.parametrize(
    ("text", "wrong"),
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
        ("https://a.example/#top", NO_FRAGMENT),
        ("https://u:p@a.example/", "must not contain a user or password"),
        ("custom://u:p@a/", "must not contain a user or password"),
    ],
)
def test_an_invalid_redirect_uri_is_reported(text: str, wrong: str) -> None:
    assert message(REDIRECT_URI, text) == wrong


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (":9988", (ListenAddress("", 9988),)),
        ("[::1]:9988", (ListenAddress("::1", 9988),)),
        ("127.0.0.1:0 , Localhost:65535", (ListenAddress("127.0.0.1", 0), ListenAddress("localhost", 65535))),
        (":0,:0", (ListenAddress("", 0), ListenAddress("", 0))),
    ],
)
def test_listen_addresses_keep_their_order(text: str, addresses: tuple[ListenAddress, ...]) -> None:
    assert load({**EMEA, LISTEN: text}, NOWHERE).web.listen_address == addresses


@pytest.mark.parametrize(
    "text", ["", "9988", ":", ":65536", "::1:9988", ":9988,", "*:9988", "http://a:1", ":-1"]
)
def test_an_invalid_listen_address_is_reported(text: str) -> None:
    assert message(LISTEN, text) == NO_LISTENER


def test_a_socket_cannot_be_listened_on_twice() -> None:
    assert message(LISTEN, ":9988,:9988") == "contains a listen address twice"


@pytest.mark.parametrize("text", [":9988", "[::1]:9988", "localhost:0"])
def test_a_listen_address_is_shown_as_it_is_written(text: str) -> None:
    assert str(load({**EMEA, LISTEN: text}, NOWHERE).web.listen_address[0]) == text


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
def test_the_url_of_a_proxy_is_kept_byte_for_byte(text: str) -> None:
    assert only_target({PROXY_URL: text}).proxy_url == text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
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
        ("http://1.2.3:3128", NO_PROXY),
        ("http://[fe80::1%eth0]:3128", NO_PROXY),
        ("http://bücher.example:3128", BEYOND_ASCII),
        ("https://proxy.example:3128", NO_PROXY),
        ("HTTPS://user:password@proxy.example", NO_PROXY),
        ("socks://proxy.example:1080", NO_PROXY),
        ("socks4a://proxy.example:1080", NO_PROXY),
        ("SOCKS5h://proxy.example:1080", NO_PROXY),
        ("http://proxy.example", NO_PORT),
        ("http://user:password@proxy.example/", NO_PORT),
        ("http://[::1]", NO_PORT),
        ("http://proxy.example:3128/path", NO_PROXY),
        ("http://proxy.example:3128//", NO_PROXY),
        ("http://proxy.example:3128?x", NO_PROXY),
        ("http://proxy.example:3128/?", NO_PROXY),
        ("http://proxy.example:3128#", NO_PROXY),
        ("http://proxy.example/path", NO_PROXY),
        ("http://proxy.example\\:3128", NO_PROXY),
        ("http://user:p@ss@proxy.example:3128", NO_LOGIN),
        ("http://user:80/ss@proxy.example:3128", NO_LOGIN),
        ("http://user:80?ss@proxy.example:3128", NO_LOGIN),
        ("http://user:80#ss@proxy.example:3128", NO_LOGIN),
        ("http://user:p%zz@proxy.example:3128", NO_LOGIN),
        ("http://DOMAIN\\user:password@proxy.example:3128", NO_LOGIN),
        ("http://user:pässword@proxy.example:3128", NO_LOGIN),
        ("http://user:pass word@proxy.example:3128", NO_LOGIN),
        ("http://@proxy.example:3128", NO_LOGIN),
        ("http://user@proxy.example:3128", NO_LOGIN),
        ("http://:password@proxy.example:3128", NO_LOGIN),
        ("http://:@proxy.example:3128", NO_LOGIN),
    ],
)
def test_an_invalid_proxy_is_reported(text: str, wrong: str) -> None:
    assert message(PROXY_URL, text) == wrong


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.text())
def test_any_user_and_password_of_printable_text_can_be_written(user: str, password: str) -> None:
    user, password = user.replace(":", "."), "".join(filter(str.isprintable, password))
    text = f"http://{quote(user, safe='')}:{quote(password, safe='')}@proxy.example:3128"
    assert only_target({PROXY_URL: text}).proxy_url == text
    parts = urlsplit(text)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)


@given(st.text(st.sampled_from("a1.:@%40[]/?#-")) | st.text())
def test_an_accepted_proxy_has_one_host_and_one_port_for_every_reader(text: str) -> None:
    try:
        accepted = only_target({PROXY_URL: f"http://{text}:3128"}).proxy_url
    except ConfigurationError:
        return
    parts = urlsplit(accepted or "")
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
def test_the_url_of_the_egress_check_is_kept_byte_for_byte(text: str) -> None:
    assert load({**EMEA, EGRESS: text}, NOWHERE).egress_check_url == text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
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
def test_an_invalid_url_of_the_egress_check_is_reported(text: str, wrong: str) -> None:
    assert message(EGRESS, text) == wrong


# Links to Grafana and Prometheus


@pytest.mark.parametrize("name", ["GRAFANA_URL", "PROMETHEUS_URL"])
@pytest.mark.parametrize(
    "text",
    [
        "https://grafana.example.com/d/pingone-flow-target?var-target={target}",
        "http://localhost:9090/graph?g0.expr=pingone_flow_probe_success{target=%22{target}%22}#x",
        "HTTPS://Grafana.Example.com:3000/{target}",
    ],
)
def test_a_link_template_is_kept_as_it_is(name: str, text: str) -> None:
    web = load({**EMEA, f"{P}WEB__{name}": text}, NOWHERE).web
    assert {"GRAFANA_URL": web.grafana_url, "PROMETHEUS_URL": web.prometheus_url}[name] == text


LINK = "https://grafana.example.com/d/pingone-flow-target?var-target={target}"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("grafana.example.com/{target}", f"invalid URL template; use e.g. {LINK}"),
        ("javascript:alert(1)//{target}", f"invalid URL template; use e.g. {LINK}"),
        ("https://{target}.example.com/{target}", f"invalid URL template; use e.g. {LINK}"),
        ("https://g.example/a b/{target}", f"invalid URL template; use e.g. {LINK}"),
        ('https://g.example/"/{target}', f"invalid URL template; use e.g. {LINK}"),
        ("https://u53r:s3cr3t@g.example/{target}", f"must not contain a user or password; use e.g. {LINK}"),
        (
            "https://g.example/d/flows?var-target=target",
            "must contain {target}, which stands for the target's name",
        ),
    ],
)
def test_an_invalid_link_template_is_reported_with_a_valid_one(text: str, wrong: str) -> None:
    assert message(f"{P}WEB__GRAFANA_URL", text) == wrong
