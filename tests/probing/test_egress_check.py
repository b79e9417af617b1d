"""The egress check: any HTTP answer within 5 s shows that the network is reached."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from probing.loopback import (
    PATIENCE,
    Behaviour,
    Loop,
    Peer,
    Talk,
    answer,
    listening,
    loop,
    nothing,
    run,
    says,
    then_an_hour_passes,
)

from exporter import __version__
from exporter.probing import EgressCheck
from exporter.target import NetworkRoute

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate

HELLO = says(answer(b"hello"))
UNFINISHED = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def check(
    behave: Behaviour,
    *,
    certificate: Certificate | None = None,
    url: str = "http://127.0.0.1:{port}/",
    times: int = 1,
    frozen: bool = False,
    **options: Any,  # noqa: ANN401  those of the check
) -> tuple[list[bool | None], Peer]:
    """Check a peer that does `behave`; return what was found each time, and what it heard."""

    async def main() -> tuple[list[bool | None], Peer]:
        async with listening(behave, tls=certificate.tls if certificate else None) as peer:
            made = EgressCheck(url.format(port=peer.port), **options)
            found = [await made() for _ in range(times)]
            await peer.left_alone()
            return found, peer

    return run(main(), frozen=frozen)


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"hello"),
        answer(status="204 No Content"),
        answer(status="407 Proxy Authentication Required"),
        answer(b"<html>", status="500 Internal Server Error"),
        answer(b"\xff\x00", "Content-Encoding: gzip"),
        answer(b"x" * 300_000),
        answer(b"", "Location: https://[", status="302 Found"),
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        UNFINISHED,
    ],
)
def test_any_answer_is_up_and_no_redirect_is_followed(raw: bytes) -> None:
    found, peer = check(says(raw, then="close"))
    assert found == [True]
    assert len(peer.heads) == 1


def test_an_answer_whose_body_never_ends_is_one_too() -> None:
    assert check(then_an_hour_passes(says(UNFINISHED + b"a part")))[0] == [True]


@pytest.mark.parametrize(("seconds", "up"), [(4.0, True), (5.0, False)])
def test_an_answer_counts_within_5_seconds(seconds: float, *, up: bool) -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        loop().skip(seconds)
        await talk.say(answer(b"late"))

    # A container that is throttled stalls in every check: that must not hide that its egress is down.
    short = [(0.1 + second, 0.17 + second) for second in range(4)]
    stalls = lambda since: [(since + begun, since + ended) for begun, ended in short]  # noqa: E731
    found, _ = check(behave, frozen=True, stalls=stalls)
    assert found == [up]


@pytest.mark.parametrize(
    "behave",
    [
        says(b"", then="close"),
        says(b"", then="reset"),
        says(b"SSH-2.0-OpenSSH_9.2\r\n", then="close"),
        says(b"HTTP/1.1 200 OK\r\nX: ", then="close"),
        then_an_hour_passes(nothing),
    ],
    ids=["closed", "reset", "ssh", "half a head", "silent"],
)
def test_anything_else_is_down(behave: Behaviour) -> None:
    assert check(behave)[0] == [False]


def test_a_name_that_does_not_resolve_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_addresses(host: str, _family: object) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"no {host}")

    monkeypatch.setattr("exporter.probing.resolver.system_addresses", no_addresses)
    assert check(nothing, url="http://egress.example/")[0] == [False]


def test_over_tls_any_certificate_will_do(authority: Authority) -> None:
    """A network in which a proxy intercepts TLS is a network too."""
    certificate = authority.issue("elsewhere.example")
    assert check(HELLO, certificate=certificate, url="https://127.0.0.1:{port}/")[0] == [True]


def test_it_goes_through_the_proxy_of_the_probes() -> None:
    async def main() -> tuple[bool | None, Peer]:
        async with listening(HELLO) as proxy:
            route = NetworkRoute(proxy_url=f"http://127.0.0.1:{proxy.port}")
            up = await EgressCheck("http://nowhere.invalid/", route)()
            await proxy.left_alone()
            return up, proxy

    up, proxy = run(main())
    assert up is True
    assert proxy.heads[0].startswith(b"GET http://nowhere.invalid/ HTTP/1.1")


def test_the_result_is_unknown_if_a_stall_of_our_own_explains_the_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_up(_host: str, _family: object) -> Sequence[str]:
        loops[0].call_soon_threadsafe(loops[0].skip)
        go.wait(PATIENCE)
        return ()

    go, loops = threading.Event(), list[Loop]()
    monkeypatch.setattr("exporter.probing.resolver.system_addresses", look_up)

    async def main() -> bool | None:
        loops.append(loop())
        return await EgressCheck("http://egress.example/", stalls=lambda since: [(since, since + 1)])()

    found = run(main())
    go.set()
    assert found is None


def test_a_change_is_logged_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exporter")
    answers = iter([says(b"", then="reset")] * 2 + [HELLO] * 2)

    async def behave(talk: Talk) -> None:
        await next(answers)(talk)

    found, peer = check(behave, times=4)
    assert found == [False, False, True, True]
    assert len(peer.talks) == 4, "a connection of its own each time"
    logged = [(entry.levelname, vars(entry)["reason"]) for entry in caplog.records]
    assert logged == [("WARNING", "protocol"), ("INFO", "ok")]


def test_the_request_is_what_the_operator_wrote() -> None:
    _, peer = check(HELLO, url="http://127.0.0.1:{port}/generate_204?from=exporter")
    request, *headers = peer.heads[0].decode("ascii").rstrip().split("\r\n")
    assert request == "GET /generate_204?from=exporter HTTP/1.1"
    assert dict(header.split(": ", 1) for header in headers) == {
        "Host": f"127.0.0.1:{peer.port}",
        "User-Agent": f"pingone-flow-exporter/{__version__}",
        "Accept": "*/*",
    }
    assert EgressCheck.INTERVAL == 15.0
