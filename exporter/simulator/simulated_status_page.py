"""A vendor's status page: a Statuspage summary with one switch, the status of its component.

The names are made up. Nothing that the environments do changes the page: a vendor's page lags, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

COMPONENT = "Simulated Europe / SSO"
"""As an exporter's settings name it."""

IMPACTS = {
    "operational": None,
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
    "under_maintenance": None,
}
"""Status of the component -> impact of the open incident, if there is one."""


class SimulatedStatusPage:
    """The page and its switch.

    Args:
        wall: seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.switch("operational")

    def switch(self, status: str) -> None:
        """Change the status of the component.

        Raises:
            KeyError: there is no such status.
        """
        self._impact = IMPACTS[status]
        self.status = status
        self._since = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds")

    def summary(self) -> dict[str, Any]:
        """Return the page's summary."""
        group, name = COMPONENT.split(" / ")
        event = {"id": "simulated1", "created_at": self._since, "started_at": self._since}
        incident = {"name": "Sign-on is impaired", "status": "investigating", "impact": self._impact}
        maintenance = {
            "name": "Maintenance of sign-on",
            "status": "in_progress",
            "impact": "maintenance",
            "scheduled_for": self._since,
        }
        maintained = self.status == "under_maintenance"
        return {
            "page": {"id": "simulated", "name": "Simulated status", "updated_at": self._since},
            "status": {"indicator": self._impact or "none", "description": self.status},
            "components": [
                self._component("simulatedgrp", group, "operational", None),
                self._component("simulatedsso", name, self.status, "simulatedgrp"),
            ],
            "incidents": [] if self._impact is None else [event | incident],
            "scheduled_maintenances": [event | maintenance] if maintained else [],
        }

    def _component(self, identity: str, name: str, status: str, group: str | None) -> dict[str, Any]:
        changed = {"status": status, "updated_at": self._since}
        return {"id": identity, "name": name, "group": group is None, "group_id": group, **changed}
