"""A vendor's status page with made-up names and one switch; as with a real one, no weather changes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

GROUP, NAME = "Simulated Europe", "SSO"
COMPONENT = f"{GROUP} / {NAME}"

IMPACTS = {
    "operational": None,
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
    "under_maintenance": "maintenance",
}
"""Status of the component -> impact of the open incident, if there is one."""


class SimulatedStatusPage:
    """The page; `switch` changes the status of its component, and thereby what is in `summary`."""

    def __init__(self) -> None:
        self.switch("operational")

    def switch(self, status: str) -> None:
        """Change the status; KeyError if there is no such status."""
        impact, now = IMPACTS[status], datetime.now(UTC).isoformat(timespec="milliseconds")
        event = {"name": "Sign-on is impaired", "status": "identified", "impact": impact, "started_at": now}
        group = {"id": "simulatedgrp", "name": GROUP, "status": "operational", "updated_at": now}
        component = {"id": "simulatedsso", "name": NAME, "status": status, "updated_at": now}
        self.summary: dict[str, Any] = {
            "page": {"name": "Simulated status", "updated_at": now},
            "components": [group, component | {"group_id": group["id"]}],
            "incidents": [] if impact is None else [event],
            "scheduled_maintenances": [],
        }
