"""What the pages show, and ways to ask for it, to vary in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
from observing.examples import START, a_failure, a_success, a_target
from serving.html import Document
from starlette.applications import Starlette

from exporter.internal_errors import InternalErrors
from exporter.outcome import Outcome
from exporter.reasons import Fault
from exporter.serving import PortSecurity, StatusSource, create_app
from exporter.status import EgressStatus, TargetHistory, TargetStatus
from exporter.target import Journey

NOW = START + 240.0
"""Four minutes after the outcomes of `observing.examples` started: 22 Nov 2025 14:04 UTC."""
HOSTILE = """<script>alert("1")</script>'&"""


def a_status(*outcomes: Outcome, **changes: Any) -> TargetStatus:  # noqa: ANN401  any field of it
    """Return the status of `emea` after these outcomes, all with the same result, with the changes given."""
    conclusive = [outcome for outcome in outcomes if outcome.conclusive]
    fields: dict[str, Any] = {
        "target": a_target(),
        "journey": Journey.AUTHORIZE,
        "failing": not conclusive[-1].success if conclusive else None,
        "since": conclusive[0].ended_at if conclusive else None,
        "consecutive": len(conclusive),
        "last": outcomes[-1] if outcomes else None,
        "decisive": conclusive[-1] if conclusive else None,
        "points": tuple((outcome.duration, outcome.fault) for outcome in outcomes),
        "next_run": NOW + 12,
    }
    return TargetStatus(**fields | changes)


def good(name: str = "emea", **changes: Any) -> TargetStatus:  # noqa: ANN401  any field of it
    """Return the status of a healthy target."""
    return a_status(a_success(target=name), **{"target": a_target(name=name)} | changes)


def bad(name: str = "emea", host: str = "auth.pingone.eu", **changes: Any) -> TargetStatus:  # noqa: ANN401  any field of an outcome
    """Return the status of a failing target."""
    target = a_target(name=name, source_url=f"https://{host}/x")
    return a_status(a_failure(target=name, **changes), target=target)


def slow(name: str = "emea") -> TargetStatus:
    """Return the status of a target with a last success that took longer than its objective."""
    return a_status(a_success(target=name, duration=2.5), target=a_target(name=name))


def unstable(name: str = "emea", letters: str = "1n1n1n1n11") -> TargetStatus:
    """Return the status of a target that fails by turns; it is good now."""
    return good(name, points=points(letters), consecutive=2)


def a_history(*outcomes: Outcome, **changes: Any) -> TargetHistory:  # noqa: ANN401  any field of a status
    """Return the history of `emea` after these outcomes."""
    newest_first = outcomes[::-1]
    failures = tuple(outcome for outcome in newest_first if not outcome.success)
    return TargetHistory(status=a_status(*outcomes, **changes), recent=newest_first, failures=failures)


async def at_once() -> None:
    """Do not let the event loop run."""


def a_source(
    *statuses: TargetStatus,
    histories: Iterable[TargetHistory] = (),
    now: float = NOW,
    external_url: str | None = None,
    egress: EgressStatus | None = None,
    errors: InternalErrors | None = None,
    **parts: Any,  # noqa: ANN401  any other part of a source
) -> StatusSource:
    """Return a source of these."""
    known = tuple(histories)
    return StatusSource(
        statuses=lambda: iter(statuses),
        history=lambda name: tuple(history for history in known if history.status.target.name == name),
        now=lambda: now,
        errors=errors or InternalErrors(),
        start_work=lambda: at_once,
        external_url=lambda: external_url,
        egress=lambda: egress,
        **parts,
    )


async def some_metrics(openmetrics: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
    """Render a few metrics."""
    return [b"# EO", b"F\n"] if openmetrics else [b"up", b" 1\n"]


async def reloaded() -> tuple[bool, str]:
    """Reload successfully."""
    return True, "reloaded"


def web_app(
    source: StatusSource | None = None,
    *,
    metrics: Callable[[bool], Awaitable[Iterable[bytes]]] = some_metrics,
    healthy: Callable[[], bool] = lambda: True,
    ready: Callable[[], bool] = lambda: True,
    reload: Callable[[], Awaitable[tuple[bool, str]]] = reloaded,
    security: PortSecurity | None = None,
) -> Starlette:
    """Return an application with the parts given."""
    return create_app(
        metrics=metrics,
        healthy=healthy,
        ready=ready,
        statuses=source or a_source(),
        reload=reload,
        security=security,
    )


async def asking(
    app: Starlette, path: str, method: str = "GET", headers: httpx._types.HeaderTypes | None = None
) -> httpx.Response:
    """Send one request."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
        return await client.request(method, path, headers=headers)


def ask(
    app: Starlette, path: str = "/", method: str = "GET", headers: httpx._types.HeaderTypes | None = None
) -> httpx.Response:
    """Send one request, in an event loop of its own."""
    return asyncio.run(asking(app, path, method, headers))


def overview(*statuses: TargetStatus, query: str = "", **facts: Any) -> Document:  # noqa: ANN401  arguments of a_source
    """Return the overview of these."""
    return Document(ask(web_app(a_source(*statuses, **facts)), f"/?{urlencode({'q': query})}").text)


def headline(*statuses: TargetStatus, **facts: Any) -> str:  # noqa: ANN401  arguments of a_source
    """Return the headline of these."""
    return str(api(*statuses, **facts)["headline"])


def api(*statuses: TargetStatus, **facts: Any) -> dict[str, Any]:  # noqa: ANN401  arguments of a_source
    """Return these as the API does."""
    document: dict[str, Any] = ask(web_app(a_source(*statuses, **facts)), "/api/v1/targets").json()
    return document


def target_page(*histories: TargetHistory, **facts: Any) -> Document:  # noqa: ANN401  arguments of a_source
    """Return the page of `emea`."""
    return Document(ask(web_app(a_source(histories=histories, **facts)), "/targets/emea").text)


def points(text: str) -> tuple[tuple[float | None, Fault], ...]:
    """Return the points of a sparkline: a digit is a success of so many seconds, a letter a fault."""
    faults = {
        "p": Fault.PROVIDER,
        "n": Fault.NETWORK,
        "q": Fault.QUOTA,
        "x": Fault.EXPORTER,
        "a": Fault.ACCOUNT,
    }
    return tuple((float(sign), Fault.NONE) if sign.isdigit() else (None, faults[sign]) for sign in text)
