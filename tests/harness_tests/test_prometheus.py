"""Prometheus scrapes what a server shows, and a missing tool is reported in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness.prometheus import need_tool, promtool_check_metrics

if TYPE_CHECKING:
    from harness.factory import Factory
    from harness.prometheus import Prometheus

PAGE = b'# HELP a_value Something.\n# TYPE a_value gauge\na_value{target="x"} 42\n'


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
