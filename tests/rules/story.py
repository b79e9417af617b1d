"""Stories: what pods went through, and which alerts fire when, for `promtool test rules`.

    story = Story(pods=[…], until=20, firing={10: {"PingOneFederationDown emea"}, 20: set()})
    story.verify(tmp_path)

At every minute named, exactly the alerts named fire, each once, and no other.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness.prometheus import need_tool
from harness.waiting import PATIENCE

if TYPE_CHECKING:
    from rules.pod import Pod

RULES = Path(__file__).resolve().parents[2] / "helm" / "pingone-flow-exporter" / "files" / "rules"
FILES = sorted(RULES.glob("*.yaml"))
DOCUMENTS: Mapping[str, Any] = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
ENTRIES: Sequence[dict[str, Any]] = [
    rule for document in DOCUMENTS.values() for group in document["groups"] for rule in group["rules"]
]
ALERTS: Mapping[str, dict[str, Any]] = {rule["alert"]: rule for rule in ENTRIES if "alert" in rule}
RECORDED = frozenset(rule["record"] for rule in ENTRIES if "record" in rule)

_NAMED = re.compile(r"(?<![a-z_:])pingone_(?:flow|status)_[a-z_]+")
FAMILIES = frozenset(
    name
    for rule in ENTRIES
    for text in (rule["expr"], *rule.get("annotations", {}).values())
    for name in _NAMED.findall(text)
)
"""Series that expressions and templates ask for, as they stand in the text."""

_SUBJECT = 'ALERTS{alertstate="firing"}'
for _label in (
    "page",
    "component",
    "auth_host",
    "destination_auth_host",
    "destination",
    "instance",
    "target",
):  # the last that there is
    _SUBJECT = f'label_replace({_SUBJECT}, "subject", "$1", "{_label}", "(.+)")'
_FIRING = f"count by (alertname, subject) ({_SUBJECT})"


@functools.cache
def promtool_major() -> int:
    """Return the major version of promtool; 0 if there is none."""
    path = shutil.which("promtool")
    if path is None:
        return 0
    done = subprocess.run([path, "--version"], capture_output=True, encoding="utf-8", check=True, timeout=60)
    found = re.search(r"version (\d+)\.", done.stdout)
    return int(found[1]) if found else 0


def by_promtool(two: str, three: str) -> str:
    """Return what promtool 2 or 3 computes, whichever is installed.

    For shares in texts only: in 3, a range no longer contains its start, which changes their last digits.
    """
    return three if promtool_major() >= 3 else two


def always(first: float, last: float, *alerts: str) -> dict[float, set[str]]:
    """Expect these alerts at every half minute from `first` to `last`, both included."""
    return {first + step / 2: set(alerts) for step in range(int(2 * (last - first)) + 1)}


@dataclass(kw_only=True)
class Text:
    """An alert as it arrives: its labels without name and severity, and its description."""

    alert: str
    labels: Mapping[str, str]
    description: str


@dataclass(kw_only=True)
class Story:
    """What pods went through, and which alerts fire when.

    Args:
        pods: the exporters.
        until: the end, in minutes.
        firing: minute -> the alerts that fire then, as `Alert subject`; the subject is the target, else the
            instance, else the auth host, else nothing.
        texts: minute -> alerts with all labels and their descriptions.
        shown: minute -> an expression without labels, and its value; None where it must have none.
        scrape: seconds between two scrapes.
        evaluation: seconds between two evaluations.
        thresholds: name -> another value, as the chart would set it.
        without: alerts that are switched off, as the chart would.
        others: further series, and their value, or values as promtool reads them.
    """

    pods: Sequence[Pod]
    until: float
    firing: Mapping[float, set[str]] = field(default_factory=dict)
    texts: Mapping[float, Text] = field(default_factory=dict)
    shown: Mapping[float, tuple[str, float | None]] = field(default_factory=dict)
    scrape: float = 30.0
    evaluation: float = 30.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    others: Mapping[str, float | str] = field(default_factory=dict)

    def verify(self, directory: Path) -> None:
        """Let promtool judge it; the test fails with its words."""
        document = {
            "rule_files": [str(path) for path in self._rules(directory)],
            "evaluation_interval": f"{self.evaluation:g}s",
            "group_eval_order": _GROUPS,
            "tests": [self._test()],
        }
        path = directory / "story.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML, and quick
        done = subprocess.run(
            [need_tool("promtool"), "test", "rules", str(path)],
            env={"GOGC": "400"},  # a story is short: collecting its garbage less often saves a quarter
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"\n{done.stdout}{done.stderr}", pytrace=False)

    def _rules(self, directory: Path) -> list[Path]:
        if not self.thresholds and not self.without:
            return FILES
        written = []
        for name, document in DOCUMENTS.items():
            groups = [
                {**group, "rules": list(map(self._set, group["rules"]))} for group in document["groups"]
            ]
            for group in groups:
                group["rules"] = [rule for rule in group["rules"] if rule.get("alert") not in self.without]
            path = directory / name
            path.write_text(json.dumps({"groups": groups}), encoding="utf-8")
            written.append(path)
        return written

    def _set(self, rule: dict[str, Any]) -> dict[str, Any]:
        name = rule.get("record", "").removeprefix("pingone_flow:threshold:")
        return {**rule, "expr": f"vector({self.thresholds[name]})"} if name in self.thresholds else rule

    def _test(self) -> dict[str, Any]:
        steps = round(self.until * 60 / self.scrape)
        series = {
            name: value if isinstance(value, str) else f"{value:g}x{steps}"
            for name, value in self.others.items()
        }
        for pod in self.pods:
            lived = pod.scrapes(until=self.until, every=self.scrape, families=FAMILIES)
            for name, values in lived.items():
                assert name not in series, f"{name} comes from two pods"
                series[name] = _values(values)
        return {
            "interval": f"{self.scrape:g}s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": list(self._asked()),
            "alert_rule_test": [_arrival(minute, text) for minute, text in self.texts.items()],
        }

    def _asked(self) -> Iterator[dict[str, Any]]:
        for minute, alerts in self.firing.items():
            yield _asking(_FIRING, minute, _samples(alerts))
        for minute, (expression, value) in self.shown.items():
            yield _asking(expression, minute, [] if value is None else [{"labels": "{}", "value": value}])


_GROUPS = [group["name"] for document in DOCUMENTS.values() for group in document["groups"]]


def _time(minute: float) -> str:
    return f"{round(minute * 60)}s"


def _asking(expression: str, minute: float, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"expr": expression, "eval_time": _time(minute), "exp_samples": samples}


def _arrival(minute: float, text: Text) -> dict[str, Any]:
    rule = ALERTS[text.alert]
    annotations = {name: _filled(written, text.labels) for name, written in rule["annotations"].items()}
    annotations["description"] = text.description
    return {
        "eval_time": _time(minute),
        "alertname": text.alert,
        "exp_alerts": [{"exp_labels": {**text.labels, **rule["labels"]}, "exp_annotations": annotations}],
    }


def _filled(text: str, labels: Mapping[str, str]) -> str:
    """Fill in the labels that a URL has."""
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels.get(match[1], ""), text)


def _samples(alerts: set[str]) -> list[dict[str, Any]]:
    found = []
    for alert in sorted(alerts):
        name, _, subject = alert.partition(" ")
        labels = f'alertname="{name}"' + (f',subject="{subject}"' if subject else "")
        found.append({"labels": f"{{{labels}}}", "value": 1})
    return found


def _values(values: list[float | None]) -> str:
    """Write values as promtool reads them; a series that ends is marked stale, as a scrape does."""
    written = []
    for value, before in zip(values, [None, *values], strict=False):
        if value is not None:
            written.append(f"{value:.6f}".rstrip("0").rstrip("."))
        else:
            written.append("_" if before is None else "stale")
    return " ".join(written)
