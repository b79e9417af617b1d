"""The result of a probe: the immutable records that observers receive, and their JSON.

They hold no secret: no query string, nonce, state, code, token, cookie or password ever enters them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from exporter.reasons import Fault, Reason
from exporter.target import Journey, ProviderKind, Side, side_of


class Phase(StrEnum):
    """The phases of an exchange, in order of time."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    PROCESSING = "processing"  # request sent until the response's headers are complete, 1xx skipped
    TRANSFER = "transfer"


class SkipCause(StrEnum):
    """Why a scheduled probe was skipped."""

    OVERRUN = "overrun"  # the previous probe of that target and journey was still running
    MISSED = "missed"  # not started within max(1 s, half the interval)
    BACKOFF = "backoff"  # paused after a rate limit
    CANCELLED = "cancelled"  # due or started, and ended by shutdown or reload


DAVINCI = "DAVINCI"
"""The status of a DaVinci flow; its body has none."""

FAILED = "FAILED"
COMPLETED = "COMPLETED"

UNKNOWN = "UNKNOWN"
"""The label value of any flow status outside the known list."""

CHECKS: tuple[str, ...] = (
    "id", "environment", "self_link", "status_link", "resume_url", "lifetime", "application_name",
)  # fmt: skip
"""The contract checks of a healthy flow; values of the metric label `check`."""

KNOWN_STATUSES: frozenset[str] = frozenset({
    # PingOne's own documentation and SDKs
    "USERNAME_PASSWORD_REQUIRED", "SIGN_ON_REQUIRED", "PASSWORD_REQUIRED", "PASSWORD_EXPIRED",
    "MUST_CHANGE_PASSWORD", "RECOVERY_CODE_REQUIRED", "VERIFICATION_CODE_REQUIRED",
    "DEVICE_SELECTION_REQUIRED", "OTP_REQUIRED", "PUSH_CONFIRMATION_REQUIRED",
    "PUSH_CONFIRMATION_TIMED_OUT", "ASSERTION_REQUIRED", "ACCOUNT_LINKING_REQUIRED",
    "ACCOUNT_CONFIRMATION_REQUIRED", "EXTERNAL_AUTHENTICATION_REQUIRED", "PROFILE_DATA_REQUIRED",
    "AGREEMENT_CONSENT_REQUIRED", "DAG_USER_CODE_REQUIRED", "DAG_CONSENT_REQUIRED", COMPLETED, FAILED,
    # seen at third parties only
    "MULTI_FACTOR_AUTHENTICATION_REQUIRED", "COMPLETED_ACCEPTED",
    DAVINCI,
})  # fmt: skip
"""Flow statuses that may become a metric label. PingOne's list is open; others count as UNKNOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """A TLS connection; also one that was refused for its certificate."""

    version: str | None  # such as `TLSv1.3`
    cipher: str | None  # OpenSSL's or the standard's name of the cipher suite
    not_after: float | None  # when the leaf certificate expires, seconds since the epoch
    chain_not_after: float | None = None
    """When the first certificate of the chain that was sent expires; None if unknown (before Python 3.13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryFacts:
    """What the journey `discovery` found in good metadata and signing keys."""

    signing_keys: int  # number of usable signing keys
    signing_keys_hash: int  # 48 bits over the keys; changes with a key rotation
    metadata_hash: int
    """48 bits over issuer, authorization_endpoint, token_endpoint and jwks_uri, which destinations copy."""
    certificate_expiry: float | None = None
    """The latest expiry among the signing keys' certificates, seconds since the epoch; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of a probe."""

    step: str  # the metric label `step`
    reason: Reason  # how it ended; `ok` if it was judged good
    phase: Phase  # the phase in which it ended; `transfer` when all went well
    phases: Mapping[Phase, float]  # seconds of each completed phase, in the order of time
    host: str | None = None  # where the request went to, `host:port`; None if there was no valid URL
    detail: str | None = None  # one sentence with the exact cause of a failure; None if it was judged good
    http_status_code: int | None = None  # the response's code, if there was a response
    flow_status: str | None = None
    """The flow status in the response; `UNKNOWN` if it does not look like a status."""
    error_codes: tuple[str, ...] = ()
    """Known OAuth and PingOne error codes in the response, `OTHER` for the rest."""
    correlation_id: str | None = None  # PingOne's `Correlation-Id`, checked for shape
    address: str | None = None  # the remote address, or the last one tried
    checks: Mapping[str, bool] = field(default_factory=dict)
    """The contract checks of a healthy flow, check -> whether it passed."""
    lifetime: float | None = None  # expiresAt minus createdAt of a healthy flow, in seconds
    clock_skew: float | None = None  # the provider's clock minus ours, in seconds
    clock_skew_error: float | None = None  # the maximum error of that, in seconds
    tls: TlsFacts | None = None  # the TLS connection, if there was one
    addresses_tried: tuple[str, ...] = ()
    """Addresses that a connection was attempted to, in order; empty if there was only one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished probe."""

    target: str
    journey: Journey
    reason: Reason  # why it ended as it did
    fault: Fault  # which side is at fault; one of `FAULTS[reason]`, or `account` while sign-on is suspended
    step: str  # the step it ended in
    phase: Phase  # the phase it ended in; `transfer` when all went well
    started_at: float  # wall clock, seconds since the epoch; never used for a duration
    ended_at: float  # wall clock, seconds since the epoch
    duration: float  # seconds by the monotonic clock, first phase to last
    transaction_id: str  # sent as `X-Ping-External-Transaction-Id`; finds the probe in PingOne's audit log
    steps: tuple[StepRecord, ...]  # one record per step taken
    retry_after: float | None = None  # seconds from the `Retry-After` header of a rate-limited response
    stalled: bool = False
    """Whether our own event loop stalled meanwhile, which makes the durations unreliable."""
    incomplete: bool = False
    """Whether lock-out protection withheld the password, so that it ended before `sign_on`."""
    kind: ProviderKind | None = None  # what `initiate` showed the identity provider to be; None before that
    discovery: DiscoveryFacts | None = None  # what a good `discovery` found

    @property
    def side(self) -> Side:
        """The environment that answers the step in which the probe ended."""
        return side_of(self.step)

    @property
    def detail(self) -> str | None:
        """The exact cause of a failure: that of the step in which the probe ended."""
        return self.steps[-1].detail if self.steps else None

    @property
    def success(self) -> bool:
        """Whether every step that was taken was good."""
        return self.reason is Reason.OK

    @property
    def conclusive(self) -> bool:
        """Whether the outcome says anything about the target."""
        return self.fault.is_conclusive and not self.incomplete


def internal_outcome(target: str, journey: Journey, *, ended_at: float, duration: float) -> Outcome:
    """Return the outcome of a probe that a bug in the exporter ended."""
    return Outcome(
        target=target,
        journey=journey,
        reason=Reason.INTERNAL,
        fault=Fault.EXPORTER,
        step=journey.steps[0],
        phase=Phase.RESOLVE,
        started_at=ended_at - duration,
        ended_at=ended_at,
        duration=duration,
        transaction_id=str(uuid.uuid4()),
        steps=(),
    )


@dataclass(slots=True)
class TransportStats:
    """Where the times of probes come from; read at scrape."""

    kernel_timestamps: bool | None = None
    """Whether the last exchange got its times from the kernel; None before the first."""
    loop_timed_exchanges: int = 0  # exchanges for which the event loop took a time instead


class Observer(Protocol):
    """Receives every outcome, in the order in which the probes end."""

    def observe(self, outcome: Outcome, /) -> None:
        """Record `outcome`; must not block."""
        ...


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return the public JSON shape of an outcome. What is unknown is absent."""
    return known(
        target=outcome.target,
        journey=outcome.journey.value,
        success=outcome.success,
        reason=outcome.reason.value,
        fault=outcome.fault.value,
        step=outcome.step,
        phase=outcome.phase.value,
        started_at=rfc3339(outcome.started_at),
        duration_seconds=round(outcome.duration, 6),
        stalled=outcome.stalled or None,
        incomplete=outcome.incomplete or None,
        transaction_id=outcome.transaction_id,
        steps=[_step_as_json(step) for step in outcome.steps],
    )


def _step_as_json(step: StepRecord) -> dict[str, Any]:
    return known(
        step=step.step,
        reason=step.reason.value,
        detail=step.detail,
        host=step.host,
        phases={phase.value: round(seconds, 6) for phase, seconds in step.phases.items()},
        http_status_code=step.http_status_code,
        flow_status=step.flow_status,
        error_codes=list(step.error_codes) or None,
        checks=dict(step.checks) or None,
        correlation_id=step.correlation_id,
        address=step.address,
        addresses_tried=list(step.addresses_tried) or None,
        tls=None if step.tls is None else _tls_as_json(step.tls),
    )


def _tls_as_json(tls: TlsFacts) -> dict[str, Any]:
    ends = known(not_after=tls.not_after, chain_not_after=tls.chain_not_after)
    return known(version=tls.version, cipher=tls.cipher) | {name: rfc3339(at) for name, at in ends.items()}


def known(**facts: object) -> dict[str, Any]:
    """Return the facts that are not None."""
    return {name: value for name, value in facts.items() if value is not None}


def rfc3339(timestamp: float) -> str:
    """Format seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
