"""The recipe of docs/scaling.md keeps what the alerts and the first rows of the dashboards ask for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import promql_parser as promql
import pytest
import yaml
from chart.rendering import CHART, ONE, render
from dashboards import DIRECTORY
from harness import grafana
from harness.http_messages import Answer
from harness.variables import target_variables
from rules.story import ENTRIES
from rules.test_rules import selectors

from exporter.reasons import pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_server import HttpServer
    from harness.samples import Samples

MAX_SERIES = 47
"""Of one target, whatever happens to it."""

RECIPE: list[dict[str, Any]] = yaml.safe_load((CHART / "files" / "reduced-series.yaml").read_text())
DOCUMENT = CHART.parents[1] / "docs" / "scaling.md"


def kept(name: str, labels: Mapping[str, str]) -> bool:
    """Return whether the recipe keeps a series, as Prometheus would."""
    values = {"__name__": name, **labels}
    return not any(
        re.fullmatch(rule["regex"], ";".join(values.get(label, "") for label in rule["sourceLabels"]))
        for rule in RECIPE
    )


def kept_of(page: Samples, target: str) -> list[str]:
    """Return the names of the series of a target that are kept."""
    return [
        sample.name
        for family in page.families
        for sample in family.samples
        if sample.labels.get("target") == target and kept(sample.name, sample.labels)
    ]


def first_row(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    rows = 0
    for panel in dashboard["panels"]:
        rows += panel["type"] == "row"
        if rows <= 1:
            yield panel


def asked() -> Iterator[tuple[str, str]]:
    """Return name and query of every rule, and of every panel in the first rows."""
    for rule in ENTRIES:
        yield str(rule.get("alert") or rule["record"]), str(rule["expr"])
    for name, dashboard in grafana.dashboards(DIRECTORY).items():
        titles = {panel["title"] for panel in first_row(dashboard)}
        for query in grafana.queries(name, dashboard):
            if query.panel["title"] in titles:
                chosen = dict.fromkeys(grafana.variables(dashboard), "x") | {
                    "__range": "1h",
                    "__rate_interval": "1m",
                }
                yield str(query), grafana.substituted(query.expr, chosen)


ASKED = list(asked())


@pytest.mark.parametrize("query", [query for _, query in ASKED], ids=[name for name, _ in ASKED])
def test_a_query_needs_only_series_that_are_kept(query: str) -> None:
    for selector in selectors(promql.parse(query)):
        series = str(selector.name)
        assert kept(series, {}), series
        for matcher in selector.matchers.matchers:
            if matcher.name in {"reason", "cause"}:
                assert all(kept(series, {matcher.name: value}) for value in matcher.value.split("|")), series
            if matcher.name == "fault":
                for reason, fault in pairs_of(Journey.AUTHORIZE):
                    assert fault not in matcher.value.split("|") or kept(series, {"reason": reason}), reason


def test_no_target_has_more_series_than_documented(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer], authority: Authority
) -> None:
    environment: dict[str, str] = {}
    for name, status in (("healthy", 200), ("limited", 429), ("broken", 503)):
        server = http_server(None if status == 200 else Answer(status=status), tls=authority.good().tls)
        environment |= target_variables(name, server.base_url, ca_file=str(authority.ca_file))
    page = daemon(environment).wait_until(
        lambda samples: len(samples.series("pingone_flow_probe_last_result_info")) == 3,
        what="a probe of each target",
    )
    for name in ("healthy", "limited", "broken"):
        found = Counter(kept_of(page, name))
        assert found.total() <= MAX_SERIES, found


def test_the_docs_show_the_recipe_of_the_chart() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (shown,) = (block for block in blocks if block.startswith("metric_relabel_configs"))
    recipe = [
        {"source_labels" if key == "sourceLabels" else key: value for key, value in rule.items()}
        for rule in RECIPE
    ]
    assert yaml.safe_load(shown) == {"metric_relabel_configs": recipe}


@pytest.mark.parametrize(
    ("kind", "monitor", "endpoints"),
    [
        ("ServiceMonitor", "serviceMonitor", "endpoints"),
        ("PodMonitor", "podMonitor", "podMetricsEndpoints"),
    ],
)
def test_the_chart_adds_the_recipe_before_own_relabelings(kind: str, monitor: str, endpoints: str) -> None:
    own = [{"action": "labeldrop", "regex": "pod"}]
    values: dict[str, Any] = {
        "serviceMonitor": {"enabled": False},
        monitor: {"enabled": True, "reducedSeries": True, "metricRelabelings": own},
    }
    (endpoint,) = render({**ONE, **values}).one(kind)["spec"][endpoints]
    assert endpoint["metricRelabelings"] == [*RECIPE, *own]


def test_the_chart_keeps_every_series_by_default() -> None:
    (endpoint,) = render(ONE).one("ServiceMonitor")["spec"]["endpoints"]
    assert "metricRelabelings" not in endpoint
