"""The port's security while it is open: another configuration, other certificates."""

import asyncio
import threading
from pathlib import Path

import bcrypt
import pytest
import trustme
from serving.pairs import LOCAL, Pair
from serving.wire import app, connected, is_refused, local, run

from exporter.serving import PortSecurity, serve
from exporter.serving.auth import BasicAuth
from exporter.tls import RateLimit, TlsFileError, WebSecurity

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
LOGIN = "Authorization: Basic YW5uOnNlY3JldA==\r\n"  # ann:secret


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_users_headers_and_limits_change_for_open_connections() -> None:
    async def scenario() -> None:
        security, sockets = PortSecurity(), local()
        async with serve(app(security=security), sockets, security=security), connected(sockets) as client:
            assert (await client.ask()).status == 200

            security.apply(WebSecurity(users={"ann": HASH}, headers=(("X-Frame-Options", "deny"),)))
            answer = await client.ask()
            assert (answer.status, answer.headers["x-frame-options"]) == (401, "deny")
            assert (await client.ask(extra=LOGIN)).status == 200

            security.apply(WebSecurity(rate_limit=RateLimit(interval=1000, burst=1)))
            assert [(await client.ask()).status for _ in range(2)] == [200, 429]
            assert (await client.ask(path="/-/healthy")).status == 200

            security.apply(None)
            assert (await client.ask()).status == 200

    run(scenario())


def test_an_unchanged_rate_limit_keeps_its_tokens() -> None:
    async def scenario() -> None:
        limited = WebSecurity(rate_limit=RateLimit(interval=1000, burst=1))
        security = PortSecurity(limited)
        bucket = security.rate_limit
        security.apply(limited)
        assert bucket is not None
        assert security.rate_limit is bucket

    run(scenario())


def test_tls_can_be_turned_on_and_off_and_old_connections_end(pair: Pair) -> None:
    async def scenario() -> None:
        security, sockets = PortSecurity(), local()
        async with serve(app(security=security), sockets, security=security), connected(sockets) as plain:
            assert (await plain.ask()).status == 200

            security.apply(WebSecurity(tls=pair.tls()))
            assert await plain.closed()
            async with connected(sockets, pair.client()) as secure:
                assert (await secure.ask()).status == 200

                security.apply(None)
                assert await secure.closed()
            async with connected(sockets) as plain_again:
                assert (await plain_again.ask()).status == 200

    run(scenario())


def test_a_client_certificate_is_required_from_then_on(pair: Pair, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.crt"))

    async def scenario() -> None:
        security, sockets = PortSecurity(WebSecurity(tls=pair.tls())), local()
        async with (
            serve(app(security=security), sockets, security=security),
            connected(sockets, pair.client()) as anonymous,
        ):
            assert (await anonymous.ask()).status == 200

            security.apply(WebSecurity(tls=pair.tls(tmp_path / "clients.crt")))

            assert await anonymous.closed()
            assert await is_refused(sockets, pair.client())
            assert not await is_refused(sockets, pair.client(authority.issue_cert("x@example.com")))

    run(scenario())


def test_unchanged_tls_ends_no_connection(pair: Pair) -> None:
    async def scenario() -> None:
        security, sockets = PortSecurity(WebSecurity(tls=pair.tls())), local()
        async with (
            serve(app(security=security), sockets, security=security),
            connected(sockets, pair.client()) as client,
        ):
            security.apply(WebSecurity(tls=pair.tls(), users={"ann": HASH}))
            assert (await client.ask()).status == 401

    run(scenario())


# Renewal on disk


def test_the_next_connection_gets_the_renewed_certificate_and_old_ones_end(pair: Pair) -> None:
    async def scenario() -> None:
        security, sockets = PortSecurity(WebSecurity(tls=pair.tls())), local()
        old = pair.client()
        async with serve(app(security=security), sockets, security=security):
            async with connected(sockets, old) as client:
                assert (await client.ask()).status == 200
                security.apply(WebSecurity(tls=pair.tls()))
                assert (await client.ask()).status == 200  # nothing has changed

                pair.renew()
                security.apply(WebSecurity(tls=pair.tls()))

                assert await client.closed()
            async with connected(sockets, pair.client()) as another:
                assert (await another.ask()).status == 200
            assert await is_refused(sockets, old)

    run(scenario())


def test_certificates_are_compared_by_content_and_not_by_date(pair: Pair) -> None:
    async def scenario() -> None:
        security = PortSecurity(WebSecurity(tls=pair.tls()))
        before = security.tls
        for file in pair.directory.iterdir():
            file.write_bytes(file.read_bytes())
        security.apply(WebSecurity(tls=pair.tls()))
        assert security.tls is before

        pair.swap()
        security.apply(WebSecurity(tls=pair.tls()))
        assert security.tls is not before

    run(scenario())


def test_client_authorities_are_renewed_too(pair: Pair, tmp_path: Path) -> None:
    authorities = tmp_path / "clients.crt"
    trustme.CA().cert_pem.write_to_path(str(authorities))

    async def scenario() -> None:
        security, sockets = PortSecurity(WebSecurity(tls=pair.tls(authorities))), local()
        authority = trustme.CA()
        client = pair.client(authority.issue_cert("x@example.com"))
        async with serve(app(security=security), sockets, security=security):
            assert await is_refused(sockets, client)
            authority.cert_pem.write_to_path(str(authorities))
            security.apply(WebSecurity(tls=pair.tls(authorities)))
            assert not await is_refused(sockets, client)

    run(scenario())


def test_a_pair_that_is_written_piece_by_piece_is_taken_once_it_is_whole(pair: Pair) -> None:
    """Certificate first, key first, half of either, or one in place of the other: the old pair stays."""
    renewed = pair.authority.issue_cert(*LOCAL)
    certificate = b"".join(pem.bytes() for pem in renewed.cert_chain_pems)
    key = renewed.private_key_pem.bytes()
    files = pair.directory / "server.crt", pair.directory / "server.key"
    old = tuple(file.read_bytes() for file in files)
    states = [
        *((certificate[:size], old[1]) for size in (0, 1, len(certificate) // 2, len(certificate) - 30)),
        (certificate, old[1]),
        (old[0], key),
        *((certificate, key[:size]) for size in (0, len(key) // 2, len(key) - 30)),
        (key, certificate),
        (old[1], old[0]),
    ]

    async def scenario() -> None:
        security = PortSecurity(WebSecurity(tls=pair.tls()))
        before = security.tls
        for state in states:
            for file, content in zip(files, state, strict=True):
                file.write_bytes(content)
            with pytest.raises(TlsFileError):
                pair.tls()
        for file, content in zip(files, (certificate, key), strict=True):
            file.write_bytes(content)
        security.apply(WebSecurity(tls=pair.tls()))
        assert security.tls is not before

    run(scenario())


# Shutdown


def test_waiting_logins_are_answered_at_shutdown() -> None:
    opened = threading.Event()

    def compare(password: bytes, _: bytes) -> bool:
        opened.wait()
        return password == b"secret"

    async def scenario() -> None:
        security = PortSecurity(WebSecurity(users={"ann": HASH}), auth=BasicAuth(compare))
        sockets, leave = local(), asyncio.Event()

        async def served() -> None:
            async with serve(app(security=security), sockets, security=security, grace=3600):
                await leave.wait()

        server = asyncio.create_task(served())
        async with connected(sockets) as first, connected(sockets) as second:
            compared = asyncio.create_task(first.ask(extra="Authorization: Basic YW5uOngK\r\n"))
            waiting = asyncio.create_task(second.ask(extra=LOGIN))
            while security.auth.waiting < 2:  # noqa: ASYNC110  no event for that
                await asyncio.sleep(0.01)
            leave.set()
            while sockets[0].fileno() != -1:  # noqa: ASYNC110  no event for that
                await asyncio.sleep(0.01)
            opened.set()
            assert [(await answer).status for answer in (compared, waiting)] == [401, 200]
        await server

    run(scenario())
