"""What must be said of a target, and short ways to write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.outcome import Fault, Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from e2e.stage import Scene

STATUS = "USERNAME_PASSWORD_REQUIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the page must say of a target.

    Args:
        reason: and
        fault: of its probes, all of them.
        code: of the last response; None if there was none.
        status: label of the flow status that came back; None if none did.
        phase: where it ended.
        completed: whether that phase was; all before it were.
        encrypted: whether TLS is one of its phases.
    """

    reason: Reason
    fault: Fault
    code: int | None = None
    status: str | None = None
    phase: Phase = Phase.TRANSFER
    completed: bool = True
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A row.

    Args:
        name: the target's.
        scene: what answers it.
        found: what must be said of it.
        fields: further settings of the target.
    """

    name: str
    scene: Scene
    found: Found
    fields: Mapping[str, str] = field(default_factory=dict)


def ok(status: str = STATUS) -> Found:
    return Found(reason=Reason.OK, fault=Fault.NONE, code=200, status=status)


def provider(reason: Reason, code: int = 200, status: str | None = None) -> Found:
    return Found(reason=reason, fault=Fault.PROVIDER, code=code, status=status)


def configuration(reason: Reason, code: int = 200, status: str | None = None) -> Found:
    return Found(reason=reason, fault=Fault.CONFIGURATION, code=code, status=status)


def broken(reason: Reason, phase: Phase, fault: Fault, code: int | None = None) -> Found:
    return Found(
        reason=reason, fault=fault, code=code, phase=phase, completed=False, encrypted=phase is Phase.TLS
    )
