"""How a request gets to where it goes: straight, or through a forward proxy that really forwards."""

from __future__ import annotations

import json
import logging
import ssl
import traceback
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from harness.certificates import DAY
from probing.detour import DENIED, ESTABLISHED, PROXY, detour, forwards, proxy_authorization
from probing.examples import a_flow, a_target
from probing.loopback import Behaviour, Talk, answer, listening, loop, run, says, upon
from probing.visit import NAME, visit

from exporter.outcome import Phase, as_json
from exporter.probing.exchange import Exchange, Exchanger
from exporter.probing.route import Route
from exporter.probing.step import Request
from exporter.target import IpFamily

if TYPE_CHECKING:
    from harness.certificates import Authority

GOOD = answer(json.dumps(a_flow()).encode())
OK = ("ok", "none", "transfer")
OURS = ("proxy", "network", "connect")
PASSWORD = "planted:pass/word"
USER = "federation"
CREDENTIALS = f"{USER}:planted%3Apass%2Fword@"
SCHEMES = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


async def nothing(_: Talk) -> None:
    """Accept, and no more."""


def pass_an_hour() -> None:
    # In the next turn of the loop: the exchange has then begun to wait.
    loop().call_soon(loop().skip)


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


# What a proxy can break


@SCHEMES
@pytest.mark.parametrize("credentials", ["", f"{USER}:wrong@"])
def test_a_proxy_that_wants_other_credentials_is_our_own_trouble(
    credentials: str, authority: Authority, *, secure: bool
) -> None:
    gone = detour(
        forwards(f"{USER}:{PASSWORD}"),
        says(GOOD),
        authority=authority if secure else None,
        credentials=credentials,
    )
    assert gone.finding[:2] == ("proxy", "network")
    assert gone.provider.heads == []


async def close_at_once(talk: Talk) -> None:
    talk.writer.close()


async def reset_at_request(talk: Talk) -> None:
    await talk.hear()
    talk.reset()


@pytest.mark.parametrize(
    "at_proxy",
    [
        says(answer(status="502 Bad Gateway")),
        says(answer(b"<h1>Blocked</h1>", status="403 Forbidden")),
        says(answer(status="503 Service Unavailable"), then="close"),
        says(answer(status="302 Found")),
        says(DENIED, then="close"),
        says(b"SSH-2.0-OpenSSH_9.2\r\n", then="close"),
        says(b"HTTP/1.1 200 Conn", then="close"),
        close_at_once,
        reset_at_request,
    ],
    ids=["502", "403", "503", "302", "407", "no HTTP", "half a head", "closed", "reset"],
)
def test_a_tunnel_that_is_not_made_is_the_proxys_failure(at_proxy: Behaviour, authority: Authority) -> None:
    gone = detour(at_proxy, says(GOOD), authority=authority)
    assert gone.finding == OURS
    assert gone.provider.talks == []
    assert gone.step.http_status_code is None, "what the proxy said is no answer of the provider"


@SCHEMES
def test_a_proxy_that_refuses_connections_is_the_proxys_failure(
    authority: Authority, *, secure: bool
) -> None:
    # Nothing listens on that address of the loopback network.
    gone = detour(forwards(), says(GOOD), authority=authority if secure else None, addresses=("127.0.0.99",))
    assert gone.finding == OURS
    assert gone.proxy.talks == []


@SCHEMES
def test_a_proxy_whose_name_does_not_resolve_is_the_proxys_failure(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(
        forwards(),
        says(GOOD),
        authority=authority if secure else None,
        proxy_url="http://no-such-proxy.example:3128",
    )
    assert gone.finding == ("proxy", "network", "resolve")
    assert gone.resolved == ["no-such-proxy.example"]


def test_a_proxy_that_says_nothing_to_a_request_for_a_tunnel_is_a_timeout_of_the_network(
    authority: Authority,
) -> None:
    with upon("receive_response_headers.started", pass_an_hour):
        gone = detour(nothing, says(GOOD), authority=authority)
    assert gone.finding == ("timeout", "network", "connect")
    assert set(gone.step.phases) == {Phase.RESOLVE}


def test_a_status_of_the_provider_behind_a_proxy_is_the_providers() -> None:
    gone = detour(forwards(), says(answer(status="503 Service Unavailable")))
    assert gone.finding == ("server_error", "provider", "transfer")


# What can break behind a tunnel


async def reset_at_hello(talk: Talk) -> None:
    await talk.hear()
    await talk.say(ESTABLISHED)
    await talk.reader.read(1)
    talk.reset()


async def mute_once_established(talk: Talk) -> None:
    await talk.hear()
    await talk.say(ESTABLISHED)


def test_a_handshake_that_is_reset_in_the_tunnel_is_tls(authority: Authority) -> None:
    assert detour(reset_at_hello, says(GOOD), authority=authority).finding == ("tls", "network", "tls")


def test_a_handshake_that_hangs_in_the_tunnel_is_a_timeout_of_the_network_and_leaves_no_socket(
    authority: Authority,
) -> None:
    with upon("start_tls.started", pass_an_hour):
        gone = detour(mute_once_established, says(GOOD), authority=authority)
    assert gone.finding == ("timeout", "network", "tls")
    assert set(gone.step.phases) == {Phase.RESOLVE, Phase.CONNECT}


def test_a_bad_certificate_behind_a_tunnel_is_the_providers_and_is_not_looked_at_again(
    authority: Authority,
) -> None:
    bad = authority.issue(NAME, starts_in=-90 * DAY, ends_in=-DAY)
    gone = detour(forwards(), says(GOOD), authority=authority, certificate=bad)
    assert gone.finding == ("tls", "provider", "tls")
    assert len(gone.proxy.talks) == 1
    assert gone.step.tls is None


def test_a_provider_that_hangs_up_behind_a_tunnel_is_a_protocol_error_of_its_own(
    authority: Authority,
) -> None:
    gone = detour(forwards(), says(b"", then="close"), authority=authority)
    assert gone.finding == ("protocol", "provider", "processing")


# Secrets


@pytest.mark.parametrize(
    "at_proxy", [forwards(f"{USER}:another"), says(b"no HTTP\r\n", then="close"), reset_at_request]
)
@SCHEMES
def test_the_password_of_a_proxy_is_in_no_repr_no_error_and_no_log(
    at_proxy: Behaviour,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    *,
    secure: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    trust = ssl.create_default_context(cafile=authority.ca_file)
    scheme = "https" if secure else "http"

    async def resolve(_: str, _family: IpFamily) -> tuple[str, ...]:
        return ("127.0.0.1",)

    async def main() -> tuple[Route, Exchange]:
        async with listening(at_proxy) as proxy:
            route = Route(trust, IpFamily.ANY, f"http://{CREDENTIALS}{PROXY}:{proxy.port}")
            request = Request("GET", f"{scheme}://{NAME}/")
            deadline = loop().time() + 60
            exchange = await Exchanger(resolve, loop().time)(request, (), route=route, deadline=deadline)
            await proxy.left_alone()
            assert proxy_authorization(f"{USER}:{PASSWORD}").encode() in proxy.heads[0]
            return route, exchange

    route, exchange = run(main())
    told = "".join(traceback.format_exception(exchange.error)) if exchange.error else ""
    said = [repr(route), str(route), repr(exchange), repr(exchange.answer), told, caplog.text]
    encoded = proxy_authorization(f"{USER}:{PASSWORD}").rpartition(" ")[2]
    for secret in (PASSWORD, "planted%3Apass%2Fword", encoded):
        assert not any(secret in text for text in said)


def test_neither_a_target_nor_its_outcome_shows_the_password_of_its_proxy() -> None:
    gone = detour(forwards(f"{USER}:another"), says(GOOD), credentials=CREDENTIALS)
    target = a_target(proxy_url=f"http://{CREDENTIALS}{PROXY}:3128")
    said = [repr(target), repr(gone.outcome), json.dumps(as_json(gone.outcome))]
    assert not any("planted" in text for text in said)


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
