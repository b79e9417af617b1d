"""Dashboards are read as Grafana reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness import grafana

LINE: dict[str, Any] = {
    "type": "timeseries",
    "title": "Line",
    "targets": [{"refId": "A", "expr": "a", "legendFormat": "{{target}} {{cluster}}"}],
}
TABLE: dict[str, Any] = {
    "type": "table",
    "title": "Table",
    "targets": [{"refId": "A", "expr": "b"}, {"refId": "B", "expr": "c"}],
    "transformations": [
        {"id": "merge"},
        {"id": "filterFieldsByName", "options": {"include": {"names": ["fault", "reason", "Value #A"]}}},
    ],
}
DASHBOARD: dict[str, Any] = {
    "panels": [{"type": "row", "panels": [TABLE]}, LINE],
    "templating": {
        "list": [
            {"name": "datasource", "type": "datasource"},
            {"name": "job", "type": "query", "includeAll": True, "allValue": ".+"},
        ]
    },
}


def test_every_query_is_found_that_of_a_closed_row_too(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(DASHBOARD), encoding="utf-8")
    (read,) = grafana.dashboards(tmp_path).values()

    assert [str(asked) for asked in grafana.queries("x", read)] == ["x/Table/A", "x/Table/B", "x/Line/A"]


def test_a_series_is_called_by_its_legend_or_its_row() -> None:
    cell, _, line = grafana.queries("x", DASHBOARD)

    assert line.shown == ("target", "cluster")
    assert line.legend({"target": "emea", "instance": "a"}) == "emea"
    assert cell.shown == ("fault", "reason")
    assert cell.legend({"reason": "dns", "fault": "network"}) == "network | dns"


def test_a_variable_is_put_in_however_it_is_written() -> None:
    assert grafana.substituted('a{b=~"$job"}[${__range}]', {"job": ".+", "__range": "5m"}) == 'a{b=~".+"}[5m]'


def test_a_variable_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="job"):
        grafana.substituted("$job", {})


def test_all_is_what_the_dashboard_says_it_is() -> None:
    assert grafana.everything(DASHBOARD) == {"job": ".+"}
