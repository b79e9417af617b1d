"""What came back, reduced to what may be judged, and what the judge made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.probing.contract import Stamp
from exporter.probing.redaction import presentable_status
from exporter.reasons import Fault, Reason

BODY_LIMIT = 256 * 1024
"""Decoded bytes of a body that are read; a flow is about 1 KiB."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A response reduced to what the judge may look at.

    Args:
        status_code: 0 to 999; whatever the status line said.
        body: decoded, at most `BODY_LIMIT` bytes.
        too_large: whether the body went on beyond `body`.
        location: the first `Location` header, as received.
        retry_after: the first `Retry-After` header.
        date: the first `Date` header.
        correlation_id: the first `Correlation-Id` header, unchecked.
    """

    status_code: int
    body: bytes = b""
    too_large: bool = False
    location: str | None = None
    retry_after: str | None = None
    date: str | None = None
    correlation_id: str | None = None

    def __repr__(self) -> str:
        """Show the code alone: body and headers may hold codes, tokens and cookies."""
        return f"Answer({self.status_code}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The judge's finding on one answer.

    Args:
        reason: why the step ended as it did; `ok` lets the journey go on.
        fault: whose problem that is.
        flow_status: the flow status that came back, `DAVINCI` for a DaVinci body.
        error_codes: known OAuth and PingOne codes of the answer, `OTHER` for the rest.
        flow: the parsed JSON object of a 2xx, for the journey's next step.
        checks: contract checks of a healthy flow; empty for anything else.
        lifetime: expiresAt minus createdAt of a healthy flow, in seconds.
        created: when the provider says that it made the flow.
    """

    reason: Reason
    fault: Fault
    flow_status: str | None = None
    error_codes: tuple[str, ...] = ()
    flow: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, bool] = field(default_factory=dict)
    lifetime: float | None = None
    created: Stamp | None = None

    def __repr__(self) -> str:
        """Show the finding without the flow, which names sessions and tokens; a status can be an echo."""
        status = presentable_status(self.flow_status, ())
        return f"Verdict({self.reason}, {self.fault}, {status}, {self.error_codes})"
