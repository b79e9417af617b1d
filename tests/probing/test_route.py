"""How a request gets to where it goes: straight, or through a forward proxy that really forwards."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from probing.detour import PROXY, detour, forwards, proxy_authorization
from probing.examples import a_flow
from probing.loopback import Talk, answer, loop, says, upon
from probing.visit import NAME, visit

from exporter.outcome import Phase
from exporter.probing.route import Route
from exporter.probing.step import Request
from exporter.target import IpFamily

if TYPE_CHECKING:
    from harness.certificates import Authority

GOOD = answer(json.dumps(a_flow()).encode())
OK = ("ok", "none", "transfer")
PASSWORD = "planted:pass/word"
USER = "federation"
CREDENTIALS = f"{USER}:planted%3Apass%2Fword@"
SCHEMES = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


# The way there and back


def test_a_request_in_the_clear_is_sent_to_the_proxy_whole() -> None:
    gone = detour(forwards(), says(GOOD))
    assert gone.finding == OK
    (head,) = gone.proxy.heads
    assert head.startswith(f"GET http://{NAME}:{gone.provider.port}/".encode())
    assert f"\r\nHost: {NAME}:{gone.provider.port}\r\n".encode() in head
    assert len(gone.provider.heads) == 1
    assert list(gone.step.phases) == [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]


def test_a_request_over_tls_goes_through_a_tunnel_and_the_proxy_sees_nothing_of_it(
    authority: Authority,
) -> None:
    gone = detour(forwards(), says(GOOD), authority=authority)
    assert gone.finding == OK
    (asked,) = gone.proxy.heads
    assert asked.startswith(f"CONNECT {NAME}:{gone.provider.port} HTTP/1.1\r\n".encode())
    (head,) = gone.provider.heads
    assert head.startswith(b"GET /")
    assert gone.provider.server_names == [NAME]
    assert list(gone.step.phases) == list(Phase)


def test_the_certificate_behind_a_tunnel_is_known(authority: Authority) -> None:
    certificate = authority.issue(NAME)
    tls = detour(forwards(), says(GOOD), authority=authority, certificate=certificate).step.tls
    assert tls is not None
    assert tls.not_after == certificate.not_after.timestamp()
    assert tls.version == "TLSv1.3"


@SCHEMES
def test_a_body_as_long_as_may_be_comes_through_whole(authority: Authority, *, secure: bool) -> None:
    long = answer(json.dumps(a_flow(more="x" * 200_000)).encode())
    assert detour(forwards(), says(long), authority=authority if secure else None).finding == OK


@SCHEMES
def test_only_the_proxys_name_is_resolved_and_its_address_is_the_one_shown(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(forwards(), says(GOOD), authority=authority if secure else None)
    assert gone.resolved == [PROXY]
    assert gone.step.address == "127.0.0.1"


@SCHEMES
def test_the_addresses_of_a_proxy_are_tried_in_turn(authority: Authority, *, secure: bool) -> None:
    gone = detour(
        forwards(),
        says(GOOD),
        authority=authority if secure else None,
        addresses=("127.0.0.99", "127.0.0.1"),
    )
    assert gone.finding == OK
    assert gone.step.address == "127.0.0.1"
    assert Phase.CONNECT in gone.step.phases


@SCHEMES
def test_a_proxy_gets_its_user_and_password_decoded_and_the_provider_gets_neither(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(
        forwards(f"{USER}:{PASSWORD}"),
        says(GOOD),
        authority=authority if secure else None,
        credentials=CREDENTIALS,
    )
    assert gone.finding == OK
    assert proxy_authorization(f"{USER}:{PASSWORD}").encode() in gone.proxy.heads[0]
    assert b"authorization" not in gone.provider.heads[0].lower()


@SCHEMES
def test_without_a_password_no_proxy_is_shown_one(authority: Authority, *, secure: bool) -> None:
    gone = detour(forwards(), says(GOOD), authority=authority if secure else None)
    assert b"authorization" not in gone.proxy.heads[0].lower()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_ambient_variables_make_no_detour(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    visited = visit(says(GOOD))
    assert visited.finding == OK
    assert visited.resolved == [NAME]


# Time


@SCHEMES
def test_a_proxy_that_thinks_about_a_tunnel_makes_connecting_slow_and_nothing_else(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(forwards(thinks=40), says(GOOD), authority=authority if secure else None)
    # In the clear the proxy is asked for the answer itself, so that its time is part of the answer's.
    slow = Phase.CONNECT if secure else Phase.PROCESSING
    assert gone.finding == OK
    assert gone.step.phases[slow] >= 40
    assert all(seconds < 40 for phase, seconds in gone.step.phases.items() if phase is not slow)


def test_a_handshake_through_a_tunnel_is_timed_as_one(authority: Authority) -> None:
    with upon("start_tls.started", lambda: loop().skip(40)):
        gone = detour(forwards(), says(GOOD), authority=authority)
    assert gone.finding == OK
    assert gone.step.phases[Phase.TLS] >= 40
    assert all(seconds < 40 for phase, seconds in gone.step.phases.items() if phase is not Phase.TLS)


def test_a_provider_that_thinks_behind_a_tunnel_makes_processing_slow(authority: Authority) -> None:
    async def think(talk: Talk) -> None:
        await talk.hear()
        loop().skip(40)
        await talk.say(GOOD)

    gone = detour(forwards(), think, authority=authority)
    assert gone.step.phases[Phase.PROCESSING] >= 40
    assert gone.step.phases[Phase.CONNECT] < 40
    assert gone.outcome.duration < 60


# Which address is asked for by which name


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "fe80::1%1"])
def test_a_request_by_address_keeps_the_name_for_the_host_header_and_the_handshake(address: str) -> None:
    route = Route(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), IpFamily.ANY)
    sent = route.request(Request("GET", f"https://{NAME}:8443/a?b=%2F"), (), address, no_trace)
    assert sent.url.host == address
    assert sent.url.raw_path == b"/a?b=%2F"
    assert sent.headers["Host"] == f"{NAME}:8443"
    assert sent.extensions["sni_hostname"] == NAME


def test_a_literal_address_is_no_name_to_ask_for() -> None:
    route = Route(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), IpFamily.ANY)
    sent = route.request(Request("GET", "https://[2001:db8::1]/"), (), "2001:db8::1", no_trace)
    assert "sni_hostname" not in sent.extensions
    assert sent.headers["Host"] == "[2001:db8::1]"


@pytest.mark.parametrize(
    ("proxy_url", "url", "host", "tunnels"),
    [
        (None, "https://idp.example/", "idp.example", False),
        (None, "https://xn--bcher-kva.example/", "xn--bcher-kva.example", False),
        (None, "https://[::1]:8443/", "::1", False),
        ("http://u:p@proxy.example:3128", "http://idp.example/", "proxy.example", False),
        ("http://u:p@proxy.example:3128", "https://idp.example/", "proxy.example", True),
        ("http://[::1]:3128", "https://idp.example/", "::1", True),
    ],
)
def test_what_is_resolved_is_where_the_connection_goes(
    proxy_url: str | None, url: str, host: str, *, tunnels: bool
) -> None:
    route = Route(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), IpFamily.ANY, proxy_url)
    assert route.host_to_resolve(httpx.URL(url)) == host
    assert route.tunnels(httpx.URL(url)) is tunnels


async def no_trace(_event: str, _info: dict[str, Any]) -> None:
    """Take no note."""
