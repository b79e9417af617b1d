"""Whether the exporter can be believed: its schedule, its event loop, its process. Here a line is a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.frame import INSTANCE, PLACE, dashboard
from dashboards.looks import HALF, PER_MINUTE, RELOADS, UP, WIDE
from dashboards.panels import Place, Query, cells, lines, timeline
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
        "Whether the exporter can be believed. Each pod is a line of its own.",
        [*PLACE, INSTANCE],
        {
            "Now": [_pods(), _up(), _egress()],
            "Schedule": [_lag_cells(), _lag(), _probes(), _skipped(), _in_flight(), _stalls()],
            "Process": [_loop(), _cpu(), _memory(), _files(), _reloads(), _watched()],
        },
    )


def _pods() -> Panel:
    place = Place(
        title="Pods",
        description="What runs, since when, with how many targets, and whether its last reading of the "
        "configuration succeeded. A pod that is gone keeps its row for no longer than Prometheus remembers "
        "it as current.",
        width=WIDE,
        height=6,
    )
    return rows(
        place,
        {"instance": "pod", "version": "version", "namespace": "namespace", "cluster": "cluster"},
        [
            Column("running for", _with_version(f"time() - {of_pods('process_start_time_seconds')}"), "s"),
            Column("targets", _with_version(f"count by ({POD}) ({of_pods('pingone_flow_target_info')})")),
            Column(
                "configuration read",
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
    place = Place(
        title="Scraped",
        description="Whether Prometheus got the page of each pod. Red is a pod that should be there; a row "
        "that ends is one that Prometheus no longer looks for.",
        width=HALF,
        height=6,
    )
    return timeline(place, UP, Query(scraped(of_pods("up"), of_pods(f"{OWN}build_info")), LEGEND))


def _egress() -> Panel:
    place = Place(
        title="Own connectivity",
        description="Whether the check of FLOW_EXPORTER_EGRESS_CHECK_URL got any answer: if not, failures "
        "say nothing of PingOne. Empty without such a check.",
        width=HALF,
        height=6,
    )
    return timeline(place, UP, Query(of_pods(f"{OWN}egress_up"), LEGEND))


def _lag_cells() -> Panel:
    place = Place(
        title="Schedule lag",
        description="How late probes began, of all chosen pods: the darker, the more of them. Waiting for a "
        "free slot is lag, never part of a duration.",
    )
    return cells(place, Query(counted(of_pods(f"{OWN}schedule_lag_seconds_bucket")), "{{le}}"))


def _lag() -> Panel:
    place = Place(
        title="Schedule lag, ninth decile",
        description="One probe in ten began later than that after it was due. PingOneScheduleLagging begins "
        "at one second, the dashed line.",
    )
    lag = quantile(0.9, of_pods(f"{OWN}schedule_lag_seconds_bucket"), "instance")
    return lines(place, "s", Query(lag, LEGEND), steps=((None, "green"), (1, "red")))


def _probes() -> Panel:
    place = Place(
        title="Probes",
        description="Finished probes per minute, the load on PingOne. Two pods with the same targets double "
        "it.",
    )
    return lines(
        place, PER_MINUTE, Query(per_minute("instance", of_pods("pingone_flow_probes_total")), LEGEND)
    )


def _skipped() -> Panel:
    place = Place(
        title="Skipped probes",
        description="Due probes per minute that were not done. overrun: the last one still ran. missed: not "
        "begun in time, the exporter is overloaded. backoff: PingOne asked for it. cancelled: shutdown or "
        "reload.",
    )
    skipped = per_minute("cause", of_pods(f"{OWN}probes_skipped_total"))
    return lines(place, PER_MINUTE, Query(skipped, "{{cause}}"))


def _in_flight() -> Panel:
    place = Place(
        title="Probes in flight",
        description="Probes that run at the moment of the scrape. A level that stays high is an outage of a "
        "provider that does not answer, or FLOW_EXPORTER_MAX_CONCURRENT_PROBES reached.",
    )
    return lines(place, "none", Query(of_pods(f"{OWN}probes_in_flight"), LEGEND))


def _stalls() -> Panel:
    place = Place(
        title="Stalled probes",
        description="Share of the probes in a quarter of an hour during which the exporter's own event loop "
        "stood still for more than 50 ms; their durations are not used. PingOneProbesStalled begins at a "
        "tenth, the dashed line. Usually the pod's CPU is throttled.",
    )
    stalled, done = of_pods(f"{OWN}probes_stalled_total"), of_pods("pingone_flow_probes_total")
    found = share("instance", stalled, done, SHARE_WINDOW)
    return lines(
        place,
        "percentunit",
        Query(found, LEGEND),
        steps=((None, "green"), (0.1, "red")),
    )


def _loop() -> Panel:
    place = Place(
        title="Event loop lag",
        description="How late the exporter's own event loop was, the 99th percentile of a hundred samples a "
        "second.",
    )
    lag = quantile(0.99, of_pods(f"{OWN}event_loop_lag_seconds_bucket"), "instance")
    return lines(place, "s", Query(lag, LEGEND))


def _cpu() -> Panel:
    place = Place(
        title="CPU",
        description="Cores used; 1 is all that one exporter can use, since it is one process with one busy "
        "thread.",
    )
    used = f"sum by (instance) (rate({of_pods('process_cpu_seconds_total')}[{RATE}]))"
    return lines(place, "none", Query(used, LEGEND))


def _memory() -> Panel:
    place = Place(
        title="Memory",
        description="Resident memory. It grows with the number of targets and is level after the first "
        "hours.",
    )
    return lines(place, "bytes", Query(of_pods("process_resident_memory_bytes"), LEGEND))


def _files() -> Panel:
    place = Place(
        title="Open files",
        description="Share of the allowed file descriptors; every probe in flight has one, and every "
        "scraper.",
    )
    opened, allowed = (of_pods(f"process_{name}_fds") for name in ("open", "max"))
    return lines(
        place, "percentunit", Query(f"{opened} / {allowed}", LEGEND), steps=((None, "green"), (0.8, "red"))
    )


def _reloads() -> Panel:
    place = Place(
        title="Configuration",
        description="Whether the last reading of the configuration succeeded. After a failed one the "
        "earlier configuration stays in force.",
    )
    return timeline(place, RELOADS, Query(of_pods(f"{OWN}config_last_reload_successful"), LEGEND))


def _watched() -> Panel:
    place = Place(
        title="Targets",
        description="Targets per pod. Shards have about equal shares; a dip of their sum is a pod that is "
        "gone.",
    )
    return lines(
        place,
        "none",
        Query(f"count by (instance) ({of_pods('pingone_flow_target_info')})", LEGEND),
        stacked="lines",
    )
