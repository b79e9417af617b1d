"""Basic authentication and the rate limit: who may pass, what it costs, who waits."""

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
from serving.examples import ask as request
from serving.examples import asking, web_app

from exporter.serving import PortSecurity
from exporter.serving.auth import BasicAuth, TokenBucket, TooManyLoginsError
from exporter.tls import RateLimit, WebSecurity

MAX_CACHED, MAX_WAITING, MAX_WAITING_PER_CLIENT = 100, 32, 4

CLIENT = "192.0.2.1"


class Comparer:
    """Replaces bcrypt: the hash of a password is `hash of` and the password. Records its calls."""

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


def an_auth(users: dict[str, str] | None = None) -> tuple[BasicAuth, Comparer]:
    comparer = Comparer()
    auth = BasicAuth(comparer)
    auth.set_users({"ann": "hash of secret", "bob": "hash of other"} if users is None else users)
    return auth, comparer


def run(auth: BasicAuth, scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(scenario())
    finally:
        auth.close()


def ask(auth: BasicAuth, *headers: bytes) -> bool:
    return asyncio.run(auth.accepts(headers, CLIENT))


def test_the_right_password_is_accepted_and_a_wrong_one_is_not() -> None:
    auth, _ = an_auth()

    assert ask(auth, basic(b"ann", b"secret"))
    assert not ask(auth, basic(b"ann", b"other"))
    assert not ask(auth, basic(b"bob", b"secret"))


def test_bcrypt_hashes_of_every_version_work() -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    auth = BasicAuth()
    auth.set_users({kind: f"${kind}${hashed[4:]}" for kind in ("2a", "2b", "2y")})

    for kind in (b"2a", b"2b", b"2y"):
        assert ask(auth, basic(kind, b"secret"))
        assert not ask(auth, basic(kind, b"Secret"))
    auth.close()


def test_without_users_every_request_is_accepted() -> None:
    auth, comparer = an_auth({})

    assert ask(auth)
    assert ask(auth, b"Bearer x", b"nonsense")
    assert comparer.asked == []


@pytest.mark.parametrize("scheme", [b"basic", b"BASIC"])
def test_the_scheme_is_case_insensitive(scheme: bytes) -> None:
    auth, _ = an_auth()

    assert ask(auth, basic(b"ann", b"secret", scheme))


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
def test_anything_but_one_user_and_password_is_rejected_without_bcrypt(
    headers: tuple[bytes, ...],
) -> None:
    auth, comparer = an_auth()

    assert not ask(auth, *headers)
    assert comparer.asked == []


@given(st.lists(st.binary(max_size=40), max_size=2))
def test_no_header_raises(headers: list[bytes]) -> None:
    auth, _ = an_auth()

    assert not ask(auth, *headers)
    assert not ask(auth, *(b"Basic " + base64.b64encode(header) for header in headers))
    auth.close()


def test_credentials_need_not_be_utf_8() -> None:
    auth, comparer = an_auth()

    assert not ask(auth, basic(b"\xff", b"secret"))
    assert not ask(auth, basic(b"ann", b"\xff\x00"))
    assert comparer.asked[-1] == (b"\xff\x00", b"hash of secret")


def test_a_password_may_contain_colons() -> None:
    auth, _ = an_auth({"ann": "hash of a:b:"})

    assert ask(auth, basic(b"ann", b"a:b:"))


def test_only_the_first_72_bytes_of_a_password_count_as_in_prometheus() -> None:
    auth = BasicAuth()
    auth.set_users({"ann": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})

    assert ask(auth, basic(b"ann", b"x" * 72))
    assert ask(auth, basic(b"ann", b"x" * 73))
    assert not ask(auth, basic(b"ann", b"x" * 71 + b"yx"))
    auth.close()


def test_a_failed_login_is_not_cached() -> None:
    auth, comparer = an_auth()

    for _ in range(2):
        assert not ask(auth, basic(b"ann", b"wrong"))
        assert not ask(auth, basic(b"unknown", b"wrong"))
    assert len(comparer.asked) == 4


def test_the_decoy_of_an_unknown_user_is_a_real_hash_and_always_the_same() -> None:
    auth, comparer = an_auth()
    for _ in range(3):
        assert not ask(auth, basic(b"unknown", b"x"))

    compared = {stored for _, stored in comparer.asked}
    assert len(compared) == 1
    assert compared <= {b"hash of secret", b"hash of other"}


def test_an_unknown_user_is_rejected_with_another_user_s_password() -> None:
    auth, _ = an_auth({"ann": "hash of secret"})
    assert ask(auth, basic(b"ann", b"secret"))

    assert not ask(auth, basic(b"unknown", b"secret"))
    assert not ask(auth, basic(b"unknown", b"secret"))


def test_a_successful_login_is_cached() -> None:
    auth, comparer = an_auth()

    for _ in range(3):
        assert ask(auth, basic(b"ann", b"secret"))
    assert len(comparer.asked) == 1


def test_two_logins_that_concatenate_to_the_same_bytes_differ() -> None:
    second = "hash of secret"
    password = f"1{second}2"
    first = f"hash of {password}"
    auth, _ = an_auth({"ann": first, f"ann{first}1": second})
    assert ask(auth, basic(b"ann", password.encode()))

    assert not ask(auth, basic(f"ann{first}1".encode(), b"2"))


def test_a_changed_password_and_a_removed_user_take_effect_at_once() -> None:
    auth, _ = an_auth()
    assert ask(auth, basic(b"ann", b"secret"))
    assert ask(auth, basic(b"bob", b"other"))

    auth.set_users({"ann": "hash of new"})

    assert not ask(auth, basic(b"ann", b"secret"))
    assert not ask(auth, basic(b"bob", b"other"))
    assert ask(auth, basic(b"ann", b"new"))


def test_a_removed_user_is_rejected_though_another_one_has_the_same_hash() -> None:
    auth, _ = an_auth({"ann": "hash of secret"})
    assert ask(auth, basic(b"ann", b"secret"))

    auth.set_users({"bob": "hash of secret"})

    assert not ask(auth, basic(b"ann", b"secret"))
    assert ask(auth, basic(b"bob", b"secret"))


def test_a_password_that_changes_during_its_check_is_rejected() -> None:
    auth, comparer = an_auth()

    async def scenario() -> None:
        comparer.opened.clear()
        asked = asyncio.ensure_future(auth.accepts([basic(b"ann", b"secret")], CLIENT))
        await asyncio.sleep(0)
        auth.set_users({"ann": "hash of new"})
        comparer.opened.set()
        assert not await asked

    run(auth, scenario)


def test_the_cache_is_bounded_and_drops_the_least_recently_used_login() -> None:
    users = {f"user{number}": "hash of secret" for number in range(MAX_CACHED + 1)}
    auth, comparer = an_auth(users)
    headers = [basic(user.encode(), b"secret") for user in users]

    async def scenario() -> None:
        for header in [*headers[:MAX_CACHED], headers[0], headers[-1]]:
            assert await auth.accepts([header], CLIENT)
        computed = len(comparer.asked)
        assert computed == MAX_CACHED + 1
        assert await auth.accepts([headers[0]], CLIENT)
        assert len(comparer.asked) == computed
        assert await auth.accepts([headers[1]], CLIENT)
        assert len(comparer.asked) == computed + 1

    run(auth, scenario)


def test_a_cached_login_does_not_wait_behind_failing_ones() -> None:
    auth, comparer = an_auth()

    async def scenario() -> None:
        assert await auth.accepts([basic(b"ann", b"secret")], CLIENT)
        comparer.opened.clear()
        attack = [attempt(auth, number, "198.51.100.1") for number in range(MAX_WAITING_PER_CLIENT)]
        await asyncio.sleep(0)
        assert await auth.accepts([basic(b"ann", b"secret")], "198.51.100.1")  # bcrypt is busy
        comparer.opened.set()
        assert await asyncio.gather(*attack) == [False] * MAX_WAITING_PER_CLIENT

    run(auth, scenario)


def attempt(auth: BasicAuth, number: int, client: str) -> "asyncio.Future[bool]":
    return asyncio.ensure_future(auth.accepts([basic(b"ann", b"%d" % number)], client))


def test_one_client_cannot_fill_the_queue() -> None:
    auth, comparer = an_auth()

    async def scenario() -> None:
        comparer.opened.clear()
        attack = [attempt(auth, number, "198.51.100.1") for number in range(MAX_WAITING)]
        await asyncio.sleep(0)
        own = asyncio.ensure_future(auth.accepts([basic(b"bob", b"other")], CLIENT))
        await asyncio.sleep(0)
        comparer.opened.set()
        assert await own
        refused = [answer for answer in await asyncio.gather(*attack, return_exceptions=True) if answer]
        assert len(refused) == MAX_WAITING - MAX_WAITING_PER_CLIENT
        assert all(isinstance(answer, TooManyLoginsError) for answer in refused)
        assert len(comparer.asked) == MAX_WAITING_PER_CLIENT + 1

    run(auth, scenario)


def test_the_queue_is_bounded_for_all_clients_together() -> None:
    auth, comparer = an_auth()

    async def scenario() -> None:
        comparer.opened.clear()
        attack = [attempt(auth, number, f"198.51.100.{number}") for number in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyLoginsError):
            await auth.accepts([basic(b"bob", b"other")], CLIENT)
        comparer.opened.set()
        await asyncio.gather(*attack)
        assert await auth.accepts([basic(b"bob", b"other")], CLIENT)  # the queue is empty again

    run(auth, scenario)


def test_identical_concurrent_logins_share_one_hash() -> None:
    auth, comparer = an_auth()

    async def scenario() -> None:
        comparer.opened.clear()
        same = [
            asyncio.ensure_future(auth.accepts([basic(b"ann", b"secret")], CLIENT))
            for _ in range(MAX_WAITING_PER_CLIENT * 2)
        ]
        await asyncio.sleep(0)
        comparer.opened.set()
        assert all(await asyncio.gather(*same))

    run(auth, scenario)
    assert len(comparer.asked) == 1


def test_a_client_that_disconnects_does_not_cancel_an_identical_login() -> None:
    auth, comparer = an_auth()

    async def scenario() -> None:
        comparer.opened.clear()
        leaving, staying = (
            asyncio.ensure_future(auth.accepts([basic(b"ann", b"secret")], CLIENT)) for _ in range(2)
        )
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        comparer.opened.set()
        assert await staying
        assert leaving.cancelled()

    run(auth, scenario)


def test_hashes_are_computed_in_a_thread_of_low_priority() -> None:
    niceness: list[tuple[int, int]] = []

    def look(_password: bytes, _stored: bytes) -> bool:
        thread = threading.get_native_id()
        niceness.append((thread, os.getpriority(os.PRIO_PROCESS, thread)))
        return True

    auth = BasicAuth(look)
    auth.set_users({"ann": "x"})
    assert ask(auth, basic(b"ann", b"secret"))
    auth.close()

    ((thread, nice),) = niceness
    own = threading.get_native_id()
    assert thread != own
    assert nice == min(19, os.getpriority(os.PRIO_PROCESS, own) + 10)


def test_repr_shows_no_secret() -> None:
    auth, _ = an_auth()

    assert "secret" not in repr(auth)


# Over HTTP


def protected(**security: Any) -> PortSecurity:  # noqa: ANN401  any field of it
    check = Comparer()
    return PortSecurity(
        WebSecurity(**{"users": {"ann": "hash of secret"}, **security}), auth=BasicAuth(check)
    )


ANN = {"Authorization": basic(b"ann", b"secret").decode()}


def test_every_path_but_health_needs_a_login() -> None:
    app = web_app(security=protected())

    for path in (
        "/",
        "/metrics",
        "/runbooks/PingOneFederationDown",
        "/unknown",
        "/-/healthy/",
        "//-/healthy",
    ):
        response = request(app, path)
        assert (response.status_code, response.text) == (401, "unauthorized"), path
        assert response.headers["cache-control"] == "no-store"
    assert request(app, "/-/healthy").status_code == 200
    assert request(app, "/-/ready").status_code == 200
    assert request(app, "/metrics", headers=ANN).status_code == 200
    assert request(app, "/unknown", headers=ANN).status_code == 404
    assert request(app, "/metrics", headers=[*ANN.items(), *ANN.items()]).status_code == 401


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS", "BREW"])
def test_every_method_needs_a_login(method: str) -> None:
    assert request(web_app(security=protected()), "/metrics", method).status_code == 401


def test_a_rejection_does_not_depend_on_what_was_wrong() -> None:
    app = web_app(security=protected())
    wrong = [basic(b"ann", b"a"), basic(b"b", b"c"), b"nonsense"]
    headers = [{}, *({"Authorization": header.decode()} for header in wrong)]

    responses = [request(app, "/metrics", headers=each) for each in headers]

    assert len({(response.text, tuple(response.headers.multi_items())) for response in responses}) == 1
    challenge = responses[0].headers["www-authenticate"]
    assert challenge == 'Basic realm="pingone-flow-exporter", charset="UTF-8"'


def test_too_many_waiting_logins_get_503_and_a_time_to_retry() -> None:
    check = Comparer()
    check.opened.clear()
    security = PortSecurity(WebSecurity(users={"ann": "x"}), auth=BasicAuth(check))

    async def scenario() -> None:
        app = web_app(security=security)
        waiting = [
            asyncio.ensure_future(
                asking(app, "/metrics", headers={"Authorization": basic(b"ann", b"%d" % number).decode()})
            )
            for number in range(MAX_WAITING_PER_CLIENT)
        ]
        while security.auth.waiting < MAX_WAITING_PER_CLIENT:  # noqa: ASYNC110  no event for that
            await asyncio.sleep(0)
        response = await asking(app, "/metrics", headers=ANN)
        check.opened.set()
        assert (response.status_code, response.text) == (503, "too many logins in progress")
        assert response.headers["retry-after"] == "1"
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [401] * len(waiting)

    asyncio.run(scenario())
    security.auth.close()


# Rate limit


class Clock:
    """Seconds that are set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_one_token_per_interval() -> None:
    clock = Clock()
    bucket = TokenBucket(RateLimit(interval=2.0, burst=3), clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]

    clock.now = 1.9
    assert not bucket.take()
    clock.now = 4.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(RateLimit(interval=1.0, burst=2), clock)

    clock.now = 1000.0

    assert [bucket.take() for _ in range(3)] == [True, True, False]
