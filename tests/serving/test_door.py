"""The door while the port is open: another configuration, other certificates, a rate limit by a set clock."""

import asyncio
import logging
import threading
from pathlib import Path

import bcrypt
import pytest
import trustme
from serving.pairs import Pair
from serving.test_handshake import refused
from serving.wire import app, connected, local, run

from exporter.serving import Door, serving
from exporter.serving import door as door_module
from exporter.serving.door import Bucket
from exporter.serving.login import Login
from exporter.tls import RateLimit, TlsFileError, TlsServer, WebSecurity

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
LOGIN = "Authorization: Basic YW5uOnNlY3JldA==\r\n"  # ann:secret


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the room logged; asyncio's debug mode tells of a slow machine."""
    return [record.getMessage() for record in caplog.records if record.name == "exporter.serving"]


def test_a_door_whose_certificate_cannot_be_used_is_none(tmp_path: Path) -> None:
    with pytest.raises(TlsFileError, match="file not found"):
        Door(WebSecurity(tls=TlsServer(certificate=tmp_path / "a", key=tmp_path / "b")))


def test_users_headers_and_limits_change_for_connections_that_are_there() -> None:
    async def scenario() -> None:
        door, sockets = Door(), local()
        async with serving(app(door=door), sockets, door=door), connected(sockets) as client:
            assert (await client.ask()).status == 200

            door.prepare(WebSecurity(users={"ann": HASH}, headers=(("X-Frame-Options", "deny"),)))()
            answer = await client.ask()
            assert (answer.status, answer.headers["x-frame-options"]) == (401, "deny")
            assert (await client.ask(extra=LOGIN)).status == 200

            door.prepare(WebSecurity(rate_limit=RateLimit(interval=1000, burst=1)))()
            assert [(await client.ask()).status for _ in range(2)] == [200, 429]
            assert (await client.ask(path="/-/healthy")).status == 200

            door.prepare(None)()
            assert (await client.ask()).status == 200

    run(scenario())


def test_the_same_rate_limit_after_a_reload_counts_on() -> None:
    async def scenario() -> None:
        limited = WebSecurity(rate_limit=RateLimit(interval=1000, burst=1))
        door = Door(limited)
        assert door.has_room()
        door.prepare(limited)()
        assert not door.has_room()

    run(scenario())


def test_tls_begins_and_ends_without_closing_the_port_and_old_connections_end(pair: Pair) -> None:
    async def scenario() -> None:
        door, sockets = Door(), local()
        async with serving(app(door=door), sockets, door=door), connected(sockets) as plain:
            assert (await plain.ask()).status == 200

            door.prepare(WebSecurity(tls=pair.tls()))()
            assert await plain.closed()
            async with connected(sockets, pair.client()) as secure:
                assert (await secure.ask()).status == 200

                door.prepare(None)()
                assert await secure.closed()
            async with connected(sockets) as plain_again:
                assert (await plain_again.ask()).status == 200

    run(scenario())


def test_a_client_certificate_is_required_from_the_next_connection_on(pair: Pair, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.crt"))

    async def scenario() -> None:
        door, sockets = Door(WebSecurity(tls=pair.tls())), local()
        async with (
            serving(app(door=door), sockets, door=door),
            connected(sockets, pair.client()) as anonymous,
        ):
            assert (await anonymous.ask()).status == 200

            door.prepare(WebSecurity(tls=pair.tls(tmp_path / "clients.crt")))()

            assert await anonymous.closed()
            assert await refused(sockets, pair.client())
            assert not await refused(sockets, pair.client(authority.issue_cert("x@example.com")))

    run(scenario())


def test_tls_that_cannot_be_changes_nothing(pair: Pair, tmp_path: Path) -> None:
    async def scenario() -> None:
        door, sockets = Door(WebSecurity(tls=pair.tls())), local()
        async with (
            serving(app(door=door), sockets, door=door),
            connected(sockets, pair.client()) as client,
        ):
            with pytest.raises(TlsFileError, match="file not found"):
                door.prepare(WebSecurity(tls=pair.tls(tmp_path / "absent"), users={"ann": HASH}))
            assert (await client.ask()).status == 200

    run(scenario())


def test_what_is_prepared_changes_nothing_until_it_is_put_in_force(pair: Pair) -> None:
    async def scenario() -> None:
        door, sockets = Door(), local()
        async with serving(app(door=door), sockets, door=door), connected(sockets) as client:
            apply = await asyncio.to_thread(door.prepare, WebSecurity(tls=pair.tls(), users={"ann": HASH}))
            assert (await client.ask()).status == 200

            apply()

            assert await client.closed()
            async with connected(sockets, pair.client()) as another:
                assert (await another.ask()).status == 401

    run(scenario())


def test_the_same_tls_after_a_reload_ends_no_connection(pair: Pair) -> None:
    async def scenario() -> None:
        door, sockets = Door(WebSecurity(tls=pair.tls())), local()
        async with (
            serving(app(door=door), sockets, door=door),
            connected(sockets, pair.client()) as client,
        ):
            door.prepare(WebSecurity(tls=pair.tls(), users={"ann": HASH}))()
            assert (await client.ask()).status == 401

    run(scenario())


def test_a_certificate_that_is_renewed_on_disk_is_shown_to_the_next_connection(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door_module, "INTERVAL", 0.01)
    caplog.set_level(logging.INFO, logger="exporter")

    async def scenario() -> None:
        door, sockets = Door(WebSecurity(tls=pair.tls())), local()
        old = pair.client()
        async with serving(app(door=door), sockets, door=door), connected(sockets, old) as client:
            assert (await client.ask()).status == 200

            pair.renew()

            assert await client.closed()
            async with connected(sockets, pair.client()) as another:
                assert (await another.ask()).status == 200
            assert await refused(sockets, old)

    run(scenario())
    assert said(caplog)[-1] == "TLS certificate renewed"


def test_a_broken_pair_keeps_the_old_one_and_is_told_of_once(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door_module, "INTERVAL", 0.01)
    warned = asyncio.Event()

    class Listener(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            loop.call_soon_threadsafe(warned.set)

    loop: asyncio.AbstractEventLoop

    async def scenario() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        listener = Listener()
        logging.getLogger("exporter.serving").addHandler(listener)
        door, sockets = Door(WebSecurity(tls=pair.tls())), local()
        async with serving(app(door=door), sockets, door=door):
            (pair.directory / "new").write_text("nonsense")
            (pair.directory / "new").rename(pair.directory / "server.key")
            await warned.wait()
            assert not await refused(sockets, pair.client())
        logging.getLogger("exporter.serving").removeHandler(listener)

    run(scenario())
    assert said(caplog) == [
        "TLS certificate not renewed, the old one is kept: key: no private key found; expected one in PEM"
    ]


def test_logins_that_wait_when_the_end_comes_are_answered() -> None:
    opened = threading.Event()

    def compare(password: bytes, _: bytes) -> bool:
        opened.wait()
        return password == b"secret"

    async def scenario() -> None:
        door = Door(WebSecurity(users={"ann": HASH}), login=Login(compare))
        sockets, leave = local(), asyncio.Event()

        async def served() -> None:
            async with serving(app(door=door), sockets, door=door, grace=3600):
                await leave.wait()

        server = asyncio.create_task(served())
        async with connected(sockets) as first, connected(sockets) as second:
            compared = asyncio.create_task(first.ask(extra="Authorization: Basic YW5uOngK\r\n"))
            waiting = asyncio.create_task(second.ask(extra=LOGIN))
            while door.login.waiting < 2:  # noqa: ASYNC110  arriving is no event
                await asyncio.sleep(0.01)
            leave.set()
            while sockets[0].fileno() != -1:  # noqa: ASYNC110  a socket's closing is no event
                await asyncio.sleep(0.01)
            opened.set()
            assert [(await answer).status for answer in (compared, waiting)] == [401, 200]
        await server

    run(scenario())


class Clock:
    """Seconds that are set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_one_token_per_interval() -> None:
    clock = Clock()
    bucket = Bucket(RateLimit(interval=2.0, burst=3), clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]

    clock.now = 1.9
    assert not bucket.take()
    clock.now = 4.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    bucket = Bucket(RateLimit(interval=1.0, burst=2), clock)

    clock.now = 1000.0

    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_look_that_fails_is_logged_and_not_the_last(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door_module, "INTERVAL", 0.01)
    looks = 0

    async def scenario() -> None:
        door = Door(WebSecurity(tls=pair.tls()))
        again = asyncio.Event()
        loop = asyncio.get_running_loop()

        def look(_: object) -> bool:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise OSError(24, "Too many open files")
            loop.call_soon_threadsafe(again.set)
            return False

        monkeypatch.setattr("exporter.serving.certificates.Certificates.look", look)
        async with serving(app(door=door), local(), door=door):
            await again.wait()

    run(scenario())
    assert said(caplog) == ["cannot look at the certificates"]
