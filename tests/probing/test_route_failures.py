"""What a proxy can break, what can break behind it, and that its password is never shown."""

from __future__ import annotations

import json
import logging
import ssl
import traceback
from typing import TYPE_CHECKING

import pytest
from harness.certificates import DAY
from probing.detour import DENIED, ESTABLISHED, PROXY, detour, forwards, proxy_authorization
from probing.examples import a_flow, a_target
from probing.loopback import Behaviour, Talk, answer, listening, resolving, run, says, then_an_hour_passes
from probing.visit import NAME

from exporter.outcome import Phase, TransportStats, as_json
from exporter.probing.messages import Request
from exporter.probing.timing import Deadline
from exporter.probing.transport import Exchange, Network, ProbeTransport
from exporter.target import IpFamily

if TYPE_CHECKING:
    from harness.certificates import Authority

GOOD = answer(json.dumps(a_flow()).encode())
OURS = ("proxy", "network", "connect")
PASSWORD = "planted:pass/word"
USER = "federation"
CREDENTIALS = f"{USER}:planted%3Apass%2Fword@"
SCHEMES = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


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
def test_an_unresolvable_proxy_is_a_proxy_failure(authority: Authority, *, secure: bool) -> None:
    gone = detour(
        forwards(),
        says(GOOD),
        authority=authority if secure else None,
        proxy_url="http://no-such-proxy.example:3128",
    )
    assert gone.finding == ("proxy", "network", "resolve")
    assert gone.resolved == ["no-such-proxy.example"]


def test_a_proxy_that_does_not_answer_connect_is_a_timeout_of_the_network(
    authority: Authority,
) -> None:
    gone = detour(then_an_hour_passes(says(b"")), says(GOOD), authority=authority)
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
    gone = detour(then_an_hour_passes(mute_once_established), says(GOOD), authority=authority)
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

    async def main() -> tuple[ProbeTransport, Exchange]:
        async with listening(at_proxy) as proxy:
            network = Network(resolving("127.0.0.1"), TransportStats(), lambda _: ())
            deadline = Deadline(60.0)
            proxy_url = f"http://{CREDENTIALS}{PROXY}:{proxy.port}"
            transport = ProbeTransport(network, deadline, trust, IpFamily.ANY, proxy_url)
            exchange = await transport.exchange(Request("GET", f"{scheme}://{NAME}/"))
            deadline.close()
            transport.close()
            await proxy.left_alone()
            assert proxy_authorization(f"{USER}:{PASSWORD}").encode() in proxy.heads[0]
            return transport, exchange

    transport, exchange = run(main())
    trace = "".join(traceback.format_exception(exchange.error)) if exchange.error else ""
    values = vars(transport).values()
    said = [repr(transport), repr(exchange), repr(exchange.answer), trace, caplog.text, *map(repr, values)]
    encoded = proxy_authorization(f"{USER}:{PASSWORD}").rpartition(" ")[2]
    for secret in (PASSWORD, "planted%3Apass%2Fword", encoded):
        assert not any(secret in text for text in said)


def test_neither_a_target_nor_its_outcome_shows_the_password_of_its_proxy() -> None:
    gone = detour(forwards(f"{USER}:another"), says(GOOD), credentials=CREDENTIALS)
    target = a_target(proxy_url=f"http://{CREDENTIALS}{PROXY}:3128")
    said = [repr(target), repr(gone.outcome), json.dumps(as_json(gone.outcome))]
    assert not any("planted" in text for text in said)
