"""Rules are parsed and set, dashboards are used as they are; neither is templated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from chart import operator_schemas
from chart.rendering import CHART, ONE, RefusedError, render

if TYPE_CHECKING:
    from chart.rendering import Values

DESCRIPTION = (
    '{{ $labels.target }}: {{ with printf "x{target=%q}" $labels.target | query }}{{ . | first }}{{ end }}'
)
RULES = {
    "groups": [
        {
            "name": "thresholds",
            "interval": "1m",
            "rules": [
                {"record": "pingone_flow:threshold:slow_share", "expr": "vector(0.25)"},
                {
                    "record": "pingone_flow:threshold:clock_skew_seconds",
                    "expr": "vector(30)",
                    "labels": {"a": "b"},
                },
                {"record": "target:probes:rate5m", "expr": "rate(pingone_flow_probes_total[5m])"},
            ],
        },
        {
            "name": "alerts",
            "rules": [
                {
                    "alert": "PingOneDown",
                    "expr": 'a{b="{{"} >= 3\nand b',
                    "for": "2m",
                    "labels": {"severity": "critical"},
                    "annotations": {"summary": "Down.", "description": DESCRIPTION},
                },
                {"alert": "PingOneSlow", "expr": "1", "for": "5m", "labels": {"severity": "warning"}},
            ],
        },
        {"name": "lone", "rules": [{"alert": "PingOneLone", "expr": "1"}]},
    ]
}
DASHBOARD = {"title": "{{ $labels }} é", "panels": [{"legendFormat": "{{target}}", "expr": 'a{b="c"}\n'}]}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Copy the chart, with files of rules and dashboards that the test knows."""
    copy = tmp_path / "pingone-flow-exporter"
    shutil.copytree(CHART, copy)
    shutil.rmtree(copy / "files", ignore_errors=True)
    (copy / "files" / "rules").mkdir(parents=True)
    (copy / "files" / "dashboards").mkdir()
    (copy / "files" / "rules" / "some.yaml").write_text(yaml.safe_dump(RULES), encoding="utf-8")
    text = json.dumps(DASHBOARD, indent=2, ensure_ascii=False) + "\n"
    for name in ("Over_view", "target"):
        (copy / "files" / "dashboards" / f"{name}.json").write_text(text, encoding="utf-8")
    return copy


def groups(chart: Path, **rules: Any) -> dict[str, list[dict[str, Any]]]:  # noqa: ANN401  values of any kind
    rule = render(ONE | {"rules": rules}, chart=chart).one("PrometheusRule")
    return {group["name"]: group["rules"] for group in rule["spec"]["groups"]}


def alert(chart: Path, name: str, **rules: Any) -> dict[str, Any]:  # noqa: ANN401  values of any kind
    found = [rule for rules in groups(chart, **rules).values() for rule in rules if rule.get("alert") == name]
    (only,) = found
    return only


def test_rules_are_unchanged_except_for_the_runbook_url(chart: Path) -> None:
    spec = render(ONE, chart=chart).one("PrometheusRule")["spec"]
    expected = json.loads(json.dumps(RULES))
    for group in expected["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                url = f"http://flows-pingone-flow-exporter.monitoring.svc:9988/runbooks/{rule['alert']}"
                rule.setdefault("annotations", {})["runbook_url"] = url
                rule.setdefault("labels", {})
    assert spec == expected


@operator_schemas.needed
def test_rules_with_every_change_match_the_operators_schema(chart: Path) -> None:
    own = {"for": "0", "keepFiringFor": "1h", "severity": "info", "labels": {"a": "b"}}
    changes = {"alerts": {"PingOneDown": own}, "thresholds": {"slow_share": 1}, "labels": {"c": "d"}}
    operator_schemas.check(render(ONE | {"rules": changes}, chart=chart).one("PrometheusRule"))


def test_runbook_urls_use_the_external_url(chart: Path) -> None:
    values = ONE | {"externalUrl": "https://flows.example.com/pingone/"}
    rule = render(values, chart=chart).one("PrometheusRule")
    urls = [item["annotations"]["runbook_url"] for item in rule["spec"]["groups"][1]["rules"]]
    base = "https://flows.example.com/pingone/runbooks"
    assert urls == [f"{base}/PingOneDown", f"{base}/PingOneSlow"]


def test_a_single_alert_is_changed_and_no_other(chart: Path) -> None:
    own = {"for": "10m", "keepFiringFor": "15m", "severity": "info", "labels": {"team": "a", "x": "own"}}
    changes: Values = {"alerts": {"PingOneDown": own}, "labels": {"x": "all", "y": "all"}}
    down, slow = alert(chart, "PingOneDown", **changes), alert(chart, "PingOneSlow", **changes)
    assert (down["for"], down["keep_firing_for"]) == ("10m", "15m")
    assert down["labels"] == {"severity": "info", "team": "a", "x": "own", "y": "all"}
    assert down["expr"] == RULES["groups"][1]["rules"][0]["expr"]  # type: ignore[index]  # the literal above
    assert (slow["for"], "keep_firing_for" in slow) == ("5m", False)
    assert slow["labels"] == {"severity": "warning", "x": "all", "y": "all"}


def test_a_disabled_alert_is_left_out_and_so_is_an_empty_group(chart: Path) -> None:
    off = {"PingOneSlow": {"enabled": False}, "PingOneLone": {"enabled": False}}
    left = groups(chart, alerts=off)
    assert [rule["alert"] for rule in left["alerts"]] == ["PingOneDown"]
    assert "lone" not in left
    assert len(left["thresholds"]) == 3


def test_a_threshold_sets_its_recorded_series_and_no_other(chart: Path) -> None:
    recorded = groups(chart, thresholds={"slow_share": 0.5, "clock_skew_seconds": 3000000})["thresholds"]
    assert [rule["expr"] for rule in recorded] == [
        "vector(0.5)",
        "vector(3000000)",
        "rate(pingone_flow_probes_total[5m])",
    ]
    assert recorded[1]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            {"alerts": {"PingOneDwon": {"for": "1m"}}},
            "rules.alerts.PingOneDwon: unknown alert; known alerts",
        ),
        (
            {"thresholds": {"slow": 1}},
            "at '/rules/thresholds': additional properties 'slow' not allowed",
        ),
    ],
)
def test_an_unknown_name_is_an_error(chart: Path, rules: Values, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        render(ONE | {"rules": rules}, chart=chart)


def test_a_rule_file_with_invalid_yaml_is_reported_by_name(chart: Path) -> None:
    (chart / "files" / "rules" / "broken.yaml").write_text("groups: [", encoding="utf-8")
    with pytest.raises(RefusedError, match=r"files/rules/broken\.yaml: invalid YAML"):
        render(ONE, chart=chart)


def test_several_files_make_one_rule_object_and_it_can_be_switched_off(chart: Path) -> None:
    more = {"groups": [{"name": "more", "rules": [{"record": "a:b:c", "expr": "1"}]}]}
    (chart / "files" / "rules" / "more.yaml").write_text(yaml.safe_dump(more), encoding="utf-8")
    assert list(groups(chart)) == ["more", "thresholds", "alerts", "lone"]
    assert render(ONE | {"rules": {"enabled": False}}, chart=chart).all("PrometheusRule") == []


def test_every_dashboard_is_a_configmap_that_grafanas_sidecar_selects(chart: Path) -> None:
    maps = [
        item
        for item in render(ONE, chart=chart).all("ConfigMap")
        if item["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    assert [item["metadata"]["name"] for item in maps] == [
        "flows-pingone-flow-exporter-dashboard-over-view",
        "flows-pingone-flow-exporter-dashboard-target",
    ]
    (name, text), *others = maps[0]["data"].items()
    assert (name, others) == ("Over_view.json", [])
    assert json.loads(text) == DASHBOARD
    assert "annotations" not in maps[0]["metadata"]


def test_a_dashboard_goes_to_the_configured_folder_and_namespace(chart: Path) -> None:
    wanted = {"folder": "PingOne", "namespace": "grafana", "labels": {"grafana_dashboard": "yes"}}
    maps = render(ONE | {"dashboards": wanted}, chart=chart).all("ConfigMap")
    metadata = [item["metadata"] for item in maps if "-dashboard-" in item["metadata"]["name"]]
    assert {item["namespace"] for item in metadata} == {"grafana"}
    assert {item["labels"]["grafana_dashboard"] for item in metadata} == {"yes"}
    assert [item["annotations"] for item in metadata] == [{"grafana_folder": "PingOne"}] * 2


def test_dashboards_can_be_switched_off(chart: Path) -> None:
    maps = render(ONE | {"dashboards": {"enabled": False}}, chart=chart).all("ConfigMap")
    names = [item["metadata"]["name"] for item in maps]
    assert names == ["flows-pingone-flow-exporter", "flows-pingone-flow-exporter-new"]
