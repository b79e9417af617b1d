"""The messages of a probe: what a journey sends, what comes back, and what the judge made of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from exporter.outcome import KNOWN_STATUSES, UNKNOWN, DiscoveryFacts
from exporter.probing.detail import Detail, Template
from exporter.reasons import Fault, Reason
from exporter.target import ProviderKind

MAX_BODY_BYTES = 256 * 1024
"""Decoded bytes of a body that are read; a flow is about 1 KiB."""


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request.

    Args:
        url: absolute and percent-encoded; sent byte for byte.
        headers: all headers but `Host` and `Content-Length`, in the order in which they are sent.
        body: sent together with the head.
        max_body_bytes: decoded bytes of the response's body that are read.
        repeatable: whether it may be sent again if the server closed a kept connection as it was sent.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    max_body_bytes: int = MAX_BODY_BYTES
    repeatable: bool = True

    @property
    def may_be_repeated(self) -> bool:
        """Whether sending it twice has the effect of sending it once (RFC 9110, section 9.2.2)."""
        return self.method == "GET" and self.repeatable

    def __repr__(self) -> str:
        """Show where it goes, without the query, which carries nonce and state."""
        parts = urlsplit(self.url)
        return f"Request({self.method} {parts.scheme}://{parts.netloc}{parts.path})"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a flow must be for its step to succeed.

    Args:
        environment_id: the environment that the flow must belong to, lower case; empty for any.
        source_url: where that environment answers; the flow's links lead there.
        statuses: flow statuses that are a success.
        prompt_none: whether the request forbade any prompt (`prompt=none`).
    """

    environment_id: str
    source_url: str
    statuses: tuple[str, ...]
    prompt_none: bool = False


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time as the provider wrote it.

    Args:
        at: seconds since the epoch, the earliest moment that it can mean.
        resolution: seconds between two moments that it can tell apart.
    """

    at: float
    resolution: float


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A response reduced to what the judge may look at.

    Args:
        status_code: 0 to 999; the number of the status line.
        body: decoded, at most `MAX_BODY_BYTES`.
        headers: name in lower case -> the first value, decoded as Latin-1.
        too_large: whether the body was longer than `body`.
        received_at: when the head was complete, by our wall clock; seconds since the epoch.
    """

    status_code: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    too_large: bool = False
    received_at: float = 0.0

    def __repr__(self) -> str:
        """Show the code alone: body and headers may hold codes, tokens and cookies."""
        return f"Answer({self.status_code}, {len(self.body)} bytes)"


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The judge's finding on one answer.

    Args:
        reason: why the step ended as it did; `ok` lets the journey go on.
        fault: which side is at fault.
        flow_status: the flow status of the answer, `DAVINCI` for a DaVinci body.
        error_codes: known OAuth and PingOne codes of the answer, `OTHER` for the rest.
        flow: the parsed JSON object of a good 2xx, for the journey's next step.
        location: the URL that a good answer leads to, resolved and checked, for the next step.
        parameters: what a good answer carries for the next step, such as `code` and `state`.
        secrets: values in the answer that must never leave the probe, such as codes and tokens.
        checks: contract checks of a healthy flow; empty for anything else.
        lifetime: expiresAt minus createdAt of a healthy flow, in seconds.
        created: when the flow was made, by the provider's clock.
        kind: what the answer shows the identity provider to be.
        subject: the `sub` of a verified ID token.
        seconds_until_unlock: how long an account stays locked, if the answer says so.
        discovery: what good metadata and keys contain.
        signing_keys: 48 bits for each usable signing key, to compare with those of the last probe.
        detail: the exact cause of a failure; None leaves it to what the answer shows of itself.
    """

    reason: Reason
    fault: Fault
    flow_status: str | None = None
    error_codes: tuple[str, ...] = ()
    flow: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, bool] = field(default_factory=dict)
    lifetime: float | None = None
    created: Timestamp | None = None
    location: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    kind: ProviderKind | None = None
    subject: str | None = None
    seconds_until_unlock: float | None = None
    discovery: DiscoveryFacts | None = None
    signing_keys: frozenset[int] = frozenset()
    detail: Detail | None = None

    def with_finding(
        self, reason: Reason, fault: Fault, cause: Template | None = None, **parameters: object
    ) -> Verdict:
        """Return this verdict with another finding; without a cause the detail stays as it is."""
        detail = self.detail if cause is None else Detail(cause, parameters)
        return replace(self, reason=reason, fault=fault, detail=detail)

    def __repr__(self) -> str:
        """Show the finding without the flow, which names sessions and tokens; a status can be an echo."""
        status = self.flow_status if self.flow_status in KNOWN_STATUSES else self.flow_status and UNKNOWN
        return f"Verdict({self.reason}, {self.fault}, {status}, {self.error_codes})"


def failed(reason: Reason, fault: Fault, cause: Template, **parameters: object) -> Verdict:
    """Return the verdict on an answer that is not good, with its exact cause."""
    return Verdict(reason, fault, detail=Detail(cause, parameters))


Judge: TypeAlias = Callable[[Answer], Verdict]
"""Judges one answer without I/O; never raises, whatever the provider sent."""


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """One exchange of a journey.

    Args:
        name: the metric label `step`.
        secrets: values in the request that must never leave the probe.
        statuses: flow statuses that the settings name, which are safe to show.
        foreign: whether the request goes to a provider that is not PingOne, where the destination leads.
        signs_on: whether the request carries the user's password, so that lock-out protection decides.
        confidential: whether the request carries a secret of the operator's, which needs TLS.
    """

    name: str
    request: Request
    judge: Judge
    secrets: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    foreign: bool = False
    signs_on: bool = False
    confidential: bool = False

    def __repr__(self) -> str:
        """Show the step without its secrets."""
        return f"Step({self.name}, {self.request!r})"


Steps: TypeAlias = Generator[Step, Verdict, None]
"""A journey that is being run. It is sent the verdict on each step that was good, and closed at another."""
