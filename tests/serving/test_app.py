"""The routes: what they return, who may reload, failures, path prefixes."""

import asyncio
import gzip
import random
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from observing import logfmt
from observing.examples import a_failure, a_success
from observing.logs import written
from serving.examples import a_history, a_source, ask, asking, good, web_app
from serving.html import Document
from starlette.applications import Starlette

from exporter.serving import PortSecurity
from exporter.serving.negotiation import Format
from exporter.status import TargetStatus
from exporter.tls import WebSecurity

SECRET = "nonce=3f9a"
OPENMETRICS = {"Accept": "application/openmetrics-text"}
GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}
PAGES = ("/", "/targets/emea", "/api/v1/targets", "/api/v1/targets/emea")
UNKNOWN_NAMES = ("unknown", "EMEA", "%2e%2e", "emea%00", "<script>", "e" * 5000)


def showing(body: bytes) -> Starlette:
    async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        return [body]

    return web_app(metrics=metrics)


def raising(error: BaseException) -> Callable[[bool], Awaitable[Sequence[bytes]]]:
    async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        raise error

    return metrics


def text_of(size: int) -> bytes:
    """Bytes that do not compress to nothing."""
    return random.Random(1).randbytes(size // 2).hex().encode()


def with_targets(**facts: Any) -> Starlette:  # noqa: ANN401  arguments of a_source
    return web_app(a_source(good(), good("apac"), histories=[a_history(a_failure(), a_success())], **facts))


# Metrics


def test_metrics_come_in_the_negotiated_format() -> None:
    plain, rich = ask(web_app(), "/metrics"), ask(web_app(), "/metrics", headers=OPENMETRICS)

    assert (plain.headers["Content-Type"], plain.content) == (Format.TEXT.content_type, b"up 1\n")
    assert (rich.headers["Content-Type"], rich.content) == (Format.OPENMETRICS.content_type, b"# EOF\n")


def test_two_accept_headers_count_as_one() -> None:
    headers = [("Accept", "text/plain;q=0.5"), ("Accept", "application/openmetrics-text")]

    assert ask(web_app(), "/metrics", headers=headers).headers["Content-Type"] == (
        Format.OPENMETRICS.content_type
    )


def test_caches_see_what_metrics_depend_on_and_store_none() -> None:
    for headers in (PLAIN, GZIP):
        response = ask(web_app(), "/metrics", headers=headers)
        assert response.headers["Vary"] == "Accept, Accept-Encoding"
        assert response.headers["Cache-Control"] == "no-store"


def test_concurrent_scrapes_share_one_rendering() -> None:
    rendered = 0

    async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        nonlocal rendered
        rendered += 1
        await asyncio.sleep(0)
        return [b"up 1\n"]

    async def scenario() -> None:
        app = web_app(metrics=metrics)
        await asyncio.gather(*(asking(app, "/metrics") for _ in range(10)))

    asyncio.run(scenario())
    assert rendered <= 2


# Compression


def test_compressed_metrics_are_the_same_and_shorter() -> None:
    body = text_of(100_000)
    response = ask(showing(body), "/metrics", headers=GZIP)

    assert response.headers["Content-Encoding"] == "gzip"
    assert int(response.headers["Content-Length"]) < len(body)
    assert response.content == body


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/metrics", "identity"), ("/metrics", "gzip;q=0"), ("/", "gzip;q=0"), ("/-/ready", "gzip")],
)
def test_a_body_is_not_compressed_unless_it_is_accepted_and_worth_it(path: str, accept: str) -> None:
    response = ask(showing(text_of(10_000)), path, headers={"Accept-Encoding": accept})

    assert response.status_code == 200
    assert "Content-Encoding" not in response.headers


def test_metrics_are_compressed_once_for_concurrent_scrapes_in_a_thread_at_level_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[bool, int]] = []
    compress = gzip.compress

    def noted(body: bytes, compresslevel: int, *, mtime: int) -> bytes:
        calls.append((threading.current_thread() is threading.main_thread(), compresslevel))
        return compress(body, compresslevel, mtime=mtime)

    async def scenario() -> None:
        app = showing(text_of(10_000))
        await asyncio.gather(*(asking(app, "/metrics", headers=GZIP) for _ in range(5)))

    monkeypatch.setattr(gzip, "compress", noted)
    asyncio.run(scenario())

    assert calls[0] == (False, 1)
    assert len(calls) <= 2


class Pieces(list[bytes]):
    """Pieces that note in which threads they are read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(pieces)
        self.read_in: set[threading.Thread] = set()

    def __iter__(self) -> Iterator[bytes]:  # noqa: D105  as of any list
        self.read_in.add(threading.current_thread())
        return super().__iter__()


@pytest.mark.parametrize("headers", [GZIP, PLAIN], ids=["gzip", "plain"])
def test_metrics_are_joined_in_a_thread(headers: dict[str, str]) -> None:
    """Joining the 55 MB of 5,000 targets takes 25 ms: on the loop, it would delay what the probes measure."""
    pieces = Pieces([b"up 1\n"] * 10_000)

    async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        return pieces

    assert ask(web_app(metrics=metrics), "/metrics", headers=headers).content == b"up 1\n" * 10_000
    assert threading.main_thread() not in pieces.read_in
    assert len(pieces.read_in) == 1


def test_a_page_is_whole_though_the_thread_that_could_not_be_started_left_its_call_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An executor queues a call before it starts a thread for it: a busy thread may read the pieces, too."""

    async def metrics(_: bool) -> Iterable[bytes]:  # noqa: FBT001  the signature of the real one
        return iter([b"up", b" 1\n"])

    async def failing(_: object, pieces: Iterator[bytes], *__: object) -> bytes:
        next(pieces)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio, "to_thread", failing)
    for headers in (GZIP, PLAIN):
        assert ask(web_app(metrics=metrics), "/metrics", headers=headers).content == b"up 1\n"


def test_metrics_are_compressed_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*_: object, **_named: object) -> bytes:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio, "to_thread", failing)
    response = ask(showing(b"up 1\n"), "/metrics", headers=GZIP)
    assert (response.status_code, response.headers["content-encoding"]) == (200, "gzip")
    assert response.content == b"up 1\n"


@pytest.mark.parametrize("path", PAGES)
def test_a_compressed_page_is_the_same_page(path: str) -> None:
    plain, compressed = (ask(with_targets(), path, headers=headers) for headers in (PLAIN, GZIP))

    assert compressed.content == plain.content
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert int(compressed.headers["Content-Length"]) < int(plain.headers["Content-Length"])


# Health, methods, headers


def test_health_and_readiness_have_a_status_and_a_word() -> None:
    def asked(path: str, **holds: Callable[[], bool]) -> tuple[int, str]:
        response = ask(web_app(**holds), path)  # type: ignore[arg-type]  # healthy or ready
        return response.status_code, response.text

    not_healthy = "not healthy: due probes are not being started"
    assert asked("/-/healthy", ready=lambda: False) == (200, "healthy")
    assert asked("/-/healthy", healthy=lambda: False) == (503, not_healthy)
    assert asked("/-/ready", healthy=lambda: False) == (200, "ready")
    assert asked("/-/ready", ready=lambda: False) == (503, "not ready: the schedule is not running")


@pytest.mark.parametrize("path", [*PAGES, "/metrics", "/-/healthy", "/-/ready", "/unknown", "/favicon.ico"])
@pytest.mark.parametrize("headers", [GZIP, PLAIN])
def test_head_has_the_status_and_headers_of_get_and_no_body(path: str, headers: dict[str, str]) -> None:
    get, head = (ask(with_targets(), path, method, headers) for method in ("GET", "HEAD"))

    assert (head.status_code, head.headers, head.content) == (get.status_code, get.headers, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/", "/-/healthy/", "/-/", "/METRICS", "/targets", "/targets/", "/targets/emea/",
        "/api", "/api/v1/targets/x/y", "/runbooks/README", "/runbooks/Unknown",
        "/runbooks/PingOneFederationDown.md", "/runbooks/PingOneFederationDown/",
    ],
)  # fmt: skip
def test_a_path_without_a_route_is_not_found_and_not_redirected(path: str) -> None:
    response = ask(with_targets(), path)

    assert (response.status_code, response.text) == (404, "not found")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", [*PAGES, "/metrics", "/-/healthy", "/runbooks/PingOneFederationDown"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_a_wrong_method_gets_the_right_ones(path: str, method: str) -> None:
    response = ask(with_targets(), path, method)

    assert (response.status_code, response.text) == (405, "method not allowed")
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [*PAGES, "/metrics", "/-/healthy", "/unknown"])
def test_no_response_is_sniffed_or_stored(path: str) -> None:
    headers = ask(with_targets(), path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_the_operator_s_headers_win_and_come_once() -> None:
    policy = "default-src 'self'"
    security = PortSecurity(WebSecurity(headers=(("Content-Security-Policy", policy),)))
    for app in (web_app(security=security), web_app(metrics=raising(LookupError()), security=security)):
        for path in ("/", "/metrics"):
            assert ask(app, path).headers.get_list("content-security-policy") == [policy]


# Targets


@pytest.mark.parametrize("name", UNKNOWN_NAMES)
def test_an_unknown_target_is_not_found_and_its_name_is_not_repeated(name: str) -> None:
    html, api = (ask(with_targets(), f"{path}{name}") for path in ("/targets/", "/api/v1/targets/"))

    assert (html.status_code, html.text) == (404, "not found")
    assert (api.status_code, api.json()) == (404, {"error": "unknown target; see api/v1/targets"})


# Failures


def test_a_failure_is_a_bare_500() -> None:
    response = ask(web_app(metrics=raising(ValueError(SECRET))), "/metrics")

    assert (response.status_code, response.text) == (500, "internal error")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/", "/api/v1/targets"])
def test_a_failure_of_any_part_is_a_500(path: str) -> None:
    def failing() -> Any:  # noqa: ANN401  stands for several functions
        raise ValueError(SECRET)

    source = replace(a_source(), statuses=failing)
    assert ask(web_app(source, healthy=failing, ready=failing), path).status_code == 500


def test_after_a_failed_page_the_next_one_is_rendered_again() -> None:
    calls = 0

    def statuses() -> Iterator[TargetStatus]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError
        return iter([good()])

    app = web_app(replace(a_source(), statuses=statuses))

    async def scenario() -> list[int]:
        return [(await asking(app, "/")).status_code for _ in range(2)]

    assert asyncio.run(scenario()) == [500, 200]


def test_a_failure_is_logged_with_its_frames_and_without_its_text() -> None:
    async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        facts: dict[str, list[bytes]] = {}
        try:
            return facts[SECRET]
        except KeyError as error:
            raise ValueError(SECRET) from error

    (line,) = written(lambda: ask(web_app(metrics=metrics), f"/metrics?{SECRET}"))
    logged = logfmt.read(line)
    assert (logged["level"], logged["msg"]) == ("error", "cannot answer a request: a bug in the exporter")
    assert (logged["method"], logged["path"], logged["part"]) == ("GET", "/metrics", "page")
    error, cause = logged["exception"].split(" <- ")
    assert error.startswith("ValueError at ")
    assert error.endswith(" metrics")
    assert cause.startswith("KeyError at ")
    assert SECRET not in line


SCOPE = {"type": "http", "method": "GET", "path": "/metrics", "headers": [], "query_string": b""}


def test_a_failure_in_the_middle_of_a_response_does_not_start_another() -> None:
    sent: list[str] = []

    async def broken(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))
        if message["type"] == "http.response.body":
            raise OSError(SECRET)

    (line,) = written(lambda: asyncio.run(web_app()(SCOPE, None, broken)))  # type: ignore[arg-type]  # nothing is received

    assert sent == ["http.response.start", "http.response.body"]
    assert logfmt.read(line)["exception"].startswith("OSError at ")


@pytest.mark.parametrize(
    ("moment", "expected", "is_cancelled"),
    [("before", [503, b"shutting down"], False), ("within", [200], True)],
)
def test_a_request_cancelled_by_shutdown_gets_503_unless_its_response_has_started(
    moment: str, expected: list[object], *, is_cancelled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[object] = []

    async def scenario() -> bool:
        waiting = asyncio.Event()

        async def forever() -> None:
            waiting.set()
            await asyncio.Event().wait()

        async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
            if moment == "before":
                await forever()
            return []

        async def send(message: dict[str, object]) -> None:
            sent.append(message.get("status", message.get("body")))
            if moment == "within":
                await forever()

        task = asyncio.ensure_future(web_app(metrics=metrics)(SCOPE, None, send))  # type: ignore[arg-type]  # nothing is received
        await waiting.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert (asyncio.run(scenario()), sent) == (is_cancelled, expected)
    assert caplog.messages == ["request cancelled by shutdown: GET /metrics"]


# Reload


class Reload:
    """Counts calls, and answers the same each time."""

    def __init__(self, *, good: bool = True, text: str = "") -> None:
        self.calls = 0
        self._result = good, text

    async def __call__(self) -> tuple[bool, str]:
        self.calls += 1
        return self._result


@pytest.mark.parametrize(("good", "status"), [(True, 200), (False, 500)])
def test_a_reload_returns_its_result(*, good: bool, status: int) -> None:
    reload = Reload(good=good, text="first\nsecond")
    response = ask(web_app(reload=reload), "/-/reload", "POST")

    assert (response.status_code, response.text, reload.calls) == (status, "first\nsecond\n", 1)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_reloads(method: str) -> None:
    reload = Reload()
    response = ask(web_app(reload=reload), "/-/reload", method)

    assert (response.status_code, response.headers["Allow"], reload.calls) == (405, "POST", 0)


def reload_result(
    *headers: tuple[str, str],
    host: str = "exporter.example:9988",
    external_url: str | None = "https://exporter.example/flow",
) -> str:
    """Return "reloaded", or why not."""
    reload = Reload(text="reloaded")
    app = web_app(a_source(external_url=external_url), reload=reload)
    response = ask(app, "/-/reload", "POST", httpx.Headers([("host", host), *headers]))
    assert (response.status_code, reload.calls) in {(200, 1), (403, 0)}
    return response.text.rstrip()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="curl"),
        pytest.param([("sec-fetch-site", "same-origin")], id="own page"),
        pytest.param([("sec-fetch-site", "none")], id="the user"),
        pytest.param([("origin", "http://exporter.example:9988")], id="own page in an older browser"),
        pytest.param([("origin", "https://EXPORTER.example:9988")], id="TLS ends in front of the exporter"),
        pytest.param(
            [("sec-fetch-site", "same-origin"), ("origin", "http://exporter.example:9988")], id="both"
        ),
    ],
)
def test_these_may_reload(headers: list[tuple[str, str]]) -> None:
    assert reload_result(*headers) == "reloaded"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("sec-fetch-site", "cross-site")], id="another site"),
        pytest.param([("sec-fetch-site", "same-site")], id="a sibling host"),
        pytest.param([("sec-fetch-site", "")], id="an unknown value"),
        pytest.param([("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], id="two values"),
        pytest.param([("origin", "http://elsewhere.example:9988")], id="another host"),
        pytest.param([("origin", "http://exporter.example")], id="another port"),
        pytest.param([("origin", "http://exporter.example:9988.evil.example")], id="a longer name"),
        pytest.param([("origin", "http://exporter.example:9988@evil.example")], id="own name as a user"),
        pytest.param([("origin", "null")], id="an opaque origin"),
        pytest.param([("origin", "")], id="an empty origin"),
        pytest.param([("origin", "http://[")], id="a broken origin"),
        pytest.param(
            [("origin", "http://exporter.example:9988"), ("origin", "http://evil.example")], id="two origins"
        ),
        pytest.param(
            [("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")], id="a contradiction"
        ),
        pytest.param([("host", "other.example"), ("origin", "http://exporter.example:9988")], id="two hosts"),
    ],
)
def test_a_cross_site_request_does_not_reload(headers: list[tuple[str, str]]) -> None:
    assert reload_result(*headers) == "refused: cross-site request"


REBOUND = (
    "refused: a web page may reload under this host name only if FLOW_EXPORTER_WEB__EXTERNAL_URL has it;"
    " from elsewhere use curl, SIGHUP, or the IP address"
)
RELOADS_BY_HOST = {
    "hostile.example:9988": False,
    "hostile.example": False,
    "exporter.example.hostile.example": False,
    "127.0.0.1.hostile.example": False,
    "127.0.0.1:9988@hostile.example": False,
    "": False,
    "exporter.example": True,
    "EXPORTER.example:9988": True,
    "127.0.0.1:9988": True,
    "[::1]:9988": True,
    "10.1.2.3": True,
    "localhost:9988": True,
}
"""Whether a page that the browser got from this host, at whatever address that was, may reload."""


@pytest.mark.parametrize(("host", "good"), RELOADS_BY_HOST.items())
def test_a_page_under_a_name_that_its_owner_points_at_us_does_not_reload(host: str, *, good: bool) -> None:
    """DNS rebinding: to the browser it is the exporter's own page."""
    for external_url in ("https://exporter.example/flow", None):
        reloads = good and (external_url is not None or "exporter" not in host.lower())
        sent = [("sec-fetch-site", "same-origin")] + ([("origin", f"http://{host}")] if host else [])
        assert reload_result(*sent, host=host, external_url=external_url) == (
            "reloaded" if reloads else REBOUND
        )


def test_curl_kubectl_and_reloaders_reload_under_every_name() -> None:
    for host in RELOADS_BY_HOST:
        assert reload_result(host=host, external_url=None) == "reloaded"


# Behind a proxy with a path prefix


@pytest.mark.parametrize("external_url", ["https://ops.example/flow", "https://ops.example/flow/"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/targets/emea", "/api/v1/targets"])
def test_every_path_is_served_with_and_without_the_prefix_of_the_external_url(
    external_url: str, path: str
) -> None:
    app = with_targets(external_url=external_url)

    stripped, whole = ask(app, path), ask(app, f"/flow{path}")
    assert whole.status_code == 200
    assert whole.content == stripped.content


def test_the_prefix_works_without_a_trailing_slash_and_other_prefixes_do_not() -> None:
    app = with_targets(external_url="https://ops.example/flow")

    assert ask(app, "/flow").text == ask(app, "/").text
    for path in ("/flows/metrics", "/other/metrics", "/flow/flow/metrics"):
        assert ask(app, path).status_code == 404
    assert ask(with_targets(), "/flow/metrics").status_code == 404


def test_a_prefix_that_looks_like_a_route_does_not_hide_the_route() -> None:
    app = with_targets(external_url="https://ops.example/metrics")

    assert ask(app, "/metrics").headers["Content-Type"] == Format.TEXT.content_type
    assert ask(app, "/metrics/metrics").headers["Content-Type"] == Format.TEXT.content_type


def test_health_below_the_prefix_needs_no_login_either() -> None:
    security = PortSecurity(WebSecurity(users={"ann": "hash"}))
    app = web_app(a_source(external_url="https://ops.example/flow"), security=security)

    assert ask(app, "/flow/-/healthy").status_code == 200
    assert ask(app, "/flow/metrics").status_code == 401


@pytest.mark.parametrize("path", ["/", "/flow", "/targets/emea"])
def test_links_start_with_the_prefix_so_that_a_trailing_slash_does_not_matter(path: str) -> None:
    document = Document(ask(with_targets(external_url="https://ops.example/flow/"), path).text)

    links = {str(link["href"]) for link in document.all("a")}
    assert {"/flow/", "/flow/metrics", "/flow/runbooks/"} <= links
    assert {link[0] for link in links} == {"#", "/"}
