"""The metric families, as tables of name and labels -> HELP text.

`_total` makes a counter, the label `le` a histogram, `quantile` a summary; all others are gauges.
"""
# ruff: noqa: E501  one family a line

from collections.abc import Mapping
from typing import NamedTuple


class Family(NamedTuple):
    """A metric family; `name` is that of its series, so that a counter's ends with `_total`."""

    name: str
    help: str
    labels: tuple[str, ...]
    kind: str


def _declare(prefix: str, labels: tuple[str, ...], texts: Mapping[str, str]) -> Mapping[str, Family]:
    """Return families, which all have `prefix` and `labels`, by their names without the prefix."""
    declared = {}
    for heading, text in texts.items():
        name, _, further = heading.rstrip("}").partition("{")
        own = tuple(further.split(",")) if further else ()
        kind = "counter" if name.endswith("_total") else _KINDS.get(own[-1:], "gauge")
        declared[name] = Family(prefix + name, text, (*labels, *own), kind)
    return declared


SUFFIXED = frozenset({"histogram", "summary"})
"""In these kinds, a suffix follows the name of the family."""

_KINDS: Mapping[tuple[str, ...], str] = {("le",): "histogram", ("quantile",): "summary"}

_JOURNEY = {
    "probes_total{reason,fault}": "Probes completed, by reason and fault.",
    "probe_duration_seconds{le}": "Duration of successful probes in seconds.",
    "probes_slow_total": "Successful probes that took longer than the latency objective.",
    "exporter_probes_skipped_total{cause}": "Scheduled probes skipped, by cause.",
    "probe_success": "Whether the last probe succeeded: 1 or 0.",
    "probe_last_result_info{step,phase,reason,fault,side}": "Result of the last probe: step and phase in which it ended, why, the fault, and the side of the step; always 1.",
    "probe_last_run_timestamp_seconds": "Unix time at which the last probe ended.",
    "probe_last_success_timestamp_seconds": "Unix time at which the last successful probe ended.",
    "probe_consecutive_failures": "Failed probes since the last success; those with fault quota, exporter or account do not count.",
    "probe_state_change_timestamp_seconds": "Unix time of the last change between succeeding and failing.",
    "step_duration_seconds{step,phase,quantile}": "Duration of completed phases in seconds, over all probes; of connections to a side, only the first of a probe.",
    "step_last_duration_seconds{step,phase}": "Duration of each completed phase of the last probe in seconds.",
    "http_responses_total{step,code}": "HTTP responses by status code.",
    "http_status_code{step}": "HTTP status code of the last probe's response; absent if there was none.",
    "error_codes_total{step,code}": "OAuth and PingOne error codes received; OTHER counts those outside the known list.",
    "tls_certificate_expiry_timestamp_seconds{step}": "Unix time at which the provider's leaf certificate expires; as last seen, even if rejected.",
    "tls_chain_expiry_timestamp_seconds{step}": "Unix time at which the first certificate of the chain that was sent expires; absent if unknown.",
    "statuses_total{step,status}": "Flow statuses received; UNKNOWN counts those outside the known list.",
    "status{step,status}": "Whether the last probe received this flow status: 1 or 0.",
    "contract_check{step,check}": "Whether the last probe's flow passed the check: 1 or 0; absent if the check did not apply.",
    "lifetime_seconds{step}": "Seconds from createdAt to expiresAt of the last probe's flow.",
    "clock_skew_seconds{step}": "Provider's clock minus the exporter's in seconds, by the last probe's flow.",
    "clock_skew_error_seconds{step}": "Maximum error of the clock skew in seconds, in either direction.",
    "target_last_step_info{step}": "Last step that the settings of the target ask for; always 1.",
    "target_interval_seconds": "Seconds between two probes.",
    "target_timeout_seconds": "Seconds that a whole probe may take.",
    "target_latency_objective_seconds": "Seconds above which a successful probe counts as slow.",
    "backoff_until_timestamp_seconds": "Unix time until which probes are paused after a rate limit; absent if they are not.",
}
JOURNEY_FAMILIES = _declare("pingone_flow_", ("target", "journey"), _JOURNEY)

_INFO = "Environments, hosts and identity provider of the target, with your own labels; always 1."
TARGET_INFO = Family("pingone_flow_target_info", _INFO, ("target",), "gauge")
"""Each target has labels of its own in addition."""

_TARGET = {
    "sign_on_suspended": "Whether lock-out protection suspends sign-on: 1 or 0; absent without a test account.",
    "secret_expiry_timestamp_seconds": "Unix time at which the client secret of the federation expires, according to SECRET_EXPIRES.",
    "signing_keys": "Usable signing keys of the source, by the last good probe.",
    "signing_keys_hash": "Hash of the source's signing keys, 48 bits; changes with a key rotation.",
    "metadata_hash": "Hash of the source's issuer, authorization_endpoint, token_endpoint and jwks_uri, 48 bits.",
    "signing_key_certificate_expiry_timestamp_seconds": "Unix time at which the last certificate of the source's signing keys expires; absent without one.",
}
TARGET_FAMILIES = _declare("pingone_flow_", ("target",), _TARGET)

_EXPORTER = {
    "build_info{version,python_version}": "Version of the exporter and of Python; always 1.",
    "shards{shard}": "Number of shards; label shard is this exporter's index.",
    "probes_in_flight": "Probes running now.",
    "schedule_lag_seconds{le}": "Seconds from when a probe was due until it started.",
    "event_loop_lag_seconds{le}": "Seconds by which the exporter's event loop was late, sampled 100 times per second.",
    "probes_stalled_total": "Probes during which the exporter's event loop stalled for more than 50 ms.",
    "kernel_timestamps": "Whether the kernel timed the last exchange: 1 or 0; absent before the first.",
    "loop_timed_exchanges_total": "Exchanges timed by the event loop instead of the kernel.",
    "config_last_reload_successful": "Whether the last load of the configuration succeeded: 1 or 0.",
    "config_last_reload_success_timestamp_seconds": "Unix time of the last successful load of the configuration.",
    "egress_up": "Whether the last egress check got a response: 1 or 0; absent if none is configured.",
    "internal_errors_total{part}": "Bugs in the exporter, and lack of memory or threads, by the part that failed; see its log.",
}
EXPORTER_FAMILIES = _declare("pingone_flow_exporter_", (), _EXPORTER)

# One-hot over closed sets, so that no text of the page is a label.
_PAGE = {
    "component{component,status}": "Whether a component has this status on the vendor's status page: 1 or 0; unknown if not found.",
    "incidents{impact}": "Open incidents on the vendor's status page, by impact.",
    "maintenances{state}": "Scheduled and current maintenances on the vendor's status page, by state.",
    "page_updated_timestamp_seconds": "Unix time at which the vendor's status page last changed.",
    "fetch_success": "Whether the last request for the status page returned a summary: 1 or 0.",
    "last_success_timestamp_seconds": "Unix time at which the vendor's status page was last read.",
}
PAGE_FAMILIES = _declare("pingone_status_", ("page",), _PAGE)

_LISTING = {
    "providers{state}": "Identity providers of the destination, by state.",
    "refresh_success": "Whether the last listing of the destination's identity providers succeeded: 1 or 0.",
    "last_refresh_success_timestamp_seconds": "Unix time of the last successful listing of the destination's identity providers.",
}
LISTING_FAMILIES = _declare("pingone_flow_destination_", ("destination",), _LISTING)
