"""The dashboards' files: valid for Grafana, complete, and consistent with the metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import promql_parser as promql
import pytest
from chart.rendering import ONE, render
from dashboards import DIRECTORY, FILES
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard
from harness import grafana
from rule_files import EXPORTER
from rules.story import ALERTS, RECORDED
from rules.test_rules import exposed, selectors

DASHBOARDS = grafana.dashboards(DIRECTORY)
README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
PANELS = [
    pytest.param(panel, id=f"{name}/{panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in grafana.panels(dashboard)
]
ANNOTATIONS = [rule["annotations"] for rule in ALERTS.values()]
QUERIES = [asked for name, dashboard in DASHBOARDS.items() for asked in grafana.queries(name, dashboard)]

UIDS = {
    "overview": "pingone-flow-overview",
    "target": "pingone-flow-target",
    "exporter": "pingone-flow-exporter",
}
"""Bookmarks and links depend on them: never change them."""

GRAFANA_10 = {"bargauge", "heatmap", "stat", "state-timeline", "table", "timeseries"}
OTHERS_OWN = {"up", "ALERTS", "ALERTS_FOR_STATE"} | {
    f"process_{name}"
    for name in (
        "cpu_seconds_total",
        "resident_memory_bytes",
        "open_fds",
        "max_fds",
        "start_time_seconds",
    )
}
"""Series that Prometheus and prometheus-client add."""

FIXED_WINDOWS = {"5m": "slow lately", "15m": "share", "30m": "share", "1h": "burn rate", "1d": "was it here"}
"""As in the rules, so that a panel shows what an alert fires on; other windows follow the zoom."""

COLUMNS = 24
PARSED_AS = {
    **dict.fromkeys(("__rate_interval", "__range"), "5m"),
    **dict.fromkeys(("cluster", "namespace", "job", "owner", "tier", "target", "journey", "instance"), ".+"),
}
_ROLES = {
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "text",
    "dark-red",
    "super-light-yellow",
    "super-light-blue",
    "#808080",
    "#c8c8c8",
}


def parsed(asked: grafana.Asked) -> object:
    return promql.parse(grafana.substituted(asked.expr, PARSED_AS))


def known_units() -> set[str]:
    return {
        value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")
    }


def unit_of(panel: dict[str, Any]) -> Iterator[str]:
    if panel["type"] != "table":
        yield panel["fieldConfig"]["defaults"]["unit"]
    for override in panel["fieldConfig"]["overrides"]:
        yield from (item["value"] for item in override["properties"] if item["id"] == "unit")


def links(value: object) -> Iterator[str]:
    """Every URL that a click opens."""
    if isinstance(value, dict):
        if "url" in value and value.get("title") and value["url"]:
            yield value["url"]
        for inner in value.values():
            yield from links(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from links(inner)


def test_there_is_a_file_for_every_dashboard_and_no_other() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == {path.name for path in FILES}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_keeps_its_uid_and_the_readme_has_its_title(name: str) -> None:
    dashboard = DASHBOARDS[name]

    assert dashboard["uid"] == UIDS[name]
    assert f"*{dashboard['title']}*" in README
    assert dashboard["description"]
    assert "id" not in dashboard, "Grafana's own number, which differs between installations"
    assert dashboard["schemaVersion"] == 38, "Grafana 10.0's"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_own_library_reads_what_it_wrote(name: str) -> None:
    read = json.loads(json.dumps(Dashboard.from_json(DASHBOARDS[name]), cls=JSONEncoder))

    assert read | {"links": DASHBOARDS[name]["links"]} == DASHBOARDS[name]  # it forgets where links are shown


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_exists_and_uses_the_selected_data_source(name: str) -> None:
    variables = grafana.variables(DASHBOARDS[name])
    source = variables.pop("datasource")

    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert {"cluster", "namespace", "job"} <= set(variables)
    assert ("instance" if name == "exporter" else "target") in variables
    for variable in variables.values():
        if variable["type"] == "textbox":
            continue
        assert variable["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert variable["description"]
        assert variable["definition"] == variable["query"]["query"]
        assert variable.get("includeAll", False) is ((variable["name"], name) != ("target", "target"))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_what_its_reader_needs(panel: dict[str, Any]) -> None:
    assert panel["type"] in GRAFANA_10
    assert 0 < len(panel["title"]) <= 30
    assert panel["description"].endswith(".")
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["targets"]
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert all(unit in known_units() or re.match(r"suffix:.", unit) for unit in unit_of(panel))
    assert list(unit_of(panel))


@pytest.mark.parametrize("panel", PANELS)
def test_a_color_has_a_meaning(panel: dict[str, Any]) -> None:
    colors = set(re.findall(r'"(?:color|fixedColor)": "([^"]+)"', json.dumps(panel["fieldConfig"])))

    assert colors <= _ROLES
    for steps in re.findall(r'"steps": (\[[^]]*\])', json.dumps(panel["fieldConfig"])):
        values = [step["value"] for step in json.loads(steps)]
        assert values[:1] == [None]
        assert values[1:] == sorted(values[1:])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_different_titles_and_do_not_overlap(name: str) -> None:
    flat = [
        *DASHBOARDS[name]["panels"],
        *(p for row in DASHBOARDS[name]["panels"] for p in row.get("panels", [])),
    ]
    ids = [panel["id"] for panel in flat]
    titles = [panel["title"] for panel in grafana.panels(DASHBOARDS[name])]

    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    for panel in flat:
        place = panel["gridPos"]
        assert place["h"] > 0
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
    for one, other in combinations((panel["gridPos"] for panel in flat), 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        ), f"{one} and {other}"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_row_of_the_grid_is_filled(name: str) -> None:
    cells: dict[int, int] = {}
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        for y in range(place["y"], place["y"] + place["h"]):
            cells[y] = cells.get(y, 0) + place["w"]

    assert set(cells.values()) == {COLUMNS}
    assert set(cells) == set(range(max(cells) + 1))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboards_link_to_each_other_with_the_same_variables_and_time(name: str) -> None:
    dashboard = DASHBOARDS[name]
    link = dashboard["links"][0]

    assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
    assert set(link["tags"]) <= set(dashboard["tags"])


@pytest.mark.parametrize("panel", PANELS)
def test_a_click_opens_an_existing_dashboard_with_variables_that_it_has(panel: dict[str, Any]) -> None:
    for url in links(panel["fieldConfig"]):
        if url.startswith("${exporter}"):
            continue
        parts = urlsplit(url)
        folder, _, uid = parts.path.rpartition("/")
        (led_to,) = (name for name, known in UIDS.items() if known == uid)
        chosen = {key.removeprefix("var-") for key, _ in parse_qsl(parts.query) if key.startswith("var-")}
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", parts.query))

        assert folder == "/d"
        assert chosen | kept <= set(grafana.variables(DASHBOARDS[led_to]))
        assert {"target", "datasource", "job"} <= chosen | kept
        assert "${__url_time_range}" in parts.query


def test_the_overview_links_to_its_federations() -> None:
    titles = [
        panel["title"]
        for panel in grafana.panels(DASHBOARDS["overview"])
        if list(links(panel["fieldConfig"]))
    ]

    assert titles == [
        "What fails, and since when",
        "What expires next",
        "State of every federation",
        "Firing alerts",
        "Stale probes",
    ]


def test_a_click_leads_to_the_page_of_a_federation_and_the_runbook_of_an_alert() -> None:
    (address,) = {grafana.variables(DASHBOARDS[name])["exporter"]["query"] for name in ("overview", "target")}
    led_to = {
        (override["matcher"]["options"], url)
        for panel in grafana.panels(DASHBOARDS["overview"])
        for override in panel["fieldConfig"]["overrides"]
        for url in links(override)
        if url.startswith("${exporter}")
    }

    assert address == EXPORTER
    assert led_to == {
        ("federation", "${exporter}/targets/${__value.text}"),
        ("alert", "${exporter}/runbooks/${__value.text}"),
    }
    assert DASHBOARDS["target"]["links"][1]["url"] == "${exporter}/targets/$target"
    assert {annotation["runbook_url"].rpartition("/")[0] for annotation in ANNOTATIONS} == {
        f"{EXPORTER}/runbooks"
    }


def test_what_an_alert_is_about_is_in_its_row() -> None:
    """Prometheus adds no label to an alert that its expression does not keep."""
    (panel,) = (
        found for found in grafana.panels(DASHBOARDS["overview"]) if found["title"] == "Firing alerts"
    )
    (asked,) = (grafana.Asked("overview", panel, target) for target in panel["targets"])
    subjects = {"target", "auth_host", "destination_auth_host", "destination", "instance", "cluster"}
    assert subjects < set(asked.shown)


def test_the_first_row_says_what_is_wrong_since_when_and_what_expires_next() -> None:
    row, *panels = DASHBOARDS["overview"]["panels"]
    until = next(number for number, panel in enumerate(panels) if panel["type"] == "row")

    assert row["type"] == "row"
    assert [panel["title"] for panel in panels[:until]] == [
        "Is anything wrong?",
        "What fails, and since when",
        "What expires next",
        "State of every federation",
        "Firing alerts",
    ]


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_every_series_in_a_query_exists(asked: grafana.Asked) -> None:
    names = {selector.name for selector in selectors(parsed(asked))}

    assert names >= set(re.findall(r"(?:target:)?\bpingone_flow[a-z0-9_:]+", asked.expr))
    assert names <= exposed() | RECORDED | OTHERS_OWN


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_every_series_is_filtered_by_all_variables_that_apply(asked: grafana.Asked) -> None:
    variables = grafana.variables(DASHBOARDS[asked.dashboard]).keys() - {"datasource"}
    for selector in selectors(parsed(asked)):
        if selector.name in {"pingone_flow:threshold:objective", "ALERTS", "ALERTS_FOR_STATE"}:
            continue
        by = {matcher.name for matcher in selector.matchers.matchers}
        assert {"cluster", "namespace", "job"} <= by, selector.name
        assert by & {"target", "journey", "instance"} <= variables


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_a_federation_and_a_pod_are_told_apart_by_cluster(asked: grafana.Asked) -> None:
    """Several clusters watch the same federations from several places, and give pods the same addresses."""
    named = set(asked.shown)
    if named & {"target", "instance"} or (asked.panel["type"] == "stat" and asked.dashboard == "target"):
        assert "cluster" in named
    if asked.dashboard != "target":
        for labels in re.findall(r"\bby \(([^)]*)\)", asked.expr):
            assert "cluster" in labels or not {"target", "instance"} & set(labels.split(", ")), labels


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_a_rate_follows_the_zoom_or_a_rule(asked: grafana.Asked) -> None:
    for function, window in re.findall(r"(\w+)\([^()]*\[([^]]+)\]", asked.expr):
        allowed = {"rate": {"$__rate_interval"}, "present_over_time": {"1d"}}
        along = {"$__range"} if asked.target.get("instant") else {"$__rate_interval"}
        assert window in allowed.get(function, along | set(FIXED_WINDOWS)), asked.expr


@pytest.mark.parametrize("panel", PANELS)
def test_a_rate_covers_more_than_one_probe_and_a_state_keeps_its_resolution(
    panel: dict[str, Any],
) -> None:
    rates = any("$__rate_interval" in target["expr"] for target in panel["targets"])

    assert panel.get("interval", "") == ("2m" if rates else "")


def test_the_chart_contains_them_with_its_own_address() -> None:
    maps = [
        item
        for item in render(ONE).all("ConfigMap")
        if item["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]

    carried = {name: text for item in maps for name, text in item["data"].items()}
    assert all(len(item["data"]) == 1 for item in maps)
    own = "http://flows-pingone-flow-exporter.monitoring.svc:9988"
    assert carried == {path.name: path.read_text(encoding="utf-8").replace(EXPORTER, own) for path in FILES}
    assert "{{target}}" in carried["overview.json"]
