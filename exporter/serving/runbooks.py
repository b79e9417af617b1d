"""The runbooks: what each alert means and what to do; one page per alert, from Markdown.

Source: docs/runbooks/<Alert>.md; a wheel has them in exporter/serving/runbooks/. Rendered once at the start:
each takes milliseconds that would distort the times of a probe.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from exporter.serving.html import templates

_INDEX = "README"
_SUFFIX = ".md"
_BACK_LINK = '<p><a href="../">All federations</a></p>'


@functools.cache
def runbooks() -> Mapping[str, str]:
    """Return all runbooks: alert name -> HTML document.

    Raises:
        FileNotFoundError: they are neither in the package nor in docs: the package was built incorrectly.
    """
    texts = {
        page.name.removesuffix(_SUFFIX): page.read_text(encoding="utf-8")
        for page in _directory().iterdir()
        if page.name.endswith(_SUFFIX)
    }
    return {alert: render_runbook(alert, text) for alert, text in sorted(texts.items()) if alert != _INDEX}


def render_runbook(alert: str, text: str) -> str:
    """Render a runbook as an HTML document.

    HTML in the Markdown is escaped. Links between the files become links between the pages.

    Args:
        alert: the alert's name, which is the title.
        text: Markdown.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        for child in token.children or ():
            target = child.attrGet("href")
            if isinstance(target, str) and "/" not in target:
                child.attrSet("href", target.removesuffix(_SUFFIX))
    content = markdown.renderer.render(tokens, markdown.options, {})
    body = Markup(f"<main>\n{_BACK_LINK}\n{content}</main>")  # noqa: S704  rendered without HTML
    return templates.get_template("document.html").render(title=alert, body=body)


def _directory() -> Traversable:
    packaged = resources.files("exporter.serving") / "runbooks"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "docs" / "runbooks"
