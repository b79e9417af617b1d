"""What all our pages are: self-contained HTML documents under one strict policy. Pure.

One style sheet and one small script, both within the page, that the content security policy admits by
their hashes; no other asset, and nobody else to ask but the exporter itself.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from importlib import resources
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from exporter.outcome import rfc3339
from exporter.serving.times import clock, duration, latency, relative
from exporter.serving.watched import Breath

_TEMPLATES = ("base.html", "document.html", "live.html", "overview.html", "target.html")
_AT_A_TIME = 8
"""Pieces of a template, such as a name and the markup around it, that are rendered between two breaths."""


def _text(name: str) -> str:
    return (resources.files("exporter.serving") / "templates" / name).read_text(encoding="utf-8")


def _admitted(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE = _text("style.css").strip()
_SCRIPT = _text("refresh.js").strip()

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src {_admitted(_STYLE)}",
        f"script-src {_admitted(_SCRIPT)}",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Permits our pages their own style sheet, their own script, to ask the exporter anew, and nothing else."""


class _Package(BaseLoader):
    """Templates from the package, wherever it is; read once, since they do not change."""

    def get_source(self, _: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        """Return a template's text."""
        try:
            return _text(template), None, None
        except FileNotFoundError as error:
            raise TemplateNotFound(template) from error


def _moment(timestamp: float, now: float, *, seconds: bool = False) -> Markup:
    """Write a time for people and for programs."""
    return Markup('<time datetime="{}">{}</time>').format(
        rfc3339(timestamp), clock(timestamp, now, seconds=seconds)
    )


_environment = Environment(
    loader=_Package(),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals |= {
    "style": Markup(_STYLE),  # noqa: S704  our own file
    "script": Markup(_SCRIPT),  # noqa: S704  likewise
    "moment": _moment,
}
_environment.filters |= {"latency": latency, "duration": duration, "relative": relative}


def warm() -> None:
    """Read and compile all templates: the first look must not hold the loop for it."""
    for template in _TEMPLATES:
        _environment.get_template(template)


async def render(template: str, breath: Breath, **facts: Any) -> bytes:  # noqa: ANN401  what a template asks for
    """Render a page in slices; every value is escaped.

    Args:
        template: its file's name.
        breath: awaited again and again.
        facts: what the template shows.
    """
    stream = _environment.get_template(template).stream(**facts)
    stream.enable_buffering(_AT_A_TIME)
    body = bytearray()  # thousands of pieces would be joined, and freed, in one go
    for part in stream:
        body += part.encode()
        await breath()
    return bytes(body)


def document(title: str, body: str) -> str:
    """Write a whole HTML document.

    Args:
        title: text; it is escaped.
        body: HTML.
    """
    page = _environment.get_template("document.html")
    return page.render(title=title, body=Markup(body))  # noqa: S704  whoever calls made it
