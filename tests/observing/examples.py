"""Targets and outcomes to vary in tests, and ways to read the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from harness.samples import Samples
from harness.targets import changed

from exporter.observing import Metrics
from exporter.outcome import CHECKS, Outcome, Phase, StepRecord, TlsFacts
from exporter.reasons import Fault, Reason
from exporter.status import EgressStatus, LiveFacts, StatusPageReport
from exporter.target import Journey, Target

SOURCE = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
DESTINATION = "5d1f4f2c-9c4c-4f0a-8a52-0e0f3d1c7b11"
STATUS = "USERNAME_PASSWORD_REQUIRED"
KEY = {"target": "emea", "journey": "authorize"}
STEP = {**KEY, "step": "authorize"}
BUCKETS = (0.1, 0.5, 1.0, 5.0)
PHASES = {
    Phase.RESOLVE: 0.01,
    Phase.CONNECT: 0.02,
    Phase.TLS: 0.03,
    Phase.PROCESSING: 0.2,
    Phase.TRANSFER: 0.04,
}
START = 1_763_820_000.0
"""When the first outcome of a test began; seconds since the epoch."""


@dataclass
class Known:
    """What the metrics read at each scrape."""

    egress: EgressStatus | None = None
    status_page: StatusPageReport | None = None
    shard: tuple[int, int] = (0, 1)
    paused_until: dict[str, float] = field(default_factory=dict)  # by target

    def live(self) -> LiveFacts:
        """Return the callables by which they read them."""
        return LiveFacts(
            egress=lambda: self.egress,
            status_page=lambda: self.status_page,
            shard=lambda: self.shard,
            backoff_until=lambda target, _journey: self.paused_until.get(target.name),
        )


def a_target(**changes: Any) -> Target:  # noqa: ANN401  any field of a target or of the timing of `authorize`
    """Return a target named `emea`, with the changes given."""
    target = Target(
        name="emea",
        source_environment_id=SOURCE,
        destination_environment_id=DESTINATION,
        client_id="3b1f6d1e-2c7a-4d0b-9f1f-6a0d0c9a7e55",
        source_url=f"https://auth.pingone.eu/{SOURCE}",
        redirect_uri=f"https://auth.pingone.eu/{DESTINATION}/rp/callback/openid_connect",
    )
    return changed(target, **changes)


def a_step(**changes: Any) -> StepRecord:  # noqa: ANN401  any field of a record
    """Return the record of a step that went well, with the changes given."""
    step = StepRecord(
        step="authorize",
        reason=Reason.OK,
        phase=Phase.TRANSFER,
        phases=PHASES,
        http_status_code=200,
        flow_status=STATUS,
        correlation_id="corr-1",
        address="192.0.2.7",
    )
    return replace(step, **changes)


def a_success(**changes: Any) -> Outcome:  # noqa: ANN401  any field of an outcome
    """Return an outcome that is good in every way, with the changes given."""
    outcome = Outcome(
        target="emea",
        journey=Journey.AUTHORIZE,
        reason=Reason.OK,
        fault=Fault.NONE,
        step="authorize",
        phase=Phase.TRANSFER,
        started_at=START,
        ended_at=START + 0.3,
        duration=0.3,
        transaction_id="tx-1",
        steps=(a_step(),),
    )
    return replace(outcome, **changes)


def a_checked_step(**changes: Any) -> StepRecord:  # noqa: ANN401  any field of a record
    """Return the record of a step of which everything is known, with the changes given."""
    known = {
        "checks": dict.fromkeys(CHECKS, True),
        "lifetime": 900.0,
        "clock_skew": -0.25,
        "clock_skew_error": 0.125,
        "tls": a_certificate(START + 90 * 86_400),
    }
    return a_step(**known | changes)


def a_certificate(not_after: float | None) -> TlsFacts:
    """Return a TLS connection with a leaf certificate that expires then."""
    return TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", not_after=not_after)


REFUSED = "refused by 192.0.2.7"


def a_failure(
    reason: Reason = Reason.CONNECT,
    fault: Fault = Fault.NETWORK,
    phase: Phase = Phase.CONNECT,
    **changes: Any,  # noqa: ANN401  any field of an outcome
) -> Outcome:
    """Return an outcome that ended in `phase`, without a response, with the changes given."""
    done = {
        before: seconds
        for before, seconds in PHASES.items()
        if list(Phase).index(before) < list(Phase).index(phase)
    }
    step = a_step(
        reason=reason,
        phase=phase,
        phases=done,
        http_status_code=None,
        flow_status=None,
        correlation_id=None,
        detail=REFUSED if reason is Reason.CONNECT else None,
    )
    return a_success(**{"reason": reason, "fault": fault, "phase": phase, "steps": (step,)} | changes)


def observed(
    *outcomes: Outcome,
    expected: tuple[str, ...] = (STATUS,),
    objective: float = 2.0,
    paused_until: float | None = None,
) -> Metrics:
    """Return the metrics of the target `emea` after these outcomes."""
    target = a_target(expected_statuses=expected, latency_objective=objective)
    metrics = Metrics(
        [target], buckets=BUCKETS, wall=lambda: START, live=LiveFacts(backoff_until=lambda *_: paused_until)
    )
    for outcome in outcomes:
        metrics.observe(outcome)
    return metrics


def shown(metrics: Metrics, family: str) -> list[tuple[dict[str, str], float]]:
    """Return labels and values of a family's samples, named without its prefix."""
    found = page(metrics).family(f"pingone_flow_{family}")
    assert found is not None
    return [(dict(sample.labels), sample.value) for sample in found.samples]


def page(metrics: Metrics, *, openmetrics: bool = False) -> Samples:
    """Scrape once and parse the response."""
    return Samples(text_of(metrics, openmetrics=openmetrics), openmetrics=openmetrics)


def text_of(metrics: Metrics, *, openmetrics: bool = False) -> str:
    """Scrape once."""
    return joined(asyncio.run(metrics.render(openmetrics)))


def joined(pieces: Iterable[bytes]) -> str:
    """Return the text of a scrape."""
    return b"".join(pieces).decode()
