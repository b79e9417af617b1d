"""The facts of the pages as JSON. Pure; what is unknown is absent, as in an outcome's own shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from exporter.outcome import Outcome, as_json, rfc3339
from exporter.serving.headline import headline
from exporter.serving.overview import drained
from exporter.serving.standing import standing
from exporter.serving.watched import Breath, Egress, Past, Watched
from exporter.serving.words import finding

_COMPACT = (",", ":")


async def targets_as_json(
    watched: list[Watched],
    now: float,
    external_url: str | None,
    breath: Breath,
    *,
    egress: Egress | None = None,
) -> bytes:
    """Return all that is watched, each with its last outcome, in the order given; drains the list."""
    head = {"generated_at": rfc3339(now), "headline": headline(watched, now, egress), **_of_egress(egress)}
    await breath()
    body = _opened(head, "targets")
    await _array(body, (_of_watched(each, now, external_url) for each in drained(watched)), breath)
    return bytes(body + b"}\n")


async def target_as_json(
    pasts: Sequence[Past],
    now: float,
    external_url: str | None,
    breath: Breath,
    *,
    egress: Egress | None = None,
) -> bytes:
    """Return one target: for each journey how it stands, its last outcomes, and its last failures."""
    name = pasts[0].watched.target.name
    body = _opened({"generated_at": rfc3339(now), **_of_egress(egress), "target": name}, "journeys")
    for number, past in enumerate(pasts):
        body += b"," if number else b"["
        body += _opened(_of_watched(past.watched, now, external_url), "recent")
        await _array(body, map(as_json, past.recent), breath)
        body += b',"failures":'
        await _array(body, map(as_json, past.failures), breath)
        body += b"}"
    return bytes(body + b"]}\n")


def _opened(facts: dict[str, Any], member: str) -> bytearray:
    """Write an object up to the value of one more member, so that it can be written piece by piece."""
    return bytearray(f'{json.dumps(facts, separators=_COMPACT)[:-1]},"{member}":'.encode())


async def _array(body: bytearray, pieces: Iterable[dict[str, Any]], breath: Breath) -> None:
    begin = b"["
    for piece in pieces:
        body += begin + json.dumps(piece, separators=_COMPACT).encode()
        begin = b","
        await breath()
    body += b"[]" if begin == b"[" else b"]"


def _of_egress(egress: Egress | None) -> dict[str, Any]:
    return {} if egress is None else {"egress": {"up": egress.up, "since": rfc3339(egress.since)}}


def _of_watched(watched: Watched, now: float, external_url: str | None) -> dict[str, Any]:
    target, cause = watched.target, watched.decisive if watched.failing else None
    facts = {
        "target": target.name,
        "journey": watched.journey.value,
        "url": None if external_url is None else f"{external_url}/targets/{target.name}",
        "source_environment_id": target.source_environment_id,
        "destination_environment_id": target.destination_environment_id,
        "client_id": target.client_id,
        "auth_host": target.auth_host,
        "labels": dict(target.labels) or None,
        "interval_seconds": target.interval,
        "timeout_seconds": target.timeout,
        "latency_objective_seconds": target.latency_objective,
        "expected_statuses": list(target.expected_statuses),
        "standing": standing(watched, now).name.lower(),
        "state": None if watched.failing is None else "failing" if watched.failing else "succeeding",
        "since": _moment(watched.since),
        "in_a_row": watched.in_a_row or None,
        # Of the state, not of the last probe, which may say nothing of the target.
        "reason": None if cause is None else cause.reason.value,
        "fault": None if cause is None else cause.fault.value,
        "finding": None if cause is None else finding(cause, watched.expiry),
        "next_run": _moment(watched.next_run),
        "held_until": _moment(watched.held_until),
        "certificate_not_after": _moment(watched.expiry),
        **_of_flow(watched.last),
        "last": None if watched.last is None else as_json(watched.last),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _of_flow(last: Outcome | None) -> dict[str, Any]:
    """What the last flow said of itself; the pages show it, and an outcome's own shape has no room for it."""
    if last is None or not last.steps:
        return {}
    step = last.steps[-1]
    return {
        "lifetime_seconds": step.lifetime,
        "clock_skew_seconds": step.clock_skew,
        "clock_skew_error_seconds": step.clock_skew_error,
    }


def _moment(timestamp: float | None) -> str | None:
    return None if timestamp is None else rfc3339(timestamp)
