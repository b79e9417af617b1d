"""One federation in depth: what its last probes found, where their time went, and what PingOne answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dashboards import shared
from dashboards.frame import JOURNEY, PLACE, TARGET, dashboard
from dashboards.looks import (
    BUDGET,
    CERTIFICATE,
    HALF,
    PASSED,
    PER_MINUTE,
    SIXTH,
    STATE_WORDS,
    TARGET_UID,
    WIDE,
)
from dashboards.panels import Place, Query, figure, lines, timeline
from dashboards.promql import (
    KEY,
    RANGE,
    age,
    budget_left,
    certificate_days,
    per_minute,
    quantile,
    series,
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
        [*PLACE, TARGET, JOURNEY],
        {
            "Now": [*_figures(), _last_result(), _facts()],
            "History": [_timeline(), shared.results(), _codes()],
            "Latency": [shared.latency_cells(), _quantiles(), shared.phases(), _last_phases(), _slow()],
            "Answers": [shared.statuses(), _errors(), _checks(), _skew(), _lifetime(), _skipped()],
        },
    )


def _figures() -> list[Panel]:
    small = partial(Place, width=SIXTH, height=LOW)
    return [
        figure(
            small(
                title="State",
                description="By the last probe, of the worst of several pods: ok, slow, or whose fault it "
                "looks like.",
            ),
            "none",
            state(),
            mappings=STATE_WORDS,
        ),
        figure(
            small(
                title="Since",
                description="For how long it has been succeeding or failing, as the exporter knows: a "
                "restart begins anew.",
            ),
            "s",
            age("pingone_flow_probe_state_change_timestamp_seconds"),
        ),
        figure(
            small(
                title="Failures in a row",
                description="Failed probes since the last success, of the pod with the most. At 3 the page "
                "PingOneFederationDown is due. Rate limits and the exporter's own faults are not counted.",
            ),
            "none",
            worst(series("pingone_flow_probe_consecutive_failures")),
            steps=((None, "green"), (1, "orange"), (3, "red")),
        ),
        figure(
            small(
                title="Last success",
                description="How long ago a probe last succeeded; no data if none has since the exporter's "
                "start.",
            ),
            "s",
            age("pingone_flow_probe_last_success_timestamp_seconds"),
        ),
        figure(
            small(
                title="Error budget left",
                description="Of what the objective allows in the time range above; below 0 it is broken. "
                "With the alert rules loaded, times when the exporter itself reached nobody are left out.",
            ),
            "percentunit",
            budget_left(RANGE),
            steps=BUDGET,
        ),
        figure(
            small(
                title="Certificate",
                description="Days until it expires, as last seen, also when it was refused. No TLS, no "
                "certificate.",
            ),
            "d",
            certificate_days(KEY),
            steps=CERTIFICATE,
            none="no TLS",
        ),
    ]


def _last_result() -> Panel:
    labels = ("step", "phase", "reason", "fault")
    place = Place(
        title="Last probe",
        description="Where it ended, why, and whose problem that is, with the HTTP status code of its last "
        "answer; several rows when pods disagree. No code: there was no answer.",
        width=HALF,
        height=5,
    )
    by = ", ".join(("journey", *labels))
    code = worst(series("pingone_flow_http_status_code"), "journey, step")
    joined = f"{worst(series(RESULT), by)} * on (journey, step) group_left () {code}"
    return rows(
        place,
        {label: label for label in ("journey", *labels)},
        [Column("pods", f"count by ({by}) ({series(RESULT)})"), Column("code", joined)],
    )


def _facts() -> Panel:
    labels = {
        "auth_host": "host",
        "source_environment_id": "source environment",
        "destination_environment_id": "destination environment",
        "owner": "owner",
        "tier": "tier",
    }
    place = Place(
        title="What it is",
        description="As configured; owner and tier are labels of the operator's own, and route alerts. Two "
        "rows during a rollout that changes any of it.",
        width=HALF,
        height=5,
    )
    by = ", ".join(labels)
    known = series("pingone_flow_target_info")
    every = worst(series("pingone_flow_target_interval_seconds"), "target")
    return rows(
        place,
        labels,
        [Column("interval", f"max by ({by}) ({known} * on (target) group_left () {every})", "s")],
    )


def _timeline() -> Panel:
    place = Place(
        title="State over time",
        description="By the last probe at each moment; colors as on the overview. A gap is where nothing "
        "was known.",
        width=WIDE,
        height=4,
    )
    return timeline(place, STATE_WORDS, Query(state(), "{{target}} {{cluster}}"))


def _codes() -> Panel:
    place = Place(
        title="HTTP status codes",
        description="Answers per minute by code. Only what occurred is shown; a probe without an answer has "
        "no code.",
        width=16,
    )
    found = per_minute("code", series("pingone_flow_http_responses_total"))
    return lines(
        place,
        PER_MINUTE,
        Query(f"{found} > 0", "{{code}}"),
        stacked="bars",
        colors={"/^2/": "green", "/^3/": "yellow", "/^4/": "orange", "/^5/": "red"},
    )


def _quantiles() -> Panel:
    place = Place(
        title="Latency quantiles",
        description="Of whole probes, successes only, interpolated within the buckets; dashed is the "
        "latency objective. At one probe a minute each point stands for a few probes: zoom out for steadier "
        "lines.",
    )
    bucket = series(f"{shared.DURATION}_bucket")
    objective = worst(series("pingone_flow_target_latency_objective_seconds"), "target")
    return lines(
        place,
        "s",
        *(Query(quantile(share, bucket), f"p{share * 100:g}") for share in (0.5, 0.9)),
        Query(objective, "objective"),
        dashed="objective",
    )


def _last_phases() -> Panel:
    place = Place(
        title="Phases, probe by probe",
        description="Seconds of each completed phase of the last probe, as scraped, of the slowest pod. "
        "What was not completed is missing, and so is a probe during which the exporter stood still.",
        width=HALF,
    )
    last = worst(series("pingone_flow_step_last_duration_seconds"), "step, phase")
    return lines(place, "s", Query(last, "{{step}} {{phase}}"))


def _slow() -> Panel:
    place = Place(
        title="Slow successes",
        description="Share of the successes in half an hour over the latency objective; PingOneSignOnSlow "
        "begins at a quarter, the dashed line.",
        width=HALF,
    )
    return lines(
        place, "percentunit", Query(slow_share("target"), "slow"), steps=((None, "green"), (0.25, "red"))
    )


def _errors() -> Panel:
    place = Place(
        title="Error codes",
        description="OAuth's and PingOne's own error codes in the answers, per minute; OTHER stands for "
        "those outside the known list. Only what occurred is shown: empty is good.",
    )
    found = per_minute("code", series("pingone_flow_error_codes_total"))
    return lines(place, PER_MINUTE, Query(f"{found} > 0", "{{code}}"), stacked="bars")


def _checks() -> Panel:
    place = Place(
        title="Contract checks",
        description="Whether the flow was as documented, check by check, in the last probe that got one. A "
        "gap is where there was no flow. Failing checks are a ticket, no outage.",
    )
    return timeline(
        place, PASSED, Query(f"min by (check) ({series('pingone_flow_contract_check')})", "{{check}}")
    )


def _skew() -> Panel:
    place = Place(
        title="Clock skew",
        description="How far PingOne's clock is ahead of the exporter's, by the last flow, with the bounds "
        "of its error. From 30 s on, for certain, it is a ticket; if all hosts show it, the exporter's own "
        "clock is wrong.",
    )
    skew, error = (series(f"pingone_flow_clock_skew_{what}seconds") for what in ("", "error_"))
    return lines(
        place,
        "s",
        Query(f"max by (step) ({skew})", "{{step}}"),
        Query(f"min by (step) ({skew} - {error})", "{{step}} at least"),
        Query(f"max by (step) ({skew} + {error})", "{{step}} at most"),
        lowest=None,
    )


def _lifetime() -> Panel:
    place = Place(
        title="Flow lifetime",
        description="From a flow's creation to its expiry, by the last flow: how long users have to sign on.",
    )
    return lines(place, "s", Query(f"min by (step) ({series('pingone_flow_lifetime_seconds')})", "{{step}}"))


def _skipped() -> Panel:
    place = Place(
        title="Probes not done",
        description="Due probes per minute that were not done, by cause: backoff was asked for by PingOne, "
        "overrun and missed are the exporter's own (see its dashboard), cancelled belongs to a shutdown or "
        "reload.",
    )
    found = per_minute("cause", series("pingone_flow_exporter_probes_skipped_total"))
    return lines(place, PER_MINUTE, Query(found, "{{cause}}"))
