"""HTML: templates, content security policy, sparklines.

Every page is self-contained: one style sheet and one small script, both inside the page and permitted by
their hashes; no other asset, no other server.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from importlib import resources
from itertools import groupby
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from exporter import __version__
from exporter.durations import format_duration, format_latency
from exporter.outcome import rfc3339
from exporter.reasons import Fault
from exporter.serving import texts
from exporter.serving.health import summarize, urgency
from exporter.serving.target_filter import MAX_QUERY_LENGTH
from exporter.status import Point

_BUFFERED_PIECES = 8
"""Pieces of a template that are rendered before the event loop may run again."""

T = TypeVar("T")
YieldIfDue: TypeAlias = Callable[[], Awaitable[None]]
"""Called every few steps of a long computation; lets the event loop run when it was held long enough."""

TITLE = "pingone-flow-exporter"

SPARKLINE_WIDTH = 60
SPARKLINE_HEIGHT = 16
_INCONCLUSIVE = frozenset(fault.value for fault in Fault if not fault.is_conclusive)


def _read(name: str) -> str:
    return (resources.files("exporter.serving") / "templates" / name).read_text(encoding="utf-8")


_STYLE, _SCRIPT = _read("style.css").strip(), _read("refresh.js").strip()
_HASHES = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (_STYLE, _SCRIPT)]

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASHES[0]}'; script-src 'sha256-{_HASHES[1]}'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Permits the page's own style sheet and script, its icon, and requests to the exporter."""


def _time(timestamp: float, now: float, *, seconds: bool = False) -> Markup:
    """Format a time for people and for programs."""
    shown = texts.clock(timestamp, now, seconds=seconds)
    return Markup('<time datetime="{}">{}</time>').format(rfc3339(timestamp), shown)


templates = Environment(
    loader=FunctionLoader(_read),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
templates.globals |= {
    # Unless a page sets them.
    **dict.fromkeys(("api", "badge", "canonical", "query"), ""),
    "style": Markup(_STYLE),  # noqa: S704  our own file
    "script": Markup(_SCRIPT),  # noqa: S704  our own file
    "version": __version__,
    "time": _time,
    "max_query_length": MAX_QUERY_LENGTH,
}
templates.filters |= {
    "clock": texts.clock,
    "duration": format_duration,
    "latency": format_latency,
    "ok_share": texts.ok_share,
    "relative": texts.relative,
    "result": texts.describe_result,
    "span": texts.span,
    "summarize": summarize,
    "urgency": urgency,
    "was_not_sent": texts.was_not_sent,
}


def warm_up_templates() -> None:
    """Compile all templates, so that the first page does not hold the event loop for it."""
    for template in ("base.html", "overview.html", "target.html", "document.html", "icon.svg"):
        templates.get_template(template)


def render_document(title: str, body: Markup, *, root: str, page: str) -> str:
    """Render a page without targets; `root` is the path of the overview, which links start with."""
    return templates.get_template("document.html").render(
        title=f"{title} · {TITLE}", body=body, root=root, page=page
    )


async def render(
    template: str,
    yield_if_due: YieldIfDue,
    *,
    external_url: str | None,
    path: str = "",
    **values: Any,  # noqa: ANN401  variables
) -> bytes:
    """Render the page at `path` piece by piece, awaiting `yield_if_due` in between; every value is escaped.

    With a path in the external URL, links start with it: right with and without a trailing slash, and whether
    or not the proxy strips the path. Without one the exporter cannot know its prefix: relative links work
    behind any.
    """
    prefix = urlsplit(external_url or "").path.rstrip("/")
    root = f"{prefix}/" if prefix else "../" * path.count("/")
    canonical = "" if external_url is None else f"{external_url}/{path}"
    stream = templates.get_template(template).stream(root=root, canonical=canonical, **values)
    stream.enable_buffering(_BUFFERED_PIECES)
    return b"".join([piece.encode() async for piece in yielding(stream, yield_if_due)])


async def yielding(values: Iterable[T], yield_if_due: YieldIfDue) -> AsyncIterator[T]:
    """Yield values, and let the event loop run in between if it is due."""
    for value in values:
        yield value
        await yield_if_due()


def icon(badge: str) -> str:
    """Return the icon of a page with that badge of health, as SVG; any other text is neutral."""
    return templates.get_template("icon.svg").render(badge=badge)


def sparkline(points: Sequence[Point], interval: float) -> Markup:
    """Draw the last probes, which are in the order of time, the newest at the right edge.

    A success is as high as it took long, in proportion to the slowest; a failure has the full height, an
    inconclusive probe half of it. The color is that of the fault.
    """
    slowest = max((seconds for seconds, fault in points if fault == Fault.NONE and seconds), default=0.0)
    paths: dict[str, list[str]] = {}
    position = SPARKLINE_WIDTH - len(points)
    for fault, run in groupby(points, key=lambda point: point[1]):
        heights = [_height(point, slowest) for point in run]
        paths.setdefault(fault, []).append(_outline(position, heights))
        position += len(heights)
    drawn = "".join(f'<path class="{fault}" d="{"".join(runs)}"/>' for fault, runs in sorted(paths.items()))
    return Markup(  # noqa: S704  numbers and names of faults
        f'<svg class="spark" viewBox="0 0 {SPARKLINE_WIDTH} {SPARKLINE_HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-label="{texts.describe_points(points, interval)}">{drawn}</svg>'
    )


def _height(point: Point, slowest: float) -> int:
    seconds, fault = point
    if fault in _INCONCLUSIVE:
        return SPARKLINE_HEIGHT // 2
    if fault != Fault.NONE:
        return SPARKLINE_HEIGHT
    # At most three quarters, so that no success looks like a failure.
    return max(1, round(seconds / slowest * SPARKLINE_HEIGHT * 3 / 4)) if seconds else 1


def _outline(position: int, heights: Iterable[int]) -> str:
    """Return the outline of neighboring probes."""
    parts, level = [f"M{position} {SPARKLINE_HEIGHT}"], 0
    for height, same in groupby(heights):
        parts.append(f"v{level - height}h{len(list(same))}")
        level = height
    return "".join((*parts, f"v{level}z"))
