"""What of a provider's words may leave a probe. Pure.

A provider, or whoever sits between, can echo anything anywhere: a nonce as a correlation id, a
session token as a status. So nothing leaves but what has the shape of the thing it claims to be,
and none of the probe's own secrets does, whatever its shape.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from exporter.outcome import KNOWN_STATUSES, UNKNOWN

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Capital words alone: tokens and identifiers have digits or small letters.
_STATUS = re.compile(r"(?=.{1,64}\Z)[A-Z]+(?:_[A-Z]+)+")


def presentable_id(correlation_id: str | None, secrets: Collection[str]) -> str | None:
    """Return a `Correlation-Id` if it has the shape of one and holds none of `secrets`."""
    if correlation_id is None or not _CORRELATION_ID.fullmatch(correlation_id):
        return None
    return None if any(secret in correlation_id for secret in secrets) else correlation_id


def presentable_status(status: str | None, expected: Collection[str]) -> str | None:
    """Return a flow status that is known, expected or at least looks like one; else `UNKNOWN`.

    The list of statuses is open, and whoever must add a new one to `EXPECTED_STATUSES` needs its name.
    """
    if status is None or status in KNOWN_STATUSES or status in expected:
        return status
    return status if _STATUS.fullmatch(status) else UNKNOWN
