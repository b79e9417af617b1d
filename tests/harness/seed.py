"""The documented answer to the authorize request, made anew.

Source of the shape: PingOne Platform API, workflow "external identity provider sign-on", step 3, "Send
external authorization request to the IdP".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

LIFETIME = timedelta(minutes=15)
"""How long PingOne keeps an unused flow."""


def seed_flow(
    environment_id: str,
    *,
    base_url: str,
    flow_id: str | None = None,
    status: str = "USERNAME_PASSWORD_REQUIRED",
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return a flow as the source environment answers it.

    Args:
        environment_id: the source environment's.
        base_url: where that environment answers, without its id and without a trailing slash.
        flow_id: a fresh one when not given.
        status: its flow status.
        now: when it is created; the wall clock when not given.
    """
    flow_id = flow_id or str(uuid4())
    now = now or datetime.now(UTC)
    environment_url = f"{base_url}/{environment_id}"
    self_link = {"href": f"{environment_url}/flows/{flow_id}"}
    return {
        "_links": {
            "usernamePassword.check": dict(self_link),
            "password.forgot": dict(self_link),
            "self": dict(self_link),
            "signOnPage": {"href": f"{environment_url}/signon/?flowId={flow_id}"},
        },
        "_embedded": {"application": {"name": "SourceApp_1776714341"}},
        "id": flow_id,
        "environment": {"id": environment_id},
        "resumeUrl": f"{environment_url}/as/resume?flowId={flow_id}",
        "status": status,
        "createdAt": _rfc3339(now),
        "expiresAt": _rfc3339(now + LIFETIME),
    }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
