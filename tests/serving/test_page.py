"""The landing page as a document."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from exporter.outcome import Reason
from exporter.serving.document import CONTENT_SECURITY_POLICY
from exporter.serving.page import Landing, Row, render
from exporter.target import Journey

HOSTILE = """<script>alert("1")</script>'&"""


class Document(HTMLParser):
    """Elements with their attributes, texts, and whether the elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def page(*rows: Row, version: str = "1.2.3") -> Document:
    return Document(render(Landing(version=version, rows=rows)))


def row(**facts: object) -> Row:
    return Row(**({"target": "acme", "journey": Journey.AUTHORIZE, "auth_host": "auth.pingone.eu"} | facts))  # type: ignore[arg-type]  # facts are those of Row


def test_every_element_that_is_opened_is_closed() -> None:
    assert page(row(), row(reason=Reason.OK, last_run=1.0)).open == []


def test_a_row_shows_target_journey_host_last_result_and_last_run() -> None:
    texts = page(row(reason=Reason.RATE_LIMITED, last_run=1_700_000_000.25)).texts

    assert texts[-5:] == ["acme", "authorize", "auth.pingone.eu", "rate_limited", "2023-11-14T22:13:20.250Z"]


def test_a_target_without_a_finished_probe_says_so() -> None:
    assert page(row()).texts[-2:] == ["none yet", "not yet"]


def test_success_and_failure_look_different() -> None:
    document = page(row(reason=Reason.OK), row(reason=Reason.DNS))

    assert [attributes["class"] for tag, attributes in document.elements if tag == "span"] == ["good", "bad"]


def test_targets_are_counted_in_proper_english() -> None:
    assert "0 targets" in page().texts
    assert "1 target" in page(row()).texts
    assert "2 targets" in page(row(), row()).texts


def test_hostile_values_stay_text() -> None:
    document = page(row(target=HOSTILE, auth_host=HOSTILE), version=HOSTILE)

    assert "script" not in {tag for tag, _ in document.elements}
    assert document.texts.count(HOSTILE) == 2
    assert f"Version {HOSTILE}." in " ".join(document.texts)


def test_links_are_relative_so_that_a_path_prefix_survives() -> None:
    links = [attributes["href"] for tag, attributes in page().elements if tag == "a"]

    assert links == ["metrics", "-/healthy", "-/ready"]


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = render(Landing(version="1", rows=(row(),)))

    assert not re.findall(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(|<script|<link|<img", text)


def test_the_policy_admits_the_page_s_own_style_sheet_and_nothing_else() -> None:
    match = re.search(r"<style>(.*)</style>", render(Landing(version="1", rows=())), re.DOTALL)
    assert match is not None
    digest = base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()

    assert CONTENT_SECURITY_POLICY.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
