"""Hurried rules are the same rules: nothing but durations differs, and every duration does."""

from __future__ import annotations

import re
from typing import Any

import promql_parser as promql
import pytest
from e2e.drill.hurry import expression, hurried, spans
from rules.story import DOCUMENTS

GROUPS = [group for document in DOCUMENTS.values() for group in document["groups"]]
EXPRESSIONS = [(rule.get("alert") or rule["record"], rule["expr"]) for g in GROUPS for rule in g["rules"]]


def rules(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for group in groups for rule in group["rules"]]


def test_ranges_and_steps_are_divided_wherever_they_are() -> None:
    text = (
        "sum by (a) (rate(x{b=\"[5m]\",c='[1h:30s]'}[5m])) > max_over_time((y == 0)[1h:30s]) + rate(z[1d:])"
    )

    assert expression("x", text, times=30) == (
        "sum by (a) (rate(x{b=\"[5m]\",c='[1h:30s]'}[10000ms])) > max_over_time((y == 0)[120000ms:1000ms]) "
        "+ rate(z[2880000ms:])"
    )


def test_seconds_of_an_interval_are_divided_and_other_numbers_are_not() -> None:
    assert (
        expression("target:a:increase30s", "rate(x[5m]) * 30 > 300", times=30) == "rate(x[10000ms]) * 1 > 300"
    )
    assert expression("target:a:ratio", "x * 30", times=30) == "x * 30"


def test_times_are_divided_and_everything_else_is_kept() -> None:
    before: dict[str, Any] = {
        "alert": "A",
        "for": "1m",
        "keep_firing_for": "1d",
        "expr": "x[1h]",
        "labels": {"a": "5m"},
    }

    (group,) = hurried([{"name": "g", "interval": "30s", "rules": [before]}], times=60)

    assert group == {
        "name": "g",
        "interval": "500ms",
        "rules": [{**before, "for": "1000ms", "keep_firing_for": "1440000ms", "expr": "x[60000ms]"}],
    }


def test_a_rule_can_have_a_shorter_range() -> None:
    group = {
        "name": "g",
        "interval": "30s",
        "rules": [{"record": "a", "expr": "x[1h]"}, {"record": "b", "expr": "x[1h]"}],
    }

    one, other = rules(hurried([group], times=60, narrower={"b": 3600}))

    assert (one["expr"], other["expr"]) == ("x[60000ms]", "x[1000ms]")


@pytest.mark.parametrize(("name", "text"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_all_ranges_of_every_rule_are_divided_and_nothing_else_changes(name: str, text: str) -> None:
    fast = expression(name, text, times=30)

    before, after = (list(spans(promql.parse(written))) for written in (text, fast))
    assert [span * 30 for span in after] == before
    assert re.sub(r"\b\d+(ms|s|m|h|d)?\b", "", fast) == re.sub(r"\b\d+(ms|s|m|h|d)?\b", "", text)


def without_durations(text: str) -> str:
    return re.sub(r"\[[^]]*\]|offset \w+", "", text)


def test_only_these_rules_contain_seconds() -> None:
    changed = {
        name
        for name, text in EXPRESSIONS
        if without_durations(expression(name, text, times=30)) != without_durations(text)
    }

    assert changed == {
        "target:pingone_flow_probes_bad:increase30s",
        "target:pingone_flow_probes_judged:increase30s",
        "target:pingone_flow_probe_consecutive_failures:max_conclusive",
    }
