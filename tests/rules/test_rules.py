"""The rule files as such: what promtool, the catalogue, the runbooks and a running exporter say of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import promql_parser as promql
import pytest
from chart.rendering import ONE, render
from dashboards import DIRECTORY
from harness.grafana import dashboards
from harness.prometheus import need_tool
from harness.variables import target_variables
from harness.waiting import PATIENCE
from metrics_reference import FAMILIES
from rule_files import EXPORTER, GRAFANA
from rules.story import ALERTS, DOCUMENTS, ENTRIES, FILES, RECORDED

from exporter.settings import RESERVED_LABELS

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
PROMETHEUS_OWN = {"ALERTS", "up"}
UIDS = {dashboard["uid"] for dashboard in dashboards(DIRECTORY).values()}
SEVERITIES = {"critical", "warning", "info"}
ABOUT_THE_EXPORTER = {
    "PingOneExporterAbsent",
    "PingOneScheduleLagging",
    "PingOneProbesSkipped",
    "PingOneProbesStalled",
    "PingOneExporterInternalErrors",
    "PingOneEgressDown",
    "PingOneConfigReloadFailed",
    "PingOneVendorReportsProblem",
    "PingOneStatusPageUnreadable",
}
OF_MANY_OWNERS = {
    "PingOneAuthHostOutage",
    "PingOneDestinationOutage",
    "PingOneDestinationProvidersMissing",
    "PingOneListingFailing",
    "PingOneDestinationNotWatched",
}
FLEETING = {"reason", "fault", "step", "phase"}
"""Labels that change while an alert is pending, and would begin it anew."""

_QUERY = re.compile(r'printf "((?:[^"\\]|\\.)*)"[^|}]*\| query\b')
_NAMED = re.compile(r"[a-z:]*pingone_(?:flow|status)[a-z0-9_:]+|\bup\b|ALERTS")
_SECTIONS = [
    "What it means",
    "User impact",
    "Check first",
    "Is it the provider or us?",
    "Silencing",
]
_FENCED = re.compile(r"^ *```\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def exposed() -> set[str]:
    """All series names of the catalogue; a histogram without a suffix is one that was converted to native."""
    names = set()
    for family in FAMILIES:
        suffixes = {"histogram": ("", "_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
        names |= {family.name + suffix for suffix in suffixes.get(family.kind, ("",))}
    return names


def labels_of(name: str) -> set[str]:
    """Labels that the catalogue gives the family of a series, `le` of a histogram included."""
    for family in FAMILIES:
        if name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") == family.name:
            return {*family.labels, *(["le"] if family.kind == "histogram" else [])}
    raise AssertionError(name)


def selectors(expression: object) -> Iterator[promql.VectorSelector]:
    """All selectors in a parsed expression."""
    if isinstance(expression, promql.VectorSelector):
        yield expression
        return
    for part in ("lhs", "rhs", "expr", "param", "vector_selector"):
        inner = getattr(expression, part, None)
        if inner is not None:
            yield from selectors(inner)
    for argument in getattr(expression, "args", None) or ():
        yield from selectors(argument)


def operations(expression: object) -> Iterator[promql.BinaryExpr]:
    """All binary operations in a parsed expression."""
    if isinstance(expression, promql.BinaryExpr):
        yield expression
    for part in ("lhs", "rhs", "expr", "param"):
        inner = getattr(expression, part, None)
        if inner is not None:
            yield from operations(inner)
    for argument in getattr(expression, "args", None) or ():
        yield from operations(argument)


def queries(rule: dict[str, object]) -> list[str]:
    """The queries in an alert's annotations, as they are asked of an example."""
    annotations = rule.get("annotations", {})
    assert isinstance(annotations, dict)
    return [query.replace("%q", '"x"') for text in annotations.values() for query in _QUERY.findall(text)]


ALL = [(str(rule.get("alert") or rule["record"]), rule) for rule in ENTRIES]
THRESHOLDS = {
    name.rpartition(":")[2]: str(rule["expr"]).removeprefix("vector(").removesuffix(")")
    for name, rule in ALL
    if name.startswith("pingone_flow:threshold:")
}
SPELLED = {
    "0.1": "10 %",
    "0.25": "quarter",
    "0.5": "half",
    "0.8": "fifth",  # of the time without a response
    "0.995": "99.5 %",
    "1": "one",
    "2": "two|twice",
    "3": "three",
}
"""How a runbook may write a threshold's default."""
TEXTS = [(name, text) for name, rule in ALL for text in (str(rule["expr"]), *queries(rule))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_promtool_finds_nothing_wrong(path: Path) -> None:
    command = [need_tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", str(path)]

    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_every_series_in_an_expression_exists(name: str, text: str) -> None:
    asked = {selector.name for selector in selectors(promql.parse(text))}

    assert asked >= set(_NAMED.findall(text)), f"{name}: the walk misses some"
    assert asked <= exposed() | RECORDED | PROMETHEUS_OWN


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_every_label_in_a_selector_exists(name: str, text: str) -> None:
    everywhere = {"cluster", "namespace", "job", "instance", "owner", "tier"}
    for selector in selectors(promql.parse(text)):
        if selector.name in exposed():
            asked = {matcher.name for matcher in selector.matchers.matchers}
            assert asked <= labels_of(selector.name) | everywhere, f"{name}: {selector.name}"


def test_every_recorded_series_is_used() -> None:
    used = {selector.name for _, text in TEXTS for selector in selectors(promql.parse(text))}

    assert used >= RECORDED


def test_every_threshold_is_a_number_of_its_own() -> None:
    thresholds = {name: str(rule["expr"]) for name, rule in ALL if name.startswith("pingone_flow:threshold:")}

    assert all(re.fullmatch(r"vector\(\d+(\.\d+)?\)", expression) for expression in thresholds.values())


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_a_second_series_of_a_threshold_never_silences_a_rule(name: str, text: str) -> None:
    """A bare scalar() of two series is NaN."""
    used = re.findall(r"(\S*)pingone_flow:threshold:\w+", text)

    assert all(re.search(r"scalar\((min|max)\($", before) for before in used), name


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_states_every_threshold_of_its_alert_with_its_default(alert: str) -> None:
    used = set(re.findall(r"pingone_flow:threshold:(\w+)", ALERTS[alert]["expr"]))
    meaning = (RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8").partition("## User impact")[0]

    for name in used:
        before, found, _ = " ".join(meaning.split()).partition(f"`{name}`")
        assert found, f"{name} is not mentioned"
        default = THRESHOLDS[name]
        spelled = rf"\b({re.escape(default)}|{SPELLED.get(default, default)})"
        assert re.search(spelled, before[-90:]), f"{name} is {default}"


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_an_unless_after_an_or_is_in_parentheses(name: str, text: str) -> None:
    """It binds tighter than `or`: without them, it leaves the branches before the last one as they are."""
    for operation in operations(promql.parse(text)):
        last = operation.rhs
        assert (str(operation.op), str(getattr(last, "op", ""))) != ("or", "unless"), name


@pytest.mark.parametrize("alert", ALERTS)
def test_a_description_says_nothing_once_per_replica(alert: str) -> None:
    """What it asks for is aggregated, recorded without `instance`, or of the alert's own instance."""
    for query in queries(ALERTS[alert]):
        aggregated = re.search(r"\b(topk|bottomk|max|min|sum|count|count_values|group)\b", query)
        assert aggregated or query.startswith("target:") or 'instance="x"' in query, query


def test_names_of_groups_and_rules_are_unique() -> None:
    groups = [group["name"] for document in DOCUMENTS.values() for group in document["groups"]]
    names = [name for name, _ in ALL]

    assert len(set(groups)) == len(groups)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_everything_that_an_on_call_engineer_needs(alert: str) -> None:
    rule = ALERTS[alert]
    annotations = rule["annotations"]

    assert re.fullmatch(r"PingOne([A-Z][a-z0-9]+)+", alert)
    assert set(rule) - {"keep_firing_for"} == {"alert", "expr", "for", "labels", "annotations"}
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    urls = {"runbook_url", "dashboard_url", *(["exporter_url"] if alert != "PingOneExporterAbsent" else [])}
    assert set(annotations) == {"summary", "description"} | urls
    assert "{{" not in annotations["summary"]
    assert annotations["summary"].endswith(".")
    assert annotations["runbook_url"] == f"http://pingone-flow-exporter:9988/runbooks/{alert}"
    assert re.search(
        r"[: ](curl -s http://\S+( \S+ \}\}\S+)? \| grep .+"
        r"|(\{\{ \$in \}\})?pingone-flow-exporter (check-config|probe ?\{\{.*))$",
        annotations["description"],
    )


def with_recorded(expression: str) -> str:
    """Return an expression together with those of the series per host that it uses."""
    recorded = [str(rule["expr"]) for name, rule in ALL if name.startswith("host:") and name in expression]
    return "\n".join([expression, *recorded])


@pytest.mark.parametrize("alert", sorted(ALERTS.keys() - ABOUT_THE_EXPORTER - OF_MANY_OWNERS))
def test_owner_and_tier_reach_an_alert_about_a_target(alert: str) -> None:
    expression = with_recorded(ALERTS[alert]["expr"])

    assert "group_left (auth_host, owner, tier)\n" in expression
    assert "target:pingone_flow_target_info:one" in expression


@pytest.mark.parametrize(("name", "rule"), ALL, ids=[name for name, _ in ALL])
def test_no_label_that_changes_during_an_outage_is_kept(name: str, rule: dict[str, object]) -> None:
    kept = re.findall(r"(?:by|group_left) \(([^)]*)\)", str(rule["expr"]))

    assert FLEETING.isdisjoint(label.strip() for labels in kept for label in labels.split(",")), name


@pytest.mark.parametrize(("name", "rule"), ALL, ids=[name for name, _ in ALL])
def test_two_clusters_that_share_a_prometheus_are_never_mixed(name: str, rule: dict[str, object]) -> None:
    kept = re.findall(r"(?:by|on) \(([^)]+)\)", str(rule["expr"]))

    assert all(labels.startswith("cluster, namespace, job") for labels in kept), name


def test_labels_that_alerts_join_on_are_reserved() -> None:
    joined = re.findall(r"\bon \(([^)]+)\)", " ".join(str(rule["expr"]) for rule in ENTRIES))

    assert {label.strip() for labels in joined for label in labels.split(",")} <= RESERVED_LABELS


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_links_to_where_the_evidence_is(alert: str) -> None:
    rule = ALERTS[alert]
    exporter, dashboard = (rule["annotations"].get(name, "") for name in ("exporter_url", "dashboard_url"))

    assert dashboard.startswith(f"{GRAFANA}/d/pingone-flow-")
    assert dashboard.removeprefix(f"{GRAFANA}/d/").partition("?")[0] in UIDS
    if alert == "PingOneExporterAbsent":
        assert not exporter
    elif "group_left (auth_host, owner, tier)" in rule["expr"] and "target, journey" in rule["expr"]:
        assert exporter == EXPORTER + "/targets/{{ $labels.target }}"
    for label in re.findall(r"\$labels\.(\w+)", exporter + dashboard):
        assert label in with_recorded(rule["expr"])


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_has_every_section_and_three_checks(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
    severity = ALERTS[alert]["labels"]["severity"]
    reaches = {"critical": "a page", "warning": "a ticket", "info": "for information"}[severity]

    assert text.startswith(f"# {alert}\n\nSeverity: {severity}, {reaches}")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == _SECTIONS
    first = text.partition("## Check first")[2].partition("## ")[0]
    assert re.findall(r"^(\d)\. ", first, re.MULTILINE) == ["1", "2", "3"]
    assert f'`alertname="{alert}"`' in text.partition("## Silencing")[2]


@pytest.mark.parametrize("alert", ALERTS)
def test_every_query_of_a_runbook_uses_existing_series(alert: str) -> None:
    blocks = _FENCED.findall((RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8"))
    own = {
        "process_cpu_seconds_total",
        "container_cpu_cfs_throttled_periods_total",
        None,
    }  # None: by a matcher
    assert blocks

    for block in blocks:
        for text in statements(block):
            asked = {selector.name for selector in selectors(promql.parse(text))}
            assert asked <= exposed() | RECORDED | PROMETHEUS_OWN | own, text


def statements(block: str) -> list[str]:
    """The queries of a block: a line that is indented, or a bracket alone, goes on with the one before."""
    found: list[str] = []
    least = min(len(line) - len(line.lstrip()) for line in block.splitlines())
    for line in block.splitlines():
        text = line[least:]
        if text.startswith("openssl "):
            continue
        if found and (text.startswith((" ", ")"))):
            found[-1] += text
        else:
            found.append(text)
    return found


def test_a_runbook_uses_the_container_name_of_the_chart() -> None:
    (container,) = render(ONE).pods[0]["containers"]
    asked = {
        name
        for path in RUNBOOKS.glob("*.md")
        for name in re.findall(r'container="(.*?)"', path.read_text(encoding="utf-8"))
    }

    assert asked == {container["name"]}


def test_the_index_agrees_with_the_rules() -> None:
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| (\w+) \|", index, re.MULTILINE)

    assert rows == [
        (alert, alert, ALERTS[alert]["labels"]["severity"], ALERTS[alert]["for"])
        for alert in dict.fromkeys(row[0] for row in rows)
    ]
    assert {row[0] for row in rows} == set(ALERTS)


@pytest.mark.e2e
def test_a_running_exporter_answers_every_url_of_an_alert(daemon: Factory[..., Daemon]) -> None:
    running = daemon(target_variables("emea", "http://127.0.0.1:9"))

    answers = {
        alert: running.get(rule["annotations"]["runbook_url"].removeprefix(EXPORTER))
        for alert, rule in ALERTS.items()
    }

    assert {alert: answer.status_code for alert, answer in answers.items()} == dict.fromkeys(ALERTS, 200)
    assert all(f"<h1>{alert}</h1>" in answer.text for alert, answer in answers.items())
    for rule in ALERTS.values():
        url = rule["annotations"].get("exporter_url", f"{EXPORTER}/").replace("{{ $labels.target }}", "emea")
        page = running.get(re.sub(r"\{\{.*?\}\}", "127.0.0.1:9", url.removeprefix(EXPORTER)))
        assert page.status_code == 200
        assert "emea" in page.text
