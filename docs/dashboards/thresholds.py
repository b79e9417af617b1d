"""The thresholds of the alert rules, so that a panel shows the value at which an alert fires."""

from __future__ import annotations

from pathlib import Path

import yaml

_RULES = Path(__file__).resolve().parents[2] / "helm" / "pingone-flow-exporter" / "files" / "rules"
_PREFIX = "pingone_flow:threshold:"

THRESHOLDS: dict[str, float] = {
    rule["record"].removeprefix(_PREFIX): yaml.safe_load(rule["expr"][len("vector(") : -1])
    for path in sorted(_RULES.glob("*.yaml"))
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if rule.get("record", "").startswith(_PREFIX)
}
"""Name after `pingone_flow:threshold:` -> the default."""
