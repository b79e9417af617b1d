"""Which modules are mutated, and the unit tests that must notice."""

from __future__ import annotations

from collections.abc import Mapping

_PROBING = "tests/probing/test_"
_JUDGED = ("judge", "judge_flows", "judge_totality")
_SCHEDULE = (
    "schedule", "schedule_accounting", "schedule_backoff", "schedule_concurrency", "schedule_healthy",
    "schedule_reload", "schedule_steps", "schedule_stop", "schedule_stops", "scheduled", "periodic_job",
    "phase",
)  # fmt: skip
_LOG = tuple(f"tests/observing/test_{name}.py" for name in ("log", "log_lines", "log_writer"))


def _probing(*names: str) -> tuple[str, ...]:
    return tuple(f"{_PROBING}{name}.py" for name in names)


MODULES: Mapping[str, tuple[str, ...]] = {
    "exporter/probing/judge.py": _probing(*_JUDGED, "contract", "findings", "detail"),
    "exporter/probing/failure.py": _probing(
        "failure", "detail", "exchange_failures", "certificate", "route_failures"
    ),
    "exporter/probing/errors.py": _probing("errors", "document", *_JUDGED),
    "exporter/probing/timing.py": _probing(
        "timing", "clock_steps", "exchange_deadlines", "exchange", "probe_stalls", "route", "bounds"
    ),
    "exporter/probing/federation_judge.py": _probing(
        "federation_judge",
        "federation",
        "federation_faults",
        "federation_secrecy",
        "federation_simulated",
        "sign_on",
        "federation_totality",
        "detail",
        "foreign",
    ),
    "exporter/probing/metadata.py": _probing(
        "metadata", "discovery", "discovery_simulated", "detail", "foreign"
    ),
    "exporter/scheduling/schedule.py": tuple(f"tests/scheduling/test_{name}.py" for name in _SCHEDULE),
    "exporter/scheduling/job.py": tuple(f"tests/scheduling/test_{name}.py" for name in _SCHEDULE),
    "exporter/settings/explain.py": tuple(
        f"tests/settings/test_{name}.py"
        for name in ("errors", "values", "load", "rules", "federation", "config_file", "json", "secrecy")
    ),
    "exporter/observing/log.py": _LOG,
    "exporter/probing/detail.py": _probing("detail", "violations", "redaction", "discovery", "findings"),
}
"""Module -> files of tests."""
