"""The landing page: what this is, where the rest is, and how each target fared last. Pure.

One self-contained HTML document: no script, no external asset, and one style sheet that the content
security policy admits by its hash. Links are relative, so that the page works behind a path prefix.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from exporter.outcome import Reason, rfc3339

if TYPE_CHECKING:
    from exporter.target import Journey

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #fff;
  --good: #14713d; --bad: #b3261e; --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #323a46;
  --paper: #14181e; --good: #6fd69a; --bad: #ff8a80; --link: #8ab4f8 } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } a { color: var(--link) } p, caption { color: var(--soft) }
nav { display: flex; gap: 1.5rem; margin: 1rem 0 2rem } .wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% } caption { text-align: left; padding-bottom: .5rem }
th, td { text-align: left; padding: .4rem 1rem .4rem 0; white-space: nowrap;
  border-bottom: 1px solid var(--line) }
thead th { color: var(--soft); font-weight: 600 } .good { color: var(--good) } .bad { color: var(--bad) }
""".strip()

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLE_HASH}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Permits this page its own style sheet and nothing else."""


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
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pingone-flow-exporter</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
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
</main>
</body>
</html>
"""


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
