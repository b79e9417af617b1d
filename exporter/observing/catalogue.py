"""Every metric family that this project defines: name, type, meaning, labels.

The exposition is made from it, the reference in docs/ is generated from it, and a test compares it
with a live page. Names are public: dashboards and alerts depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family.

    Args:
        name: as it is exposed; counters end in `_total`.
        kind: counter, gauge, histogram or summary.
        help: one sentence, with the unit.
        labels: label names, the operator's own apart.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


_KEY = ("target", "journey")
_STEP = (*_KEY, "step")

FLOW: tuple[Family, ...] = (
    Family("pingone_flow_probe_success", "gauge", "Whether the last probe succeeded: 1 or 0.", _KEY),
    Family(
        "pingone_flow_probes_total", "counter",
        "Finished probes by why they ended as they did and whose problem that is.",
        (*_KEY, "reason", "fault"),
    ),
    Family(
        "pingone_flow_probe_duration_seconds", "histogram",
        "Seconds that a whole probe took, successes only.", _KEY,
    ),
    Family(
        "pingone_flow_probes_slow_total", "counter",
        "Successful probes that took longer than the latency objective.", _KEY,
    ),
    Family(
        "pingone_flow_probe_consecutive_failures", "gauge",
        "Failed probes since the last success; rate limits and faults of the exporter are not counted.", _KEY,
    ),
    Family(
        "pingone_flow_probe_state_change_timestamp_seconds", "gauge",
        "Since when the target has been succeeding or failing, as seconds since the epoch.", _KEY,
    ),
    Family(
        "pingone_flow_probe_last_result_info", "gauge",
        "The last probe's result: where it ended, why, and whose problem that is; always 1.",
        (*_STEP, "phase", "reason", "fault"),
    ),
    Family(
        "pingone_flow_probe_last_run_timestamp_seconds", "gauge",
        "When the last probe ended, as seconds since the epoch.", _KEY,
    ),
    Family(
        "pingone_flow_probe_last_success_timestamp_seconds", "gauge",
        "When the last successful probe ended, as seconds since the epoch.", _KEY,
    ),
    Family(
        "pingone_flow_step_duration_seconds", "summary",
        "Seconds spent in completed phases of all probes.", (*_STEP, "phase"),
    ),
    Family(
        "pingone_flow_step_last_duration_seconds", "gauge",
        "Seconds spent in each completed phase of the last probe; absent if not completed.",
        (*_STEP, "phase"),
    ),
    Family(
        "pingone_flow_http_responses_total", "counter",
        "Responses by HTTP status code.", (*_STEP, "code"),
    ),
    Family(
        "pingone_flow_http_status_code", "gauge",
        "HTTP status code of the last probe's response; absent if there was none.", _STEP,
    ),
    Family(
        "pingone_flow_statuses_total", "counter",
        "Flow statuses that came back; UNKNOWN stands for those outside the known list.", (*_STEP, "status"),
    ),
    Family(
        "pingone_flow_status", "gauge",
        "Whether this is the flow status that the last probe got: 1 or 0; all 0 if it got none.",
        (*_STEP, "status"),
    ),
    Family(
        "pingone_flow_error_codes_total", "counter",
        "OAuth and PingOne error codes that came back; OTHER stands for those outside the known list.",
        (*_STEP, "code"),
    ),
    Family(
        "pingone_flow_contract_check", "gauge",
        "Whether the last probe's flow passed the check: 1 or 0; absent if it got no flow.",
        (*_STEP, "check"),
    ),
    Family(
        "pingone_flow_lifetime_seconds", "gauge",
        "Seconds from createdAt to expiresAt of the last probe's flow.", _STEP,
    ),
    Family(
        "pingone_flow_clock_skew_seconds", "gauge",
        "Seconds by which the provider's clock is ahead of ours, by the last probe's flow.", _STEP,
    ),
    Family(
        "pingone_flow_clock_skew_error_seconds", "gauge",
        "Seconds by which the clock skew may be wrong, either way.", _STEP,
    ),
    Family(
        "pingone_flow_tls_certificate_expiry_timestamp_seconds", "gauge",
        "When the provider's leaf certificate expires, as seconds since the epoch; as last seen, "
        "also when it was refused.", _STEP,
    ),
    Family(
        "pingone_flow_backoff_until_timestamp_seconds", "gauge",
        "Until when probes are held back because the provider asked for it, as seconds since the epoch; "
        "absent if they are not.", _KEY,
    ),
    Family(
        "pingone_flow_target_info", "gauge", "What the target is, with the operator's own labels; always 1.",
        ("target", "source_environment_id", "destination_environment_id", "auth_host"),
    ),
    Family(
        "pingone_flow_target_interval_seconds", "gauge", "Seconds between two due probes.", _KEY,
    ),
    Family(
        "pingone_flow_target_timeout_seconds", "gauge", "Seconds that a whole probe may take.", _KEY,
    ),
    Family(
        "pingone_flow_target_latency_objective_seconds", "gauge",
        "Seconds beyond which a success is counted as slow.", _KEY,
    ),
    Family(
        "pingone_flow_exporter_probes_skipped_total", "counter",
        "Due probes that were not done, by cause.", (*_KEY, "cause"),
    ),
)  # fmt: skip
"""Families with one series or more per target; in the order of the page."""

BUILD_INFO = Family(
    "pingone_flow_exporter_build_info",
    "gauge",
    "Version of the exporter and of Python; always 1.",
    ("version", "python_version"),
)
SHARDS = Family(
    "pingone_flow_exporter_shards",
    "gauge",
    "Among how many exporters the targets are shared; the label tells which of them this is, from 0.",
    ("shard",),
)
PROBES_IN_FLIGHT = Family(
    "pingone_flow_exporter_probes_in_flight",
    "gauge",
    "Probes that run at this moment.",
)
SCHEDULE_LAG = Family(
    "pingone_flow_exporter_schedule_lag_seconds",
    "histogram",
    "Seconds from when a probe was due to when it began.",
)
EVENT_LOOP_LAG = Family(
    "pingone_flow_exporter_event_loop_lag_seconds",
    "histogram",
    "Seconds that the exporter's own event loop was late, sampled a hundred times a second.",
)

PROBES_STALLED = Family(
    "pingone_flow_exporter_probes_stalled_total",
    "counter",
    "Probes during which the exporter's own event loop stood still for more than 50 ms.",
)
RELOAD_SUCCESSFUL = Family(
    "pingone_flow_exporter_config_last_reload_successful",
    "gauge",
    "Whether the last reading of the configuration, at the start or on reload, succeeded: 1 or 0.",
)
RELOAD_SUCCESS_TIMESTAMP = Family(
    "pingone_flow_exporter_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the configuration in force was read, as seconds since the epoch.",
)
EGRESS_UP = Family(
    "pingone_flow_exporter_egress_up",
    "gauge",
    "Whether the own-connectivity check got any HTTP answer: 1 or 0; absent without such a check.",
)

DAEMON: tuple[Family, ...] = (
    BUILD_INFO,
    SHARDS,
    PROBES_IN_FLIGHT,
    SCHEDULE_LAG,
    EVENT_LOOP_LAG,
    PROBES_STALLED,
    RELOAD_SUCCESSFUL,
    RELOAD_SUCCESS_TIMESTAMP,
    EGRESS_UP,
)
"""Families about the daemon itself."""
