"""Health of the exporter itself: schedule, event loop, process. One line per pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rule_files import THRESHOLDS

from dashboards.frame import INSTANCE, SCOPE, dashboard
from dashboards.looks import PER_MINUTE, RELOADS, UP, WIDE
from dashboards.panels import Layout, Query, cells, lines, timeline
from dashboards.promql import POD, RATE, SHARE_WINDOW, of_pods, per_minute, quantile, scraped, share
from dashboards.promql import cells as counted
from dashboards.tables import Column, rows

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

LEGEND = "{{instance}}"
OWN = "pingone_flow_exporter_"


def exporter() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "pingone-flow-exporter",
        "PingOne flow exporter",
        "Health of the exporter itself. One line per pod.",
        [*SCOPE, INSTANCE],
        {
            "Now": [_pods(), _up(), _egress(), _errors()],
            "Schedule": [_lag_cells(), _lag(), _probes(), _skipped(), _in_flight(), _stalls()],
            "Process": [_loop(), _cpu(), _memory(), _files(), _reloads(), _watched()],
        },
    )


def _pods() -> Panel:
    layout = Layout(
        title="Pods",
        description="Running pods: uptime, number of targets, and whether the last reload of the "
        "configuration succeeded. A pod that is gone disappears within five minutes.",
        width=WIDE,
        height=6,
    )
    return rows(
        layout,
        {"instance": "pod", "version": "version", "namespace": "namespace", "cluster": "cluster"},
        [
            Column("running for", _with_version(f"time() - {of_pods('process_start_time_seconds')}"), "s"),
            Column("targets", _with_version(f"count by ({POD}) ({of_pods('pingone_flow_target_info')})")),
            Column(
                "configuration loaded",
                _with_version(f"time() - {of_pods(f'{OWN}config_last_reload_success_timestamp_seconds')}"),
                "s",
            ),
            Column(
                "last reload",
                _with_version(of_pods(f"{OWN}config_last_reload_successful")),
                mappings=RELOADS,
            ),
        ],
        sort="pod",
    )


def _with_version(value: str) -> str:
    build = of_pods(f"{OWN}build_info")
    return f"max by ({POD}, version) (({value}) * on ({POD}) group_left (version) {build})"


def _up() -> Panel:
    layout = Layout(
        title="Scraped",
        description="Whether Prometheus can scrape each pod. Red: the scrape fails. A row that ends: the "
        "pod is no longer a scrape target.",
        height=6,
    )
    return timeline(layout, UP, Query(scraped(of_pods("up"), of_pods(f"{OWN}build_info")), LEGEND))


def _egress() -> Panel:
    layout = Layout(
        title="Network access",
        description="Whether the check of FLOW_EXPORTER_EGRESS_CHECK_URL gets a response. If not, failures "
        "say nothing about PingOne. Empty if no check is configured.",
        height=6,
    )
    return timeline(layout, UP, Query(of_pods(f"{OWN}egress_up"), LEGEND))


def _errors() -> Panel:
    layout = Layout(
        title="Internal errors",
        description="Bugs in the exporter, and lack of memory or threads, in the last hour, by the part that "
        "failed; the log has the traceback. PingOneExporterInternalErrors fires above 0.",
        height=6,
    )
    errors = of_pods(f"{OWN}internal_errors_total")
    # Over the alert's window, so that the panel shows what fires.
    return lines(layout, "none", Query(f"round(sum by (part) (increase({errors}[1h])))", "{{part}}"))


def _lag_cells() -> Panel:
    layout = Layout(
        title="Schedule lag",
        description="How late probes start, for all selected pods: darker means more probes. Time spent "
        "waiting for the concurrency limit is lag, never part of a duration.",
    )
    return cells(layout, Query(counted(of_pods, f"{OWN}schedule_lag_seconds"), "{{le}}"))


def _lag() -> Panel:
    layout = Layout(
        title="Schedule lag, p90",
        description="One in ten probes starts later than this. PingOneScheduleLagging fires at the "
        "dashed line.",
    )
    lag = quantile(0.9, of_pods, f"{OWN}schedule_lag_seconds", "instance")
    return lines(layout, "s", Query(lag, LEGEND), steps=((None, "green"), (THRESHOLDS["lag_seconds"], "red")))


def _probes() -> Panel:
    layout = Layout(
        title="Probes",
        description="Completed probes per minute: the load on PingOne. Two pods with the same targets "
        "double it.",
    )
    return lines(
        layout, PER_MINUTE, Query(per_minute("instance", of_pods("pingone_flow_probes_total")), LEGEND)
    )


def _skipped() -> Panel:
    layout = Layout(
        title="Skipped probes",
        description="Scheduled probes skipped per minute, by cause. overrun: the previous probe was still "
        "running. missed: not started in time, the exporter is overloaded. backoff: paused after a rate "
        "limit. cancelled: shutdown or reload.",
    )
    skipped = per_minute("cause", of_pods(f"{OWN}probes_skipped_total"))
    return lines(layout, PER_MINUTE, Query(skipped, "{{cause}}"))


def _in_flight() -> Panel:
    layout = Layout(
        title="Probes in flight",
        description="Probes running at the time of the scrape. If it stays high, a provider does not "
        "respond, or FLOW_EXPORTER_MAX_CONCURRENT_PROBES is reached.",
    )
    return lines(layout, "none", Query(of_pods(f"{OWN}probes_in_flight"), LEGEND))


def _stalls() -> Panel:
    layout = Layout(
        title="Stalled probes",
        description="Share of probes in 15 minutes during which the exporter's event loop stalled; their "
        "durations are discarded. PingOneProbesStalled fires at the dashed line. The usual cause is CPU "
        "throttling.",
    )
    stalled, done = of_pods(f"{OWN}probes_stalled_total"), of_pods("pingone_flow_probes_total")
    found = share("instance", stalled, done, SHARE_WINDOW)
    return lines(
        layout,
        "percentunit",
        Query(found, LEGEND),
        steps=((None, "green"), (THRESHOLDS["stalled_share"], "red")),
    )


def _loop() -> Panel:
    layout = Layout(
        title="Event loop lag",
        description="How late the exporter's event loop runs: p99 of 100 samples per second.",
    )
    lag = quantile(0.99, of_pods, f"{OWN}event_loop_lag_seconds", "instance")
    return lines(layout, "s", Query(lag, LEGEND))


def _cpu() -> Panel:
    layout = Layout(
        title="CPU",
        description="CPU cores used. One exporter can use about 1: it is one process with one busy thread.",
    )
    used = f"sum by (instance) (rate({of_pods('process_cpu_seconds_total')}[{RATE}]))"
    return lines(layout, "none", Query(used, LEGEND))


def _memory() -> Panel:
    layout = Layout(
        title="Memory",
        description="Resident memory. Grows with the number of targets; stable after the first hours.",
    )
    return lines(layout, "bytes", Query(of_pods("process_resident_memory_bytes"), LEGEND))


def _files() -> Panel:
    layout = Layout(
        title="Open files",
        description="Share of the file descriptor limit. Every running probe and every client uses one.",
    )
    opened, allowed = (of_pods(f"process_{name}_fds") for name in ("open", "max"))
    return lines(
        layout, "percentunit", Query(f"{opened} / {allowed}", LEGEND), steps=((None, "green"), (0.8, "red"))
    )


def _reloads() -> Panel:
    layout = Layout(
        title="Configuration",
        description="Whether the last reload succeeded. If not, the old configuration stays in use.",
    )
    return timeline(layout, RELOADS, Query(of_pods(f"{OWN}config_last_reload_successful"), LEGEND))


def _watched() -> Panel:
    layout = Layout(
        title="Targets",
        description="Targets per pod. Shards have about the same number. If the sum drops, a pod is gone.",
    )
    return lines(
        layout,
        "none",
        Query(f"count by (instance) ({of_pods('pingone_flow_target_info')})", LEGEND),
        stacked="lines",
    )
