"""The request as a provider sees it: the documented one, byte for byte, and alone."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness.daemon import Daemon
from harness.http_messages import Answer, json_answer
from harness.http_server import HttpServer
from harness.variables import CLIENT, DESTINATION, SOURCE, target_variables

from exporter import __version__

if TYPE_CHECKING:
    from harness.http_messages import Request

pytestmark = pytest.mark.e2e

TOKEN = r"[A-Za-z0-9_-]{43}"
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
COOKIES = (("Set-Cookie", "ST=planted; Path=/"), ("Set-Cookie", "other=1"), ("Connection", "keep-alive"))
REQUESTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the servers of one daemon saw.

    Args:
        usual: with no more settings than there must be, by a name; it sets cookies and keeps alive.
        usual_connections: how many were made for that.
        rich: with every parameter that can be set.
        redirecting: by one that leads to another path of itself.
        host: of `usual`, with its port.
    """

    usual: tuple[Request, ...]
    usual_connections: int
    rich: tuple[Request, ...]
    redirecting: tuple[Request, ...]
    host: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("request")
    with HttpServer(name="localhost") as usual, HttpServer() as rich, HttpServer() as redirecting:
        usual.always(json_answer(usual.seed_flow(SOURCE), headers=COOKIES))
        away = (("Location", f"{redirecting.base_url}/followed"), ("Content-Length", "0"), *COOKIES)
        redirecting.always(Answer(status=302, headers=away))
        environment = {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "300ms",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "290ms",
            # None of these is ours to follow.
            "HTTP_PROXY": "http://127.0.0.1:1",
            "http_proxy": "http://127.0.0.1:1",
            "ALL_PROXY": "http://127.0.0.1:1",
            **target_variables("usual", usual.base_url),
            **target_variables("redirecting", redirecting.base_url),
            **target_variables(
                "rich",
                f"{rich.base_url}/auth/",
                destination_custom_domain="login.example.com",
                scope="openid profile",
                prompt="login",
                acr_values="Single_Factor Policy/ä",
                login_hint="someone+tag@example.com",
                max_age=300,
                pkce="true",
            ),
        }
        with Daemon(environment, directory=directory / "work", logs=directory / "logs"):
            for server in (usual, rich, redirecting):
                server.wait_for_requests(REQUESTS)
        yield Seen(
            usual=usual.requests,
            usual_connections=usual.connections,
            rich=rich.requests,
            redirecting=redirecting.requests,
            host=usual.base_url.removeprefix("http://"),
        )


def test_the_request_target_is_exactly_the_documented_one(seen: Seen) -> None:
    host = re.escape(seen.host.replace(":", "%3A"))
    documented = re.compile(
        rf"/{SOURCE}/as/authorize"
        rf"\?response_type=code"
        rf"&redirect_uri=http%3A%2F%2F{host}%2F{DESTINATION}%2Frp%2Fcallback%2Fopenid_connect"
        rf"&scope=openid"
        rf"&client_id={CLIENT}"
        rf"&nonce={TOKEN}"
        rf"&state={TOKEN}"
        rf"&response_mode=pi\.flow"
    )
    for request in seen.usual:
        assert documented.fullmatch(request.target), request.target


def test_exactly_these_headers_are_sent(seen: Seen) -> None:
    for request in seen.usual:
        assert request.headers[:-1] == (
            ("Host", seen.host),
            ("User-Agent", f"pingone-flow-exporter/{__version__}"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip"),
        )
        name, value = request.headers[-1]
        assert name == "X-Ping-External-Transaction-Id"
        assert UUID4.fullmatch(value)
        assert (request.method, request.body) == ("GET", b"")


def test_nonce_state_and_transaction_id_are_fresh_each_time(seen: Seen) -> None:
    requests = (*seen.usual, *seen.rich, *seen.redirecting)
    tokens = [dict(request.query)[name] for request in requests for name in ("nonce", "state")]
    assert len(tokens) == len(set(tokens)) >= 6 * REQUESTS
    transactions = [request.header("X-Ping-External-Transaction-Id") for request in requests]
    assert len(transactions) == len(set(transactions))


def test_a_cookie_that_was_set_does_not_come_back(seen: Seen) -> None:
    for request in (*seen.usual, *seen.redirecting):
        assert request.header("Cookie") is None


def test_each_probe_makes_a_connection_of_its_own(seen: Seen) -> None:
    numbers = [request.connection for request in seen.usual]
    assert len(numbers) == len(set(numbers)) >= REQUESTS
    assert seen.usual_connections - len(numbers) in {0, 1}  # one may have been made when it all ended


def test_a_redirect_is_not_followed(seen: Seen) -> None:
    assert {request.path for request in seen.redirecting} == {f"/{SOURCE}/as/authorize"}


def test_every_further_parameter_is_sent_as_it_was_set(seen: Seen) -> None:
    challenges = set()
    for request in seen.rich:
        sent = dict(request.query)
        assert len(sent) == len(request.query)
        challenges.add(sent.pop("code_challenge"))
        assert re.fullmatch(TOKEN, sent.pop("nonce"))
        assert re.fullmatch(TOKEN, sent.pop("state"))
        assert request.path == f"/auth/{SOURCE}/as/authorize"
        assert sent == {
            "response_type": "code",
            "redirect_uri": "https://login.example.com/rp/callback/openid_connect",
            "scope": "openid profile",
            "client_id": CLIENT,
            "response_mode": "pi.flow",
            "prompt": "login",
            "acr_values": "Single_Factor Policy/ä",
            "login_hint": "someone+tag@example.com",
            "max_age": "300",
            "code_challenge_method": "S256",
        }
        assert "scope=openid%20profile&" in request.target
        assert "acr_values=Single_Factor%20Policy%2F%C3%A4&" in request.target
    assert len(challenges) == len(seen.rich)
    assert {len(base64.urlsafe_b64decode(f"{challenge}=")) for challenge in challenges} == {32}
