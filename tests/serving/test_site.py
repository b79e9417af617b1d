"""The routes, through the application's own interface."""

import asyncio
import dataclasses
import gzip
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest
from serving.examples import views
from starlette.applications import Starlette

from exporter.serving import Format, Views, Watched, site
from exporter.serving.compression import LEAST_COMPRESSED, LEAST_THREADED

SECRET = "nonce=3f9a"
OPENMETRICS = {"Accept": "application/openmetrics-text"}
GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


async def rendered(openmetrics: bool) -> bytes:  # noqa: FBT001  the contract's shape
    return b"# EOF\n" if openmetrics else b"up 1\n"


async def reloaded() -> tuple[bool, str]:
    return True, "reloaded"


def app(
    *,
    exposition: Callable[[bool], Awaitable[bytes]] = rendered,
    healthy: Callable[[], bool] = lambda: True,
    ready: Callable[[], bool] = lambda: True,
    watched: Callable[[], Iterator[Watched]] = lambda: iter(()),
    reload: Callable[[], Awaitable[tuple[bool, str]]] = reloaded,
) -> Starlette:
    shown = dataclasses.replace(views(), watched=watched)
    return site(exposition=exposition, healthy=healthy, ready=ready, views=shown, reload=reload)


def site_of(shown: Views) -> Starlette:
    return site(exposition=rendered, healthy=lambda: True, ready=lambda: True, views=shown, reload=reloaded)


def showing(body: bytes) -> Starlette:
    async def exposition(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
        return body

    return app(exposition=exposition)


def raising(error: BaseException) -> Callable[..., Awaitable[bytes]]:
    async def exposition(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
        raise error

    return exposition


def ask(
    application: Starlette, path: str, method: str = "GET", headers: httpx._types.HeaderTypes | None = None
) -> httpx.Response:
    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asking())


def text_of(size: int) -> bytes:
    """Bytes that do not compress to nothing."""
    return random.Random(1).randbytes(size // 2).hex().encode()


def test_metrics_are_rendered_and_labelled_in_the_chosen_format() -> None:
    plain, rich = ask(app(), "/metrics"), ask(app(), "/metrics", headers=OPENMETRICS)

    assert (plain.headers["Content-Type"], plain.content) == (Format.TEXT.content_type, b"up 1\n")
    assert (rich.headers["Content-Type"], rich.content) == (Format.OPENMETRICS.content_type, b"# EOF\n")


def test_an_accept_header_on_two_lines_is_read_as_one() -> None:
    answer = ask(
        app(),
        "/metrics",
        headers=[("Accept", "text/plain;q=0.5"), ("Accept", "application/openmetrics-text")],
    )

    assert answer.headers["Content-Type"] == Format.OPENMETRICS.content_type


@pytest.mark.parametrize("headers", [GZIP, PLAIN, OPENMETRICS])
def test_caches_are_told_what_metrics_depend_on_and_to_keep_none(headers: dict[str, str]) -> None:
    answer = ask(app(), "/metrics", headers=headers)

    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("size", [LEAST_COMPRESSED, LEAST_THREADED, LEAST_THREADED + 2])
def test_a_compressed_body_is_the_same_body_and_shorter(size: int) -> None:
    body = text_of(size)

    answer = ask(showing(body), "/metrics", headers=GZIP)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) < size
    assert answer.content == body


def test_a_body_is_compressed_only_for_those_who_ask() -> None:
    answer = ask(showing(text_of(LEAST_COMPRESSED)), "/metrics", headers=PLAIN)

    assert "Content-Encoding" not in answer.headers
    assert int(answer.headers["Content-Length"]) == LEAST_COMPRESSED


def test_a_body_that_fits_one_packet_is_not_compressed() -> None:
    assert (
        "Content-Encoding"
        not in ask(showing(text_of(LEAST_COMPRESSED - 2)), "/metrics", headers=GZIP).headers
    )


@pytest.mark.parametrize(("size", "off_the_loop"), [(LEAST_THREADED, False), (LEAST_THREADED + 2, True)])
def test_only_large_bodies_are_compressed_in_a_thread(
    size: int, *, off_the_loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    compress = gzip.compress

    def watched(body: bytes, compresslevel: int, *, mtime: int) -> bytes:
        threads.append(threading.current_thread())
        return compress(body, compresslevel, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", watched)

    ask(showing(text_of(size)), "/metrics", headers=GZIP)

    assert [thread is not threading.main_thread() for thread in threads] == [off_the_loop]


def test_health_and_readiness_are_told_by_status_and_by_a_word() -> None:
    def asked(path: str, **holds: Callable[[], bool]) -> tuple[int, str]:
        answer = ask(app(**holds), path)  # type: ignore[arg-type]  # healthy or ready
        return answer.status_code, answer.text

    assert asked("/-/healthy", ready=lambda: False) == (200, "healthy")
    assert asked("/-/healthy", healthy=lambda: False) == (
        503,
        "not healthy: due probes are not being started",
    )
    assert asked("/-/ready", healthy=lambda: False) == (200, "ready")
    assert asked("/-/ready", ready=lambda: False) == (503, "not ready: the schedule is not running")


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nowhere"])
@pytest.mark.parametrize("headers", [GZIP, PLAIN])
def test_head_has_the_status_and_headers_of_get_and_no_body(path: str, headers: dict[str, str]) -> None:
    application = showing(text_of(2 * LEAST_COMPRESSED))

    get, head = ask(application, path, headers=headers), ask(application, path, "HEAD", headers=headers)

    assert (head.status_code, head.headers) == (get.status_code, get.headers)
    assert head.content == b""


@pytest.mark.parametrize("path", ["/metrics/", "/-/healthy/", "/-/", "/METRICS", "/favicon.ico"])
def test_what_has_no_route_is_not_found_and_not_redirected(path: str) -> None:
    answer = ask(app(), path)

    assert (answer.status_code, answer.text) == (404, "not found")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_a_wrong_method_is_told_which_are_right(path: str, method: str) -> None:
    answer = ask(app(), path, method)

    assert (answer.status_code, answer.text) == (405, "method not allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nowhere"])
def test_no_answer_is_sniffed_or_stored(path: str) -> None:
    headers = ask(app(), path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_failure_is_answered_with_nothing_but_its_being_one() -> None:
    answer = ask(app(exposition=raising(ValueError(SECRET))), "/metrics")

    assert (answer.status_code, answer.text) == (500, "internal error")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("part", ["healthy", "ready", "watched"])
def test_a_failure_of_any_part_is_answered(part: str) -> None:
    def failing() -> bool:
        raise ValueError(SECRET)

    path = {"watched": "/"}.get(part, f"/-/{part}")

    assert ask(app(**{part: failing}), path).status_code == 500  # type: ignore[arg-type]  # one of the parts


def test_a_failure_is_logged_with_the_way_it_took_and_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def exposition(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
        facts: dict[str, bytes] = {}
        try:
            return facts[SECRET]
        except KeyError as error:
            raise ValueError(SECRET) from error

    ask(app(exposition=exposition), f"/metrics?{SECRET}")

    (record,) = caplog.records
    assert (record.name, record.levelno, record.exc_info) == ("exporter.serving", logging.ERROR, None)
    message = record.getMessage()
    assert message.startswith("cannot answer GET /metrics: ValueError at ")
    assert " > exporter.serving.site:" in message
    assert " exposition; after KeyError at " in message
    assert SECRET not in caplog.text


def test_a_cause_that_was_set_aside_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError()
    error.__context__, error.__suppress_context__ = KeyError(), True

    ask(app(exposition=raising(error)), "/metrics")

    assert "KeyError" not in caplog.text


def test_a_failure_after_the_answer_has_begun_does_not_begin_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    application = app()
    sent: list[str] = []

    async def broken(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))
        if message["type"] == "http.response.body":
            raise OSError(SECRET)

    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "query_string": b""}
    asyncio.run(application(scope, None, broken))  # type: ignore[arg-type]  # nothing is received

    assert sent == ["http.response.start", "http.response.body"]
    assert "cannot answer GET /metrics: OSError" in caplog.text


def cancelled_when(moment: str) -> tuple[list[object], bool]:
    """What is sent when the request's task is cancelled before or in the middle of its answer."""
    sent: list[object] = []

    async def scenario() -> bool:
        waiting = asyncio.Event()

        async def forever() -> None:
            waiting.set()
            await asyncio.Event().wait()

        async def exposition(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
            if moment == "before":
                await forever()
            return b""

        async def send(message: dict[str, object]) -> None:
            sent.append(message.get("status", message.get("body")))
            if moment == "within":
                await forever()

        scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "query_string": b""}
        task = asyncio.ensure_future(app(exposition=exposition)(scope, None, send))  # type: ignore[arg-type]  # nothing is received
        await waiting.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    return sent, asyncio.run(scenario())


def test_a_request_cut_short_by_shutdown_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    assert cancelled_when("before") == ([503, b"shutting down"], False)
    assert caplog.messages == ["cut short: GET /metrics"]


def test_a_request_cut_short_within_its_answer_ends_there() -> None:
    assert cancelled_when("within") == ([200], True)


# Reload


class Reloading:
    """Notes how often it was asked to, and answers the same each time."""

    def __init__(self, *, good: bool, text: str) -> None:
        self.times = 0
        self._answer = good, text

    async def __call__(self) -> tuple[bool, str]:
        self.times += 1
        return self._answer


@pytest.mark.parametrize(("good", "status"), [(True, 200), (False, 500)])
def test_a_reload_is_answered_with_how_it_went(*, good: bool, status: int) -> None:
    reloading = Reloading(good=good, text="first\nsecond")
    response = ask(app(reload=reloading), "/-/reload", "POST")
    assert (response.status_code, response.text, reloading.times) == (status, "first\nsecond\n", 1)
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_a_post_reloads(method: str) -> None:
    reloading = Reloading(good=True, text="")
    response = ask(app(reload=reloading), "/-/reload", method)
    assert (response.status_code, response.headers["Allow"], reloading.times) == (405, "POST", 0)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
def test_a_page_of_another_site_reloads_nothing(headers: dict[str, str]) -> None:
    reloading = Reloading(good=True, text="")
    response = ask(app(reload=reloading), "/-/reload", "POST", headers)
    assert (response.status_code, reloading.times) == (403, 0)
    assert response.text == "refused: a page of another site asks for it"
