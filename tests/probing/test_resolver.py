"""Names to addresses: one name that hangs does not delay the others. Threads meet by events."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from probing.loopback import PATIENCE, run

from exporter.probing.resolver import (
    MAX_LOOKUPS,
    ResolutionError,
    ResolvedName,
    Resolver,
    _Threads,
    system_addresses,
)
from exporter.target import IpFamily

FOUND = ("192.0.2.7", "2001:db8::7")


class LookUp:
    """A system resolver that answers a name when it is let go."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.begun = threading.Semaphore(0)
        self._held: dict[str, threading.Event] = {}

    def __call__(self, host: str, _family: IpFamily) -> tuple[str, ...]:
        self.asked[host] += 1
        self.begun.release()
        if host in self._held:
            assert self._held[host].wait(PATIENCE)
        return FOUND

    @contextmanager
    def hanging(self, host: str) -> Iterator[threading.Event]:
        """Hold every look-up of `host` until the event is set, or the block is left."""
        self._held[host] = threading.Event()
        try:
            yield self._held[host]
        finally:
            self._held[host].set()

    async def has_begun(self) -> None:
        """Return when one more look-up runs."""
        assert await asyncio.get_running_loop().run_in_executor(None, self.begun.acquire, True, PATIENCE)  # noqa: FBT003  positional only through the executor


def resolve(resolver: Resolver, host: str, family: IpFamily = IpFamily.ANY) -> Sequence[str]:
    """Return the addresses that `resolver` finds."""

    async def main() -> Sequence[str]:
        return (await resolver(host, family)).addresses

    return run(main())


def test_a_name_is_looked_up_every_time() -> None:
    look_up = LookUp()

    async def main() -> None:
        resolver = Resolver(look_up)
        assert (await resolver("idp.example")).addresses == FOUND
        assert (await resolver("idp.example")).addresses == FOUND

    run(main())
    assert look_up.asked == {"idp.example": 2}


def test_a_name_that_hangs_does_not_delay_another() -> None:
    look_up = LookUp()

    async def main() -> None:
        resolver = Resolver(look_up)
        with look_up.hanging("slow.example") as go:
            slow = [resolver("slow.example") for _ in range(100)]
            for number in range(50):
                assert (await resolver(f"quick{number}.example")).addresses == FOUND
            assert not any(task.done() for task in slow)
            go.set()
            assert [found.addresses for found in await asyncio.gather(*slow)] == [FOUND] * 100

    run(main())


def test_at_most_four_look_ups_of_one_name_run_at_once_and_the_rest_join_the_last() -> None:
    look_up = LookUp()

    async def main() -> None:
        resolver = Resolver(look_up)
        with look_up.hanging("slow.example") as go:
            probes = [resolver("slow.example") for _ in range(10)]
            for _ in range(4):
                await look_up.has_begun()
            go.set()
            assert [found.addresses for found in await asyncio.gather(*probes)] == [FOUND] * 10
        assert look_up.asked["slow.example"] == 4
        assert (await resolver("slow.example")).addresses == FOUND
        assert look_up.asked["slow.example"] == 5, "those that ended make room"

    run(main())


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        UnicodeError("label too long"),
        OSError("other"),
    ],
)
def test_a_name_that_does_not_resolve_is_a_resolution_error_with_its_cause(error: Exception) -> None:
    def look_up(_: str, _family: IpFamily) -> tuple[str, ...]:
        raise error

    with pytest.raises(ResolutionError, match=r"^idp\.example did not resolve$") as caught:
        resolve(Resolver(look_up), "idp.example")
    assert caught.value.__cause__ is error


def test_probes_that_joined_a_failing_look_up_each_get_an_error_of_their_own() -> None:
    begun, go = threading.Event(), threading.Event()

    def look_up(_: str, _family: IpFamily) -> tuple[str, ...]:
        begun.set()
        assert go.wait(PATIENCE)
        raise OSError("refused")

    async def main() -> list[ResolvedName | BaseException]:
        resolver = Resolver(look_up)
        probes = [resolver("idp.example") for _ in range(6)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*probes, return_exceptions=True)

    errors = run(main())
    assert all(isinstance(error, ResolutionError) for error in errors)
    assert len({id(error) for error in errors}) == 6


def test_a_deadline_ends_the_wait_but_not_the_look_up_that_another_probe_joined() -> None:
    look_up = LookUp()

    async def main() -> None:
        resolver = Resolver(look_up)
        with look_up.hanging("slow.example") as go:
            probes = [resolver("slow.example") for _ in range(5)]
            for _ in range(4):
                await look_up.has_begun()
            for probe in probes[:4]:
                probe.cancel()
            ended = await asyncio.gather(*probes[:4], return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ended)
            assert not probes[4].done()
            go.set()
            assert (await probes[4]).addresses == FOUND

    run(main())
    assert look_up.asked["slow.example"] == 4


def test_a_look_up_that_outlives_the_loop_ends_without_a_word() -> None:
    look_up = LookUp()
    with look_up.hanging("slow.example") as go:

        async def main() -> None:
            probe = Resolver(look_up)("slow.example")
            await look_up.has_begun()
            probe.cancel()

        run(main())
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "resolver")
        go.set()
        # An exception in the thread would be a warning, and so an error of this test.
        assert resolve(Resolver(look_up), "quick.example") == FOUND


def test_the_time_is_taken_in_the_thread_and_a_caller_that_joins_waits_for_the_rest_only() -> None:
    look_up = LookUp()

    async def main() -> list[float]:
        resolver = Resolver(look_up)
        with look_up.hanging("slow.example") as go:
            first = [resolver("slow.example") for _ in range(4)]
            for _ in range(4):
                await look_up.has_begun()
            joined = resolver("slow.example")
            go.set()
            # The event loop comes late to it: that is no time of the resolver's.
            found = await asyncio.gather(first[-1], joined)
            return [each.seconds for each in found]

    first, joined = run(main())
    assert first >= joined >= 0


def test_a_host_resolves_again_once_threads_can_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        resolver = Resolver(lambda *_: FOUND)
        with monkeypatch.context() as patched:
            patched.setattr("exporter.probing.resolver._threads", _Threads())  # without idle threads
            patched.setattr(threading.Thread, "start", refuse)
            for _attempt in range(MAX_LOOKUPS):
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    resolver("192.0.2.7")
        found = await asyncio.wait_for(resolver("192.0.2.7"), PATIENCE)
        assert found.addresses == FOUND

    run(main())


def test_threads_stay_for_the_next_lookups() -> None:
    look_up = LookUp()

    async def main() -> None:
        resolver = Resolver(look_up)
        for _ in range(3):
            await resolver("idp.example")
        before = {thread.ident for thread in threading.enumerate() if thread.name == "resolver"}
        for _ in range(20):
            await resolver("idp.example")
        after = {thread.ident for thread in threading.enumerate() if thread.name == "resolver"}
        assert len(after) <= len(before) + 1

    run(main())


def test_the_systems_resolver_gives_each_address_once_and_not_endlessly_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def getaddrinfo(host: str, port: object, family: int, kind: int) -> list[tuple[object, ...]]:
        assert (host, port, family, kind) == ("idp.example", None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        v6 = [(socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0, 0, 0))] * 2
        return [*v6, *[(socket.AF_INET, 1, 6, "", (f"192.0.2.{number}", 0)) for number in range(100)]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    addresses = system_addresses("idp.example", IpFamily.ANY)
    assert addresses[:3] == ("2001:db8::1", "192.0.2.0", "192.0.2.1")
    assert len(addresses) == 16


@pytest.mark.parametrize(
    ("family", "asked"),
    [
        (IpFamily.ANY, socket.AF_UNSPEC),
        (IpFamily.V4, socket.AF_INET),
        (IpFamily.V6, socket.AF_INET6),
    ],
)
def test_the_system_resolver_gets_the_family_only(
    family: IpFamily, asked: socket.AddressFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    families: list[int] = []

    def getaddrinfo(_host: str, _port: object, of: int, _kind: int) -> list[tuple[object, ...]]:
        families.append(of)
        return [(of, 1, 6, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert resolve(Resolver(), "idp.example", family) == ("192.0.2.1",)
    assert families == [asked]


@pytest.mark.parametrize(
    ("literal", "family"),
    [
        ("192.0.2.1", IpFamily.V4),
        ("192.0.2.1", IpFamily.ANY),
        ("2001:db8::1", IpFamily.V6),
        ("2001:db8::1", IpFamily.ANY),
    ],
)
def test_an_address_of_the_family_is_itself(literal: str, family: IpFamily) -> None:
    assert resolve(Resolver(), literal, family) == (literal,)


@pytest.mark.parametrize(("literal", "family"), [("192.0.2.1", IpFamily.V6), ("2001:db8::1", IpFamily.V4)])
def test_an_address_of_the_other_family_does_not_resolve(literal: str, family: IpFamily) -> None:
    with pytest.raises(ResolutionError) as failure:
        resolve(Resolver(), literal, family)
    assert isinstance(failure.value.__cause__, socket.gaierror)
    assert failure.value.__cause__.errno == socket.EAI_ADDRFAMILY


def test_a_look_up_for_one_family_is_not_joined_by_those_for_another() -> None:
    def of_family(_host: str, family: IpFamily) -> tuple[str, ...]:
        assert go.wait(PATIENCE)
        return (f"of family {family}",)

    go = threading.Event()

    async def main() -> None:
        resolver = Resolver(of_family)
        # More than run at once for one name and family: the last ones join.
        asked = [family for family in IpFamily for _ in range(6)]
        probes = [resolver("idp.example", family) for family in asked]
        await asyncio.sleep(0)
        go.set()
        found = await asyncio.gather(*probes)
        assert [each.addresses for each in found] == [(f"of family {family}",) for family in asked]

    run(main())


def test_localhost_has_its_ipv4_address_by_the_hosts_file() -> None:
    assert resolve(Resolver(), "localhost", IpFamily.V4) == ("127.0.0.1",)


def test_a_name_that_cannot_be_one_does_not_resolve() -> None:
    with pytest.raises(ResolutionError):
        resolve(Resolver(), "a" * 64 + ".invalid")
