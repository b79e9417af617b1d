"""TLS on real sockets: who comes in, what becomes of handshakes that do not end, and that none is logged."""

import asyncio
import contextlib
import logging
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from serving.pairs import Pair
from serving.wire import app, connected, local, run

from exporter.serving import Door, Server, serving
from exporter.serving import handshake as handshake_module
from exporter.serving import server as server_module
from exporter.serving.connection import Connection
from exporter.serving.handshake import LARGEST_READ, Handshake
from exporter.serving.seats import Seats
from exporter.tls import TlsServer, WebSecurity, read_material, server_context

UNHURRIED = 3600


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def vouched(tmp_path: Path) -> trustme.CA:
    """Return an authority for clients, whose certificate is in clients.crt."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.crt"))
    return authority


def door_for(tls: TlsServer) -> Door:
    return Door(WebSecurity(tls=tls))


async def refused(sockets: list[socket.socket], tls: ssl.SSLContext) -> bool:
    """Tell whether a client is turned away; with TLS 1.3 it learns it only when it reads."""
    try:
        async with connected(sockets, tls) as client:
            await client.ask()
    except (ssl.SSLError, OSError, asyncio.IncompleteReadError):
        return True
    return False


def test_a_scrape_through_tls_is_answered_and_so_is_the_next_on_the_same_connection(pair: Pair) -> None:
    async def scenario() -> None:
        sockets = local()
        async with (
            serving(app(), sockets, door=door_for(pair.tls())),
            connected(sockets, pair.client()) as client,
        ):
            for _ in range(2):
                assert (await client.ask()).status == 200

    run(scenario())


def test_http_1_1_is_what_is_agreed_on_even_with_a_client_that_would_rather_have_2(pair: Pair) -> None:
    async def scenario() -> None:
        sockets, tls = local(), pair.client()
        tls.set_alpn_protocols(["h2", "http/1.1"])
        async with serving(app(), sockets, door=door_for(pair.tls())), connected(sockets, tls) as client:
            ssl_object = client.writer.get_extra_info("ssl_object")
            assert ssl_object.selected_alpn_protocol() == "http/1.1"
            assert ssl_object.version() == "TLSv1.3"

    run(scenario())


@pytest.mark.parametrize(
    ("minimum", "maximum", "spoken"),
    [
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
def test_versions_are_bounded(
    minimum: ssl.TLSVersion, maximum: ssl.TLSVersion, spoken: str, pair: Pair
) -> None:
    async def scenario() -> None:
        sockets, tls = local(), pair.tls()
        bounded = TlsServer(certificate=tls.certificate, key=tls.key, minimum=minimum, maximum=maximum)
        other = pair.client()
        if spoken == "TLSv1.2":
            other.minimum_version = ssl.TLSVersion.TLSv1_3
        else:
            other.maximum_version = ssl.TLSVersion.TLSv1_2
        async with serving(app(), sockets, door=door_for(bounded)):
            async with connected(sockets, pair.client()) as client:
                assert client.writer.get_extra_info("ssl_object").version() == spoken
            assert await refused(sockets, other)

    run(scenario())


def test_suites_curve_and_order_are_as_configured(pair: Pair) -> None:
    async def scenario() -> None:
        sockets, tls = local(), pair.tls()
        chosen = TlsServer(
            certificate=tls.certificate,
            key=tls.key,
            maximum=ssl.TLSVersion.TLSv1_2,
            ciphers=("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            server_chooses=False,
            curve="secp384r1",
        )
        client_likes = pair.client()
        client_likes.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        other_curve = pair.client()
        other_curve.set_ecdh_curve("prime256v1")
        async with serving(app(), sockets, door=door_for(chosen)):
            async with connected(sockets, client_likes) as client:
                assert client.writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
            assert await refused(sockets, other_curve)

    run(scenario())


def test_mutual_tls_lets_in_whom_the_authority_vouches_for_and_nobody_else(
    pair: Pair, vouched: trustme.CA, tmp_path: Path
) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, door=door_for(pair.tls(tmp_path / "clients.crt"))):
            assert not await refused(sockets, pair.client(vouched.issue_cert("prometheus@example.com")))
            assert await refused(sockets, pair.client(trustme.CA().issue_cert("prometheus@example.com")))
            assert await refused(sockets, pair.client())

    run(scenario())


def test_a_certificate_that_is_asked_for_only_if_given_may_be_missing_but_not_somebody_else_s(
    pair: Pair, vouched: trustme.CA, tmp_path: Path
) -> None:
    async def scenario() -> None:
        sockets = local()
        door = door_for(pair.tls(tmp_path / "clients.crt", required=False))
        async with serving(app(), sockets, door=door):
            assert not await refused(sockets, pair.client())
            assert not await refused(sockets, pair.client(vouched.issue_cert("prometheus@example.com")))
            assert await refused(sockets, pair.client(trustme.CA().issue_cert("prometheus@example.com")))

    run(scenario())


def test_an_intermediate_authority_alone_is_trusted_as_go_does(
    pair: Pair, vouched: trustme.CA, tmp_path: Path
) -> None:
    intermediate = vouched.create_child_ca()
    intermediate.cert_pem.write_to_path(str(tmp_path / "intermediate.crt"))

    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, door=door_for(pair.tls(tmp_path / "intermediate.crt"))):
            assert not await refused(sockets, pair.client(intermediate.issue_cert("prometheus@example.com")))
            assert await refused(sockets, pair.client(vouched.issue_cert("prometheus@example.com")))

    run(scenario())


def test_no_failed_handshake_is_logged_or_left_behind(
    pair: Pair, vouched: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    unhandled: list[object] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(False)  # as in the daemon: what is tested is what it would log
        loop.set_exception_handler(lambda _, context: unhandled.append(context))
        sockets = local()
        old = pair.client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        strict = pair.tls(tmp_path / "clients.crt")
        strict = TlsServer(
            certificate=strict.certificate,
            key=strict.key,
            authorities=strict.authorities,
            certificate_required=True,
            minimum=ssl.TLSVersion.TLSv1_3,
        )
        async with serving(app(), sockets, door=door_for(strict)):
            for sent in (b"", b"\0" * 100, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
                reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
                writer.write(sent)
                writer.write_eof()
                with contextlib.suppress(OSError):
                    await reader.read()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            unknowing = ssl.create_default_context()
            nobody = pair.client(trustme.CA().issue_cert("x@example.com"))
            for context in (unknowing, old, pair.client(), nobody):
                assert await refused(sockets, context)
            assert not await refused(sockets, pair.client(vouched.issue_cert("x@example.com")))

    run(scenario())
    said = [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    said += [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    said = [message for message in said if not message.startswith("Executing ")]  # a slow machine's
    assert (unhandled, said) == ([], [])


def test_a_handshake_that_does_not_go_on_is_ended_in_time(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake_module, "HANDSHAKE_DEADLINE", 0.01)

    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, door=door_for(pair.tls())), connected(sockets) as client:
            client.writer.write(b"\x16\x03\x01")
            assert await client.closed()

    run(scenario())


def test_handshakes_that_do_not_end_give_way_to_a_scrape(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 3)

    async def scenario() -> None:
        sockets = local()
        async with (
            serving(app(), sockets, door=door_for(pair.tls()), grace=UNHURRIED),
            contextlib.AsyncExitStack() as attack,
        ):
            halfway = [await attack.enter_async_context(connected(sockets)) for _ in range(4)]
            for client in halfway:
                client.writer.write(b"\x16\x03\x01")
            async with connected(sockets, pair.client()) as scraper:
                assert (await scraper.ask()).status == 200
            for client in halfway[:2]:
                assert await client.closed()

    run(scenario())


def test_a_handshake_has_a_seat_from_its_first_byte_to_its_end(pair: Pair) -> None:
    async def scenario() -> None:
        seats, server, tls = Seats(5), Server(app()), pair.tls()
        server.config.load()
        connection = Connection(server.config, server.server_state, {})
        handshake = Handshake(connection, server_context(tls, read_material(tls)), seats)

        handshake.connection_made(asyncio.Transport())
        assert len(seats) == 1
        assert len(handshake.get_buffer(-1)) == LARGEST_READ  # and not sixteen times as much

        handshake.connection_lost(None)
        assert len(seats) == 0

    run(scenario())


def test_neither_a_handshake_nor_an_idle_connection_delays_the_end(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake_module, "HANDSHAKE_DEADLINE", UNHURRIED)

    async def scenario() -> None:
        sockets = local()
        async with contextlib.AsyncExitStack() as clients:
            async with serving(app(), sockets, door=door_for(pair.tls()), grace=UNHURRIED):
                used = await clients.enter_async_context(connected(sockets, pair.client()))
                unused = await clients.enter_async_context(connected(sockets, pair.client()))
                halfway = await clients.enter_async_context(connected(sockets))
                halfway.writer.write(b"\x16\x03\x01")
                await used.ask()
            for client in (used, unused, halfway):
                assert await client.closed()

    run(scenario())


def test_a_client_that_does_not_confirm_the_end_of_tls_is_not_waited_for(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, door=door_for(pair.tls())):
            silent = await asyncio.to_thread(_connect, sockets[0].getsockname(), pair.client())
        while await asyncio.to_thread(silent.recv, 65536):
            pass
        silent.close()

    run(scenario())
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []


def _connect(address: tuple[str, int], tls: ssl.SSLContext) -> ssl.SSLSocket:
    silent = tls.wrap_socket(socket.create_connection(address, timeout=30), server_hostname="localhost")
    silent.sendall(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
    assert silent.recv(8) == b"HTTP/1.1"
    return silent
