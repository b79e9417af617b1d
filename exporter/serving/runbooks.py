"""The runbooks: what each alert means and what to do; one page per alert, from Markdown.

Source: docs/runbooks/<Alert>.md; a wheel has them in exporter/serving/runbooks/. Rendered once at the start:
each takes milliseconds that would distort the times of a probe.
"""

import functools
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from exporter.serving.html import render_document

_INDEX = "README"
_SUFFIX = ".md"
_ALERT_ROWS = ("| alert |", "|---|---|---|---|", "| [PingOne")
"""The page of the index shows only its table of alerts; the rest is about installing the rules."""


@functools.cache
def runbooks() -> Mapping[str, str]:
    """Return all runbooks: alert name -> HTML document; their list has an empty name.

    Raises:
        FileNotFoundError: they are neither in the package nor in docs: the package was built incorrectly.
    """
    directory: Traversable = resources.files("exporter.serving") / "runbooks"
    if not directory.is_dir():
        directory = Path(__file__).parents[2] / "docs" / "runbooks"
    texts = {
        page.name.removesuffix(_SUFFIX): page.read_text(encoding="utf-8")
        for page in directory.iterdir()
        if page.name.endswith(_SUFFIX)
    }
    return {
        "" if name == _INDEX else name: render_runbook(name, text) for name, text in sorted(texts.items())
    }


def render_runbook(name: str, text: str) -> str:
    """Render a runbook as an HTML document.

    HTML in the Markdown is escaped. Links between the files become links between the pages. The name is that
    of the file, without its suffix.
    """
    if name == _INDEX:
        table = (line for line in text.splitlines() if line.startswith(_ALERT_ROWS))
        text = "\n".join(("# Runbooks", "", *table))
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        for child in token.children or ():
            target = child.attrGet("href")
            if isinstance(target, str) and "/" not in target:
                page = target.removesuffix(_SUFFIX)
                child.attrSet("href", "./" if page == _INDEX else page)
    body = Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704  rendered without HTML
    title, page = ("Runbooks", "runbooks") if name == _INDEX else (name, "runbook")
    return render_document(title, body, root="../", page=page)
