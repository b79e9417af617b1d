"""The common parts of all dashboards: uid, variables, links, rows, and the file format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models
from rule_files import EXPORTER

from dashboards.panels import DATASOURCE
from dashboards.promql import in_scope

TAG = "pingone-flow"

SCHEMA_VERSION = 38
"""Grafana 10.0's. Later versions upgrade it when they load it; earlier ones cannot read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable at the top of a dashboard: the values of a label.

    Args:
        label: the label, and the variable's name.
        among: a series that has the label.
        several: whether several values, or all, can be selected.
        everything: the regular expression for all; `.*` includes series without the label; empty: all
            values that are offered.
        description: the tooltip.
    """

    label: str
    among: str
    several: bool = True
    everything: str = ".+"
    description: str

    def built(self) -> builders.QueryVariable:
        """Return Grafana's form of it."""
        query = f"label_values({self.among}, {self.label})"
        variable = (
            builders.QueryVariable(self.label)
            .label(self.label)
            .description(self.description)
            .datasource(DATASOURCE)
            .query({"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
            .definition(query)
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.NATURAL_ASC)
        )
        if self.several:
            every = models.VariableOption(text="All", value="$__all")
            variable.multi(self.several).include_all(self.several).current(every)
            if self.everything:
                variable.all_value(self.everything)
        return variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A variable at the top of a dashboard: a text that its reader may change.

    Args:
        name: the variable's name.
        title: the label beside it.
        value: the text.
        description: the tooltip.
    """

    name: str
    title: str
    value: str
    description: str

    def built(self) -> builders.TextBoxVariable:
        """Return Grafana's form of it."""
        variable = builders.TextBoxVariable(self.name).label(self.title).description(self.description)
        return variable.default_value(self.value)


_BUILD = "pingone_flow_exporter_build_info"
_INTERVAL = "pingone_flow_target_interval_seconds"

SCOPE = (
    Variable(
        label="cluster",
        among=_BUILD,
        everything=".*",
        description="Empty unless several clusters share this Prometheus.",
    ),
    Variable(label="namespace", among=_BUILD, everything=".*", description="Empty outside Kubernetes."),
    Variable(label="job", among=_BUILD, description="The scrape job of the exporters."),
)
_INFO = "pingone_flow_target_info"
OWNER, TIER = (
    Variable(
        label=label,
        among=in_scope(_INFO),
        everything=".*",
        description=f"Federations by their label {label}, if they have one.",
    )
    for label in ("owner", "tier")
)
TARGETS = Variable(
    label="target",
    among=in_scope(_INFO, 'owner=~"$owner"', 'tier=~"$tier"'),
    everything="",  # only those of the selected owners and tiers
    description="Federations, by target name.",
)
TARGET = Variable(
    label="target", among=in_scope(_INTERVAL), several=False, description="The federation to show."
)
JOURNEY = Variable(label="journey", among=in_scope(_INTERVAL), description="The journey that is probed.")
LINKS = Text(
    name="exporter",
    title="exporter",
    value=EXPORTER,
    description="Base URL of the exporter's pages, for links to runbooks and target pages.",
)
INSTANCE = Variable(label="instance", among=in_scope(_BUILD), description="The exporter's pods.")


def dashboard(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Variable | Text],
    panels: Mapping[str, Sequence[models.Panel]],
    link: builders.DashboardLink | None = None,
) -> models.Dashboard:
    """Build a dashboard.

    Args:
        uid: identifies it in links and bookmarks; never changes.
        title: the title, as in the README.
        description: the question it answers.
        variables: variables, after the data source.
        panels: panels, by row title.
        link: a further link beside those to our other dashboards.
    """
    built = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("browser")
        .annotations([])
        .link(_others())
        .with_variable(builders.DatasourceVariable("datasource").label("data source").type("prometheus"))
    )
    if link is not None:
        built.link(link.placement(""))
    for variable in variables:
        built.with_variable(variable.built())
    number = 0
    for row, inside in panels.items():
        number += 1
        built.with_row(builders.Row(row).id(number))
        for panel in inside:
            number += 1
            panel.id_val = number
            built.with_panel(_Ready(panel))
    whole = built.build()
    whole.schema_version = SCHEMA_VERSION
    return whole


def _others() -> builders.DashboardLink:
    """Link to our other dashboards, with the same variables and time range."""
    return (
        builders.DashboardLink("PingOne federations")
        .placement("")  # the library's default would hide it in a menu
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)  # noqa: FBT003  the library's own signature
        .include_vars(True)  # noqa: FBT003  the library's own signature
        .keep_time(True)  # noqa: FBT003  the library's own signature
    )


class _Ready(Builder[models.Panel]):
    def __init__(self, panel: models.Panel) -> None:
        self._panel = panel

    def build(self) -> models.Panel:
        return self._panel


def written(whole: models.Dashboard) -> str:
    """Return the text of a dashboard's file."""
    return json.dumps(whole, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
