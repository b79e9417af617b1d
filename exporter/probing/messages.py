"""The messages of a probe: what a journey sends, what comes back, and what the judge made of it.

Those with `repr=False` hold nonces, codes, tokens or cookies.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from exporter.outcome import DiscoveryFacts
from exporter.probing.detail import Detail, Template
from exporter.probing.links import Endpoints, Link
from exporter.reasons import Fault, Reason
from exporter.target import ProviderKind

MAX_BODY_BYTES = 256 * 1024
"""Decoded bytes of a body that are read; a flow is about 1 KiB."""


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request."""

    method: str
    url: str  # absolute and percent-encoded; sent byte for byte
    headers: tuple[tuple[str, str], ...] = ()
    """All headers but `Host` and `Content-Length`, in the order in which they are sent."""
    body: bytes = b""  # sent together with the head
    max_body_bytes: int = MAX_BODY_BYTES  # decoded bytes of the response's body that are read
    repeatable: bool = True
    """Whether it may be sent again if the server closed a kept connection as it was sent."""

    @property
    def may_be_repeated(self) -> bool:
        """Whether sending it twice has the effect of sending it once (RFC 9110, section 9.2.2)."""
        return self.method == "GET" and self.repeatable


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a flow must be for its step to succeed."""

    endpoints: Endpoints  # of the environment that the flow must belong to, and its links must lead to
    statuses: tuple[str, ...]  # flow statuses that are a success
    prompt_none: bool = False  # whether the request forbade any prompt (`prompt=none`)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time as the provider wrote it."""

    at: float  # seconds since the epoch, the earliest moment that it can mean
    resolution: float  # seconds between two moments that it can tell apart


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A response reduced to what the judge may look at."""

    status_code: int  # 0 to 999; the number of the status line
    body: bytes = b""  # decoded, at most `MAX_BODY_BYTES`
    headers: Mapping[str, str] = field(default_factory=dict)
    """Name in lower case -> the first value, decoded as Latin-1; a Location is percent-encoded."""
    too_large: bool = False  # whether the body was longer than `body`
    received_at: float = 0.0  # when the head was complete, by our wall clock; seconds since the epoch


@dataclass(frozen=True, slots=True, repr=False)
class ProviderRequest:
    """The authorize request that the destination makes of its identity provider."""

    link: Link
    kind: ProviderKind  # what it shows the provider to be
    source: Endpoints | None = None  # where the PingOne environment answers; None for another provider
    redirect_uri: str | None = None
    """Where the provider must send the user; None if it is inside a request object."""
    state: str | None = None  # that must come back; None if it is inside a request object
    prompt_none: bool = False  # whether it forbids any prompt
    has_request_object: bool = False
    """Whether its parameters are signed or were pushed (RFC 9101, 9126): nothing can be added then."""
    form: tuple[tuple[str, str], ...] = ()
    """Fields that are posted to the URL; empty if that is requested by GET."""


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """The judge's finding on one answer."""

    reason: Reason  # why the step ended as it did; `ok` lets the journey go on
    fault: Fault  # which side is at fault
    flow_status: str | None = None  # the flow status of the answer, `DAVINCI` for a DaVinci body
    error_codes: tuple[str, ...] = ()  # known OAuth and PingOne codes of the answer, `OTHER` for the rest
    flow: Mapping[str, Any] = field(default_factory=dict)
    """The parsed JSON object of a good 2xx, for the journey's next step."""
    checks: Mapping[str, bool] = field(default_factory=dict)
    """Contract checks of a healthy flow that begins with this step; empty for anything else."""
    lifetime: float | None = None  # expiresAt minus createdAt of a healthy flow, in seconds
    created: Timestamp | None = None  # when the flow was made, by the provider's clock
    location: str | None = None
    """The URL that a good answer leads to, resolved and checked, for the next step."""
    parameters: tuple[tuple[str, str], ...] = ()
    """What a good answer carries for the next step, such as `code` and `state`."""
    secrets: tuple[str, ...] = ()
    """Values in the answer that must never leave the probe, such as codes and tokens."""
    kind: ProviderKind | None = None  # what the answer shows the identity provider to be
    request: ProviderRequest | None = None  # what a good answer to `initiate` makes a user's browser request
    seconds_until_unlock: float | None = None  # how long an account stays locked, if the answer says so
    discovery: DiscoveryFacts | None = None  # what good metadata and keys contain
    recurring: tuple[str, frozenset[object]] | None = None
    """A check, and the values of a good answer for it; it passes if the last probe saw any of them."""
    detail: Detail | None = None
    """The exact cause of a failure; None leaves it to what the answer shows of itself."""

    def with_finding(
        self, reason: Reason, fault: Fault, cause: Template | None = None, **parameters: object
    ) -> Verdict:
        """Return this verdict with another finding; without a cause the detail stays as it is."""
        detail = self.detail if cause is None else Detail(cause, parameters)
        return replace(self, reason=reason, fault=fault, detail=detail)


def failed(reason: Reason, fault: Fault, cause: Template, /, **parameters: object) -> Verdict:
    """Return the verdict on an answer that is not good, with its exact cause."""
    return Verdict(reason, fault, detail=Detail(cause, parameters))


Judge: TypeAlias = Callable[[Answer], Verdict]
"""Judges one answer without I/O; never raises, whatever the provider sent."""


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """One exchange of a journey."""

    name: str  # the metric label `step`
    request: Request
    judge: Judge
    secrets: tuple[str, ...] = ()  # values in the request that must never leave the probe
    statuses: tuple[str, ...] = ()  # flow statuses that the settings name, which are safe to show
    foreign: bool = False
    """Whether the request goes to a provider that is not PingOne, where the destination leads."""
    signs_on: bool = False
    """Whether the request carries the user's password, so that lock-out protection decides."""
    confidential: bool = False  # whether the request carries a secret of the operator's, which needs TLS


Steps: TypeAlias = Generator[Step, Verdict, None]
"""A running journey. It is sent the verdict on each good step, and closed after any other."""
