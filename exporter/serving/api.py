"""The API: what the pages show, as JSON. Values that are unknown are absent."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from exporter.internal_errors import Part
from exporter.outcome import as_json, known, rfc3339
from exporter.serving.health import Health, Row, health
from exporter.serving.html import YieldIfDue, yielding
from exporter.serving.overview import CANNOT_RENDER, StatusSource, survey
from exporter.serving.texts import describe_outcome
from exporter.status import TargetHistory, TargetStatus
from exporter.target import Journey

_COMPACT = (",", ":")


async def targets_as_json(source: StatusSource, query: str = "") -> bytes:
    """Return every target and journey with its last outcome, worst first; with a filter those that match it.

    The rest of the document is about all targets, whatever the filter.
    """
    now, yield_if_due = source.now(), source.start_work()
    seen = await survey(source, query, now, yield_if_due)
    head = {
        "generated_at": rfc3339(now),
        "headline": seen.headline,
        "egress": _json(seen.egress),
        "expires_next": _json(seen.expiries),
        "destinations": _json(seen.destinations),
        "status_page": _json(source.status_page()),
    }
    names = {row.status.target.name for row in seen.found}
    elements = (_guarded(row, source) for row in seen.journeys if row.status.target.name in names)
    return _open(head, "targets") + await _array(elements, yield_if_due) + b"}\n"


async def target_as_json(histories: Sequence[TargetHistory], source: StatusSource) -> bytes:
    """Return one target: the status, last outcomes and last failures of each journey."""
    now, yield_if_due, journeys = source.now(), source.start_work(), []
    for history in histories:
        status = _status(history.status, health(history.status, now), source)
        recent = await _array(map(as_json, history.recent), yield_if_due)
        failures = await _array(map(as_json, history.failures), yield_if_due)
        journeys.append(_open(status, "recent") + recent + b',"failures":' + failures + b"}")
    name = histories[0].status.target.name
    head = {"generated_at": rfc3339(now), "egress": _json(source.egress()), "target": name}
    return _open(head, "journeys") + b"[" + b",".join(journeys) + b"]}\n"


def _open(members: dict[str, Any], last_member: str) -> bytes:
    """Return an object up to the value of its last member."""
    return f'{json.dumps(known(**members), separators=_COMPACT)[:-1]},"{last_member}":'.encode()


async def _array(elements: Iterable[dict[str, Any]], yield_if_due: YieldIfDue) -> bytes:
    texts = [json.dumps(one, separators=_COMPACT).encode() async for one in yielding(elements, yield_if_due)]
    return b"[" + b",".join(texts) + b"]"


def _json(value: object) -> Any:  # noqa: ANN401  any JSON
    """Return a value as JSON: every fraction is a time; what a dataclass does not know is absent."""
    if is_dataclass(value):
        return known(**{field.name: _json(getattr(value, field.name)) for field in fields(value)})
    match value:
        case float():
            return rfc3339(value)
        case tuple():
            return [_json(one) for one in value]
        case Mapping():
            return dict(value)
    return value


def _guarded(row: Row, source: StatusSource) -> dict[str, Any]:
    """Return the status of a target; a bug that shows there costs no other target its own."""
    name = row.status.target.name
    with source.errors.catching(Part.PAGE, CANNOT_RENDER, target=name):
        return _status(row.status, row.health, source)
    return {"target": name, "journey": row.status.journey.value}


def _status(status: TargetStatus, current: Health, source: StatusSource) -> dict[str, Any]:
    target, listed, last = status.target, status.target.listed, status.last
    # What the last flow reported about itself; an outcome's own JSON has no room for it.
    flow = last.steps[-1] if last and last.steps else None
    # Of the state, not of the last probe, which may be inconclusive.
    cause = status.decisive if status.failing else None
    suspended = source.suspended(target) if status.journey is Journey.FEDERATION else None
    external_url = source.external_url()
    return known(
        target=target.name,
        journey=status.journey.value,
        url=None if external_url is None else f"{external_url}/targets/{target.name}",
        source_environment_id=target.source_environment_id,
        destination_environment_id=target.destination_environment_id,
        client_id=target.client_id,
        auth_host=target.auth_host or None,
        destination_auth_host=target.destination_auth_host or None,
        kind=last and last.kind,
        destination=listed and listed.destination,
        provider=listed and listed.name,
        provider_id=target.provider_id,
        labels=dict(target.labels) or None,
        interval_seconds=status.timing.interval,
        timeout_seconds=status.timing.timeout,
        latency_objective_seconds=status.timing.latency_objective,
        expected_statuses=list(target.expected_statuses),
        standing=current.api,
        state=None if status.failing is None else "failing" if status.failing else "succeeding",
        unstable=status.unstable or None,
        since=_json(status.since),
        in_a_row=status.consecutive or None,
        reason=cause and cause.reason,
        fault=cause and cause.fault,
        finding=cause and describe_outcome(cause),
        sign_on_suspended=suspended,
        next_run=_json(status.next_run),
        held_until=_json(status.backoff_until),
        certificate_not_after=_json(status.certificate_expiry),
        chain_not_after=_json(status.chain_expiry),
        secret_expires=_json(target.secret_expires),
        discovery=_json(status.discovery),
        lifetime_seconds=flow and flow.lifetime,
        clock_skew_seconds=flow and flow.clock_skew,
        clock_skew_error_seconds=flow and flow.clock_skew_error,
        last=last and as_json(last),
    )
