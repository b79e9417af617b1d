"""Prometheus scrapes what a server shows, and a missing tool is reported in one line."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from harness.http_messages import body_answer
from harness.prometheus import need_tool, promtool_check_metrics

if TYPE_CHECKING:
    from harness.factory import Factory
    from harness.http_server import HttpServer
    from harness.prometheus import Prometheus

PAGE = b'# HELP a_value Something.\n# TYPE a_value gauge\na_value{target="x"} 42\n'


@pytest.mark.e2e
def test_what_a_server_shows_is_read_back_by_a_query(
    http_server: Factory[..., HttpServer], prometheus: Factory[..., Prometheus]
) -> None:
    server = http_server(body_answer(PAGE, content_type="text/plain; version=0.0.4"))
    address = f"127.0.0.1:{server.port}"
    running = prometheus(address)
    ((labels, value),) = running.wait_for("a_value", bool)
    assert (labels["__name__"], labels["target"], labels["instance"], value) == (
        "a_value",
        "x",
        address,
        42.0,
    )
    assert [target["health"] for target in running.targets()] == ["up"]


@pytest.mark.e2e
def test_what_was_is_remembered_and_what_was_not_yet_is_not(
    http_server: Factory[..., HttpServer], prometheus: Factory[..., Prometheus]
) -> None:
    before = time.time()
    server = http_server(body_answer(PAGE, content_type="text/plain; version=0.0.4"))
    running = prometheus(f"127.0.0.1:{server.port}")
    ((_, moment),) = running.wait_for("timestamp(a_value)", bool)
    assert len(running.query("a_value", moment)) == 1
    assert running.query("a_value", before) == []
    assert running.values("a_value", start=moment, end=moment + 1, step=1)[0] == 42.0
    assert running.label_values("target", "a_value") == ["x"]


@pytest.mark.e2e
def test_a_query_in_vain_shows_why_the_target_is_down(prometheus: Factory[..., Prometheus]) -> None:
    running = prometheus("127.0.0.1:1")
    running.wait_for("up == 0", bool)
    with pytest.raises(AssertionError, match="connection refused"):
        running.wait_for("a_value", bool, timeout=0.0)


@pytest.mark.e2e
def test_an_error_in_a_query_is_not_an_empty_answer(prometheus: Factory[..., Prometheus]) -> None:
    with pytest.raises(AssertionError, match=r"bad_data.*parse error"):
        prometheus("127.0.0.1:1").query("a_value{")


@pytest.mark.e2e
def test_promtool_judges_a_page() -> None:
    assert promtool_check_metrics(PAGE.decode()) == (0, "")
    code, output = promtool_check_metrics("# TYPE a_total gauge\na_total 1\n")
    assert code == 3
    assert "no help text" in output


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)], ids=["ci", "laptop"]
)
def test_a_missing_tool_fails_in_ci_and_skips_elsewhere(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"^no-such-tool is not installed: `make test-tools` installs it$"):
        need_tool("no-such-tool")
