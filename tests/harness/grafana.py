"""What Grafana makes of a dashboard's file, as far as Prometheus gets to see it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LABEL = re.compile(r"\{\{ *(\w+) *\}\}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a panel.

    Args:
        dashboard: the file's name without its suffix.
        panel: the panel as it is in the file.
        target: the query as it is in the file.
    """

    dashboard: str
    panel: Mapping[str, Any]
    target: Mapping[str, Any]

    def __str__(self) -> str:
        """Name it as the tables of exceptions do."""
        return f"{self.dashboard}/{self.panel['title']}/{self.target['refId']}"

    @property
    def expr(self) -> str:
        """Its PromQL, with variables."""
        return str(self.target["expr"])

    @property
    def shown(self) -> tuple[str, ...]:
        """Labels that distinguish the series: those of the legend, or of a table's columns."""
        if self.panel["type"] != "table":
            return tuple(_LABEL.findall(self.target.get("legendFormat", "")))
        (kept,) = (step for step in self.panel["transformations"] if step["id"] == "filterFieldsByName")
        return tuple(name for name in kept["options"]["include"]["names"] if not name.startswith("Value"))

    def legend(self, labels: Mapping[str, str]) -> str:
        """Return the name of a series in the panel; of a table, its row's words."""
        if self.panel["type"] == "table":
            return " | ".join(labels.get(label, "") for label in self.shown)
        legend = str(self.target.get("legendFormat", ""))
        return _LABEL.sub(lambda match: labels.get(match[1], ""), legend).strip()


def dashboards(directory: Path) -> dict[str, dict[str, Any]]:
    """Read all files of a directory, by their names without suffix."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.glob("*.json"))
    }


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all panels but rows, those inside of closed rows included."""
    found: list[dict[str, Any]] = []
    for panel in dashboard["panels"]:
        found += panel.get("panels", []) if panel["type"] == "row" else [panel]
    return found


def queries(name: str, dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    """Return every query of every panel."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Asked(name, panel, target)


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the dashboard's variables by their names."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Put values in the places of variables.

    Raises:
        KeyError: a variable has none.
    """
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], text)


def everything(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of variables at which `All` is chosen, of those that do not list what they offer."""
    return {
        name: variable["allValue"]
        for name, variable in variables(dashboard).items()
        if "allValue" in variable
    }
