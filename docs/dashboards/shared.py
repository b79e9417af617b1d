"""Panels that the overview and the target's dashboard share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.looks import PER_MINUTE, by_fault
from dashboards.panels import Layout, Query, cells, lines
from dashboards.promql import cells as counted
from dashboards.promql import per_minute, phase_means, series

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Panel

DURATION = "pingone_flow_probe_duration_seconds"


def latency_cells() -> Panel:
    """Return the distribution of durations."""
    layout = Layout(
        title="Latency",
        description="Duration of successful probes: darker means more probes. Failures are left out, "
        "because a quick failure would look like an improvement.",
    )
    return cells(layout, Query(counted(series, DURATION), "{{le}}"))


def phases() -> Panel:
    """Return the mean duration of each phase."""
    layout = Layout(
        title="Latency by phase",
        description="Mean duration of each completed phase, stacked: resolve the name, connect, TLS, wait "
        "for the response headers (processing), read the body (transfer). Failed probes count up to the "
        "phase they completed.",
    )
    return lines(layout, "s", Query(phase_means(), "{{phase}}"), stacked="lines")


def results() -> Panel:
    """Return probes by reason and fault."""
    layout = Layout(
        title="Probes by result",
        description="Completed probes per minute, by reason and fault. Only reasons that occurred are "
        "shown; no bars means that nothing was probed.",
    )
    finished = per_minute("fault, reason", series("pingone_flow_probes_total"))
    return lines(
        layout,
        PER_MINUTE,
        Query(f"{finished} > 0", "{{reason}} ({{fault}})"),
        stacked="bars",
        colors=by_fault(),
    )


def statuses() -> Panel:
    """Return the flow statuses that PingOne returned."""
    layout = Layout(
        title="Flow statuses",
        description="Status of the flows that PingOne returned, per minute. A new status means that a "
        "sign-on policy was changed. UNKNOWN: a status outside the known list. Only statuses that occurred "
        "are shown.",
    )
    found = per_minute("status", series("pingone_flow_statuses_total"))
    return lines(layout, PER_MINUTE, Query(f"{found} > 0", "{{status}}"), stacked="bars")
