"""All federations at a glance: is anything wrong, which side is at fault, and what expires soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rule_files import THRESHOLDS

from dashboards import shared
from dashboards.frame import JOURNEY, LINKS, OWNER, SCOPE, TARGETS, TIER, dashboard
from dashboards.looks import BUDGET, EXPIRY, SENTENCE_COLORS, STATE_WORDS, TARGET_UID, WIDE
from dashboards.panels import Layout, Query, bars, lines, sentences, timeline
from dashboards.promql import (
    KEY,
    RANGE,
    age,
    budget_left,
    burn_rate,
    expires_next,
    failing_since,
    failing_without_success,
    firing,
    quantile,
    series,
    slow_share,
    worst,
)
from dashboards.states import absent, all_well, missing, not_well, state, unreachable, unscraped
from dashboards.tables import Column, rows

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

TARGET_LEGEND = "{{target}} {{cluster}}"
TARGET_LABELS = {"target": "federation", "namespace": "namespace", "cluster": "cluster"}
WITH_RULES = "With the alert rules loaded, times without network access are left out."
MAX_BARS = 12
"""More are not readable in one panel."""


def overview() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "pingone-flow-overview",
        "PingOne federations",
        "All federations at a glance. Start here when paged.",
        [*SCOPE, OWNER, TIER, TARGETS, JOURNEY, LINKS],
        {
            "Now": [_sentence(), _failing(), _expiry(), _timeline(), _alerts()],
            "Objectives": [_budget(), _burn(), _slow()],
            "Latency": [shared.latency_cells(), _quantiles(), shared.phases()],
            "Results": [shared.results(), shared.statuses(), _reasons()],
            "Freshness, destinations and vendor status": [_freshness(), _providers(), _vendor()],
        },
    )


def _sentence() -> Panel:
    layout = Layout(
        title="Is anything wrong?",
        description="State by the last probe of every federation; the worst pod and journey counts. Likely "
        "cause: the fault of the last probe (README, Reasons). Works without the alert rules.",
        width=WIDE,
        height=5,
    )
    return sentences(
        layout,
        SENTENCE_COLORS,
        Query(absent(), "No exporter is being scraped: the state is unknown", instant=True),
        Query(unscraped(), "{{some}} of the exporter's pods: no longer scraped", instant=True),
        Query(
            unreachable(),
            "{{some}} of the exporter's pods: no network access, so ignore its failures",
            instant=True,
        ),
        Query(all_well(), "All {{all}} federations: healthy", instant=True),
        Query(not_well(), "{{some}} of {{all}} federations: {{what}}", instant=True),
        Query(missing(), "{{some}} shards: missing, so their federations are not watched", instant=True),
    )


def _failing() -> Panel:
    layout = Layout(
        title="What fails, and since when",
        description="Federations with a failed last probe, newest on top: journey and step, the side that is "
        "likely at fault, and for how long. That time starts over when the exporter restarts; the time "
        "since the last success, shown with the alert rules loaded, does not. Rate limits and faults of "
        "exporter or test account are not failures of a federation. Click one for its dashboard, or for its "
        "page with the exact error.",
        width=14,
        height=8,
    )
    labels = {
        "target": "federation",
        "fault": "fault",
        "reason": "reason",
        "step": "step",
        "journey": "journey",
        "cluster": "cluster",
    }
    columns = [
        Column("failing for", failing_since(), "s"),
        Column("last success", failing_without_success(), "s"),
    ]
    return rows(layout, labels, columns, sort="failing for", link=TARGET_UID, none="nothing fails")


def _timeline() -> Panel:
    layout = Layout(
        title="State of every federation",
        description="By the last probe. Green: ok. Pale yellow: slow. Blue: paused after a rate limit. "
        "Purple: a fault of the exporter. Light blue: of the test account. Light gray: not fully checked "
        "yet, because no password is sent right after a restart. Gray: not being probed. Failing, by fault: "
        "configuration (yellow), network (orange), provider (red). A gap: not scraped. Zoomed out, a single "
        "failed probe may fall between two points; the results below count all of them. Click to open a "
        "federation.",
        width=16,
        height=10,
    )
    return timeline(layout, STATE_WORDS, Query(state(), TARGET_LEGEND), link=TARGET_UID)


def _alerts() -> Panel:
    layout = Layout(
        title="Firing alerts",
        description="Empty without the alert rules, which are part of the chart. Click an alert for its "
        "runbook. An alert about targets of several owners is shown whichever owner is selected.",
        height=10,
    )
    labels = {
        "severity": "severity",
        "alertname": "alert",
        "target": "federation",
        "auth_host": "host",
        "instance": "pod",
    }
    since = Column("for", firing(", ".join(labels)), "s")
    return rows(layout, labels, [since], sort="severity", link=TARGET_UID, none="no alert is firing")


def _budget() -> Panel:
    layout = Layout(
        title="Error budget left",
        description="How much is left of the failures that the objective allows in the selected time range "
        f"(threshold `objective` of the alert rules); the {MAX_BARS} worst federations. Below 0 the "
        "objective is missed. Faults provider, network and configuration count; the others do not. "
        f"{WITH_RULES}",
    )
    return bars(
        layout,
        "percentunit",
        Query(f"sort(bottomk({MAX_BARS}, {budget_left(RANGE)}))", TARGET_LEGEND, instant=True),
        steps=BUDGET,
        lowest=0,
        highest=1,
    )


def _burn() -> Panel:
    layout = Layout(
        title="Error budget burn rate",
        description="How fast the last hour used up the error budget. At 1, the lower dashed line, the "
        "budget lasts exactly as long as planned; at 14.4, the upper one, PingOneErrorBudgetBurnFast "
        f"pages. {WITH_RULES}",
    )
    return lines(
        layout,
        "suffix:x",
        Query(burn_rate("1h"), TARGET_LEGEND),
        steps=((None, "green"), (1, "orange"), (14.4, "red")),
    )


def _slow() -> Panel:
    layout = Layout(
        title="Slow successes",
        description="Share of successful probes in 30 minutes that exceeded the federation's latency "
        "objective. PingOneSignOnSlow fires at the dashed line.",
    )
    return lines(
        layout,
        "percentunit",
        Query(slow_share(KEY), TARGET_LEGEND),
        steps=((None, "green"), (THRESHOLDS["slow_share"], "red")),
    )


def _quantiles() -> Panel:
    layout = Layout(
        title="Latency quantiles",
        description="Duration of successful probes of all selected federations, interpolated within the "
        "buckets. With few federations a point rests on few probes: one probe a minute has no meaningful "
        "p99.",
    )
    shares = (0.5, 0.9, 0.99)
    return lines(
        layout,
        "s",
        *(Query(quantile(share, series, shared.DURATION), f"p{share * 100:g}") for share in shares),
    )


def _reasons() -> Panel:
    layout = Layout(
        title="Reasons by fault",
        description="Results of the probes in the selected time range, and the number of federations with "
        "each. Faults quota, exporter and account are not failures of a federation.",
    )
    counted = f"increase({series('pingone_flow_probes_total')}[{RANGE}])"
    return rows(
        layout,
        {"fault": "fault", "reason": "reason"},
        [
            Column("probes", f"round(sum by (fault, reason) ({counted})) > 0", "short"),
            Column(
                "federations", f"count by (fault, reason) (sum by ({KEY}, fault, reason) ({counted}) >= 0.5)"
            ),
        ],
        sort="probes",
        descending=True,
    )


def _expiry() -> Panel:
    layout = Layout(
        title="What expires next",
        description="Days until something expires, the first one on top: a host's TLS certificate as last "
        "seen, even if it was rejected; a certificate in its chain, if that expires earlier; the last "
        "certificate of a source's signing keys; a client secret, by SECRET_EXPIRES. Orange: less than "
        "30 days. Red: less than 7, which pages. Unknown dates are not listed.",
        width=10,
        height=8,
    )
    labels = {
        "what": "what",
        "auth_host": "host",
        "destination_auth_host": "destination host",
        "target": "federation",
        "cluster": "cluster",
    }
    days = Column("days left", expires_next(), "d", steps=EXPIRY)
    return rows(layout, labels, [days], sort="days left", link=TARGET_UID, none="nothing is known to expire")


def _providers() -> Panel:
    layout = Layout(
        title="Providers of destinations",
        description="Identity providers of each destination, by state, and how long ago they were listed. "
        "link only: only the link to the provider is checked. filtered: left out by INCLUDE, EXCLUDE or a "
        "disabled target. over limit: left out by MAX_PROVIDERS. missing: offered before or listed in "
        "EXPECT, but not offered now. Empty without destinations.",
        width=7,
    )
    labels = {"destination": "destination", "state": "state", "cluster": "cluster"}
    by = ", ".join(labels)
    count = f"sum by ({by}) ({series('pingone_flow_destination_providers')}) > 0"
    listed = worst(
        series("pingone_flow_destination_last_refresh_success_timestamp_seconds"), "destination, cluster"
    )
    known = f"time() - (0 * ({count}) + on (destination, cluster) group_left () {listed})"
    return rows(
        layout,
        labels,
        [Column("providers", count, "none"), Column("listed", known, "s")],
        sort="state",
        none="none",
    )


def _vendor() -> Panel:
    layout = Layout(
        title="Vendor's status page",
        description="What the vendor's own status page shows for the components that the settings name, and "
        "how long ago it was read. It often lags behind, and changes nothing else here. Empty "
        "without FLOW_EXPORTER_STATUS_PAGE__URL.",
        width=7,
    )
    labels = {"component": "component", "status": "status", "page": "page", "cluster": "cluster"}
    by = ", ".join(labels)
    read = f"time() - {series('pingone_status_last_success_timestamp_seconds')}"
    join = "* on (cluster, namespace, job, instance, page) group_left ()"
    shown = f"({series('pingone_status_component')} == 1) {join} ({read})"
    return rows(
        layout, labels, [Column("read", f"min by ({by}) ({shown})", "s")], sort="component", none="none"
    )


def _freshness() -> Panel:
    layout = Layout(
        title="Stale probes",
        description="Time since each federation was last probed, also in intervals. Red: it is stale, "
        "and its current state is unknown. Federations that are paused after a rate limit are "
        "not stale; the last column shows for how much longer.",
        width=10,
    )
    last = age("pingone_flow_probe_last_run_timestamp_seconds")
    interval = worst(series("pingone_flow_target_interval_seconds"))
    paused = f"{worst(series('pingone_flow_backoff_until_timestamp_seconds'))} - time() > 0"
    return rows(
        layout,
        TARGET_LABELS,
        [
            Column("last probe", last, "s"),
            Column(
                "intervals",
                f"({last}) / {interval}",
                "none",
                steps=((None, "green"), (2, "orange"), (THRESHOLDS["stale_intervals"], "red")),
            ),
            Column("paused for", paused, "s"),
        ],
        sort="intervals",
        descending=True,
        link=TARGET_UID,
    )
