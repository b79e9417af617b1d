"""The kinds of panels, with their common settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus as prometheus_builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.looks import MIN_STEP, THIRD, Thresholds, fixed, thresholds, to
from dashboards.promql import RATE

if TYPE_CHECKING:
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.variants import Dataquery

DATASOURCE = options.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel.

    Args:
        expr: PromQL.
        legend: the legend, with labels in double braces; in a table, the heading.
        instant: the value at the end of the time range, instead of values over time.
    """

    expr: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Title, description and size of a panel.

    Args:
        title: short.
        description: what is shown and how to read it; the tooltip.
        width: width in columns.
        height: height in rows of 30 pixels.
    """

    title: str
    description: str
    width: int = THIRD
    height: int = 9


def build_panel(
    layout: Layout,
    builder: Builder[models.Panel],
    queries: Sequence[Query],
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> models.Panel:
    """Build a panel with the settings that all panels share."""
    panel = builder.build()
    panel.title, panel.description = layout.title, layout.description
    panel.datasource = DATASOURCE
    panel.grid_pos = models.GridPos(h=layout.height, w=layout.width)
    if any(RATE in query.expr for query in queries):
        panel.interval = MIN_STEP
    panel.targets = [_target(query, form, ref) for query, ref in zip(queries, "ABCDEFGH", strict=False)]
    return panel


def _target(query: Query, form: PromQueryFormat, ref: str) -> Dataquery:
    target = prometheus_builders.Dataquery().datasource(DATASOURCE).expr(query.expr).format(form).ref_id(ref)
    if form is not PromQueryFormat.TABLE and query.legend:
        target.legend_format(query.legend)
    return (target.instant() if query.instant else target.range()).build()


def lines(
    layout: Layout,
    unit: str,
    *queries: Query,
    stacked: Literal["", "lines", "bars"] = "",
    colors: Mapping[str, str] | None = None,
    steps: Thresholds = (),
    lowest: float | None = 0,
    dashed: str = "",
) -> models.Panel:
    """Return values over time.

    Args:
        layout: title, description and size.
        unit: Grafana's id of the unit.
        queries: the queries.
        stacked: whether series are stacked, because their sum is meaningful.
        colors: pattern of series names -> color.
        steps: thresholds, drawn as dashed lines.
        lowest: start of the axis, unless a value is lower.
        dashed: the legend of a series that is a limit, not a measurement.
    """
    panel = timeseries.Panel().unit(unit).legend(_legend()).tooltip(_tooltip()).show_points(_AUTO)
    panel.line_width(1).fill_opacity(0)
    if lowest is not None:
        panel.axis_soft_min(lowest)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A")).fill_opacity(60)
    if stacked == "bars":
        panel.draw_style(options.GraphDrawStyle.BARS).line_width(0).fill_opacity(80)
    if steps:
        panel.thresholds(thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        )
    for pattern, color in (colors or {}).items():
        panel.override_by_regexp(pattern, [fixed(color)])
    if dashed:
        style = models.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [10, 10]})
        panel.override_by_name(dashed, [style, fixed("text")])
    return build_panel(layout, panel, queries)


_AUTO = options.VisibilityMode.AUTO


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)  # noqa: FBT003  the library's own signature
    )


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    )


def cells(layout: Layout, query: Query) -> models.Panel:
    """Return a heatmap of a histogram's classic buckets, in seconds."""
    panel = (
        heatmap.Panel()
        .calculate(False)  # noqa: FBT003  the library's own signature
        .unit("short")
        .y_axis(heatmap.YAxisConfig().unit("s").axis_placement(options.AxisPlacement.LEFT))
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .exponent(0.5)
            .steps(64)
        )
    )
    return build_panel(layout, panel, [query], PromQueryFormat.HEATMAP)


def timeline(
    layout: Layout, mappings: Sequence[models.ValueMapping], *queries: Query, link: str = ""
) -> models.Panel:
    """Return states over time, one row per series."""
    panel = (
        statetimeline.Panel()
        .unit("none")
        .mappings(list(mappings))
        .color_scheme(_by_value())
        .merge_values(True)  # noqa: FBT003  the library's own signature
        .show_value(options.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(80)
        .line_width(0)
        .legend(_legend())
    )
    if link:
        panel.data_links([to(link, "${__field.labels.target}")])
    return build_panel(layout, panel, queries)


def _by_value() -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def figure(
    layout: Layout,
    unit: str,
    expr: str,
    steps: Thresholds = ((None, "text"),),
    mappings: Sequence[models.ValueMapping] = (),
    none: str = "no data",
) -> models.Panel:
    """Return one large number: the current value, or several, each with its cluster and namespace."""
    panel = (
        stat.Panel()
        .unit(unit)
        .mappings(list(mappings))
        .thresholds(thresholds(steps))
        .color_scheme(_by_value())
        .color_mode(options.BigValueColorMode.VALUE)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.AUTO)
        .reduce_options(_last())
        .no_value(none)
    )
    return build_panel(layout, panel, [Query(expr, "{{cluster}} {{namespace}}", instant=True)])


def sentences(layout: Layout, colors: Mapping[str, str], *queries: Query) -> models.Panel:
    """Return the legends as large sentences, colored by their text."""
    panel = (
        stat.Panel()
        .unit("none")
        .color_mode(options.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.NAME)
        .orientation(options.VizOrientation.HORIZONTAL)
        .text(common.VizTextDisplayOptions().title_size(18))
        .reduce_options(_last())
        .no_value("state unknown: the query returned nothing")
    )
    for pattern, color in colors.items():
        panel.override_by_regexp(pattern, [fixed(color)])
    return build_panel(layout, panel, queries)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def bars(
    layout: Layout, unit: str, query: Query, *, steps: Thresholds, lowest: float, highest: float
) -> models.Panel:
    """Return one bar per series: the current values."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .min(lowest)
        .max(highest)
        .thresholds(thresholds(steps))
        .color_scheme(_by_value())
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .value_mode(options.BarGaugeValueMode.COLOR)
        .reduce_options(_last())
        .no_value("no data")
    )
    return build_panel(layout, panel, [query])
