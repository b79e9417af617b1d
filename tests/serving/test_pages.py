"""All pages: complete documents under one strict policy; the runbooks."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urljoin

import pytest
from observing.examples import a_failure, a_success
from serving.examples import a_history, a_source, ask, bad, good, web_app
from serving.html import Document

from exporter import __version__
from exporter.serving import runbooks

ROOT = Path(__file__).resolve().parents[2]
FILES = {path.stem: path for path in (ROOT / "docs" / "runbooks").glob("*.md") if path.stem != "README"}
ALERTS = sorted(FILES)


def page(path: str) -> str:
    response = ask(web_app(a_source(good(), histories=[a_history(a_failure(), a_success())])), path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    return response.text


def hash_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("path", ["/", "/targets/emea"])
def test_the_policy_permits_the_page_s_own_style_sheet_and_script_and_nothing_else(path: str) -> None:
    response = ask(web_app(a_source(good(), histories=[a_history(a_success())])), path)
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)

    assert response.headers["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{hash_of(style)}'",
        f"script-src 'sha256-{hash_of(script)}'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]


@pytest.mark.parametrize("path", ["/", "/targets/emea", f"/runbooks/{ALERTS[0]}"])
def test_no_element_has_a_style_or_script_that_the_policy_would_block(path: str) -> None:
    names = {name for _, attributes in Document(page(path)).elements for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_a_page_shows_the_version_and_that_times_are_utc() -> None:
    assert f"Version {__version__}. All times are UTC." in Document(page("/")).text


# Runbooks


def test_every_file_but_the_index_has_a_page() -> None:
    assert set(runbooks.runbooks()) == {*FILES, ""}
    assert FILES


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_links_to_the_overview_and_to_runbooks(alert: str) -> None:
    text = page(f"/runbooks/{alert}")
    assert f"<h1>{alert}</h1>" in text
    assert [tag for tag in Document(text).open if tag not in {"br", "hr"}] == []

    base = f"http://flows.example/prefix/runbooks/{alert}"
    links = {urljoin(base, str(link["href"])) for link in Document(text).all("a")}
    assert {"http://flows.example/prefix/", "http://flows.example/prefix/runbooks/"} < links
    own = "http://flows.example/prefix/runbooks/"
    assert {link.removeprefix(own) for link in links if link.startswith(own)} <= {*FILES, "", f"{alert}#main"}


def test_the_list_of_runbooks_links_to_each() -> None:
    document = Document(page("/runbooks/"))
    links = [str(link["href"]) for link in document.all("a")]
    assert set(FILES) <= set(links)
    assert {"aria-current": "page", "href": "../runbooks/"} in document.all("a")


def test_the_icon_shows_the_state_of_a_page_and_of_a_runbook_none() -> None:
    app = web_app(a_source(good(), bad("b")))
    icons = {query: ask(app, f"/favicon.ico{query}") for query in ("", "?ok", "?failing", "?unknown")}
    assert {icon.headers["Content-Type"] for icon in icons.values()} == {"image/svg+xml"}
    assert icons[""].text == icons["?unknown"].text == ask(app, "/favicon.ico?new").text
    assert len({icons[query].text for query in ("", "?ok", "?failing")}) == 3


def test_a_browser_that_goes_astray_finds_the_way_back() -> None:
    for path, overview in (("/nothing", "./"), ("/targets/nothing", "../"), ("/a/b/c", "../../")):
        response = ask(web_app(), path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert response.status_code == 404
        assert response.headers["Content-Security-Policy"]
        document = Document(response.text)
        assert "Not Found No page or target has this address." in document.text
        assert [link["href"] for link in document.all("a")][1] == overview
        assert "nothing" not in response.text


def test_markdown_becomes_headings_code_tables_and_links_between_pages() -> None:
    links = "See [B](B.md), [C](https://c.example/x.md).\n\n"
    text = f"# A\n\n{links}| `q` | r |\n|---|---|\n| 1 | 2 |\n\n```\nup == 0\n```\n"

    html = runbooks.render_runbook("A", text)

    assert "<h1>A</h1>" in html
    assert '<a href="B">B</a>' in html
    assert '<a href="https://c.example/x.md">C</a>' in html
    assert "<th><code>q</code></th>" in html
    assert "<pre><code>up == 0\n</code></pre>" in html


def test_html_in_a_runbook_stays_text() -> None:
    document = Document(runbooks.render_runbook("<b>", "<script>alert(1)</script> and <b>bold</b>"))

    assert document.texts[0] == "<b> · pingone-flow-exporter"
    assert {"script", "b"}.isdisjoint(tag for tag, _ in document.elements)


def test_a_wheel_carries_runbooks_and_templates(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    script = (
        "from exporter.serving import html, runbooks;"
        "html.warm_up_templates(); print(runbooks.__file__, *runbooks.runbooks())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )

    where, *alerts = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert set(alerts) == set(FILES)
