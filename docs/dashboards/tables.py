"""Tables: a row per series, a column per label and per query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.looks import LABEL_WORDS, Thresholds, page_of, runbook_of, thresholds, to
from dashboards.panels import Layout, Query, build_panel

_CELL = "${__value.text}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: the heading.
        expr: PromQL; all columns of a table have the same labels.
        unit: Grafana's id of the unit; empty for text.
        steps: thresholds that color the cells.
        mappings: text for numbers.
    """

    name: str
    expr: str
    unit: str = ""
    steps: Thresholds = ()
    mappings: Sequence[models.ValueMapping] = ()


def rows(
    layout: Layout,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    sort: str = "",
    descending: bool = False,
    link: str = "",
    none: str = "no data",
) -> models.Panel:
    """Return a table.

    Args:
        layout: title, description and size.
        labels: label -> heading; other labels are left out.
        columns: columns, after those of the labels.
        sort: the heading of the column to sort by.
        descending: whether the highest comes first.
        link: uid of the dashboard that a target links to, beside its page; an alert links to its runbook.
        none: the text for an empty table.
    """
    queries = [Query(column.expr, column.name, instant=True) for column in columns]
    # If only the first query has a result, Grafana calls its column Value.
    headings = {**labels, "Value": columns[0].name}
    headings |= {f"Value #{ref}": column.name for ref, column in zip("ABCDEFGH", columns, strict=False)}
    panel = table.Panel().unit("none").no_value(none).show_header(True)  # noqa: FBT003  the library's own signature
    panel.transformations(
        [
            models.DataTransformerConfig(id_val="merge", options={}),
            # by name, so that a missing label does not matter
            models.DataTransformerConfig(
                id_val="filterFieldsByName", options={"include": {"names": list(headings)}}
            ),
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "indexByName": {name: index for index, name in enumerate(headings)},
                    "renameByName": headings,
                },
            ),
        ]
    )
    for column in columns:
        panel.override_by_name(column.name, _properties(column))
    for label in sorted(labels.keys() & LABEL_WORDS.keys()):
        panel.override_by_name(labels[label], _colored(LABEL_WORDS[label]))
    if link and "target" in labels:
        panel.override_by_name(labels["target"], _links(to(link, _CELL), page_of(_CELL)))
    if "alertname" in labels:
        panel.override_by_name(labels["alertname"], _links(runbook_of(_CELL)))
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    return build_panel(layout, panel, queries, PromQueryFormat.TABLE)


def _links(*links: builders.DashboardLink) -> list[models.DynamicConfigValue]:
    return [models.DynamicConfigValue(id_val="links", value=[link.build() for link in links])]


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    found = [models.DynamicConfigValue(id_val="unit", value=column.unit or "none")]
    if column.steps:
        found.append(models.DynamicConfigValue(id_val="thresholds", value=thresholds(column.steps).build()))
    return found + (_colored(column.mappings) if column.steps or column.mappings else [])


def _colored(mappings: Sequence[models.ValueMapping]) -> list[models.DynamicConfigValue]:
    """Color cells by thresholds and by mappings."""
    return [
        models.DynamicConfigValue(id_val="mappings", value=list(mappings)),
        models.DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
        models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
    ]
