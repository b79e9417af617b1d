"""The state of a federation as one number, and what it is called, in words and colors.

The higher, the worse: of several pods and journeys the worst counts. A failure that is nobody's but our own,
and being held back, are no failures of the federation, here as in the alerts.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.promql import KEY, of_place, scraped, series
from exporter.reasons import Fault


@dataclass(frozen=True, slots=True)
class State:
    """What a federation can be.

    Args:
        name: short, for a timeline.
        color: by its meaning; Grafana's name of it.
        sentence: completes "2 of 8 federations: …".
        fault: of the last probe, if that decides.
    """

    name: str
    color: str
    sentence: str
    fault: Fault | None = None


FAULT_COLORS = {
    Fault.NONE: "green",
    Fault.QUOTA: "blue",
    Fault.EXPORTER: "purple",
    Fault.CONFIGURATION: "yellow",
    Fault.NETWORK: "orange",
    Fault.PROVIDER: "red",
}
_GRAY = "#808080"

STATES: tuple[State, ...] = (
    State("ok", FAULT_COLORS[Fault.NONE], "succeeding", Fault.NONE),
    State("slow", "super-light-yellow", "slower than the latency objective"),
    State("rate limited", FAULT_COLORS[Fault.QUOTA], "refused as too many, so probe less often", Fault.QUOTA),
    State(
        "exporter's own", FAULT_COLORS[Fault.EXPORTER], "unknown by the exporter's own fault", Fault.EXPORTER
    ),
    State("not probed", _GRAY, "not being probed, so look at the exporter"),
    State(
        "configuration",
        FAULT_COLORS[Fault.CONFIGURATION],
        "failing, it looks like a change of configuration",
        Fault.CONFIGURATION,
    ),
    State(
        "network", FAULT_COLORS[Fault.NETWORK], "failing, it looks like the network between", Fault.NETWORK
    ),
    State("provider", FAULT_COLORS[Fault.PROVIDER], "failing, it looks like PingOne", Fault.PROVIDER),
)
"""From the best to the worst; the index is the number."""

OR = "\nor "
"""On a line of its own, for whoever opens the query in Grafana."""

SLOW_WINDOW = "5m"
"""A federation is slow if a success within this time took longer than the latency objective."""

STALE_INTERVALS = 3
"""As in the rules: a last probe that is older says nothing of now."""


_SLOW, _UNPROBED = (number for number, known in enumerate(STATES) if known.name in {"slow", "not probed"})


def state() -> str:
    """Return the number of each federation's state, of all that are scraped."""
    of_faults = [
        f"{number} * " + series("pingone_flow_probe_last_result_info", f'fault="{known.fault}"')
        for number, known in enumerate(STATES)
        if known.fault is not None
    ]
    # `or` keeps the first of two series with the same labels: a label of its own tells each sign apart.
    signs = [
        f'label_replace({number} * ({condition}), "sign", "{number}", "", "")'
        for number, condition in ((_SLOW, _slow()), (_UNPROBED, _stale()))
    ]
    known = f"max by ({KEY}) ({OR.join([*of_faults, *signs])})"
    # Who was never probed has no result, and must not be missing from those that are counted.
    interval = series("pingone_flow_target_interval_seconds")
    return f"({known}{OR}max by ({KEY}) ({_UNPROBED} + 0 * {interval}))"


def _slow() -> str:
    slow = f"increase({series('pingone_flow_probes_slow_total')}[{SLOW_WINDOW}]) > bool 0"
    succeeded = series("pingone_flow_probe_last_result_info", 'fault="none"')
    return f"({slow}) and on ({KEY}, instance, journey) {succeeded}"


def _stale() -> str:
    last = series("pingone_flow_probe_last_run_timestamp_seconds")
    interval = series("pingone_flow_target_interval_seconds")
    held = series("pingone_flow_backoff_until_timestamp_seconds")
    return f"(time() - {last} > bool {STALE_INTERVALS} * {interval}) unless {held}"


def all_well() -> str:
    """Return one series, whose label `all` is the number of federations, if every one of them is well."""
    return _counted("all", f"count({state()}) == count({state()} == 0)")


def not_well() -> str:
    """Return a series per state that is not well, with the labels `some`, `all` and `what`."""
    found = f'count_values by (number) ("some", count_values("number", {state()} > 0))'
    for number, known in enumerate(STATES[1:], 1):
        found = f'label_replace({found}, "what", "{known.sentence}", "number", "{number}")'
    return f"{found} * on () group_left (all) {_counted('all', f'count({state()})')}"


def unreachable() -> str:
    """Return one series, whose label `some` is the number of pods that reach nobody, if there are any."""
    return _counted("some", f"count({of_place('pingone_flow_exporter_egress_up')} == 0)")


def unscraped() -> str:
    """Return one series, whose label `some` is the number of pods that were here and are not scraped now."""
    exporters = scraped(of_place("up"), of_place("pingone_flow_exporter_build_info"))
    return _counted("some", f"count(({exporters}) == 0)")


def missing() -> str:
    """Return one series, whose label `some` is the number of shards that are not scraped, if there are any.

    A pod that was evicted is not looked for any more, and so is none of those that are unscraped.
    """
    shards, place = of_place("pingone_flow_exporter_shards"), "cluster, namespace, job"
    there = f"count by ({place}) (group by ({place}, shard) ({shards}))"
    return _counted("some", f"sum(min by ({place}) ({shards}) - {there} > 0)")


def absent() -> str:
    """Return one series if there is no exporter at all."""
    return f"absent({of_place('pingone_flow_exporter_build_info')})"


def _counted(label: str, count: str) -> str:
    return f'count_values("{label}", {count})'
