"""Outcomes as bytes: what is kept for people must weigh little, and nothing at all on the garbage collector.

An outcome with one step weighs 1.4 kB, in five objects that the collector tracks. 110 of them for each of
1,000 targets are half a million objects, and each full collection holds the event loop while it looks through
them: half a second, as measured. Packed, an outcome is a single object that no collection looks into, and a
quarter of the size.
"""

from __future__ import annotations

import marshal
from typing import Any

from exporter.outcome import CHECKS, Outcome, Phase, StepRecord, TlsFacts
from exporter.reasons import Fault, Reason
from exporter.target import Journey


def pack(outcome: Outcome) -> bytes:
    """Return all of an outcome but its target and journey, which whoever keeps it knows."""
    return marshal.dumps(
        (
            outcome.reason.value,
            outcome.fault.value,
            outcome.step,
            outcome.phase.value,
            outcome.started_at,
            outcome.ended_at,
            outcome.duration,
            outcome.transaction_id,
            tuple(map(_of_step, outcome.steps)),
            outcome.retry_after,
            outcome.stalled,
        )
    )


def unpack(target: str, journey: Journey, packed: bytes) -> Outcome:
    """Return the outcome that was packed."""
    (
        reason,
        fault,
        step,
        phase,
        started_at,
        ended_at,
        duration,
        transaction_id,
        steps,
        retry_after,
        stalled,
    ) = marshal.loads(packed)  # noqa: S302  bytes of our own making, of this process
    return Outcome(
        target=target,
        journey=journey,
        reason=Reason(reason),
        fault=Fault(fault),
        step=step,
        phase=Phase(phase),
        started_at=started_at,
        ended_at=ended_at,
        duration=duration,
        transaction_id=transaction_id,
        steps=tuple(map(_step, steps)),
        retry_after=retry_after,
        stalled=stalled,
    )


_PHASES = tuple(Phase)


def _of_step(record: StepRecord) -> tuple[Any, ...]:
    """Return a record's facts in their order; what has a name in a closed set has a place instead."""
    tls = record.tls
    return (
        record.step,
        record.reason.value,
        record.phase.value,
        tuple([record.phases.get(phase) for phase in _PHASES]),
        record.http_status_code,
        record.flow_status,
        record.error_codes,
        record.correlation_id,
        record.address,
        tuple([record.checks.get(check) for check in CHECKS]) if record.checks else (),
        record.lifetime,
        record.clock_skew,
        record.clock_skew_error,
        None if tls is None else (tls.version, tls.cipher, tls.not_after),
    )


def _step(facts: tuple[Any, ...]) -> StepRecord:
    step, reason, phase, phases, code, status, error_codes, correlation_id, address, checks, *rest = facts
    lifetime, clock_skew, clock_skew_error, tls = rest
    return StepRecord(
        step=step,
        reason=Reason(reason),
        phase=Phase(phase),
        phases={name: seconds for name, seconds in zip(_PHASES, phases, strict=True) if seconds is not None},
        http_status_code=code,
        flow_status=status,
        error_codes=error_codes,
        correlation_id=correlation_id,
        address=address,
        checks={name: passed for name, passed in zip(CHECKS, checks, strict=False) if passed is not None},
        lifetime=lifetime,
        clock_skew=clock_skew,
        clock_skew_error=clock_skew_error,
        tls=None if tls is None else TlsFacts(version=tls[0], cipher=tls[1], not_after=tls[2]),
    )
