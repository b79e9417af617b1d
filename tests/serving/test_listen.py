"""Listening on real sockets, and every error, word for word."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from exporter.serving import ListenError, bind

LISTEN = "FLOW_EXPORTER_WEB__LISTEN_ADDRESS"
ELSEWHERE = "198.51.100.1"
"""Of a network that exists in documentation only (RFC 5737)."""

needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


@contextmanager
def bound(*addresses: tuple[str, int]) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(sock) for sock in bind(addresses)]


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=10):
            return True
    except ConnectionRefusedError:
        return False


def refusing(number: int, family: socket.AddressFamily | None = None) -> type[socket.socket]:
    """A kind of socket that cannot be bound, for one address family or for all."""

    class Refusing(socket.socket):
        def bind(self, address: Any, /) -> None:  # noqa: ANN401  as typeshed has it
            if family in {None, self.family}:
                raise OSError(number, os.strerror(number))
            super().bind(address)

    return Refusing


def error_of(*addresses: tuple[str, int]) -> str:
    with pytest.raises(ListenError) as caught:
        bind(addresses)
    return str(caught.value)


def test_a_socket_accepts_connections_as_soon_as_it_is_bound() -> None:
    with bound(("127.0.0.1", 0)) as (sock,):
        assert answers("127.0.0.1", port_of(sock))
        assert not sock.getblocking()


def test_several_addresses_keep_their_order() -> None:
    with bound(("127.0.0.2", 0), ("127.0.0.1", 0)) as socks:
        assert [sock.getsockname()[0] for sock in socks] == ["127.0.0.2", "127.0.0.1"]


@needs_ipv6
@pytest.mark.parametrize("host", ["", "::"])
def test_no_host_means_ipv4_and_ipv6(host: str) -> None:
    with bound((host, 0)) as (sock,):
        assert answers("127.0.0.1", port_of(sock))
        assert answers("::1", port_of(sock))


@needs_ipv6
def test_both_unspecified_addresses_can_be_listed_together() -> None:
    with bound(("127.0.0.1", 0)) as (sock,):
        port = port_of(sock)
    with bound(("0.0.0.0", port), ("::", port)) as socks:  # noqa: S104  the case under test
        assert [sock.family for sock in socks] == [socket.AF_INET, socket.AF_INET6]


@needs_ipv6
def test_an_ipv6_address_leaves_ipv4_alone() -> None:
    answering = []
    for _ in range(5):  # on one port, another program may listen
        with bound(("::1", 0)) as (sock,):
            assert answers("::1", port_of(sock))
            answering.append(answers("127.0.0.1", port_of(sock)))
    assert not all(answering)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_no_host_means_ipv4_where_there_is_no_ipv6(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refusing(number, socket.AF_INET6))

    with bound(("", 0)) as (sock,):
        assert sock.getsockname()[0] == "0.0.0.0"  # noqa: S104  the case under test
        assert answers("127.0.0.1", port_of(sock))


def resolving_to(*addresses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(_: str, port: int, *__: int, **___: int) -> list[tuple[object, ...]]:
        kind = (socket.SOCK_STREAM, 6, "")
        return [(socket.AF_INET, *kind, (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_name_means_all_its_addresses_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to("127.0.0.1", "127.0.0.2", "127.0.0.1", monkeypatch=monkeypatch)

    with bound(("exporter.test", 0)) as socks:
        assert [sock.getsockname()[0] for sock in socks] == ["127.0.0.1", "127.0.0.2"]


def test_an_address_that_the_machine_lacks_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(ELSEWHERE, "127.0.0.1", monkeypatch=monkeypatch)

    with bound(("exporter.test", 0)) as socks:
        assert [sock.getsockname()[0] for sock in socks] == ["127.0.0.1"]


def test_a_name_without_any_address_of_the_machine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(ELSEWHERE, monkeypatch=monkeypatch)

    assert error_of(("exporter.test", 9988)) == (
        f"cannot listen on exporter.test:9988: cannot assign requested address; use {LISTEN} to change it"
    )


def test_a_port_in_use() -> None:
    with bound(("127.0.0.1", 0)) as (sock,):
        port = port_of(sock)

        assert error_of(("127.0.0.1", port)) == (
            f"cannot listen on 127.0.0.1:{port}: address already in use; use {LISTEN} to change it"
        )


@needs_ipv6
def test_a_port_in_use_on_one_address_is_in_use_for_all() -> None:
    with bound(("0.0.0.0", 0)) as (sock,):  # noqa: S104  the case under test
        port = port_of(sock)

        assert error_of(("", port)).startswith(f"cannot listen on :{port}: address already in use; ")


def test_an_address_listed_twice() -> None:
    with bound(("127.0.0.1", 0)) as (sock,):
        port = port_of(sock)

    assert error_of(("127.0.0.1", port), ("127.0.0.1", port)) == (
        f"cannot listen on 127.0.0.1:{port}: address already in use; use {LISTEN} to change it"
    )


def test_a_privileged_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refusing(errno.EACCES))

    assert error_of(("::1", 80)) == (
        f"cannot listen on [::1]:80: permission denied; use {LISTEN} to change it"
    )


def test_an_address_of_another_machine() -> None:
    assert error_of((ELSEWHERE, 9988)) == (
        f"cannot listen on {ELSEWHERE}:9988: cannot assign requested address; use {LISTEN} to change it"
    )


def test_a_name_that_does_not_resolve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    assert error_of(("nowhere.test", 9988)) == (
        f"cannot listen on nowhere.test:9988: the host name does not resolve; use {LISTEN} to change it"
    )


def test_a_malformed_name_does_not_resolve() -> None:
    assert error_of(("a..b", 9988)).startswith("cannot listen on a..b:9988: the host name does not resolve; ")


def test_any_other_error_has_the_system_s_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", refusing(errno.ENOBUFS))

    for host in "", "127.0.0.1":
        assert error_of((host, 9988)) == (
            f"cannot listen on {host}:9988: no buffer space available; use {LISTEN} to change it"
        )


def test_the_message_names_the_given_setting() -> None:
    with pytest.raises(ListenError, match=r"; use OTHER__ADDRESS to change it$"):
        bind([(ELSEWHERE, 1)], setting="OTHER__ADDRESS")


def test_no_socket_is_left_open_when_a_later_one_fails() -> None:
    with bound(("127.0.0.1", 0)) as (sock,):
        port = port_of(sock)

    error_of(("127.0.0.1", port), (ELSEWHERE, port))

    with bound(("127.0.0.1", port)):
        assert answers("127.0.0.1", port)


def test_no_socket_is_left_open_when_a_later_address_of_a_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound(("127.0.0.1", 0)) as (free,):
        port = port_of(free)
    with bound(("127.0.0.2", port)), monkeypatch.context() as patch:
        resolving_to("127.0.0.1", "127.0.0.2", monkeypatch=patch)

        assert "address already in use" in error_of(("exporter.test", port))
    assert not answers("127.0.0.1", port)


def test_nagle_s_algorithm_is_off_for_accepted_connections() -> None:
    async def scenario() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(
                writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            )
            writer.close()

        sockets = bind([("127.0.0.1", 0)])
        async with await asyncio.start_server(look, sock=sockets[0]):
            _, writer = await asyncio.open_connection(*sockets[0].getsockname())
            try:
                return await accepted
            finally:
                writer.close()
                await writer.wait_closed()

    assert asyncio.run(scenario()) == 1
