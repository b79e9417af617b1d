"""Runbooks as documents, in a checkout and in a wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urljoin

import pytest
from serving.html import Document
from serving.test_site import app, ask

from exporter.serving.document import CONTENT_SECURITY_POLICY
from exporter.serving.runbook import render, runbooks

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path for path in (ROOT / "docs" / "runbooks").glob("*.md") if path.stem != "README"}


def test_there_is_a_page_for_every_file_but_the_index() -> None:
    assert set(runbooks()) == set(PAGES)
    assert PAGES


@pytest.mark.parametrize("alert", sorted(PAGES))
def test_a_runbook_is_served_as_html_under_the_strict_policy(alert: str) -> None:
    answer = ask(app(), f"/runbooks/{alert}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert f"<h1>{alert}</h1>" in answer.text


@pytest.mark.parametrize("alert", sorted(PAGES))
def test_every_element_that_a_runbook_opens_is_closed(alert: str) -> None:
    assert [tag for tag in Document(runbooks()[alert]).open if tag not in {"br", "hr"}] == []


@pytest.mark.parametrize(
    "name", ["README", "Nothing", "", "PingOneFederationDown.md", "PingOneFederationDown/"]
)
def test_what_is_no_alert_has_no_runbook(name: str) -> None:
    answer = ask(app(), f"/runbooks/{name}")

    assert (answer.status_code, answer.text) == (404, "not found")


def test_a_runbook_is_read_only() -> None:
    answer = ask(app(), "/runbooks/PingOneFederationDown", "POST")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_head_of_a_runbook_has_the_headers_of_get_and_no_body() -> None:
    get, head = (ask(app(), "/runbooks/PingOneFederationDown", method) for method in ("GET", "HEAD"))

    assert (head.status_code, head.headers, head.content) == (get.status_code, get.headers, b"")


def test_markdown_becomes_headings_code_tables_and_links_between_pages() -> None:
    links = "See [B](B.md), [C](https://c.example/x.md).\n\n"
    text = f"# A\n\n{links}| `q` | r |\n|---|---|\n| 1 | 2 |\n\n```\nup == 0\n```\n"

    page = render("A", text)

    assert "<h1>A</h1>" in page
    assert '<a href="B">B</a>' in page
    assert '<a href="https://c.example/x.md">C</a>' in page
    assert "<th><code>q</code></th>" in page
    assert "<pre><code>up == 0\n</code></pre>" in page


def test_html_in_a_runbook_stays_text() -> None:
    document = Document(render("<b>", "<script>alert(1)</script> and <b>bold</b>"))

    assert {"script", "b"}.isdisjoint(tag for tag, _ in document.elements)


@pytest.mark.parametrize("alert", sorted(PAGES))
def test_links_of_a_runbook_lead_to_the_overview_and_to_runbooks(alert: str) -> None:
    document = Document(runbooks()[alert])

    back, *links = [attributes["href"] for tag, attributes in document.elements if tag == "a"]

    assert urljoin(f"http://flows.example/prefix/runbooks/{alert}", back) == "http://flows.example/prefix/"
    assert set(links) <= set(PAGES)


def test_a_wheel_carries_runbooks_and_templates_and_needs_no_repository(
    tmp_path: Path,
) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    script = (
        "from exporter.serving import document, runbook;"
        "document.warm(); print(runbook.__file__, *runbook.runbooks())"
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
    assert set(alerts) == set(PAGES)
