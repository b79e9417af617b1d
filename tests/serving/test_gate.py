"""The gate: which requests need a login, and what is answered to those that do not pass."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from serving.wire import app
from starlette.applications import Starlette

from exporter.serving import Door
from exporter.serving.login import CrowdedError, Login
from exporter.tls import WebSecurity

LOGIN = {"Authorization": "Basic YW5uOnNlY3JldA=="}


def compare(password: bytes, stored: bytes) -> bool:
    return stored == b"hash of " + password


class Crowded(Login):
    """A queue that is full."""

    async def admits(self, headers: Sequence[bytes], client: str) -> bool:  # noqa: ARG002  its own signature
        raise CrowdedError


def door(**security: object) -> Door:
    given = {"users": {"ann": "hash of secret"}, **security}
    return Door(WebSecurity(**given), login=Login(compare))  # type: ignore[arg-type]  # each test gives what fits


def ask(
    application: Starlette, path: str, method: str = "GET", headers: httpx._types.HeaderTypes | None = None
) -> httpx.Response:
    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asking())


def test_everything_but_health_needs_a_login() -> None:
    guarded = app(door=door())

    for path in (
        "/",
        "/metrics",
        "/runbooks/PingOneFederationDown",
        "/nowhere",
        "/-/healthy/",
        "//-/healthy",
    ):
        answer = ask(guarded, path)
        assert (answer.status_code, answer.text) == (401, "unauthorized"), path
    assert ask(guarded, "/-/healthy").status_code == 200
    assert ask(guarded, "/-/ready").status_code == 200
    assert ask(guarded, "/metrics", headers=LOGIN).status_code == 200
    assert ask(guarded, "/nowhere", headers=LOGIN).status_code == 404


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS", "BREW"])
def test_no_method_gets_by_without_a_login(method: str) -> None:
    assert ask(app(door=door()), "/metrics", method).status_code == 401


def test_the_challenge_names_the_scheme_and_nothing_that_depends_on_the_request() -> None:
    guarded = app(door=door())
    sent = [
        {},
        {"Authorization": "nonsense"},
        {"Authorization": "Basic YW5uOmE="},
        {"Authorization": "Basic Yjpj"},
    ]

    answers = [ask(guarded, "/metrics", headers=headers) for headers in sent]

    assert {answer.headers["www-authenticate"] for answer in answers} == {
        'Basic realm="pingone-flow-exporter", charset="UTF-8"'
    }
    assert len({(answer.text, tuple(answer.headers.multi_items())) for answer in answers}) == 1


def test_a_crowd_of_logins_is_told_to_come_again() -> None:
    crowded = Door(WebSecurity(users={"ann": "x"}), login=Crowded())

    answer = ask(app(door=crowded), "/metrics", headers=LOGIN)

    assert (answer.status_code, answer.text) == (503, "too many logins wait")
    assert answer.headers["retry-after"] == "1"


def test_what_is_turned_away_is_framed_like_every_answer() -> None:
    answer = ask(app(door=door(headers=(("X-Frame-Options", "deny"),))), "/metrics")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "deny"


def test_an_operator_s_content_security_policy_wins_and_stands_once() -> None:
    policy = "default-src 'self'"
    guarded = app(door=Door(WebSecurity(headers=(("Content-Security-Policy", policy),))))

    assert ask(guarded, "/").headers.get_list("content-security-policy") == [policy]
    assert ask(guarded, "/metrics").headers.get_list("content-security-policy") == [policy]


def test_a_failure_carries_the_operator_s_headers_too() -> None:
    async def failing(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
        raise LookupError

    guarded = app(failing, Door(WebSecurity(headers=(("X-Frame-Options", "deny"),))))

    answer = ask(guarded, "/metrics")
    assert (answer.status_code, answer.headers["x-frame-options"]) == (500, "deny")


def test_two_authorization_headers_are_none() -> None:
    twice = [*LOGIN.items(), *LOGIN.items()]

    assert ask(app(door=door()), "/metrics", headers=twice).status_code == 401
