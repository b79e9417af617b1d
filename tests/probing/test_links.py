"""What an edited provider entry at the destination could make the exporter do: nothing."""

from __future__ import annotations

import tracemalloc
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from probing.examples import DESTINATION, FLOW, SOURCE
from probing.federation import (
    PASSWORD,
    STATE,
    Federation,
    Heard,
    Play,
    Probed,
    Response,
    a_federation_target,
    probe,
)

from exporter.probing.links import (
    Link,
    allowed_hosts,
    endpoints,
    is_global,
    is_pingone,
    parse_link,
    with_parameter,
)
from exporter.target import SourceKind

OTHER = "11111111-2222-3333-4444-555555555555"
METADATA = "169.254.169.254"
NO_SOURCE: dict[str, Any] = {"source_url": "", "source_environment_id": "", "user": None}


def link(url: str) -> Link:
    parsed = parse_link(url)
    assert parsed is not None
    return parsed


def nothing_left(probed: Probed) -> None:
    """Check that requests went to the two environments only, and the password nowhere."""
    host = probed.federation.url.removeprefix("http://")
    assert {heard.headers["host"] for heard in probed.federation.heard} == {host}
    paths = {heard.target.split("/")[1] for heard in probed.federation.heard}
    assert paths <= {SOURCE, DESTINATION}
    assert not any(PASSWORD.encode() in heard.head + heard.body for heard in probed.federation.heard)


# The provider's authorize URL


HOSTILE = [
    "{url}/" + OTHER,  # another tenant of the same host
    "{url}/" + SOURCE + "/../" + OTHER,
    "{url}/" + SOURCE + "/%2e%2e/" + OTHER,
    "{url}/" + OTHER + "/" + SOURCE,
    "{url}//" + SOURCE,
    "https://auth.pingone.com/" + OTHER,
    "https://auth.pingone.com/" + SOURCE,  # not where the settings say that the source answers
    "http://auth.pingone.com/" + SOURCE,
    "https://auth.pingone.com.evil.example/" + SOURCE,
    "https://evil-auth.pingone.com/" + SOURCE,
    "https://auth.pingone.com:8443/" + SOURCE,
    "https://auth.pingone.com@evil.example/" + SOURCE,
    "https://evil.example/" + SOURCE,
    f"http://{METADATA}/" + SOURCE,
    f"https://{METADATA}/" + SOURCE,
    "http://localhost:1/" + SOURCE,
    "http://2130706433/" + SOURCE,
    "http://[::ffff:169.254.169.254]/" + SOURCE,
    "file:///" + SOURCE,
    "//evil.example/" + SOURCE,
    "https:\\\\evil.example/" + SOURCE,
]


def sent_to(base: str) -> Play:
    return lambda played, _: Response(302, location=played.authorize_url(base.format(url=played.url)))


@pytest.mark.parametrize("base", HOSTILE)
@pytest.mark.parametrize("kind", SourceKind)
def test_no_password_leaves_for_another_place_than_the_source_of_the_settings(
    base: str, kind: SourceKind
) -> None:
    names = {"evil.example": "127.0.0.1", "auth.pingone.com": "127.0.0.1"}
    probed = probe({"initiate": sent_to(base)}, names=names, source_kind=kind)
    assert probed.finding[:2] == ("initiate", "location_invalid")
    nothing_left(probed)


@pytest.mark.parametrize("base", [base for base in HOSTILE if base != "{url}/" + OTHER])
def test_a_source_that_must_be_pingone_is_at_an_exact_host_of_pingone_or_the_destination(base: str) -> None:
    addresses = {"auth.pingone.com": METADATA, "evil.example": "127.0.0.1"}
    probed = probe({"initiate": sent_to(base)}, names=addresses, **NO_SOURCE)
    assert probed.outcome.reason == "location_invalid"
    nothing_left(probed)


PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    METADATA,
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104  an address that must be refused
    "224.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "fd00:ec2::254",
    "::",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:a00:1::1",
    "::10.0.0.1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_host_that_only_a_link_names_must_be_global_by_the_address_connected_to(address: str) -> None:
    answers: dict[str, Response | Play] = {
        "initiate": lambda played, _: Response(302, location=played.authorize_url("https://idp.example"))
    }
    kinds = NO_SOURCE | {"source_kind": SourceKind.OIDC}
    probed = probe(answers, names={"idp.example": address}, **kinds)
    assert probed.finding == ("source_authorize", "location_invalid", "configuration")
    assert probed.record("source_authorize").address is None
    nothing_left(probed)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_global(address: str) -> None:
    target = a_federation_target("https://auth.pingone.com")
    foreign = link("https://idp.example/authorize")
    assert allowed_hosts(target).admits(foreign, address, on_loopback=False, confidential=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_reached_only_if_the_destination_is_there_too(address: str) -> None:
    hosts = allowed_hosts(a_federation_target("https://auth.pingone.com"))
    foreign = link("https://idp.example/authorize")
    assert not hosts.admits(foreign, address, on_loopback=False, confidential=False)
    assert hosts.admits(foreign, address, on_loopback=True, confidential=False)


def test_a_host_of_the_settings_may_have_any_address() -> None:
    target = a_federation_target("https://pingone.corp.example", login_hosts=("Login.corp.example",))
    hosts = allowed_hosts(target)
    for url in ("https://pingone.corp.example/x", "https://login.corp.example/x"):
        assert hosts.admits(link(url), "10.0.0.1", on_loopback=False, confidential=False)
    assert not hosts.admits(
        link("https://x.corp.example/"), "10.0.0.1", on_loopback=False, confidential=False
    )


@pytest.mark.parametrize(
    ("url", "address", "sent"),
    [
        ("https://pingone.corp.example", "10.0.0.1", True),
        ("http://pingone.corp.example", "10.0.0.1", False),
        ("http://pingone.corp.example", "8.8.8.8", False),
        ("http://pingone.corp.example", "127.0.0.1", True),
        ("http://127.0.0.1:8080", "127.0.0.1", True),
    ],
)
def test_a_password_goes_over_tls_or_to_loopback(url: str, address: str, *, sent: bool) -> None:
    hosts = allowed_hosts(a_federation_target(url))
    assert hosts.admits(link(url), address, on_loopback=True, confidential=True) is sent


@pytest.mark.parametrize(
    ("url", "sent"),
    [("http://127.0.0.1:8080", False), ("http://source.example", False), ("https://source.example", True)],
)
def test_a_password_goes_through_a_proxy_over_tls_only(url: str, *, sent: bool) -> None:
    hosts = allowed_hosts(a_federation_target(url))
    assert hosts.admits_through_proxy(link(url), confidential=True) is sent


@pytest.mark.parametrize("host", [METADATA, "10.0.0.1", "127.0.0.1", "localhost", "[::1]"])
def test_a_proxy_is_not_asked_for_an_internal_address(host: str) -> None:
    hosts = allowed_hosts(a_federation_target("https://auth.pingone.com"))
    assert not hosts.admits_through_proxy(link(f"https://{host}/"), confidential=False)


# Links within the environments


@pytest.mark.parametrize(
    "url",
    [
        f"http://{METADATA}/latest/meta-data",
        f"{{url}}/{OTHER}/as/resume?flowId={FLOW}",
        f"{{url}}/{SOURCE}/as/resume/../../{OTHER}/as/resume",
        f"{{url}}/{SOURCE}/as/resumed",
        f"{{url}}/{DESTINATION}/as/resume?flowId={FLOW}",
        f"https://auth.pingone.com/{SOURCE}/as/resume",
        "//evil.example/as/resume",
    ],
)
def test_a_resume_url_that_leads_elsewhere_is_not_requested(url: str) -> None:
    def completed(played: Federation, _: Heard) -> Response:
        flow = played.flow(status="COMPLETED") | {"resumeUrl": url.format(url=played.url)}
        return Response(document=flow, headers=(f"Set-Cookie: ST=session; Path=/{SOURCE}",))

    probed = probe({"sign_on": completed}, names={"evil.example": "127.0.0.1"})
    assert probed.finding[:2] == ("sign_on", "location_invalid")
    assert probed.federation.steps()[-1] == "sign_on"


def test_the_password_goes_to_the_url_of_the_settings_and_not_to_a_link() -> None:
    def flow(played: Federation, _: Heard) -> Response:
        evil = {"href": f"{played.url}/{OTHER}/flows/{FLOW}"}
        return Response(document=played.flow(_links={"usernamePassword.check": evil, "self": evil}))

    probed = probe({"source_authorize": flow})
    assert probed.finding == ("token", "ok", "none")
    assert probed.federation.only("sign_on").target == f"/{SOURCE}/flows/{FLOW}"


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("https%3A%2F%2Fevil.example%2Fcb", "configuration"),
        ("{url}%2F" + OTHER + "%2Frp%2Fcallback%2Fopenid_connect", "configuration"),
        ("{url}%2F" + DESTINATION + "%2Frp%2Fcallback%2F..%2F..%2Fas%2Fsignoff", "provider"),  # malformed
        ("{url}%2F" + DESTINATION + "%2Fas%2Fsignoff", "configuration"),
        ("x", "provider"),
        # The first of a name counts, also an empty one.
        ("&redirect_uri={url}%2F" + DESTINATION + "%2Frp%2Fcallback%2Fopenid_connect", "configuration"),
    ],
)
def test_a_redirect_uri_outside_of_the_callback_gets_no_code(uri: str, fault: str) -> None:
    answers: dict[str, Response | Play] = {
        "initiate": lambda played, _: Response(
            302, location=played.authorize_url(redirect_uri=uri.format(url=played.url))
        )
    }
    probed = probe(answers)
    assert probed.finding == ("initiate", "location_invalid", fault)
    nothing_left(probed)


def test_cookies_for_other_paths_and_hosts_are_not_sent() -> None:
    cookies = (
        f"Set-Cookie: a=1; Path=/{SOURCE}",
        f"Set-Cookie: b=2; Path=/{DESTINATION}/as",
        "Set-Cookie: c=3; Domain=evil.example; Path=/",
        "Set-Cookie: d=4; Secure; Path=/",
        f"Set-Cookie: e=5; Path=/{DESTINATION}",
        f"Set-Cookie: f=6; Path=/{DESTINATION}x",
    )
    answers: dict[str, Response | Play] = {
        "destination_authorize": lambda played, _: Response(document=played.offer(), headers=cookies)
    }
    sent = {heard.step: heard.headers.get("cookie") for heard in probe(answers).federation.heard}
    assert sent["initiate"] == "e=5"
    assert sent["token"] == "b=2; e=5"
    assert sent["sign_on"] == "a=1"


def test_another_provider_gets_neither_cookies_nor_the_transaction_id() -> None:
    cookies = ("Set-Cookie: session=1; Path=/",)
    answers: dict[str, Response | Play] = {
        "destination_authorize": lambda played, _: Response(document=played.offer(), headers=cookies),
        "initiate": lambda played, _: Response(
            302,
            location=played.authorize_url(played.url.replace("127.0.0.1", "localhost")).replace("/as/", "/"),
        ),
        "/authorize": lambda played, _: Response(
            302, location=f"{played.redirect_uri}?error=login_required&state={STATE}"
        ),
    }
    kinds = NO_SOURCE | {"source_kind": SourceKind.OIDC}
    probed = probe(answers, **kinds)
    assert probed.finding == ("source_authorize", "ok", "none")
    destination, initiate, foreign = probed.federation.heard
    assert foreign.headers["host"].startswith("localhost:")
    assert initiate.headers["cookie"] == "session=1"
    assert set(foreign.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert probed.outcome.transaction_id.encode() in destination.head
    assert probed.outcome.transaction_id.encode() not in foreign.head


# Reading URLs


@pytest.mark.parametrize(
    ("text", "base", "url"),
    [
        ("https://a.example", None, "https://a.example"),
        ("https://a.example/x?y=%20#z", None, "https://a.example/x?y=%20"),
        ("/x", "https://a.example/y/z", "https://a.example/x"),
        ("x?y", "https://a.example/y/z", "https://a.example/y/x?y"),
        ("?y", "https://a.example/y/z", "https://a.example/y/z?y"),
        ("//b.example/x", "https://a.example/y", "https://b.example/x"),
        ("HTTPS://A.example:443/x", None, "HTTPS://A.example:443/x"),
        (f"https://{'a' * 63}.example/", None, f"https://{'a' * 63}.example/"),
    ],
)
def test_a_url_stays_byte_for_byte_without_its_fragment(text: str, base: str | None, url: str) -> None:
    parsed = parse_link(text, base)
    assert parsed is not None
    assert parsed.url == url


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "x",
        "https://",
        "https:///x",
        "ftp://a.example/",
        "javascript:alert(1)",
        "https://user@a.example/",
        "https://a.example:x/",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://a.example/\n",
        "https://a.example/ x",
        "https://a.example\\@b.example/",
        "https://a%2eexample/",
        "https://a..example/",
        f"https://{'a' * 64}.example/",
        "https://a.example../",
        "https://./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://a.example.0x7f./",
        "https://0177.0.0.1/",
        "https://ä.example/",
        "https://[::1/",
        "https://[v1.x]/",
        "https://a][::1/",
        "https://a.example[::1]/",
        "https://[::1]a.example/",
        "https://[::1]]:443/",
        "https://a.example/../x",
        "https://a.example/./x",
        "https://a.example/x/%2E%2e/y",
        "https://a.example/x%2f..%2fy",
        "https://a.example/" + "x" * 20_000,
        "https://" + "a." * 127 + "example/",
    ],
)
def test_what_may_be_read_in_several_ways_is_malformed(text: object) -> None:
    assert parse_link(text) is None


def test_the_hosts_of_a_hostile_provider_take_no_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(200):
            parse_link(f"https://{'a' * 16_000}{number}.example/")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 500_000


@given(
    st.text()
    | st.from_regex(r"(https?:)?//[!-~]{0,30}", fullmatch=True)
    | st.from_regex(r"https://[xn\-a-z0-9.:\[\]]{1,20}/", fullmatch=True),
    st.none() | st.just("https://a.example/b"),
)
@example("//A.", "https://a.example/b")
@example("https://a][::1/", None)
@example("https://xn--ls8h.la/", None)
@example("https://xn--zz.example/", None)
def test_reading_a_url_never_fails_and_agrees_with_the_client(text: str, base: str | None) -> None:
    parsed = parse_link(text, base)
    if parsed is None:
        return
    client = httpx.URL(parsed.url)
    # The client keeps the dot of an absolute name, which makes no other host of it.
    assert client.raw_host.decode().strip("[]").lower().removesuffix(".") == parsed.host
    assert client.scheme == parsed.scheme
    assert urlsplit(parsed.url).username is None
    parsed.parameters()
    assert parsed.host not in repr(parsed) or "?" not in repr(parsed)


@given(st.ip_addresses())
def test_an_address_is_judged_without_failing(address: Any) -> None:  # noqa: ANN401
    if is_global(address):
        assert address.is_global


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://auth.pingone.com/x", True),
        ("https://AUTH.pingone.com.au/x", True),
        ("https://auth.pingone.asia:443/x", True),
        ("http://auth.pingone.com/x", False),
        ("https://auth.pingone.com:8443/x", False),
        ("https://api.pingone.com/x", False),
        ("https://auth.pingone.org/x", False),
        ("https://auth.pingone.com./x", True),  # the same host, without search domains
    ],
)
def test_pingone_answers_at_its_exact_hosts(url: str, *, is_one: bool) -> None:
    assert is_pingone(link(url)) is is_one


def test_an_environment_with_a_custom_domain_also_answers_at_pingones_host() -> None:
    custom = endpoints("https://id.example.com", SOURCE)
    assert custom.has(link("https://id.example.com/as/authorize?x"), "/as/authorize")
    assert custom.has(link(f"https://auth.pingone.eu/{SOURCE}/as/authorize"), "/as/authorize")
    assert not custom.has(link(f"https://auth.pingone.eu/{OTHER}/as/authorize"), "/as/authorize")
    assert not custom.has(link(f"https://id.example.com/{SOURCE}/as/authorize"), "/as/authorize")
    usual = endpoints(f"https://auth.pingone.com/{SOURCE}", SOURCE)
    assert not usual.has(link(f"https://auth.pingone.eu/{SOURCE}/as/authorize"), "/as/authorize")
    assert usual.has(link(f"https://auth.pingone.com/{SOURCE}/rp/x/y"), "/rp/")
    assert not usual.has(link(f"https://auth.pingone.com/{SOURCE}/rpx"), "/rp/")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://a.example/x", "https://a.example/x?n=v"),
        ("https://a.example/x?", "https://a.example/x?n=v"),
        ("https://a.example/x?a=%2F&b", "https://a.example/x?a=%2F&b&n=v"),
        ("https://a.example/x?n=1&a=2&n=3", "https://a.example/x?a=2&n=v"),
        ("https://a.example/x?%6e=1", "https://a.example/x?n=v"),
        ("https://a.example/x?nn=1", "https://a.example/x?nn=1&n=v"),
    ],
)
def test_a_parameter_is_added_or_replaced_and_the_rest_stays(url: str, found: str) -> None:
    assert with_parameter(url, "n", "v") == found
