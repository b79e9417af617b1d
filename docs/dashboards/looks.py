"""How panels look: sizes, units, colors, value mappings and links."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models
from rule_files import THRESHOLDS

from dashboards.states import FAULT_COLORS, STATES

TARGET_UID = "pingone-flow-target"

WIDE, HALF, THIRD, SIXTH = 24, 12, 8, 4
"""Columns, of 24."""

MIN_STEP = "2m"
"""Probes run once a minute: a shorter $__rate_interval would contain one probe or none."""

PER_MINUTE = "suffix: /min"

Thresholds = tuple[tuple[float | None, str], ...]
"""Lower bounds and their colors; None is the lowest."""

BUDGET: Thresholds = ((None, "red"), (0, "orange"), (0.5, "green"))
CERTIFICATE: Thresholds = (
    (None, "red"),
    (THRESHOLDS["certificate_last_days"], "orange"),
    (THRESHOLDS["certificate_days"], "green"),
)
EXPIRY: Thresholds = (
    (None, "red"),
    (THRESHOLDS["expiry_last_days"], "orange"),
    (THRESHOLDS["expiry_days"], "green"),
)
"""In days."""


def thresholds(steps: Thresholds) -> builders.ThresholdsConfig:
    """Return thresholds that color values."""
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def fixed(color: str) -> models.DynamicConfigValue:
    """Return one color for all values."""
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def words(texts: Mapping[int | str, tuple[str, str]]) -> list[models.ValueMapping]:
    """Return value mappings with text and color."""
    return [
        models.ValueMap(
            options={
                str(value): models.ValueMappingResult(text=text, color=color, index=index)
                for index, (value, (text, color)) in enumerate(texts.items())
            }
        )
    ]


STATE_WORDS = words({number: (known.name, known.color) for number, known in enumerate(STATES)})
PASSED = words({0: ("fails", "red"), 1: ("passes", "green")})
RELOADS = words({0: ("failed", "red"), 1: ("ok", "green")})
LABEL_WORDS = {
    "fault": words({fault.value: (fault.value, color) for fault, color in FAULT_COLORS.items()}),
    "severity": words({
        "critical": ("critical", "red"),
        "warning": ("warning", "orange"),
        "info": ("info", "blue"),
    }),
    "state": words({
        "watched": ("watched", "green"),
        "link_only": ("link only", "blue"),
        "filtered": ("filtered", "text"),
        "over_limit": ("over limit", "orange"),
        "missing": ("missing", "red"),
    }),
    "status": words({
        "operational": ("operational", "green"),
        "degraded_performance": ("degraded performance", "yellow"),
        "partial_outage": ("partial outage", "orange"),
        "major_outage": ("major outage", "red"),
        "under_maintenance": ("under maintenance", "blue"),
        "unknown": ("not found", "purple"),
    }),
}  # fmt: skip
"""Labels with colored values."""
UP = words({0: ("no", "red"), 1: ("yes", "green")})


SENTENCE_COLORS = {
    **{f"/{known.sentence}$/": known.color for known in STATES},
    "/exporter is being scraped|exporter's pods|shards/": "dark-red",
}
"""Colors of the sentences, by text."""


def by_fault() -> dict[str, str]:
    """Color series by the fault in parentheses at the end of the legend."""
    return {rf"/\({fault}\)$/": color for fault, color in FAULT_COLORS.items()}


def page_of(target: str) -> builders.DashboardLink:
    """Link to a target's page on the exporter, which has the exact error."""
    return builders.DashboardLink("Page of the exporter").url(f"${{exporter}}/targets/{target}")


def runbook_of(alert: str) -> builders.DashboardLink:
    """Link to an alert's runbook on the exporter."""
    return builders.DashboardLink("Runbook").url(f"${{exporter}}/runbooks/{alert}")


def to(uid: str, target: str) -> builders.DashboardLink:
    """Link to a dashboard about one target, with the same variables and time range."""
    kept = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "cluster", "namespace", "job"))
    return builders.DashboardLink("Open ${__field.labels.target}" if "labels" in target else "Dashboard").url(
        f"/d/{uid}?var-target={target}&{kept}&${{__url_time_range}}"
    )
