"""The overview as a document."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_failure, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_watched, bad, good, made, slow, views
from serving.html import Document

from exporter.outcome import Outcome
from exporter.reasons import Fault, Reason
from exporter.serving import Watched, overview
from exporter.serving.overview import Overview
from exporter.serving.sparkline import sparkline

HOSTILE = """<script>alert("1")</script>'&"""
QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)


def text_of(*watched: Watched, **facts: str) -> str:
    page: bytes = made(Overview(views(*watched, **facts)).page())  # type: ignore[arg-type]  # facts are those of views
    return page.decode()


def page(*watched: Watched) -> Document:
    return Document(text_of(*watched))


def test_the_headline_is_the_first_heading_and_the_title_tells_of_failures() -> None:
    document = page(bad("a"), good("b"))
    said = "1 of 2 federations fails; it looks like the network: auth.pingone.eu accepts no connection"
    assert document.all("h1") == [{"id": "headline"}]
    assert f"{said} since 14:00 UTC, for 1 of its 2 federations." in document.text
    assert document.texts[0] == "1 failing · pingone-flow-exporter"
    assert page(good()).texts[0] == "pingone-flow-exporter"


def test_targets_are_grouped_the_worst_group_first_and_each_group_can_be_gone_to() -> None:
    document = page(good("a"), good("b"), bad("c"), slow("d"), a_watched(target=a_target(name="e")))
    assert [heading["id"] for heading in document.all("h2")] == ["failing", "slow", "unknown", "good"]
    assert "As of 14:04:00 UTC. 1 failing, 1 slow, 1 not probed yet, 2 healthy." in document.text
    links = [link["href"] for link in document.all("a")]
    assert [link for link in links if link and link.startswith("#")] == [
        "#main",
        "#failing",
        "#slow",
        "#unknown",
        "#good",
    ]


def test_a_line_tells_name_host_verdict_last_status_latency_and_next_run() -> None:
    assert (
        "Healthy 1 ok emea auth.pingone.eu succeeding since 14:00 UTC (3 min ago), 1 probe "
        "200 USERNAME_PASSWORD_REQUIRED, 3 min ago 300 ms next in 12 s"
    ) in page(good()).text


def test_a_failure_is_told_with_its_fault_in_words() -> None:
    told = page(bad(duration=10.0)).text
    assert (
        "fails emea auth.pingone.eu network failing since 14:00 UTC (3 min ago), 1 probe: "
        "connect, no connection no response, 3 min ago 10.00 s next in 12 s"
    ) in told


def test_a_hold_is_told_with_its_end() -> None:
    told = page(a_watched(a_success(), QUOTA, held_until=NOW + 60)).text
    assert "held back until 14:05 UTC, next in 12 s" in told


def test_a_target_that_is_due_is_probed_now_and_one_that_is_not_any_more_not_at_all() -> None:
    assert "next now" in page(good(next_run=NOW - 5)).text
    assert "no more probes" in page(good(next_run=None)).text


@pytest.mark.parametrize(
    "last", [a_success(stalled=True), a_failure(Reason.INTERNAL, Fault.EXPORTER, duration=0.3)]
)
def test_a_latency_that_our_own_stall_spoilt_is_not_told(last: Outcome) -> None:
    assert "300 ms" not in page(a_watched(a_success(duration=0.1), last)).text


def test_a_target_without_a_finished_probe_says_so_and_whom_it_is_about() -> None:
    told = page(a_watched()).text
    assert "not probed yet source environment abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6" in told


def test_a_state_since_another_day_is_told_with_its_date() -> None:
    told = page(good(since=START - 86_400)).text
    assert "succeeding since 21 Nov 14:00 UTC (24 h ago)" in told


def test_where_nothing_is_watched_the_page_says_so() -> None:
    assert "No federation is watched here." in page().text


def test_every_element_that_is_opened_is_closed_and_every_id_is_unique() -> None:
    document = page(bad("a"), good("b"), slow("c"))
    assert document.open == []
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_links_are_relative_so_that_a_path_prefix_survives() -> None:
    links = [link["href"] for link in page(good()).all("a")]
    assert links == [
        "#main", "./", "metrics", "api/v1/targets", "-/healthy", "-/ready", "#good", "targets/emea",
    ]  # fmt: skip


def test_only_the_canonical_link_is_absolute_and_only_if_it_is_known() -> None:
    assert page(good()).all("link") == []
    document = Document(text_of(good(), external_url="https://exporter.example/pingone"))
    assert document.all("link") == [{"rel": "canonical", "href": "https://exporter.example/pingone/"}]


def test_hostile_values_stay_text() -> None:
    target = a_target(name=HOSTILE, source_url=f"https://h/{HOSTILE}", source_environment_id=HOSTILE)
    document = page(a_watched(target=target))
    assert len(document.all("script")) == 1
    assert document.texts.count(HOSTILE) == 1
    assert f"source environment {HOSTILE}" in document.texts


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert not re.findall(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(|<img", text_of(good(), bad("b")))


@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_make_a_page_of_elements_that_nest(history: list[Outcome]) -> None:
    watched = a_watched(*history)
    assert page(watched).open == []


# What is shared and kept


def watching(shown: list[Watched]) -> tuple[Overview, list[int]]:
    """Return an overview of what is in the list at each look, and a list that grows with each."""
    looks: list[int] = []

    def watched() -> Iterator[Watched]:
        looks.append(1)
        return iter(shown)

    return Overview(replace(views(), watched=watched)), looks


def test_those_who_ask_at_once_get_the_same_page_and_those_who_ask_later_a_new_one() -> None:
    shown = [good()]
    of, looks = watching(shown)

    async def ask() -> None:
        first, second = await asyncio.gather(of.page(), of.page())
        assert first is second
        assert len(looks) == 1
        shown.append(bad("other"))
        assert b"1 of 2 federations fails" in await of.page()

    made(ask())


def test_whoever_leaves_takes_the_page_from_nobody() -> None:
    of, _ = watching([good()])

    async def ask() -> bytes:
        leaving, staying = asyncio.create_task(of.page()), asyncio.create_task(of.page())
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert b"The only federation succeeds." in made(ask())


def test_after_a_page_that_failed_the_next_one_is_made_anew() -> None:
    def broken() -> Iterator[Watched]:
        raise ZeroDivisionError

    of = Overview(replace(views(), watched=broken))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            made(of.page())


def test_a_picture_is_drawn_again_only_after_another_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(points: object) -> object:
        drawn.append(1)
        return sparkline(points)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(overview, "sparkline", counted)
    shown = [good()]
    of, _ = watching(shown)
    first, second = made(of.page()), made(of.page())
    assert (len(drawn), first) == (1, second)
    shown[0] = a_watched(a_success(), a_success(duration=0.9))
    assert made(of.page()) != second
    assert len(drawn) == 2


def test_the_picture_of_a_target_that_is_gone_is_not_kept() -> None:
    shown = [good("a"), good("b")]
    of, _ = watching(shown)
    made(of.page())
    shown.pop()
    made(of.page())
    assert [name for name, _ in of._drawn] == ["a"]  # noqa: SLF001  what is kept shows nowhere else
