"""Every weather over real sockets, changed through the control API while the environment runs."""

from __future__ import annotations

import ssl
from random import Random
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.simulated import Simulated
from harness.waiting import PATIENCE, poll
from simulator.conftest import Client
from simulator.examples import CONNECTIONS, REQUESTS, FakeClock, connect, emea

from exporter.simulator import parse_weather

if TYPE_CHECKING:
    from collections.abc import Callable

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_the_edge_s_errors_look_like_its_own(client: Client) -> None:
    client.put_weather("rate_limited", retry_after=7)
    limited = client.authorize()
    assert (limited.headers["retry-after"], limited.json()["code"]) == ("7", "REQUEST_LIMITED")
    client.put_weather("error_json", code=599)
    broken = client.authorize()
    assert (broken.status_code, broken.json()["code"]) == (599, "UNEXPECTED_ERROR")
    assert limited.headers["correlation-id"] != broken.headers["correlation-id"]
    client.put_weather("error_html", code=502)
    page = client.authorize()
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "502 ERROR" in page.text
    assert "correlation-id" not in page.headers
    client.put_weather("maintenance")
    assert client.authorize().headers["location"] == "https://maintenance.example/"


def test_the_application_s_faults_are_reported_as_the_provider_reports_them(client: Client) -> None:
    client.put_weather("flow_failed")
    failed = client.authorize().json()
    assert (failed["status"], failed["error"]["code"]) == ("FAILED", "server_error")
    client.put_weather("client_deleted")
    assert "/signon/?error=" in client.authorize().headers["location"]
    client.put_weather("redirect_uri_removed")
    assert client.authorize().json()["details"][0]["target"] == "redirect_uri"


def test_slow_weather_delays_each_response(client: Client, clock: FakeClock) -> None:
    client.put_weather("slow", ms=1500)
    assert client.authorize().status_code == 200
    assert clock.slept == [1.5]


def test_chance_follows_the_given_random() -> None:
    random = Random(11)
    expected = [503 if random.random() < 0.5 else 200 for _ in range(8)]
    assert set(expected) == {200, 503}
    clock = FakeClock()
    with Simulated([emea()], random=Random(11), clock=clock) as simulated:
        client = Client(simulated, "emea")
        client.put_weather("flaky")
        assert [client.authorize().status_code for _ in range(8)] == expected
        client.put_weather("slow", ms=100, jitter=100)
        client.authorize()
        assert clock.slept == [(100 + random.random() * 100) / 1000]


def test_the_date_is_the_given_clock_s_and_shifts_with_a_skewed_one(client: Client) -> None:
    assert client.authorize().headers["date"] == "Mon, 20 Apr 2026 19:54:09 GMT"
    client.put_weather("clock_skewed", seconds=-3600)
    assert client.authorize().headers["date"] == "Mon, 20 Apr 2026 18:54:09 GMT"


def test_silent_weather_reads_the_request_and_never_answers(client: Client) -> None:
    client.put_weather("silent")
    before = REQUESTS[client.environment]
    with connect(client.environment.port) as waiting:
        waiting.sendall(GET)
        poll(
            lambda: REQUESTS[client.environment],
            lambda n: n == before + 1,
            what="the request",
        )
        client.put_weather("healthy")
        assert client.authorize().status_code == 200  # others are answered meanwhile
        waiting.shutdown(1)
        assert waiting.recv(1) == b""


@pytest.mark.parametrize("name", ["emea", "apac"])
def test_reset_weather_reads_the_request_and_resets(client_of: Callable[[str], Client], name: str) -> None:
    client = client_of(name)
    client.put_weather("reset")
    before = REQUESTS[client.environment]
    with pytest.raises(httpx.TransportError):  # blocking TLS sockets report a reset as an end
        client.authorize()
    assert REQUESTS[client.environment] == before + 1


@pytest.mark.parametrize("name", ["emea", "apac"])
def test_refused_weather_closes_the_port_while_it_lasts(
    client_of: Callable[[str], Client], name: str
) -> None:
    client = client_of(name)
    connections = CONNECTIONS[client.environment.port]
    client.put_weather("refused")
    client.put_weather("refused")
    with pytest.raises(ConnectionRefusedError):
        connect(client.environment.port)
    assert CONNECTIONS[client.environment.port] == connections
    client.put_weather("healthy")
    client.put_weather("healthy")
    assert client.authorize().status_code == 200


@pytest.mark.parametrize(
    ("kind", "message"), [("tls_expired", "certificate has expired"), ("tls_wrong_name", "mismatch")]
)
def test_bad_certificates_fail_verification_for_their_own_reason_while_they_last(
    client_of: Callable[[str], Client], kind: str, message: str
) -> None:
    client = client_of("apac")
    client.put_weather(kind)
    with pytest.raises(httpx.ConnectError, match=message):
        client.authorize()
    url = f"{client.root}/as/jwks"
    assert httpx.get(url, verify=False, trust_env=False, timeout=PATIENCE).status_code == 200  # noqa: S501  a client that does not verify
    client.put_weather("healthy")
    assert client.authorize().status_code == 200


def test_the_good_certificate_passes_strict_verification(client_of: Callable[[str], Client]) -> None:
    client = client_of("apac")
    trust = ssl.create_default_context(cafile=client.ca_file)
    trust.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
    assert (
        httpx.get(f"{client.root}/as/jwks", verify=trust, trust_env=False, timeout=PATIENCE).status_code
        == 200
    )


@pytest.mark.parametrize("kind", ["refused", "tls_expired"])
def test_any_weather_may_be_there_at_the_start(kind: str) -> None:
    environment = emea(https=True, weather=parse_weather({"weather": kind}))
    with Simulated([environment]) as simulated, pytest.raises(httpx.ConnectError):
        Client(simulated, "emea").authorize()


def test_a_kept_connection_gets_the_weather_of_its_next_request(client: Client) -> None:
    connections = CONNECTIONS[client.environment.port]
    statuses = []
    with httpx.Client(trust_env=False, timeout=PATIENCE) as kept:
        for kind in ("healthy", "rate_limited", "healthy"):
            client.put_weather(kind)
            statuses.append(kept.get(f"{client.root}/as/jwks").status_code)
    assert statuses == [200, 429, 200]
    assert CONNECTIONS[client.environment.port] == connections + 1


@pytest.mark.parametrize(("name", "kind"), [("emea", "refused"), ("apac", "tls_expired")])
def test_a_closed_port_or_another_certificate_ends_idle_connections(
    client_of: Callable[[str], Client], name: str, kind: str
) -> None:
    client = client_of(name)
    trust = ssl.create_default_context(cafile=client.ca_file)
    with connect(client.environment.port) as plain:
        kept = trust.wrap_socket(plain, server_hostname="localhost") if name == "apac" else plain
        kept.sendall(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 403 ")
        client.put_weather(kind)
        assert kept.recv(1) == b""
        kept.close()


def test_a_request_under_way_is_still_answered_when_the_port_closes() -> None:
    with Simulated([emea(weather=parse_weather({"weather": "slow", "ms": 1000}))]) as simulated:
        client = Client(simulated, "emea")
        with connect(client.environment.port) as busy:
            busy.sendall(GET)
            poll(
                lambda: REQUESTS[client.environment],
                lambda n: n == 1,
                what="the request",
            )
            client.put_weather("refused")
            received = b"".join(iter(lambda: busy.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 403 ")
