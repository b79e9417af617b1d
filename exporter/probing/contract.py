"""Check the fields of a healthy flow. No I/O.

A failed check never fails a probe: every field is optional in the vendor's own types. It shows that the
contract which clients rely on has changed.

A check that does not apply is absent: a DaVinci body has an interaction instead of a flow, need not name its
environment, and has no links in its detailed form; and not every status calls for a link.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.outcome import DAVINCI
from exporter.probing.errors import value_at
from exporter.probing.links import parse_link
from exporter.probing.messages import Expectation, Timestamp
from exporter.target import UUID

MAX_LIFETIME_SECONDS = 3600.0
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,](\d+))?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)

STATUS_LINKS: Mapping[str, str] = {
    # PingOne Platform API, flow API: the action that each status waits for
    "USERNAME_PASSWORD_REQUIRED": "usernamePassword.check",
    "SIGN_ON_REQUIRED": "user.lookup",
    "PASSWORD_REQUIRED": "usernamePassword.check",
    "OTP_REQUIRED": "otp.check",
    "DEVICE_SELECTION_REQUIRED": "device.select",
    "ASSERTION_REQUIRED": "assertion.check",
    "ACCOUNT_LINKING_REQUIRED": "usernamePassword.check",
    "AGREEMENT_CONSENT_REQUIRED": "user.consent",
    "PROFILE_DATA_REQUIRED": "user.update",
    DAVINCI: "next",
}


def check_contract(
    flow: Mapping[str, Any], status: str, expectation: Expectation, lifetime: float | None
) -> dict[str, bool]:
    """Return the checks that apply to a flow, and whether it passes them; links lead to its environment."""
    environment_id = expectation.endpoints.environment_id
    origins = {base.origin for base in expectation.endpoints.bases}
    checks = {"id": is_uuid(flow.get("interactionId" if status == DAVINCI else "id"))}
    if environment_id and (status != DAVINCI or "environment" in flow):
        named = value_at(flow, "environment", "id")
        checks["environment"] = isinstance(named, str) and named.lower() == environment_id
    if status in STATUS_LINKS and not (status == DAVINCI and _is_detailed(flow)):
        checks["status_link"] = _is_on(value_at(flow, "_links", STATUS_LINKS[status], "href"), origins)
    if status == DAVINCI:
        return checks
    own_path = f"/flows/{flow['id']}" if checks["id"] else ""
    application = value_at(flow, "_embedded", "application", "name")
    checks |= {
        "self_link": _is_on(value_at(flow, "_links", "self", "href"), origins, ending=own_path),
        "resume_url": _is_on(flow.get("resumeUrl"), origins, ending="/as/resume"),
        "lifetime": lifetime is not None and 0 <= lifetime <= MAX_LIFETIME_SECONDS,
        "application_name": isinstance(application, str) and bool(application.strip()),
    }
    return checks


def is_of_environment(document: Mapping[str, Any], status: str | None, environment_id: str) -> bool:
    """Return True unless a flow names another environment. Every field is optional: absence is tolerated."""
    named = [document.get("companyId")] if status == DAVINCI else []
    environment = document.get("environment")
    if isinstance(environment, dict):
        named.append(environment.get("id"))
    elif environment is not None:
        return False
    return all(
        name is None or (isinstance(name, str) and environment_id in {name.lower(), ""}) for name in named
    )


def _is_detailed(flow: Mapping[str, Any]) -> bool:
    """Return True for a DaVinci body in its detailed form, which has at most a link to itself."""
    links = flow.get("_links")
    return links is None or (isinstance(links, dict) and not links.keys() - {"self"})


def parse_timestamp(value: object) -> Timestamp | None:
    """Parse a time with seconds and zone, such as `2026-04-20T19:54:09.271Z` (RFC 3339); else return None.

    Python accepts more, such as a time without seconds, which would be less exact than its resolution.
    """
    written = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        return None
    try:
        at = datetime.fromisoformat(written[0]).timestamp()
        datetime.fromtimestamp(at, UTC)  # may be before year 1 or after 9999, which nothing can show
    except (ValueError, OverflowError):
        return None
    # Python keeps microseconds, whatever was written.
    return Timestamp(at, 1.0 if written[1] is None else 10.0 ** -min(len(written[1]), 6))


def is_uuid(value: object) -> bool:
    """Return True for a UUID in its usual form."""
    return isinstance(value, str) and UUID.fullmatch(value.lower()) is not None


def _is_on(text: object, origins: Collection[tuple[str, str, int]], ending: str = "") -> bool:
    link = parse_link(text)
    return link is not None and link.origin in origins and link.path.rstrip("/").endswith(ending)
