"""The same rules, but faster: every duration is divided.

What is changed, and nothing else:
- `for`, `keep_firing_for` and the groups' `interval`;
- ranges of selectors and subqueries in expressions, `[30m]` and `[1h:30s]`, and offsets;
- the plain number 30 in the two kinds of rules in which it stands for the seconds of an interval.

Annotations stay as they are: they look back over an hour, which is longer than any drill.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import promql_parser as promql

from exporter.durations import parse_duration

Group = dict[str, Any]

_TOKEN = re.compile(
    r"""
    (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')       # nothing in a string is a duration
    | \[\ *(?P<range>\w+)\ *(?::\ *(?P<step>\w*)\ *)?\]
    | (?<=\boffset\ )(?P<offset>\w+)
    | (?<=[*+]\ )(?P<seconds>30)\b
    """,
    re.VERBOSE,
)
_IN_SECONDS = re.compile(r":increase30s$|^target:pingone_flow_probe_consecutive_failures:max_conclusive$")


def hurried(
    groups: Sequence[Group], *, times: float, narrower: Mapping[str, float] | None = None
) -> list[Group]:
    """Return the rule groups with their time passing so many times faster.

    Args:
        groups: as a PrometheusRule has them in `spec.groups`.
        times: what durations are divided by.
        narrower: names of rules -> what the ranges in their expressions are divided by instead.
    """
    ranges = narrower or {}
    return [
        {
            **group,
            "interval": _shorter(group["interval"], times),
            "rules": [_rule(rule, times, ranges) for rule in group["rules"]],
        }
        for group in groups
    ]


def _rule(rule: dict[str, Any], times: float, narrower: Mapping[str, float]) -> dict[str, Any]:
    name = rule.get("alert") or rule["record"]
    waits = {str(key): _shorter(rule[key], times) for key in ("for", "keep_firing_for") if key in rule}
    return {**rule, **waits, "expr": expression(name, rule["expr"], times=narrower.get(name, times))}


def expression(name: str, text: str, *, times: float) -> str:
    """Return the expression of a rule with its ranges divided.

    Raises:
        AssertionError: a parser sees other ranges in the result than those divided.
    """

    def shorter(token: re.Match[str]) -> str:
        if token["text"] is not None:
            return token["text"]
        if token["offset"] is not None:
            return _shorter(token["offset"], times)
        if token["seconds"] is not None:
            return f"{float(token['seconds']) / times:g}" if _IN_SECONDS.search(name) else token["seconds"]
        step = (
            f":{_shorter(token['step'], times) if token['step'] else ''}" if token["step"] is not None else ""
        )
        return f"[{_shorter(token['range'], times)}{step}]"

    result = _TOKEN.sub(shorter, text)
    before, after = (list(spans(promql.parse(written))) for written in (text, result))
    assert after == [span / times for span in before], f"{name}: {before} became {after}"
    return result


def spans(parsed: object) -> Iterator[timedelta]:
    """Return the ranges, steps and offsets in a parsed expression, in their order."""
    for part in ("lhs", "rhs", "expr", "param"):
        if (inner := getattr(parsed, part, None)) is not None:
            yield from spans(inner)
    for argument in getattr(parsed, "args", None) or ():
        yield from spans(argument)
    for part in ("range", "step", "offset"):
        if (span := getattr(parsed, part, None)) is not None:
            yield span


def _shorter(text: str, times: float) -> str:
    return f"{max(1, round(parse_duration(text) * 1000 / times))}ms"
