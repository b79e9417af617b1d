"""What all pages are: complete, and under one strict policy."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from serving.examples import at_once, good, made, views
from serving.html import Document

from exporter.serving.document import CONTENT_SECURITY_POLICY, document, render, warm
from exporter.serving.overview import Overview


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_policy_admits_the_pages_own_style_sheet_and_script_and_nothing_else() -> None:
    page = made(Overview(views(good())).page()).decode()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)

    assert CONTENT_SECURITY_POLICY.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest(style)}'",
        f"script-src 'sha256-{digest(script)}'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


def test_no_element_has_a_style_or_a_script_of_its_own_which_the_policy_would_not_admit() -> None:
    page = Document(made(Overview(views(good())).page()).decode())
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_a_document_has_its_title_escaped_and_its_body_as_it_is() -> None:
    read = Document(document("<b>", "<main><p>text</p></main>"))
    assert read.texts == ["<b>", "text"]
    assert ("p", {}) in read.elements
    assert read.all("script") == []


def test_a_page_is_rendered_in_slices() -> None:
    breaths = 0

    async def breath() -> None:
        nonlocal breaths
        breaths += 1
        await asyncio.sleep(0)

    made(render("document.html", breath, title="t", body="b"))
    assert breaths > 0


def test_what_a_template_lacks_is_a_mistake_and_not_an_empty_place() -> None:
    with pytest.raises(UndefinedError):
        made(render("document.html", at_once, title="t"))


def test_there_is_no_template_but_those_of_the_package() -> None:
    with pytest.raises(TemplateNotFound):
        made(render("nowhere.html", at_once))


def test_every_template_compiles() -> None:
    warm()
