"""Marks taken while an exchange ran, folded into seconds per phase. Pure.

    resolve.started ── resolve.complete                                          resolve
    connect_tcp.started (the first address) ── connect_tcp.complete              connect
    start_tls.started ── start_tls.complete                                      tls
    send_request_body.complete ── receive_response_headers.complete              processing
    receive_response_headers.complete ── receive_response_body.complete          transfer

The names between are httpcore's trace events. A phase that did not complete is absent, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from exporter.outcome import Phase

RESOLVE_STARTED = "resolve.started"
RESOLVE_COMPLETE = "resolve.complete"
CONNECT_STARTED = "connection.connect_tcp.started"
CONNECT_COMPLETE = "connection.connect_tcp.complete"
TLS_STARTED = "connection.start_tls.started"
TLS_COMPLETE = "connection.start_tls.complete"
SEND_STARTED = "http11.send_request_headers.started"
SEND_COMPLETE = "http11.send_request_body.complete"
HEADERS_COMPLETE = "http11.receive_response_headers.complete"
BODY_COMPLETE = "http11.receive_response_body.complete"


class Mark(NamedTuple):
    """Something happened: what, and when in seconds of the monotonic clock."""

    event: str
    at: float


def phases(marks: Sequence[Mark]) -> Mapping[Phase, float]:
    """Return the seconds of each completed phase, in the order of time."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for event, at in marks:
        first.setdefault(event, at)
        last[event] = at
    spans = {
        Phase.RESOLVE: (first.get(RESOLVE_STARTED), last.get(RESOLVE_COMPLETE)),
        Phase.CONNECT: (first.get(CONNECT_STARTED), last.get(CONNECT_COMPLETE)),
        Phase.TLS: (last.get(TLS_STARTED), last.get(TLS_COMPLETE)),
        Phase.PROCESSING: _processing_span(marks) or (None, None),
        Phase.TRANSFER: (last.get(HEADERS_COMPLETE), last.get(BODY_COMPLETE)),
    }
    return MappingProxyType(
        {
            phase: max(0.0, end - start)
            for phase, (start, end) in spans.items()
            if start is not None and end is not None
        }
    )


_REACHED = (
    (HEADERS_COMPLETE, Phase.TRANSFER),
    (SEND_STARTED, Phase.PROCESSING),
    (TLS_STARTED, Phase.TLS),
    (CONNECT_STARTED, Phase.CONNECT),
)


def reached(marks: Sequence[Mark]) -> Phase:
    """Return the phase that the exchange was in at its last mark; `resolve` before anything happened."""
    seen = {mark.event for mark in marks}
    return next((phase for event, phase in _REACHED if event in seen), Phase.RESOLVE)


def _processing_span(marks: Sequence[Mark]) -> tuple[float, float] | None:
    """Return when the request had been sent and when the response's headers were complete, if they were."""
    last = dict(marks)
    # A provider may answer, or close, before it read the whole request: then there is no SEND_COMPLETE.
    sent, received = last.get(SEND_COMPLETE, last.get(SEND_STARTED)), last.get(HEADERS_COMPLETE)
    return None if sent is None or received is None else (sent, received)


def provider_span(marks: Sequence[Mark]) -> tuple[float, float] | None:
    """Return the times between which the provider saw the request and began its answer, if it did.

    From when sending began: the provider may be done before we come round to marking that all is sent.
    """
    last = dict(marks)
    began, received = last.get(SEND_STARTED), last.get(HEADERS_COMPLETE)
    return None if began is None or received is None else (began, received)
