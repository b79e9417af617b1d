"""Tables: a row per series, a column per label and per query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.looks import LABEL_WORDS, Thresholds, thresholds, to
from dashboards.panels import Place, Query, finished


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: its heading.
        expr: PromQL; all columns of a table have the same labels.
        unit: Grafana's id of it; empty for words.
        steps: thresholds that color its cells.
        mappings: numbers in words.
    """

    name: str
    expr: str
    unit: str = ""
    steps: Thresholds = ()
    mappings: Sequence[models.ValueMapping] = ()


def rows(
    place: Place,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    sort: str = "",
    descending: bool = False,
    link: str = "",
    none: str = "no data",
) -> models.Panel:
    """Lay out a table.

    Args:
        place: where.
        labels: label -> heading; other labels are left out.
        columns: after those of the labels, in this order.
        sort: the heading of the column to sort by.
        descending: whether the highest comes first.
        link: the dashboard that a target leads to.
        none: what is shown if there are no rows.
    """
    queries = [Query(column.expr, column.name, instant=True) for column in columns]
    # Where the first query alone has an answer, Grafana calls its column Value, however many were asked.
    headings = {**labels, "Value": columns[0].name}
    headings |= {f"Value #{ref}": column.name for ref, column in zip("ABCDEFGH", columns, strict=False)}
    panel = table.Panel().unit("none").no_value(none).show_header(True)  # noqa: FBT003  the library's own signature
    panel.transformations(
        [
            models.DataTransformerConfig(id_val="merge", options={}),
            # by name, so that a label which a query does not have costs nothing
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
        panel.override_by_name(
            labels["target"],
            [models.DynamicConfigValue(id_val="links", value=[to(link, "${__value.text}").build()])],
        )
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    return finished(place, panel, queries, PromQueryFormat.TABLE)


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    found = [models.DynamicConfigValue(id_val="unit", value=column.unit or "none")]
    if column.steps:
        found.append(models.DynamicConfigValue(id_val="thresholds", value=thresholds(column.steps).build()))
    return found + (_colored(column.mappings) if column.steps or column.mappings else [])


def _colored(mappings: Sequence[models.ValueMapping]) -> list[models.DynamicConfigValue]:
    """Color cells by thresholds, and by mappings if there are any."""
    return [
        models.DynamicConfigValue(id_val="mappings", value=list(mappings)),
        models.DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
        models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
    ]
