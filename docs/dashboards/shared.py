"""Panels that the overview and the target's dashboard have in common: of many federations, or of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.looks import PER_MINUTE, by_fault
from dashboards.panels import Place, Query, cells, lines
from dashboards.promql import cells as counted
from dashboards.promql import per_minute, phase_means, series

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Panel

DURATION = "pingone_flow_probe_duration_seconds"


def latency_cells() -> Panel:
    """Distribution of the durations."""
    place = Place(
        title="Latency",
        description="How long whole probes took: the darker, the more of them. Successes only: a failure "
        "that was quick would look like an improvement.",
    )
    return cells(place, Query(counted(series(f"{DURATION}_bucket")), "{{le}}"))


def phases() -> Panel:
    """Where the time goes."""
    place = Place(
        title="Where the time goes",
        description="Mean seconds of each completed phase, one on top of the other: resolving the name, "
        "connecting, TLS, waiting for the answer's headers (processing), reading its body (transfer). "
        "Probes that failed count as far as they came. A phase that no probe completed is missing.",
    )
    return lines(place, "s", Query(phase_means(), "{{phase}}"), stacked="lines")


def results() -> Panel:
    """Probes by reason and fault."""
    place = Place(
        title="Probes by result",
        description="Finished probes per minute, by reason and, in brackets, whose problem it is. Only what "
        "occurred is shown; no bars at all means that nothing was probed.",
    )
    finished = per_minute("fault, reason", series("pingone_flow_probes_total"))
    return lines(
        place,
        PER_MINUTE,
        Query(f"{finished} > 0", "{{reason}} ({{fault}})"),
        stacked="bars",
        colors=by_fault(),
    )


def statuses() -> Panel:
    """Flow statuses that came back."""
    place = Place(
        title="Flow statuses",
        description="What PingOne's flows asked for, per minute. Another status than usual means that "
        "somebody edited a sign-on policy. UNKNOWN stands for those outside the known list. Only what "
        "occurred is shown; an answer without a flow has no status.",
    )
    found = per_minute("status", series("pingone_flow_statuses_total"))
    return lines(place, PER_MINUTE, Query(f"{found} > 0", "{{status}}"), stacked="bars")
