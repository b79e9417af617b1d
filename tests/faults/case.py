"""A row of the fault table: what a provider does, and what must be said of it; and short ways to write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason

if TYPE_CHECKING:
    from faults.stage import Scene

STATUS = "USERNAME_PASSWORD_REQUIRED"
SHORT: Mapping[str, str] = {"timeout": "5s"}
"""For what only a deadline ends. All else has longer than any machine needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the page must say of a target.

    Args:
        reason: and
        fault: of its probes, all of them.
        code: of the last response; None if there was none.
        status: label of the flow status that came back; None if none did.
        phase: where it ended.
        errors: labels of the error codes that came back.
        completed: whether that phase was; all before it were.
        encrypted: whether TLS is one of its phases.
    """

    reason: Reason
    fault: Fault
    code: int | None = None
    status: str | None = None
    phase: Phase = Phase.TRANSFER
    errors: tuple[str, ...] = ()
    completed: bool = True
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A row.

    Args:
        name: the target's.
        says: what the provider does, in one line.
        scene: what answers it.
        found: what must be said of it.
        fields: further settings of the target.
        proxy: what stands for its proxy.
    """

    name: str
    says: str
    scene: Scene
    found: Found
    fields: Mapping[str, str] = field(default_factory=dict)
    proxy: Scene | None = None


def ok(status: str = STATUS) -> Found:
    return Found(reason=Reason.OK, fault=Fault.NONE, code=200, status=status)


def provider(reason: Reason, code: int = 200, status: str | None = None, *errors: str) -> Found:
    return Found(reason=reason, fault=Fault.PROVIDER, code=code, status=status, errors=errors)


def configuration(reason: Reason, code: int = 200, status: str | None = None, *errors: str) -> Found:
    return Found(reason=reason, fault=Fault.CONFIGURATION, code=code, status=status, errors=errors)


def refused(code: int, *errors: str) -> Found:
    """What is said of an error of the one who asks."""
    return configuration(Reason.OAUTH_ERROR, code, None, *errors)


def failing(code: int, *errors: str) -> Found:
    """What is said of an error of the one who is asked."""
    return provider(Reason.SERVER_ERROR, code, None, *errors)


def limited(code: int, *errors: str) -> Found:
    return Found(reason=Reason.RATE_LIMITED, fault=Fault.QUOTA, code=code, errors=errors)


def broken(reason: Reason, phase: Phase, fault: Fault, code: int | None = None) -> Found:
    return Found(
        reason=reason, fault=fault, code=code, phase=phase, completed=False, encrypted=phase is Phase.TLS
    )


def over_tls(found: Found) -> Found:
    return replace(found, encrypted=True)


def source(number: int) -> Mapping[str, str]:
    """Return a source environment of a case's own, as a rate limit holds back all targets of one.

    And a shorter interval: what is held back is probed again after two of them.
    """
    return {
        "source": f"aaaaaaaa-0000-4000-8000-{number:012}",
        "interval": "10s",
        "timeout": "9900ms",
    }


UNANSWERED = broken(Reason.PROTOCOL, Phase.PROCESSING, Fault.PROVIDER)
"""No HTTP came back, or no whole head of it."""

MUTILATED = broken(Reason.PROTOCOL, Phase.TRANSFER, Fault.PROVIDER, 200)
"""A head came, and then not the body that it promised."""

UNDECODED = replace(MUTILATED, completed=True)
"""All that was announced came, and it is the coding that is broken."""

NO_ANSWER = broken(Reason.TIMEOUT, Phase.PROCESSING, Fault.PROVIDER)
NO_END = broken(Reason.TIMEOUT, Phase.TRANSFER, Fault.PROVIDER, 200)
NO_HANDSHAKE = broken(Reason.TLS, Phase.TLS, Fault.NETWORK)
BAD_CERTIFICATE = broken(Reason.TLS, Phase.TLS, Fault.PROVIDER)
TOO_LARGE = broken(Reason.TOO_LARGE, Phase.TRANSFER, Fault.PROVIDER, 200)
NOT_JSON = provider(Reason.NOT_JSON)
BLOCKED = Found(reason=Reason.BLOCKED, fault=Fault.NETWORK, code=403)
