"""One federation in depth: results, latency by phase, and PingOne's responses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rule_files import THRESHOLDS

from dashboards import shared
from dashboards.frame import JOURNEY, LINKS, SCOPE, TARGET, dashboard
from dashboards.looks import (
    BUDGET,
    CERTIFICATE,
    EXPIRY,
    HALF,
    PASSED,
    PER_MINUTE,
    SIXTH,
    STATE_WORDS,
    TARGET_UID,
    WIDE,
    page_of,
)
from dashboards.panels import Layout, Query, figure, lines, timeline
from dashboards.promql import (
    KEY,
    RANGE,
    age,
    budget_left,
    certificate_days,
    per_minute,
    quantile,
    series,
    since_success,
    slow_share,
    worst,
)
from dashboards.states import state
from dashboards.tables import Column, rows

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

RESULT = "pingone_flow_probe_last_result_info"
LOW = 4
"""Height of a row of figures."""


def target() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        TARGET_UID,
        "PingOne federation",
        "One federation in depth.",
        [*SCOPE, TARGET, JOURNEY, LINKS],
        {
            "Now": [*_figures(), _last_result(), _facts()],
            "History": [_timeline(), shared.results(), _codes()],
            "Latency": [
                shared.latency_cells(),
                _quantiles(),
                shared.phases(),
                _steps(),
                _last_phases(),
                _slow(),
            ],
            "Discovery": [_discovery()],
            "Responses": [shared.statuses(), _errors(), _checks(), _skew(), _lifetime(), _skipped()],
        },
        page_of("$target"),
    )


def _figures() -> list[Panel]:
    small = partial(Layout, width=SIXTH, height=LOW)
    return [
        figure(
            small(
                title="State",
                description="By the last probe; the worst pod counts. ok, slow, or the side that is likely "
                "at fault.",
            ),
            "none",
            state(),
            mappings=STATE_WORDS,
        ),
        figure(
            small(
                title="Since",
                description="How long it has been succeeding or failing. Starts over when the exporter "
                "restarts.",
            ),
            "s",
            age("pingone_flow_probe_state_change_timestamp_seconds"),
        ),
        figure(
            small(
                title="Consecutive failures",
                description="Failed probes since the last success, for the pod with the most. "
                "Red: PingOneFederationDown pages. Rate limits and faults of exporter or test account "
                "do not count.",
            ),
            "none",
            worst(series("pingone_flow_probe_consecutive_failures")),
            steps=((None, "green"), (1, "orange"), (THRESHOLDS["down_failures"], "red")),
        ),
        figure(
            small(
                title="Last success",
                description="Time since the last successful probe. No data if there was none within a day; "
                "without the alert rules, if none succeeded since the exporter started.",
            ),
            "s",
            since_success(KEY),
        ),
        figure(
            small(
                title="Error budget left",
                description="Share of the failures that the objective allows in the selected time range; "
                "below 0 it is missed. With the alert rules loaded, times without network access are left "
                "out.",
            ),
            "percentunit",
            budget_left(RANGE),
            steps=BUDGET,
        ),
        figure(
            small(
                title="Certificate",
                description="Days until the TLS certificate expires, as last seen, even if it was rejected.",
            ),
            "d",
            certificate_days(KEY),
            steps=CERTIFICATE,
            none="no TLS",
        ),
    ]


def _last_result() -> Panel:
    labels = ("step", "side", "phase", "reason", "fault")
    layout = Layout(
        title="Last probe",
        description="Step, side, phase, reason and fault of the last probe, and the HTTP status code of its "
        "last response. Several rows if pods disagree. No code: there was no response.",
        width=HALF,
        height=5,
    )
    by = ", ".join(("journey", *labels))
    code = worst(series("pingone_flow_http_status_code"), "journey, step")
    joined = f"{worst(series(RESULT), by)} * on (journey, step) group_left () {code}"
    return rows(
        layout,
        {label: label for label in ("journey", *labels)},
        [Column("pods", f"count by ({by}) ({series(RESULT)})"), Column("code", joined)],
    )


def _facts() -> Panel:
    labels = {
        "auth_host": "host",
        "destination_auth_host": "destination host",
        "source_environment_id": "source environment",
        "destination_environment_id": "destination environment",
        "owner": "owner",
        "tier": "tier",
    }
    layout = Layout(
        title="Target",
        description="As configured. owner and tier are your own labels, used to route alerts. Two rows "
        "during a rollout that changes any of it.",
        width=HALF,
        height=5,
    )
    by = ", ".join(labels)
    known = series("pingone_flow_target_info")
    every = worst(series("pingone_flow_target_interval_seconds"), "target")
    return rows(
        layout,
        labels,
        [Column("interval", f"max by ({by}) ({known} * on (target) group_left () {every})", "s")],
    )


def _timeline() -> Panel:
    layout = Layout(
        title="State over time",
        description="By the last probe at each point in time; colors as on the overview. A gap: unknown.",
        width=WIDE,
        height=4,
    )
    return timeline(layout, STATE_WORDS, Query(state(), "{{target}} {{cluster}}"))


def _codes() -> Panel:
    layout = Layout(
        title="HTTP status codes",
        description="Responses per minute, by status code. Only codes that occurred are shown; a probe "
        "without a response has no code.",
        width=16,
    )
    found = per_minute("code", series("pingone_flow_http_responses_total"))
    return lines(
        layout,
        PER_MINUTE,
        Query(f"{found} > 0", "{{code}}"),
        stacked="bars",
        colors={"/^2/": "green", "/^3/": "yellow", "/^4/": "orange", "/^5/": "red"},
    )


def _quantiles() -> Panel:
    layout = Layout(
        title="Latency quantiles",
        description="Duration of successful probes, interpolated within the buckets. Dashed: the latency "
        "objective. At one probe a minute each point rests on a few probes; zoom out for smoother lines.",
    )
    objective = worst(series("pingone_flow_target_latency_objective_seconds"), "target")
    return lines(
        layout,
        "s",
        *(Query(quantile(share, series, shared.DURATION), f"p{share * 100:g}") for share in (0.5, 0.9)),
        Query(objective, "objective"),
        dashed="objective",
    )


def _steps() -> Panel:
    layout = Layout(
        title="Steps of the last probe",
        description="Duration of each step of the last probe at each scrape, for the slowest pod: where the "
        "time goes. The journey authorize has one step.",
        width=WIDE,
    )
    last = worst(series("pingone_flow_step_last_duration_seconds"), "journey, step, phase")
    return lines(layout, "s", Query(f"sum by (step) ({last})", "{{step}}"), stacked="lines")


def _last_phases() -> Panel:
    layout = Layout(
        title="Phases of the last probe",
        description="Duration of each completed phase of the last probe at each scrape, for the slowest "
        "pod. Phases that were not completed and probes during which the exporter stalled are missing.",
        width=HALF,
    )
    last = worst(series("pingone_flow_step_last_duration_seconds"), "step, phase")
    return lines(layout, "s", Query(last, "{{step}} {{phase}}"))


def _slow() -> Panel:
    layout = Layout(
        title="Slow successes",
        description="Share of successful probes in 30 minutes over the latency objective. "
        "PingOneSignOnSlow fires at the dashed line.",
        width=HALF,
    )
    return lines(
        layout,
        "percentunit",
        Query(slow_share("target"), "slow"),
        steps=((None, "green"), (THRESHOLDS["slow_share"], "red")),
    )


def _errors() -> Panel:
    layout = Layout(
        title="Error codes",
        description="OAuth and PingOne error codes in responses, per minute. OTHER: a code outside the "
        "known list. Only codes that occurred are shown: empty is good.",
    )
    found = per_minute("code", series("pingone_flow_error_codes_total"))
    return lines(layout, PER_MINUTE, Query(f"{found} > 0", "{{code}}"), stacked="bars")


def _checks() -> Panel:
    layout = Layout(
        title="Contract checks",
        description="Whether the last flow matched PingOne's documentation, by check. A gap: no flow was "
        "returned. Failing checks are a ticket, not an outage.",
    )
    return timeline(
        layout, PASSED, Query(f"min by (check) ({series('pingone_flow_contract_check')})", "{{check}}")
    )


def _discovery() -> Panel:
    layout = Layout(
        title="Metadata and signing keys",
        description="By the last good probe of the journey discovery: usable signing keys of the source, how "
        "often they changed in the selected time range, how often its endpoints did (destinations keep "
        "copies of them), and the days until the last certificate of the keys expires. Empty without that "
        "journey.",
        width=WIDE,
        height=5,
    )

    def changes(name: str) -> str:
        return worst(f"changes({series(name)}[{RANGE}])")

    expiry = series("pingone_flow_signing_key_certificate_expiry_timestamp_seconds")
    return rows(
        layout,
        {"target": "federation", "cluster": "cluster"},
        [
            Column("signing keys", worst(series("pingone_flow_signing_keys"))),
            Column("key changes", changes("pingone_flow_signing_keys_hash")),
            Column("endpoint changes", changes("pingone_flow_metadata_hash")),
            Column("days left", f"min by ({KEY}) (({expiry} - time()) / 86400)", "d", steps=EXPIRY),
        ],
        none="the journey discovery does not run",
    )


def _skew() -> Panel:
    layout = Layout(
        title="Clock skew",
        description="How far PingOne's clock is ahead of the exporter's, by the last flow, with error "
        "bounds. PingOneClockSkew fires if the skew minus its error exceeds the threshold; if all hosts show "
        "it, the exporter's clock is wrong.",
    )
    skew, error = (series(f"pingone_flow_clock_skew_{what}seconds") for what in ("", "error_"))
    return lines(
        layout,
        "s",
        Query(f"max by (step) ({skew})", "{{step}}"),
        Query(f"min by (step) ({skew} - {error})", "{{step}} at least"),
        Query(f"max by (step) ({skew} + {error})", "{{step}} at most"),
        lowest=None,
    )


def _lifetime() -> Panel:
    layout = Layout(
        title="Flow lifetime",
        description="Time from creation to expiry of the last flow: how long users have to sign on.",
    )
    return lines(layout, "s", Query(f"min by (step) ({series('pingone_flow_lifetime_seconds')})", "{{step}}"))


def _skipped() -> Panel:
    layout = Layout(
        title="Skipped probes",
        description="Scheduled probes skipped per minute, by cause. backoff: paused after a rate limit. "
        "overrun and missed: the exporter's own problem, see its dashboard. cancelled: shutdown or reload.",
    )
    found = per_minute("cause", series("pingone_flow_exporter_probes_skipped_total"))
    return lines(layout, PER_MINUTE, Query(found, "{{cause}}"))
