"""The transport below httpx's own client: cookies, bodies, and a connection that serves several requests."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from probing.loopback import Behaviour, Talk, answer, listening, loop, no_tls, resolving, run, turns

from exporter.outcome import Phase, TransportStats
from exporter.probing import ProbeTransport
from exporter.probing.failure import OUR_BUG, read_failure
from exporter.probing.findings import MAX_OWN_DELAY_SECONDS
from exporter.probing.messages import Request
from exporter.probing.timing import Deadline
from exporter.probing.transport import Exchange, ExchangeError, Network, StallsSince

if TYPE_CHECKING:
    from harness.certificates import Authority
    from probing.loopback import Peer

SCHEMES = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


def replies(*raw: bytes, then: Callable[[Talk], object] = lambda _: None) -> Behaviour:
    """Return a behaviour that gives one answer to each request on a connection."""

    async def behave(talk: Talk) -> None:
        for each in raw:
            await talk.hear()
            await talk.say(each)
        then(talk)

    return behave


@asynccontextmanager
async def client(
    behave: Behaviour,
    authority: Authority | None = None,
    stalls: StallsSince = lambda _: (),
) -> AsyncIterator[tuple[httpx.AsyncClient, Peer, TransportStats]]:
    """Yield a client of httpx over the transport, its peer, and what is known of its times."""
    certificate = None if authority is None else authority.issue("idp.example").tls
    tls = no_tls() if authority is None else ssl.create_default_context(cafile=authority.ca_file)
    async with listening(behave, tls=certificate) as peer:
        deadline, stats = Deadline(60.0), TransportStats()
        network = Network(resolving("127.0.0.1"), stats, stalls)
        scheme = "http" if authority is None else "https"
        async with httpx.AsyncClient(
            transport=ProbeTransport(network, deadline, tls),
            base_url=f"{scheme}://idp.example:{peer.port}",
            trust_env=False,
        ) as made:
            yield made, peer, stats
        deadline.close()
        await peer.left_alone()


def exchange(response: httpx.Response) -> Exchange:
    found: Exchange = response.extensions["exchange"]
    return found


@SCHEMES
def test_one_connection_serves_several_requests_with_cookies(*, secure: bool, authority: Authority) -> None:
    first = answer(b"{}", "Set-Cookie: ST=1; Path=/a", "Set-Cookie: other=2; Path=/")

    async def main() -> None:
        peer_authority = authority if secure else None
        async with client(replies(first, answer(), answer()), peer_authority) as (http, peer, stats):
            opened = await http.get("/a")
            again = await http.get("/a/b")
            await http.get("/")
            assert len(peer.talks) == 1
            assert b"cookie: ST=1; other=2" in peer.heads[1].lower().replace(b"st=", b"ST=")
            assert b"cookie: other=2\r\n" in peer.heads[2].lower()
            assert Phase.CONNECT in exchange(opened).phases
            assert set(exchange(again).phases) == {Phase.PROCESSING, Phase.TRANSFER}
            assert exchange(again).address == "127.0.0.1"
            assert (exchange(again).tls is not None) is secure
            assert stats.kernel_timestamps is True
            assert stats.loop_timed_exchanges == 0

    run(main())


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(("method", "late"), [("GET", False), ("POST", False), ("GET", True)])
def test_a_connection_that_the_server_closes_while_a_request_is_on_its_way_is_replaced(
    monkeypatch: pytest.MonkeyPatch, method: str, *, late: bool, is_reset: bool
) -> None:
    """Not for a POST, which may have had its effect; nor when the request has been at work for a while."""
    seen: list[Talk] = []

    async def behave(talk: Talk) -> None:
        seen.append(talk)
        await talk.hear()
        await talk.say(answer())
        await talk.hear()
        if talk is not seen[0]:
            return
        if late:
            loop().skip(0.5)
        if is_reset:
            talk.reset()
        else:
            talk.writer.close()

    async def main() -> None:
        async with client(behave) as (http, peer, _):
            await http.get("/1")
            if method == "POST" or late:
                with pytest.raises(ExchangeError):
                    await http.request(method, "/2")
                assert len(peer.talks) == 1
            else:
                monkeypatch.setattr("exporter.probing.transport.MAX_CROSSING_SECONDS", 60.0)
                again = exchange(await http.request(method, "/2"))
                assert len(peer.talks) == 2
                assert again.error is None
                assert Phase.CONNECT in again.phases

    run(main(), frozen=True)


def test_a_reset_that_came_while_we_stood_still_counts_from_the_start_of_the_stall() -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer())
        await talk.hear()
        loop().skip(0.5)
        talk.reset()

    async def main() -> None:
        async with client(behave, stalls=lambda since: [(since, since + 0.45)]) as (http, peer, _):
            await http.get("/1")
            assert (await http.get("/2")).status_code == 200
            assert len(peer.talks) == 2

    run(main(), frozen=True)


@pytest.mark.parametrize(("is_reset", "stall"), [(False, 0.0), (True, 0.0), (True, 20.0)])
def test_the_time_until_a_connection_ended_is_part_of_processing(
    monkeypatch: pytest.MonkeyPatch, stall: float, *, is_reset: bool
) -> None:
    """A stall of our own is not, though the probe is marked: when a reset came is not known."""
    monkeypatch.setattr("exporter.probing.transport.MAX_CROSSING_SECONDS", 60.0)
    seen: list[Talk] = []

    async def behave(talk: Talk) -> None:
        seen.append(talk)
        for request in range(2):
            await talk.hear()
            if talk is seen[0] and request:
                loop().skip(7.0)
                talk.reset() if is_reset else talk.writer.close()
                if stall:
                    loop().stand_still(stall)
                return
            await talk.say(answer())

    async def main() -> None:
        async with listening(behave) as peer:
            deadline = Deadline(60.0)
            network = Network(resolving("127.0.0.1"), TransportStats(), loop().stalls_since)
            async with ProbeTransport(network, deadline, no_tls()) as made:
                request = Request("GET", f"http://idp.example:{peer.port}/")
                first, again = await made.exchange(request), await made.exchange(request)
            assert (first.error, again.error) == (None, None)
            assert len(peer.talks) == 2
            assert 7.0 <= again.phases[Phase.PROCESSING] < 14.0
            assert deadline.spent == pytest.approx(sum((*first.phases.values(), *again.phases.values())))
            assert again.stalled is bool(stall)
            deadline.close()
            await peer.left_alone()

    run(main(), frozen=True)


@pytest.mark.parametrize("accepts", [True, False])
def test_neither_an_earlier_delay_of_ours_nor_an_earlier_connection_explains_a_failure(
    *, accepts: bool
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        if talk.peer.heads[-1].startswith(b"GET /good"):
            await talk.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}")
        talk.writer.close()

    async def main() -> None:
        async with listening(behave) as peer:
            deadline = Deadline(60.0)
            async with ProbeTransport(Network(resolving("127.0.0.1")), deadline, no_tls()) as made:
                good = Request("GET", f"http://idp.example:{peer.port}/good")
                assert (await made.exchange(good)).closed_by_peer
                loop().skip(5.0)
                assert (await made.exchange(good)).error is None
                loop().skip(5.0)
                with socket.socket() as mute:
                    mute.bind(("127.0.0.1", 0))  # and does not listen
                    port = peer.port if accepts else mute.getsockname()[1]
                    failed = await made.exchange(Request("GET", f"http://idp.example:{port}/bad"))
            assert failed.error is not None
            assert failed.closed_by_peer is accepts
            assert failed.own_delay < MAX_OWN_DELAY_SECONDS
            deadline.close()
            await peer.left_alone()

    run(main(), frozen=True)


def test_a_request_that_spends_a_code_is_never_sent_twice() -> None:
    """The first one may have been redeemed before its connection ended."""

    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer())
        await talk.hear()
        talk.writer.close()

    async def main() -> None:
        async with listening(behave) as peer:
            deadline = Deadline(60.0)
            network = Network(resolving("127.0.0.1"), TransportStats(), lambda _: ())
            async with ProbeTransport(network, deadline, no_tls()) as transport:
                url = f"http://idp.example:{peer.port}/rp/callback"
                assert (await transport.exchange(Request("GET", url))).error is None
                assert (await transport.exchange(Request("GET", url, repeatable=False))).error is not None
            deadline.close()
            await peer.left_alone()
            assert len(peer.talks) == 1

    run(main())


@pytest.mark.parametrize("url", ["ftp://idp.example/", "https:///path", "idp.example/path", ""])
def test_a_request_for_a_url_that_is_not_http_is_a_bug(url: str) -> None:
    async def main() -> None:
        deadline, network = Deadline(60.0), Network(resolving("127.0.0.1"))
        async with ProbeTransport(network, deadline, no_tls()) as transport:
            found = await transport.exchange(Request("GET", url))
        deadline.close()
        assert found.link is None
        assert read_failure(found) == OUR_BUG

    run(main())


@pytest.mark.parametrize(
    ("content", "kind", "body"),
    [
        ({"data": {"grant_type": "authorization_code", "code": "a b"}}, b"application/x-www-form-urlencoded",
         b"grant_type=authorization_code&code=a+b"),
        ({"json": {"username": "u"}}, b"application/json", b'{"username":"u"}'),
        ({"content": b""}, b"", b""),
    ],
)  # fmt: skip
def test_head_and_body_of_a_request_are_sent_together(
    content: dict[str, Any], kind: bytes, body: bytes
) -> None:
    heard: list[bytes] = []

    async def behave(talk: Talk) -> None:
        heard.append(await talk.reader.read(65536))
        await talk.say(answer())

    async def main() -> None:
        async with client(behave) as (http, _, _):
            assert (await http.post("/flows/1", **content)).status_code == 200

    run(main())
    head, _, sent = heard[0].partition(b"\r\n\r\n")
    assert sent == body
    assert b"content-type: " + kind in head.lower() + b"content-type: "
    assert head.lower().count(b"\r\ncontent-length: %d" % len(body)) == 1
    assert head.count(b"\r\nHost: ") == 1


def test_a_decoded_body_is_handed_on_without_its_encoding() -> None:
    packed = answer(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip", "X-Other: kept")

    async def main() -> None:
        async with client(replies(packed)) as (http, _, _):
            response = await http.get("/")
            assert response.json() == {"a": 1}
            assert "content-encoding" not in response.headers
            assert response.headers["x-other"] == "kept"

    run(main())


@SCHEMES
@pytest.mark.parametrize(
    "then",
    [lambda talk: talk.writer.close(), lambda talk: talk.reset()],
    ids=["closed", "reset"],
)
def test_a_connection_that_the_server_closed_is_not_used_again(
    then: Callable[[Talk], object], *, secure: bool, authority: Authority
) -> None:
    async def main() -> None:
        peer_authority = authority if secure else None
        async with client(replies(answer(), then=then), peer_authority) as (http, peer, _):
            for _ in range(2):
                assert (await http.get("/")).status_code == 200
                await turns()
            assert len(peer.talks) == 2

    run(main())


def test_a_kept_connection_to_a_proxy_is_known_as_one_to_the_proxy() -> None:
    async def main() -> None:
        async with listening(replies(answer(), answer())) as proxy:
            deadline, url = Deadline(60.0), f"http://proxy.example:{proxy.port}"
            network = Network(resolving("127.0.0.1"))
            async with ProbeTransport(network, deadline, no_tls(), proxy_url=url) as made:
                for _ in range(2):
                    found = await made.exchange(Request("GET", "http://idp.example/"))
                    assert (found.error, found.peer) == (None, ("proxy.example", proxy.port))
            assert len(proxy.talks) == 1
            deadline.close()
            await proxy.left_alone()

    run(main())


def test_a_server_that_wants_to_close_gets_a_new_connection() -> None:
    async def main() -> None:
        async with client(replies(answer(b"", "Connection: close"))) as (http, peer, _):
            for _ in range(2):
                await http.get("/")
            assert len(peer.talks) == 2

    run(main())


@SCHEMES
@pytest.mark.parametrize("left", [b"<html>moved</html>", answer(b"not the answer"), b"\r\n"])
def test_bytes_behind_an_answer_are_not_read_as_the_next_one(
    left: bytes, *, secure: bool, authority: Authority
) -> None:
    async def main() -> None:
        first, again = answer(b"one") + left, answer(b"two")
        async with client(replies(first, again), authority if secure else None) as (http, peer, _):
            assert (await http.get("/")).content == b"one"
            response = await http.get("/")
            assert response.content == b"one"
            assert Phase.CONNECT in exchange(response).phases
            assert len(peer.talks) == 2

    run(main())


def test_an_exchange_that_failed_is_an_error_of_httpx_with_its_record() -> None:
    async def main() -> None:
        async with client(replies(b"HTTP/1.1 200 OK\r\nX", then=lambda talk: talk.writer.close())) as (
            http,
            *_,
        ):
            with pytest.raises(ExchangeError) as caught:
                await http.get("/?state=planted")
            assert caught.value.exchange.phase is Phase.PROCESSING
            assert isinstance(caught.value, httpx.TransportError)
            assert "planted" not in str(caught.value)

    run(main())


def test_the_deadline_is_that_of_the_whole_probe() -> None:
    async def slow(talk: Talk) -> None:
        for _ in range(2):
            await talk.hear()
            loop().skip(40)
            await talk.say(answer())

    async def main() -> None:
        async with client(slow) as (http, _, stats):
            await http.get("/")
            with pytest.raises(ExchangeError):
                await http.get("/")
            assert stats.loop_timed_exchanges == 2, "a clock that was put forward is not the kernel's"

    run(main())


def test_more_of_a_body_is_read_where_it_is_asked_for() -> None:
    async def main() -> Coroutine[Any, Any, None] | None:
        async with client(replies(answer(b"x" * 400_000), answer(b"x" * 400_000))) as (http, _, _):
            cut = await http.get("/")
            whole = await http.get("/", extensions={"max_body_bytes": 2 * 1024 * 1024})
            found = exchange(cut).answer
            assert found is not None
            assert found.too_large
            assert len(whole.content) == 400_000
        await asyncio.sleep(0)
        return None

    run(main())
