"""A webhook that records every notification of Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from harness.http_messages import Answer
from harness.http_server import HttpServer
from harness.waiting import poll

_SUBJECTS = ("target", "auth_host", "instance", "job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """An alert as it arrived.

    Args:
        status: `firing` or `resolved`.
        labels: all of them, the name among them.
        annotations: filled in.
    """

    status: Literal["firing", "resolved"]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def alert(self) -> Alert:
        """Which alert about what: the target, else the host, else the instance, else the job."""
        subject = next((self.labels[label] for label in _SUBJECTS if label in self.labels), "")
        return self.labels["alertname"], subject


Alert: TypeAlias = tuple[str, str]


class Webhook(HttpServer):
    """Takes notifications inside the `with` block."""

    def __init__(self) -> None:
        super().__init__(Answer(headers=(("Content-Length", "0"),)))

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """What arrived so far, in its order."""
        return tuple(
            _notification(alert) for request in self.requests for alert in json.loads(request.body)["alerts"]
        )

    def standing(self) -> dict[Alert, str]:
        """Return the last status of every alert that ever arrived."""
        return {notification.alert: notification.status for notification in self.notifications}

    def wait_for(self, status: str, *alerts: Alert) -> None:
        """Return when each of these alerts last arrived with this status.

        Raises:
            AssertionError: it did not, in time; the text has what arrived.
        """

        def good(standing: Mapping[Alert, str]) -> bool:
            return all(standing.get(alert) == status for alert in alerts)

        poll(self.standing, good, what=f"{status}: {sorted(alerts)}")


def _notification(alert: dict[str, Any]) -> Notification:
    return Notification(status=alert["status"], labels=alert["labels"], annotations=alert["annotations"])
