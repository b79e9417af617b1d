"""What all dashboards have in common: uid, variables, links to each other, and how they are written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.panels import DATASOURCE
from dashboards.promql import of_place

TAG = "pingone-flow"

SCHEMA_VERSION = 38
"""Grafana 10.0's; later ones bring it up to date when they load it, earlier ones would not know it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard, of the values of a label.

    Args:
        label: the label, and the variable's name.
        among: the series that has it.
        several: whether several values, or all, can be chosen.
        everything: the regular expression that stands for all; `.*` lets pass what has no such label.
        description: the tooltip.
    """

    label: str
    among: str
    several: bool = True
    everything: str = ".+"
    description: str

    def built(self) -> builders.QueryVariable:
        """Return it as Grafana knows it."""
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
            variable.multi(self.several).include_all(self.several).all_value(self.everything).current(every)
        return variable


_BUILD = "pingone_flow_exporter_build_info"
_INTERVAL = "pingone_flow_target_interval_seconds"

PLACE = (
    Variable(
        label="cluster",
        among=_BUILD,
        everything=".*",
        description="Empty unless several clusters share this Prometheus.",
    ),
    Variable(label="namespace", among=_BUILD, everything=".*", description="Empty outside Kubernetes."),
    Variable(label="job", among=_BUILD, description="The exporters, as Prometheus calls them."),
)
TARGETS = Variable(
    label="target",
    among=of_place(_INTERVAL),
    description="The federations, as the exporter's settings call them.",
)
TARGET = Variable(
    label="target", among=of_place(_INTERVAL), several=False, description="The federation to look at."
)
JOURNEY = Variable(label="journey", among=of_place(_INTERVAL), description="How the federations are probed.")
INSTANCE = Variable(label="instance", among=of_place(_BUILD), description="The exporter's pods.")


def dashboard(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Variable],
    panels: Mapping[str, Sequence[models.Panel]],
) -> models.Dashboard:
    """Put a dashboard together.

    Args:
        uid: what links and bookmarks go by: it never changes.
        title: as the README calls it.
        description: for whom it is.
        variables: after the data source.
        panels: by the titles of their rows.
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
    """Link to all dashboards of ours but this one; variables and time go along."""
    return (
        builders.DashboardLink("PingOne federations")
        .placement("")  # the library's own would hide it in a menu
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
    """Return a dashboard's file."""
    return json.dumps(whole, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
