"""TLS on real sockets: which clients are accepted, handshakes that fail or never end."""

import asyncio
import contextlib
import logging
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from serving.pairs import Pair
from serving.wire import app, connected, is_refused, local, run

from exporter.serving import PortSecurity, serve
from exporter.serving import server as server_module
from exporter.tls import TlsServer, WebSecurity

UNHURRIED = 3600


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture
def client_authority(tmp_path: Path) -> trustme.CA:
    """Return an authority for clients; its certificate is in clients.crt."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.crt"))
    return authority


def security_of(tls: TlsServer) -> PortSecurity:
    return PortSecurity(WebSecurity(tls=tls))


def test_http_1_1_is_negotiated_with_a_client_that_prefers_http_2(pair: Pair) -> None:
    async def scenario() -> None:
        sockets, tls = local(), pair.client()
        tls.set_alpn_protocols(["h2", "http/1.1"])
        async with serve(app(), sockets, security=security_of(pair.tls())), connected(sockets, tls) as client:
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
def test_tls_versions_are_bounded(
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
        async with serve(app(), sockets, security=security_of(bounded)):
            async with connected(sockets, pair.client()) as client:
                assert client.writer.get_extra_info("ssl_object").version() == spoken
            assert await is_refused(sockets, other)

    run(scenario())


def test_cipher_suites_in_our_order_and_the_curve_are_as_configured(pair: Pair) -> None:
    async def scenario() -> None:
        sockets, tls = local(), pair.tls()
        chosen = TlsServer(
            certificate=tls.certificate,
            key=tls.key,
            maximum=ssl.TLSVersion.TLSv1_2,
            ciphers=("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"),
            curve="secp384r1",
        )
        client_likes = pair.client()
        client_likes.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        other_curve = pair.client()
        other_curve.set_ecdh_curve("prime256v1")
        async with serve(app(), sockets, security=security_of(chosen)):
            async with connected(sockets, client_likes) as client:
                assert client.writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
            assert await is_refused(sockets, other_curve)

    run(scenario())


def test_an_optional_client_certificate_may_be_missing_but_not_of_another_authority(
    pair: Pair, client_authority: trustme.CA, tmp_path: Path
) -> None:
    async def scenario() -> None:
        sockets = local()
        security = security_of(pair.tls(tmp_path / "clients.crt", required=False))
        async with serve(app(), sockets, security=security):
            assert not await is_refused(sockets, pair.client())
            assert not await is_refused(
                sockets, pair.client(client_authority.issue_cert("prometheus@example.com"))
            )
            assert await is_refused(sockets, pair.client(trustme.CA().issue_cert("prometheus@example.com")))

    run(scenario())


def test_an_intermediate_authority_alone_is_trusted_as_in_go(
    pair: Pair, client_authority: trustme.CA, tmp_path: Path
) -> None:
    intermediate = client_authority.create_child_ca()
    intermediate.cert_pem.write_to_path(str(tmp_path / "intermediate.crt"))

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, security=security_of(pair.tls(tmp_path / "intermediate.crt"))):
            assert not await is_refused(
                sockets, pair.client(intermediate.issue_cert("prometheus@example.com"))
            )
            assert await is_refused(
                sockets, pair.client(client_authority.issue_cert("prometheus@example.com"))
            )

    run(scenario())


def test_failed_handshakes_are_not_logged_and_leave_nothing_behind(
    pair: Pair, client_authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
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
        async with serve(app(), sockets, security=security_of(strict)):
            for sent in (b"", b"\0" * 100, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
                reader, writer = await asyncio.open_connection(*sockets[0].getsockname())
                writer.write(sent)
                writer.write_eof()
                with contextlib.suppress(OSError):
                    await reader.read()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            untrusting = ssl.create_default_context()
            unknown = pair.client(trustme.CA().issue_cert("x@example.com"))
            for context in (untrusting, old, pair.client(), unknown):
                assert await is_refused(sockets, context)
            assert not await is_refused(sockets, pair.client(client_authority.issue_cert("x@example.com")))

    run(scenario())
    messages = [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    messages += [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    messages = [message for message in messages if not message.startswith("Executing ")]  # a slow machine's
    assert (unhandled, messages) == ([], [])


def test_a_stalled_handshake_is_closed_in_time(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_TIMEOUT_SECONDS", 0.01)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, security=security_of(pair.tls())), connected(sockets) as client:
            client.writer.write(b"\x16\x03\x01")
            assert await client.closed()

    run(scenario())


def test_stalled_handshakes_make_room_for_a_scrape(pair: Pair) -> None:
    async def scenario() -> None:
        sockets = local()
        async with (
            serve(app(), sockets, security=security_of(pair.tls()), grace=UNHURRIED, max_connections=3),
            contextlib.AsyncExitStack() as attack,
        ):
            stalled = [await attack.enter_async_context(connected(sockets)) for _ in range(4)]
            for client in stalled:
                client.writer.write(b"\x16\x03\x01")
            async with connected(sockets, pair.client()) as scraper:
                assert (await scraper.ask()).status == 200
            for client in stalled[:2]:
                assert await client.closed()

    run(scenario())


def test_with_tls_there_are_fewer_connections_since_each_takes_more_memory() -> None:
    assert server_module.MAX_TLS_CONNECTIONS * 256 * 1024 <= 32 * 1024 * 1024


def test_stalled_handshakes_and_idle_connections_do_not_delay_shutdown(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_TIMEOUT_SECONDS", UNHURRIED)

    async def scenario() -> None:
        sockets = local()
        async with contextlib.AsyncExitStack() as clients:
            async with serve(app(), sockets, security=security_of(pair.tls()), grace=UNHURRIED):
                used = await clients.enter_async_context(connected(sockets, pair.client()))
                unused = await clients.enter_async_context(connected(sockets, pair.client()))
                halfway = await clients.enter_async_context(connected(sockets))
                halfway.writer.write(b"\x16\x03\x01")
                await used.ask()
            for client in (used, unused, halfway):
                assert await client.closed()

    run(scenario())


def test_shutdown_does_not_wait_for_a_client_that_does_not_close_tls(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, security=security_of(pair.tls())):
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
