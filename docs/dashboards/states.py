"""The state of a federation as a number, with its name, color and sentence.

Higher is worse; the worst pod and journey counts. As in the alerts, faults of the exporter, of the test
account, and rate limits are not failures of the federation.
"""

from __future__ import annotations

from dataclasses import dataclass

from rule_files import THRESHOLDS

from dashboards.promql import KEY, in_scope, scraped, series
from exporter.reasons import Fault


@dataclass(frozen=True, slots=True)
class State:
    """A state of a federation.

    Args:
        name: short, for a timeline.
        color: Grafana's name of the color.
        sentence: completes "2 of 8 federations: …".
        fault: the fault of the last probe that means this state, if any.
    """

    name: str
    color: str
    sentence: str
    fault: Fault | None = None


FAULT_COLORS = {
    Fault.NONE: "green",
    Fault.QUOTA: "blue",
    Fault.EXPORTER: "purple",
    Fault.ACCOUNT: "super-light-blue",
    Fault.CONFIGURATION: "yellow",
    Fault.NETWORK: "orange",
    Fault.PROVIDER: "red",
}
_GRAY, _LIGHT_GRAY = "#808080", "#c8c8c8"

STATES: tuple[State, ...] = (
    State("ok", FAULT_COLORS[Fault.NONE], "healthy", Fault.NONE),
    State("slow", "super-light-yellow", "slower than the latency objective"),
    State("rate-limited", FAULT_COLORS[Fault.QUOTA], "rate-limited, so probe less often", Fault.QUOTA),
    State(
        "exporter fault", FAULT_COLORS[Fault.EXPORTER], "unknown, because the exporter failed", Fault.EXPORTER
    ),
    State(
        "test account",
        FAULT_COLORS[Fault.ACCOUNT],
        "not fully checked, because the test account fails",
        Fault.ACCOUNT,
    ),
    State(
        "incomplete", _LIGHT_GRAY, "not fully checked yet, because no password is sent right after a restart"
    ),
    State("not probed", _GRAY, "not being probed, so check the exporter"),
    State(
        "configuration",
        FAULT_COLORS[Fault.CONFIGURATION],
        "failing, likely cause: configuration",
        Fault.CONFIGURATION,
    ),
    State("network", FAULT_COLORS[Fault.NETWORK], "failing, likely cause: network", Fault.NETWORK),
    State("provider", FAULT_COLORS[Fault.PROVIDER], "failing, likely cause: provider", Fault.PROVIDER),
)
"""From best to worst; the index is the number."""

OR = "\nor "
"""On its own line, to keep the query readable in Grafana."""

SLOW_WINDOW = "5m"
"""A federation is slow if a success within this time took longer than the latency objective."""

STALE_INTERVALS = THRESHOLDS["stale_intervals"]
"""As in the rules: after that, the last probe says nothing about the current state."""


_SLOW, _INCOMPLETE, _UNPROBED = (
    number for number, known in enumerate(STATES) if known.name in {"slow", "incomplete", "not probed"}
)


def state() -> str:
    """Return the state of each scraped federation, as a number."""
    of_faults = [
        f"{number} * " + series("pingone_flow_probe_last_result_info", f'fault="{known.fault}"')
        for number, known in enumerate(STATES)
        if known.fault is not None
    ]
    # `or` keeps the first of two series with the same labels, so each sign gets a label of its own.
    signs = [
        f'label_replace({number} * ({condition}), "sign", "{number}", "", "")'
        for number, condition in ((_SLOW, _slow()), (_INCOMPLETE, _incomplete()), (_UNPROBED, _stale()))
    ]
    known = f"max by ({KEY}) ({OR.join([*of_faults, *signs])})"
    # A federation that was never probed has no result, but counts.
    interval = series("pingone_flow_target_interval_seconds")
    return f"({known}{OR}max by ({KEY}) ({_UNPROBED} + 0 * {interval}))"


def _slow() -> str:
    slow = f"increase({series('pingone_flow_probes_slow_total')}[{SLOW_WINDOW}]) > bool 0"
    succeeded = series("pingone_flow_probe_last_result_info", 'fault="none"')
    return f"({slow}) and on ({KEY}, instance, journey) {succeeded}"


def _incomplete() -> str:
    # A probe without the password is good as far as it goes, and leaves the number of failures as it was.
    good = series("pingone_flow_probe_last_result_info", 'fault="none"')
    succeeded = f"{series('pingone_flow_probe_consecutive_failures')} == 0"
    return f"{good} unless on ({KEY}, instance, journey) {succeeded}"


def _stale() -> str:
    last = series("pingone_flow_probe_last_run_timestamp_seconds")
    interval = series("pingone_flow_target_interval_seconds")
    held = series("pingone_flow_backoff_until_timestamp_seconds")
    return f"(time() - {last} > bool {STALE_INTERVALS:g} * {interval}) unless {held}"


def all_well() -> str:
    """Return one series with the number of federations in label `all`, if all are healthy."""
    return _counted("all", f"count({state()}) == count({state()} == 0)")


def not_well() -> str:
    """Return one series per unhealthy state, with the labels `some`, `all` and `what`."""
    found = f'count_values by (number) ("some", count_values("number", {state()} > 0))'
    for number, known in enumerate(STATES[1:], 1):
        found = f'label_replace({found}, "what", "{known.sentence}", "number", "{number}")'
    return f"{found} * on () group_left (all) {_counted('all', f'count({state()})')}"


def unreachable() -> str:
    """Return one series with the number of pods without network access in label `some`, if any."""
    return _counted("some", f"count({in_scope('pingone_flow_exporter_egress_up')} == 0)")


def unscraped() -> str:
    """Return one series with the number of pods that are no longer scraped in label `some`, if any."""
    exporters = scraped(in_scope("up"), in_scope("pingone_flow_exporter_build_info"))
    return _counted("some", f"count(({exporters}) == 0)")


def missing() -> str:
    """Return one series with the number of missing shards in label `some`, if any.

    An evicted pod is not a scrape target any more, so it does not count as a pod that is no longer scraped.
    """
    shards, scope = in_scope("pingone_flow_exporter_shards"), "cluster, namespace, job"
    there = f"count by ({scope}) (group by ({scope}, shard) ({shards}))"
    return _counted("some", f"sum(min by ({scope}) ({shards}) - {there} > 0)")


def absent() -> str:
    """Return one series if no exporter is scraped."""
    return f"absent({in_scope('pingone_flow_exporter_build_info')})"


def _counted(label: str, count: str) -> str:
    return f'count_values("{label}", {count})'
