"""The landing page: what this is, where the rest is, and how each target fared last. Pure.

Links are relative, so that the page works behind a path prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from exporter.outcome import Reason, rfc3339
from exporter.serving.document import document

if TYPE_CHECKING:
    from exporter.target import Journey


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A target and journey, as the page shows it.

    Args:
        target: the target's name.
        journey: what is done to it.
        auth_host: where its source answers, with the port where it has one.
        reason: why its last probe ended as it did; None before the first.
        last_run: wall clock at the end of its last probe, seconds since the epoch; None before the first.
    """

    target: str
    journey: Journey
    auth_host: str
    reason: Reason | None = None
    last_run: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What the landing page shows.

    Args:
        version: the exporter's version.
        rows: one per target and journey, in the order they are shown.
    """

    version: str
    rows: tuple[Row, ...]


def render(landing: Landing) -> str:
    """Write the page as a whole HTML document; every value is escaped."""
    count = f"{len(landing.rows)} target{'' if len(landing.rows) == 1 else 's'}"
    return document(
        "pingone-flow-exporter",
        f"""<header>
<h1>pingone-flow-exporter</h1>
<p>Version {escape(landing.version)}. Watches PingOne federations and tells Prometheus what it saw.</p>
</header>
<nav><a href="metrics">Metrics</a> <a href="-/healthy">Healthy</a> <a href="-/ready">Ready</a></nav>
<main class="wide">
<table>
<caption>{count}</caption>
<thead><tr><th scope="col">Target</th><th scope="col">Journey</th><th scope="col">Host</th>\
<th scope="col">Last result</th><th scope="col">Last run</th></tr></thead>
<tbody>
{"".join(map(_row, landing.rows))}</tbody>
</table>
</main>""",
    )


def _row(row: Row) -> str:
    cells = (escape(row.journey), escape(row.auth_host), _result(row.reason), _time(row.last_run))
    return (
        f'<tr><th scope="row">{escape(row.target)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
    )


def _result(reason: Reason | None) -> str:
    if reason is None:
        return "none yet"
    return f'<span class="{"good" if reason is Reason.OK else "bad"}">{escape(reason)}</span>'


def _time(timestamp: float | None) -> str:
    if timestamp is None:
        return "not yet"
    moment = escape(rfc3339(timestamp))
    return f'<time datetime="{moment}">{moment}</time>'
