"""The runbooks: what each alert means and what to do, one page per alert, made of Markdown.

docs/runbooks/<Alert>.md is what people read and write; a wheel carries it as exporter/serving/runbooks/,
and in a checkout it is read where it stands. Made once, at the start: rendering one takes milliseconds
that a probe under way would be charged with.

Markdown is read by markdown-it-py: it keeps to CommonMark, which is what GitHub shows, has tables, is of
pure Python with one small dependency, is maintained, and comes with rich in any case.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from markdown_it import MarkdownIt

from exporter.serving.document import document

_INDEX = "README"
_SUFFIX = ".md"
_WAY_BACK = '<p><a href="../">All federations</a></p>'
"""Whoever an alert sent here wants to see the federation next; relative, for proxies that add a prefix."""


@functools.cache
def runbooks() -> Mapping[str, str]:
    """Return all runbooks: alert -> HTML document.

    Raises:
        FileNotFoundError: they are neither in the package nor beside it: it was built wrongly.
    """
    texts = {
        page.name.removesuffix(_SUFFIX): page.read_text(encoding="utf-8")
        for page in _directory().iterdir()
        if page.name.endswith(_SUFFIX)
    }
    return {alert: render(alert, text) for alert, text in sorted(texts.items()) if alert != _INDEX}


def render(alert: str, text: str) -> str:
    """Write a runbook as a whole HTML document; HTML in the text stays text.

    Links between runbooks, which are between files in the repository, become links between pages.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        for child in token.children or ():
            target = child.attrGet("href")
            if isinstance(target, str) and "/" not in target:
                child.attrSet("href", target.removesuffix(_SUFFIX))
    body = markdown.renderer.render(tokens, markdown.options, {})
    return document(alert, f"<main>\n{_WAY_BACK}\n{body}</main>")


def _directory() -> Traversable:
    packed = resources.files("exporter.serving") / "runbooks"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "docs" / "runbooks"
