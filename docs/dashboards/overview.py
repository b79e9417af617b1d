"""All federations at a glance: is anything wrong, whose fault is it, and what will be wrong soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards import shared
from dashboards.frame import JOURNEY, PLACE, TARGETS, dashboard
from dashboards.looks import BUDGET, CERTIFICATE, HALF, SENTENCE_COLORS, STATE_WORDS, TARGET_UID, WIDE
from dashboards.panels import Place, Query, bars, lines, sentences, timeline
from dashboards.promql import (
    KEY,
    RANGE,
    age,
    budget_left,
    burn_rate,
    certificate_days,
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
WITH_RULES = (
    "With the alert rules loaded, times when the exporter itself reached nobody are left out; without them "
    "they count."
)
MOST = 12
"""Bars that can be read in one panel."""


def overview() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "pingone-flow-overview",
        "PingOne federations",
        "All federations at a glance. Where to begin when paged.",
        [*PLACE, TARGETS, JOURNEY],
        {
            "Now": [_sentence(), _timeline(), _alerts()],
            "What was promised": [_budget(), _burn(), _slow()],
            "Latency": [shared.latency_cells(), _quantiles(), shared.phases()],
            "Results": [shared.results(), shared.statuses(), _reasons()],
            "Soon": [_certificates(), _freshness()],
        },
    )


def _sentence() -> Panel:
    place = Place(
        title="Is anything wrong?",
        description="By the last probe of every federation, of the worst of its pods and journeys. Whose "
        "fault it looks like is the exporter's judgement: network when nothing was answered, provider when "
        "PingOne's answer was wrong, configuration when it refused this application. Works without the "
        "alert rules.",
        width=WIDE,
        height=5,
    )
    return sentences(
        place,
        SENTENCE_COLORS,
        Query(absent(), "No exporter is scraped: nothing is known", instant=True),
        Query(unscraped(), "{{some}} of the exporter's pods: not scraped any more", instant=True),
        Query(
            unreachable(),
            "{{some}} of the exporter's pods: reaching nobody, so blame no provider",
            instant=True,
        ),
        Query(all_well(), "All {{all}} federations: succeeding", instant=True),
        Query(not_well(), "{{some}} of {{all}} federations: {{what}}", instant=True),
        Query(
            missing(), "{{some}} of the shards: not there, so nobody watches their federations", instant=True
        ),
    )


def _timeline() -> Panel:
    place = Place(
        title="State of every federation",
        description="By its last probe: green succeeds, pale yellow succeeds too slowly, blue is held back "
        "by PingOne's rate limit, purple is the exporter's own fault, gray is not being probed; and fails "
        "by fault of configuration (yellow), network (orange) or provider (red). A gap is where nothing was "
        "scraped. Zoomed out far, a single failed probe may fall between two points: the results below "
        "count them all. Click for one federation in depth.",
        width=16,
        height=10,
    )
    return timeline(place, STATE_WORDS, Query(state(), TARGET_LEGEND), link=TARGET_UID)


def _alerts() -> Panel:
    place = Place(
        title="Firing alerts",
        description="Needs the alert rules that come with the chart; without them it stays empty. Each "
        "alert has a runbook, which the exporter serves at /runbooks/ and the alert's name.",
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
    return rows(place, labels, [since], sort="severity", none="none is firing")


def _budget() -> Panel:
    place = Place(
        title="Error budget left",
        description="Of the failures that the objective (99.5 % good, or as the alert rules say) allows in "
        f"the time range above, how much is left; the {MOST} worst federations. Below 0 the promise is "
        "broken. Faults of provider, network and configuration count, quota and the exporter's own do not. "
        f"{WITH_RULES}",
    )
    return bars(
        place,
        "percentunit",
        Query(f"sort(bottomk({MOST}, {budget_left(RANGE)}))", TARGET_LEGEND, instant=True),
        steps=BUDGET,
        lowest=0,
        highest=1,
    )


def _burn() -> Panel:
    place = Place(
        title="Burn rate of the error budget",
        description="How many times too fast the last hour used it up. 1, the lower dashed line, lasts "
        "exactly as long as promised; at 14.4, the upper one, the page PingOneErrorBudgetBurnFast begins. "
        f"{WITH_RULES}",
    )
    return lines(
        place,
        "suffix:x",
        Query(burn_rate("1h"), TARGET_LEGEND),
        steps=((None, "green"), (1, "orange"), (14.4, "red")),
    )


def _slow() -> Panel:
    place = Place(
        title="Slow successes",
        description="Share of the successes in half an hour that took longer than the federation's latency "
        "objective; at a quarter, the dashed line, PingOneSignOnSlow begins. Failures are not in it.",
    )
    return lines(
        place,
        "percentunit",
        Query(slow_share(KEY), TARGET_LEGEND),
        steps=((None, "green"), (0.25, "red")),
    )


def _quantiles() -> Panel:
    place = Place(
        title="Latency quantiles",
        description="Of whole probes of all chosen federations, successes only. Interpolated within the "
        "buckets, and of few probes per point: one federation a minute does not make a 99th percentile.",
    )
    bucket = series(f"{shared.DURATION}_bucket")
    return lines(
        place, "s", *(Query(quantile(share, bucket), f"p{share * 100:g}") for share in (0.5, 0.9, 0.99))
    )


def _reasons() -> Panel:
    place = Place(
        title="Reasons by fault",
        description="How the probes in the time range above ended, and at how many federations. quota and "
        "exporter are no failures of a federation.",
    )
    counted = f"increase({series('pingone_flow_probes_total')}[{RANGE}])"
    return rows(
        place,
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


def _certificates() -> Panel:
    place = Place(
        title="Certificates",
        description="Days until the certificate expires that users meet at the host, as last seen, also "
        "when it was refused. Tickets begin at 21 days, pages at 7. Hosts that are spoken to without TLS "
        "have none.",
        width=HALF,
    )
    days = Column(
        "days left",
        certificate_days("cluster, namespace, job, auth_host"),
        "d",
        steps=CERTIFICATE,
    )
    return rows(place, {"auth_host": "host", "cluster": "cluster"}, [days], sort="days left")


def _freshness() -> Panel:
    place = Place(
        title="Stale probes",
        description="How long ago every federation was last probed, also as a multiple of its interval; "
        "from 3 on it is stale, and its state says nothing of now. Who is held back by PingOne's rate limit "
        "is not stale: the last column says for how long.",
        width=HALF,
    )
    last = age("pingone_flow_probe_last_run_timestamp_seconds")
    interval = worst(series("pingone_flow_target_interval_seconds"))
    held = f"{worst(series('pingone_flow_backoff_until_timestamp_seconds'))} - time() > 0"
    return rows(
        place,
        TARGET_LABELS,
        [
            Column("last probe", last, "s"),
            Column(
                "intervals",
                f"({last}) / {interval}",
                "none",
                steps=((None, "green"), (2, "orange"), (3, "red")),
            ),
            Column("held back", held, "s"),
        ],
        sort="intervals",
        descending=True,
        link=TARGET_UID,
    )
