"""The routes of pages and API, through the application's own interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from observing.examples import a_failure, a_success
from serving.examples import a_past, good, views
from serving.test_site import ask, site_of

from exporter.serving.document import CONTENT_SECURITY_POLICY

if TYPE_CHECKING:
    import httpx

PATHS = ("/", "/targets/emea", "/api/v1/targets", "/api/v1/targets/emea")
UNKNOWN = ("nobody", "EMEA", "%2e%2e", "emea%00", "<script>", "e" * 5000)


def asked(path: str, method: str = "GET", **headers: str) -> httpx.Response:
    watching = views(good(), good("apac"), pasts=[a_past(a_failure(), a_success())])
    return ask(site_of(watching), path, method, {"Accept-Encoding": "identity"} | headers)


@pytest.mark.parametrize("path", PATHS[:2])
def test_a_page_is_html_under_the_strict_policy(path: str) -> None:
    answer = asked(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Version 1.2.3." in answer.text
    assert "emea" in answer.text


@pytest.mark.parametrize("path", PATHS[2:])
def test_the_api_answers_json(path: str) -> None:
    answer = asked(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert "emea" in answer.text
    assert answer.json()["generated_at"] == "2025-11-22T14:04:00.000Z"


@pytest.mark.parametrize("path", PATHS)
def test_whoever_asks_for_it_compressed_gets_the_same_compressed(path: str) -> None:
    plain, packed = asked(path), asked(path, **{"Accept-Encoding": "gzip"})
    assert packed.content == plain.content
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body(path: str) -> None:
    get, head = asked(path), asked(path, "HEAD")
    assert (head.status_code, head.headers, head.content) == (200, get.headers, b"")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_and_api_are_read_only(path: str, method: str) -> None:
    answer = asked(path, method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_target_has_no_page_and_its_name_is_not_repeated(name: str) -> None:
    answer = asked(f"/targets/{name}")
    assert (answer.status_code, answer.text) == (404, "not found")


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_target_is_told_as_json_to_those_who_ask_for_json(name: str) -> None:
    answer = asked(f"/api/v1/targets/{name}")
    assert answer.status_code == 404
    assert json.loads(answer.content) == {"error": "no such target; api/v1/targets has them all"}
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/targets", "/targets/", "/targets/emea/", "/api", "/api/v1/targets/"])
def test_there_is_nothing_between_the_routes(path: str) -> None:
    assert (asked(path).status_code, asked(path).text) == (404, "not found")
