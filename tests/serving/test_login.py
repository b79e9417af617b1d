"""Logins: who comes in, what it costs, and who waits; hashes are compared by a function that counts."""

import asyncio
import base64
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.serving.login import MOST_REMEMBERED, MOST_WAITING, MOST_WAITING_PER_CLIENT, CrowdedError, Login

CLIENT = "192.0.2.1"


class Comparer:
    """Stands in for bcrypt: a hash is the word `hash of` and the password. Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes]] = []
        self.opened = threading.Event()
        self.opened.set()

    def __call__(self, password: bytes, stored: bytes) -> bool:
        self.opened.wait()
        self.asked.append((password, stored))
        return stored == b"hash of " + password


def basic(user: bytes, password: bytes, scheme: bytes = b"Basic") -> bytes:
    return scheme + b" " + base64.b64encode(user + b":" + password)


def made(users: dict[str, str] | None = None) -> tuple[Login, Comparer]:
    comparer = Comparer()
    login = Login(comparer)
    login.renew({"ann": "hash of secret", "bob": "hash of other"} if users is None else users)
    return login, comparer


def run(login: Login, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(scenario())
    finally:
        login.close()


def ask(login: Login, *headers: bytes) -> bool:
    return asyncio.run(login.admits(headers, CLIENT))


def test_the_right_password_comes_in_and_a_wrong_one_does_not() -> None:
    login, _ = made()

    assert ask(login, basic(b"ann", b"secret"))
    assert not ask(login, basic(b"ann", b"other"))
    assert not ask(login, basic(b"bob", b"secret"))


def test_real_bcrypt_hashes_of_every_spelling_are_compared() -> None:
    made_by_bcrypt = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    login = Login()
    login.renew({kind: f"${kind}${made_by_bcrypt[4:]}" for kind in ("2a", "2b", "2y")})

    for kind in (b"2a", b"2b", b"2y"):
        assert ask(login, basic(kind, b"secret"))
        assert not ask(login, basic(kind, b"Secret"))
    login.close()


def test_without_users_everybody_comes_in() -> None:
    login, comparer = made({})

    assert ask(login)
    assert ask(login, b"Bearer x", b"nonsense")
    assert comparer.asked == []


@pytest.mark.parametrize("scheme", [b"basic", b"BASIC"])
def test_the_scheme_is_read_in_any_case(scheme: bytes) -> None:
    login, _ = made()

    assert ask(login, basic(b"ann", b"secret", scheme))


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (b"",),
        (b"Basic",),
        (b"Basic ",),
        (b"Basic !!!",),
        (b"Basic YW5uOnNlY3JldA",),
        (b"Basic \xff\xfe",),
        (b"Basic " + base64.b64encode(b"ann"),),
        (b"Bearer " + base64.b64encode(b"ann:secret"),),
        (basic(b"ann", b"secret"), basic(b"ann", b"secret")),
        (basic(b"ann", b"secret"), b"Bearer x"),
    ],
)
def test_what_is_not_exactly_one_user_and_password_stays_out_and_costs_nothing(
    headers: tuple[bytes, ...],
) -> None:
    login, comparer = made()

    assert not ask(login, *headers)
    assert comparer.asked == []


@given(st.lists(st.binary(max_size=40), max_size=2))
def test_no_header_whatever_raises(headers: list[bytes]) -> None:
    login, _ = made()

    assert not ask(login, *headers)
    assert not ask(login, *(b"Basic " + base64.b64encode(header) for header in headers))
    login.close()


def test_bytes_that_are_no_utf_8_are_compared_as_they_are() -> None:
    login, comparer = made()

    assert not ask(login, basic(b"\xff", b"secret"))
    assert not ask(login, basic(b"ann", b"\xff\x00"))
    assert comparer.asked[-1] == (b"\xff\x00", b"hash of secret")


def test_a_password_may_hold_colons() -> None:
    login, _ = made({"ann": "hash of a:b:"})

    assert ask(login, basic(b"ann", b"a:b:"))


def test_of_a_long_password_the_first_72_bytes_count_as_for_prometheus() -> None:
    login = Login()
    login.renew({"ann": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})

    assert ask(login, basic(b"ann", b"x" * 72))
    assert ask(login, basic(b"ann", b"x" * 73))
    assert not ask(login, basic(b"ann", b"x" * 71 + b"yx"))
    login.close()


def test_an_unknown_user_costs_as_many_hashes_as_a_wrong_password() -> None:
    login, comparer = made()

    assert not ask(login, basic(b"ann", b"wrong"))
    assert len(comparer.asked) == 1
    assert not ask(login, basic(b"nobody", b"wrong"))
    assert len(comparer.asked) == 2


def test_a_failed_login_costs_as_much_the_second_time() -> None:
    login, comparer = made()

    for _ in range(2):
        assert not ask(login, basic(b"ann", b"wrong"))
        assert not ask(login, basic(b"nobody", b"wrong"))
    assert len(comparer.asked) == 4


def test_an_unknown_user_is_compared_with_a_hash_that_is_really_there_and_always_the_same() -> None:
    login, comparer = made()
    for _ in range(3):
        assert not ask(login, basic(b"nobody", b"x"))

    compared = {stored for _, stored in comparer.asked}
    assert len(compared) == 1
    assert compared <= {b"hash of secret", b"hash of other"}


def test_an_unknown_user_stays_out_with_somebody_else_s_password() -> None:
    login, _ = made({"ann": "hash of secret"})
    assert ask(login, basic(b"ann", b"secret"))

    assert not ask(login, basic(b"nobody", b"secret"))
    assert not ask(login, basic(b"nobody", b"secret"))


def test_a_right_password_is_computed_once() -> None:
    login, comparer = made()

    for _ in range(3):
        assert ask(login, basic(b"ann", b"secret"))
    assert len(comparer.asked) == 1


def test_what_is_remembered_of_one_login_opens_for_no_other_cut_of_the_same_bytes() -> None:
    login, _ = made({"ann": "hash of secret", "ann:s": "hash of other", "an": "hash of other"})
    assert ask(login, basic(b"ann", b"secret"))

    assert not ask(login, basic(b"ann:s", b"ecret"))
    assert not ask(login, basic(b"an", b"nsecret"))
    assert not ask(login, basic(b"ann", b"secret:"))


def test_two_logins_whose_parts_join_to_the_same_bytes_are_two() -> None:
    second = "hash of secret"
    password = f"1{second}2"
    first = f"hash of {password}"
    login, _ = made({"ann": first, f"ann{first}1": second})
    assert ask(login, basic(b"ann", password.encode()))

    assert not ask(login, basic(f"ann{first}1".encode(), b"2"))


def test_a_changed_password_ends_the_old_one_at_once_and_a_removed_user_too() -> None:
    login, _ = made()
    assert ask(login, basic(b"ann", b"secret"))
    assert ask(login, basic(b"bob", b"other"))

    login.renew({"ann": "hash of new"})

    assert not ask(login, basic(b"ann", b"secret"))
    assert not ask(login, basic(b"bob", b"other"))
    assert ask(login, basic(b"ann", b"new"))


def test_a_removed_user_stays_out_though_another_one_has_the_same_hash() -> None:
    login, _ = made({"ann": "hash of secret"})
    assert ask(login, basic(b"ann", b"secret"))

    login.renew({"bob": "hash of secret"})

    assert not ask(login, basic(b"ann", b"secret"))
    assert ask(login, basic(b"bob", b"secret"))


def test_a_password_that_changes_while_it_is_compared_comes_in_no_more() -> None:
    login, comparer = made()

    async def scenario() -> None:
        comparer.opened.clear()
        asked = asyncio.ensure_future(login.admits([basic(b"ann", b"secret")], CLIENT))
        await asyncio.sleep(0)
        login.renew({"ann": "hash of new"})
        comparer.opened.set()
        assert not await asked

    run(login, scenario)


def test_only_so_many_logins_are_remembered_and_the_one_asked_for_longest_ago_is_forgotten() -> None:
    users = {f"user{number}": "hash of secret" for number in range(MOST_REMEMBERED + 1)}
    login, comparer = made(users)
    headers = [basic(user.encode(), b"secret") for user in users]

    async def scenario() -> None:
        for header in [*headers[:MOST_REMEMBERED], headers[0], headers[-1]]:
            assert await login.admits([header], CLIENT)
        computed = len(comparer.asked)
        assert computed == MOST_REMEMBERED + 1
        assert await login.admits([headers[0]], CLIENT)
        assert len(comparer.asked) == computed
        assert await login.admits([headers[1]], CLIENT)
        assert len(comparer.asked) == computed + 1

    run(login, scenario)


def test_whoever_was_let_in_does_not_wait_behind_those_who_were_not() -> None:
    login, comparer = made()

    async def scenario() -> None:
        assert await login.admits([basic(b"ann", b"secret")], CLIENT)
        comparer.opened.clear()
        attack = [attempt(login, number, "198.51.100.1") for number in range(MOST_WAITING_PER_CLIENT)]
        await asyncio.sleep(0)
        assert await login.admits([basic(b"ann", b"secret")], "198.51.100.1")  # no hash can be computed now
        comparer.opened.set()
        assert await asyncio.gather(*attack) == [False] * MOST_WAITING_PER_CLIENT

    run(login, scenario)


def attempt(login: Login, number: int, client: str) -> "asyncio.Future[bool]":
    return asyncio.ensure_future(login.admits([basic(b"ann", b"%d" % number)], client))


def test_one_address_cannot_fill_the_queue() -> None:
    login, comparer = made()

    async def scenario() -> None:
        comparer.opened.clear()
        attack = [attempt(login, number, "198.51.100.1") for number in range(MOST_WAITING)]
        await asyncio.sleep(0)
        own = asyncio.ensure_future(login.admits([basic(b"bob", b"other")], CLIENT))
        await asyncio.sleep(0)
        comparer.opened.set()
        assert await own
        refused = [answer for answer in await asyncio.gather(*attack, return_exceptions=True) if answer]
        assert len(refused) == MOST_WAITING - MOST_WAITING_PER_CLIENT
        assert all(isinstance(answer, CrowdedError) for answer in refused)
        assert len(comparer.asked) == MOST_WAITING_PER_CLIENT + 1

    run(login, scenario)


def test_the_queue_is_bounded_however_many_addresses_there_are() -> None:
    login, comparer = made()

    async def scenario() -> None:
        comparer.opened.clear()
        attack = [attempt(login, number, f"198.51.100.{number}") for number in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(CrowdedError):
            await login.admits([basic(b"bob", b"other")], CLIENT)
        comparer.opened.set()
        await asyncio.gather(*attack)
        assert await login.admits([basic(b"bob", b"other")], CLIENT)  # there is room again

    run(login, scenario)


def test_the_same_login_at_the_same_time_is_computed_once() -> None:
    login, comparer = made()

    async def scenario() -> None:
        comparer.opened.clear()
        same = [
            asyncio.ensure_future(login.admits([basic(b"ann", b"secret")], CLIENT))
            for _ in range(MOST_WAITING_PER_CLIENT * 2)
        ]
        await asyncio.sleep(0)
        comparer.opened.set()
        assert all(await asyncio.gather(*same))

    run(login, scenario)
    assert len(comparer.asked) == 1


def test_a_client_that_leaves_does_not_take_the_answer_from_another_with_the_same_login() -> None:
    login, comparer = made()

    async def scenario() -> None:
        comparer.opened.clear()
        leaving, staying = (
            asyncio.ensure_future(login.admits([basic(b"ann", b"secret")], CLIENT)) for _ in range(2)
        )
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        comparer.opened.set()
        assert await staying
        assert leaving.cancelled()

    run(login, scenario)


def test_hashes_are_computed_off_the_loop_by_a_thread_that_gives_way() -> None:
    niceness: list[tuple[int, int]] = []

    def look(_password: bytes, _stored: bytes) -> bool:
        thread = threading.get_native_id()
        niceness.append((thread, os.getpriority(os.PRIO_PROCESS, thread)))
        return True

    login = Login(look)
    login.renew({"ann": "x"})
    assert ask(login, basic(b"ann", b"secret"))
    login.close()

    ((thread, nice),) = niceness
    own = threading.get_native_id()
    assert thread != own
    assert nice == min(19, os.getpriority(os.PRIO_PROCESS, own) + 10)


def test_no_secret_is_shown() -> None:
    login, _ = made()

    assert "secret" not in repr(login)
