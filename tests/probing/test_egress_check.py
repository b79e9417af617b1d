"""The egress check: any HTTP response within 5 s shows that the exporter has network access."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    says,
    then_an_hour_passes,
    turns,
)

from exporter import __version__
from exporter.probing import EgressCheck

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


class Still(Loop):
    """A loop in which no time passes but what a test skips."""

    def time(self) -> float:
        return 1000.0 + self._skipped


async def checked(
    behave: Behaviour,
    *,
    certificate: Certificate | None = None,
    url: str = "http://127.0.0.1:{port}/",
) -> tuple[bool | None, Peer, float]:
    """Check a peer that does `behave`; return what was found, what it heard and how long it took."""
    async with listening(behave, tls=certificate.tls if certificate else None) as peer:
        begun = loop().time()
        up = await EgressCheck(url.format(port=peer.port))()
        took = loop().time() - begun
        await peer.left_alone()
        return up, peer, took


def check(
    behave: Behaviour,
    *,
    certificate: Certificate | None = None,
    url: str = "http://127.0.0.1:{port}/",
) -> tuple[bool | None, Peer, float]:
    with asyncio.Runner(loop_factory=Still) as runner:
        return runner.run(checked(behave, certificate=certificate, url=url))


def quiet_for(seconds: float, then: bytes) -> Behaviour:
    """Return a behaviour that says nothing for so long after the request."""

    async def behave(talk: Talk) -> None:
        await talk.hear()
        loop().skip(seconds)
        await talk.say(then)

    return behave


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"hello"),
        answer(status="204 No Content"),
        answer(status="404 Not Found"),
        answer(status="401 Unauthorized"),
        answer(status="407 Proxy Authentication Required"),
        answer(b"busy", status="429 Too Many Requests"),
        answer(b"<html>", status="500 Internal Server Error"),
        answer(status="503 Service Unavailable"),
        answer(status="418 I'm a teapot"),
        answer(b"\xff\x00", "Content-Encoding: gzip"),
        answer(b"x" * 300_000),
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"hello"),
    ],
    ids=lambda raw: raw[:40].split(b"\r")[0].decode() + f" {len(raw)}",
)
def test_any_answer_is_up(raw: bytes) -> None:
    up, peer, _ = check(says(raw, then="close"))
    assert up is True
    assert len(peer.heads) == 1


@pytest.mark.parametrize("location", ["/elsewhere", "http://127.0.0.1:1/", "https://[", "app:callback"])
def test_a_redirect_is_an_answer_and_is_not_followed(location: str) -> None:
    up, peer, _ = check(says(answer(b"", f"Location: {location}", status="302 Found")))
    assert up is True
    assert len(peer.heads) == 1


def test_an_answer_with_an_endless_body_is_still_an_answer() -> None:
    for raw in (HEAD, HEAD + b"a part"):
        assert check(then_an_hour_passes(says(raw)))[0] is True


def test_an_answer_in_the_last_moment_is_one_and_then_it_is_too_late() -> None:
    up, _, took = check(quiet_for(4.999, answer(b"late")))
    assert up is True
    assert took == pytest.approx(4.999)
    up, _, took = check(quiet_for(5.0, b""))
    assert up is False
    assert took == pytest.approx(5.0)


async def waits_for_an_hour_before_the_handshake(_: Talk) -> None:
    loop().skip()


@pytest.mark.parametrize(
    "behave",
    [
        says(b"", then="close"),
        says(b"", then="reset"),
        says(b"SSH-2.0-OpenSSH_9.2\r\n", then="close"),
        says(b"\x00\x01\x02\xff" * 9, then="close"),
        says(b"HTTP/1.1 OK\r\n\r\n", then="close"),
        says(b"HTTP/1.1 200 OK\r\nX: ", then="close"),
        then_an_hour_passes(says(b"HTTP/1.1 200 OK\r\nX: ")),
        waits_for_an_hour_before_the_handshake,
    ],
    ids=["closed", "reset", "ssh", "bytes", "no code", "half a head", "half a head for ever", "silent"],
)
def test_without_an_answer_it_is_down(behave: Behaviour) -> None:
    assert check(behave)[0] is False


def test_a_closed_port_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert asyncio.run(EgressCheck(f"http://127.0.0.1:{port}/")()) is False


def test_a_name_that_does_not_resolve_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_addresses(host: str, _family: object) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"no {host}")

    monkeypatch.setattr("exporter.probing.resolver.system_addresses", no_addresses)
    assert asyncio.run(EgressCheck("http://egress.example/")()) is False


def test_over_tls_any_issuer_is_up(authority: Authority) -> None:
    """A network in which TLS is opened by a proxy is a network all the same."""
    up, peer, _ = check(
        says(answer(b"hello")),
        certificate=authority.issue("elsewhere.example"),
        url="https://127.0.0.1:{port}/",
    )
    assert up is True
    assert len(peer.heads) == 1


def test_it_goes_through_the_proxy_that_probes_go_through() -> None:
    async def main() -> tuple[bool | None, Peer]:
        async with listening(says(answer(b"hello"))) as proxy:
            check_egress = EgressCheck(
                "http://nowhere.invalid/",
                proxy_url=f"http://127.0.0.1:{proxy.port}",
            )
            up = await check_egress()
            await proxy.left_alone()
            return up, proxy

    with asyncio.Runner(loop_factory=Still) as runner:
        up, proxy = runner.run(main())
    assert up is True
    assert proxy.heads[0].startswith(b"GET http://nowhere.invalid/ HTTP/1.1")


def test_a_stall_makes_the_check_inconclusive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_up(_host: str, _family: object) -> Sequence[str]:
        go.wait(PATIENCE)
        return ()

    go = threading.Event()
    monkeypatch.setattr("exporter.probing.resolver.system_addresses", look_up)

    async def main() -> bool | None:
        check = EgressCheck("http://egress.example/", stalls=lambda since: [(since, since + 1)])
        task = asyncio.create_task(check())
        await turns()
        loop().skip()
        return await task

    with asyncio.Runner(loop_factory=Still) as runner:
        found = runner.run(main())
    go.set()
    assert found is None


def test_a_short_stall_does_not_hide_that_it_is_down() -> None:
    """A container that is throttled has one in every check; its egress would never be seen to be down."""

    async def main() -> bool | None:
        async with listening(quiet_for(6.0, b"")) as peer:
            check_egress = EgressCheck(
                f"http://127.0.0.1:{peer.port}/",
                stalls=lambda since: [(since + second, since + second + 0.07) for second in range(5)],
            )
            up = await check_egress()
            await peer.left_alone()
            return up

    with asyncio.Runner(loop_factory=Still) as runner:
        assert runner.run(main()) is False


def test_a_change_is_logged_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exporter")

    async def main() -> None:
        answers = iter([says(b"", then="reset")] * 2 + [says(answer(b"hello"))] * 2)

        async def behave(talk: Talk) -> None:
            await next(answers)(talk)

        async with listening(behave) as peer:
            check_egress = EgressCheck(f"http://127.0.0.1:{peer.port}/")
            assert [await check_egress() for _ in range(4)] == [False, False, True, True]
            await peer.left_alone()

    with asyncio.Runner(loop_factory=Still) as runner:
        runner.run(main())
    logged = [
        (entry.levelname, vars(entry)["reason"]) for entry in caplog.records if entry.msg == "egress check"
    ]
    assert logged == [("WARNING", "protocol"), ("INFO", "ok")]


def test_it_asks_for_what_the_operator_wrote_under_our_own_name_and_takes_anything() -> None:
    _, peer, _ = check(says(answer(b"hello")), url="http://127.0.0.1:{port}/generate_204?from=exporter")
    request, *headers = peer.heads[0].decode("ascii").rstrip().split("\r\n")
    assert request == "GET /generate_204?from=exporter HTTP/1.1"
    assert dict(header.split(": ", 1) for header in headers) == {
        "Host": f"127.0.0.1:{peer.port}",
        "User-Agent": f"pingone-flow-exporter/{__version__}",
        "Accept": "*/*",
    }


def test_each_check_is_on_a_connection_of_its_own() -> None:
    async def main() -> int:
        async with listening(says(answer(b"hello"))) as peer:
            check_egress = EgressCheck(f"http://127.0.0.1:{peer.port}/")
            assert [await check_egress() for _ in range(3)] == [True] * 3
            await peer.left_alone()
            return len(peer.talks)

    with asyncio.Runner(loop_factory=Still) as runner:
        assert runner.run(main()) == 3


def test_it_is_to_be_asked_every_15_seconds_for_longer_than_it_takes() -> None:
    assert EgressCheck.INTERVAL == 15.0
