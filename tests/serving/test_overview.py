"""The overview: its rows, their texts and order, its links; what concurrent requests share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_certificate, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import (
    HOSTILE,
    NOW,
    a_source,
    a_status,
    api,
    ask,
    asking,
    bad,
    good,
    overview,
    points,
    slow,
    web_app,
)
from serving.html import Document

from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.serving import StatusSource
from exporter.status import TargetStatus

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
STALLED = a_failure(Reason.INTERNAL, Fault.EXPORTER)
EXPIRED = a_failure(
    Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(a_step(reason=Reason.TLS, tls=a_certificate(START - 9)),)
)
DAY = 86_400.0


def test_the_headline_is_the_heading_and_the_title_counts_failures() -> None:
    document = overview(bad("a"), good("b"))
    assert document.all("h1") == [{"id": "headline"}]
    assert "1 of 2 federations failing. Likely cause: network. a: connection failed" in document.text
    assert document.texts[0] == "1 failing · pingone-flow-exporter"
    assert overview(good()).texts[0] == "pingone-flow-exporter"


def test_targets_are_grouped_worst_first_and_every_group_has_a_link() -> None:
    document = overview(good("a"), good("b"), bad("c"), slow("d"), a_status(target=a_target(name="e")))
    assert [heading["id"] for heading in document.all("h2")] == ["failing", "slow", "unknown", "good"]
    assert "As of 14:04:00 UTC. 1 failing, 1 slow, 1 not probed yet, 2 healthy." in document.text
    links = [str(link["href"]) for link in document.all("a")]
    anchors = [link for link in links if link.startswith("#")]
    assert anchors == ["#main", "#failing", "#slow", "#unknown", "#good"]


@pytest.mark.parametrize(
    ("status", "row"),
    [
        (
            good(),
            (
                "ok emea auth.pingone.eu healthy since 14:00 UTC (3 min ago), 1 probe "
                "200 USERNAME_PASSWORD_REQUIRED - 3 min ago 300 ms next in 12 s"
            ),
        ),
        (
            bad(duration=10.0),
            (
                "failing emea auth.pingone.eu network failing since 14:00 UTC (3 min ago), 1 probe: "
                "connection failed (192.0.2.7) no response - 3 min ago 10.00 s next in 12 s"
            ),
        ),
        (
            a_status(EXPIRED, consecutive=14),
            "provider failing since 14:00 UTC (3 min ago), 14 probes: certificate not valid (expired)",
        ),
        (
            slow(),
            (
                "slow emea auth.pingone.eu healthy since 14:00 UTC (3 min ago), 1 probe; "
                "last probe took 2.50 s, objective 2.00 s"
            ),
        ),
        (
            a_status(a_success(), QUOTA, backoff_until=NOW + 60),
            "paused emea auth.pingone.eu paused: rate-limited; last ok at 14:00 UTC (3 min ago)",
        ),
        (a_status(a_success(), QUOTA, backoff_until=NOW + 60), "paused until 14:05 UTC, next in 12 s"),
        (
            a_status(a_failure(), QUOTA),
            "1 probe: connection failed (192.0.2.7); paused: rate-limited since 14:00 UTC",
        ),
        (a_status(QUOTA), "paused emea auth.pingone.eu no conclusive probe yet: rate-limited"),
        (
            a_status(a_success(), STALLED),
            "emea auth.pingone.eu inconclusive: exporter stalled or failed; last ok at 14:00 UTC",
        ),
        (
            a_status(),
            "new emea auth.pingone.eu not probed yet source environment abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6",
        ),
        (good(next_run=NOW - 5), "300 ms due now"),
        (good(next_run=None), "300 ms not scheduled"),
        (good(since=START - DAY), "healthy since 21 Nov 14:00 UTC (24 h ago)"),
        (good(since=START - 365 * DAY), "healthy since 22 Nov 2024 14:00 UTC (365 d ago)"),
    ],
)
def test_a_row_shows_name_host_status_last_response_latency_and_next_probe(
    status: TargetStatus, row: str
) -> None:
    assert row in overview(status).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "just now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (2 * DAY - 1, "47 h ago"),
        (2 * DAY, "2 d ago"),
    ],
)
def test_ages_are_rounded_down(seconds: float, text: str) -> None:
    assert f"USERNAME_PASSWORD_REQUIRED - {text} " in overview(good(), now=START + 0.3 + seconds).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00006, "0.1 ms"), (0.0021, "2.1 ms"), (0.312, "312 ms"), (0.9994, "999 ms"), (1.0, "1.00 s")],
)
def test_latencies_are_as_exact_as_it_matters(seconds: float, text: str) -> None:
    assert f" {text} next in" in overview(a_status(a_success(duration=seconds))).text


@pytest.mark.parametrize(
    "last", [a_success(stalled=True), a_failure(Reason.INTERNAL, Fault.EXPORTER, duration=0.3)]
)
def test_a_latency_that_the_exporter_distorted_is_not_shown(last: Outcome) -> None:
    assert "300 ms" not in overview(a_status(a_success(duration=0.1), last)).text


def test_a_target_that_is_no_longer_probed_is_not_shown_as_healthy() -> None:
    later = NOW + 500.0
    text = overview(good(), now=later).text
    assert "inconclusive emea" in text
    assert "1 probe; not probed since 14:00 UTC" in text
    assert "failing emea" in overview(a_status(a_failure()), now=later).text
    assert "ok emea" in overview(good(target=a_target(interval=3600.0)), now=later).text
    assert "paused emea" in overview(replace(good(), backoff_until=later + 9), now=later).text


def test_a_stalled_success_is_not_slow() -> None:
    assert "ok emea" in overview(a_status(a_success(duration=2.5, stalled=True))).text


def test_the_worst_comes_first() -> None:
    confirmed = replace(bad("confirmed"), consecutive=3)
    first = replace(confirmed, target=a_target(name="first"), since=START - 60)
    old = replace(confirmed, target=a_target(name="old"), since=START - 2 * DAY)
    paused = a_status(a_success(), QUOTA, target=a_target(name="paused"))
    inconclusive = a_status(a_success(), STALLED, target=a_target(name="inconclusive"))
    new = a_status(target=a_target(name="new"))
    wanted = [
        first,
        confirmed,
        bad("fresh"),
        old,
        paused,
        inconclusive,
        slow("slow"),
        new,
        good("a"),
        good("b"),
    ]
    shown = [target["target"] for target in api(*wanted[::-1])["targets"]]
    assert shown == [status.target.name for status in wanted]
    names = [
        str(link["href"]) for link in overview(*wanted[::-1]).all("a") if "targets/" in str(link["href"])
    ]
    assert names == [f"targets/{name}" for name in shown]


# The document


def test_every_element_is_closed_and_every_id_is_unique() -> None:
    document = overview(bad("a"), good("b"), slow("c"))
    assert document.open == []
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_links_are_relative_without_an_external_url() -> None:
    links = [link["href"] for link in overview(good()).all("a")]
    assert links == [
        "#main", "./", "metrics", "api/v1/targets", "-/healthy", "-/ready", "#good", "targets/emea",
    ]  # fmt: skip
    assert overview(good()).all("link") == []


def test_the_canonical_link_starts_with_the_external_url() -> None:
    document = overview(good(), external_url="https://exporter.example/pingone")
    assert document.all("link") == [{"rel": "canonical", "href": "https://exporter.example/pingone/"}]


def test_hostile_values_stay_text() -> None:
    target = a_target(name=HOSTILE, source_url=f"https://h/{HOSTILE}", source_environment_id=HOSTILE)
    document = overview(a_status(target=target))
    assert len(document.all("script")) == 1
    assert document.texts.count(HOSTILE) == 1
    assert f"source environment {HOSTILE}" in document.texts


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = ask(web_app(a_source(good(), bad("b")))).text
    assert not re.findall(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(|<img", text)


@settings(max_examples=30)
@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_make_a_page_of_nested_elements(history: list[Outcome]) -> None:
    assert overview(a_status(*history)).open == []


# Sparklines

WIDTH, HEIGHT = 60, 16


def drawn(*some: tuple[float | None, str]) -> dict[str | None, dict[int, int]]:
    """Return the sparkline: fault -> position -> height."""
    paths = overview(good(points=some)).all("path")
    return {path["class"]: columns(path["d"] or "") for path in paths}


def columns(path: str) -> dict[int, int]:
    found: dict[int, int] = {}
    position = height = 0
    for command, number in re.findall(r"([Mvhz])(-?\d*)", path):
        if command == "M":
            position, height = int(number), 0
        elif command == "v":
            height -= int(number)
        elif command == "h":
            found |= dict.fromkeys(range(position, position + int(number)), height)
            position += int(number)
        else:
            assert height == 0  # an outline ends on the floor where it began
    return found


def test_a_success_is_as_high_as_it_took_long_with_room_above() -> None:
    assert drawn(*points("124"))["none"] == {57: 3, 58: 6, 59: 12}


def test_a_failure_has_the_full_height_and_an_inconclusive_probe_half_of_it() -> None:
    paths = drawn(*points("1pn1qx"))
    assert (paths["provider"], paths["network"]) == ({55: HEIGHT}, {56: HEIGHT})
    assert (paths["quota"], paths["exporter"]) == ({58: HEIGHT // 2}, {59: HEIGHT // 2})
    assert set(paths["none"]) == {54, 57}


def test_neighbors_with_one_fault_are_one_outline_at_the_right_edge() -> None:
    (path,) = overview(good(points=points("ppp"))).all("path")
    assert path == {"class": "provider", "d": "M57 16v-16h3v16z"}
    assert set(drawn(*points("1" * WIDTH))["none"]) == set(range(WIDTH))


@pytest.mark.parametrize(
    ("letters", "text"),
    [
        ("", "No probes yet"),
        ("1", "Last probe (1 min): 1 ok (1.00 s)"),
        ("12p", "Last 3 probes (3 min): 2 ok (1.00-2.00 s), 1 failed"),
        ("pqx", "Last 3 probes (3 min): 0 ok, 1 failed, 2 inconclusive"),
    ],
)
def test_a_sparkline_has_a_text(letters: str, text: str) -> None:
    assert overview(good(points=points(letters))).all("svg")[0]["aria-label"] == text


def test_a_range_of_latencies_repeats_the_unit_only_if_it_differs() -> None:
    some = ((0.0028, "none"), (0.036, "none"))
    label = overview(good(points=some)).all("svg")[0]["aria-label"]
    assert label == "Last 2 probes (2 min): 2 ok (2.8-36 ms)"
    label = overview(good(points=(*some, (1.2, "none")))).all("svg")[0]["aria-label"]
    assert label == "Last 3 probes (3 min): 3 ok (2.8 ms-1.20 s)"


def test_a_sparkline_of_sixty_different_latencies_is_small() -> None:
    some = tuple((0.1 + number * 7 % 60 / 100, "none") for number in range(WIDTH))
    plain, whole = (len(ask(web_app(a_source(good(points=each)))).content) for each in ((), some))
    assert whole - plain < 640


some_points = st.lists(
    st.tuples(st.none() | st.floats(0, 100), st.sampled_from([fault.value for fault in Fault])),
    max_size=WIDTH,
)


@settings(max_examples=50)
@given(some_points)
def test_every_probe_is_drawn_once_within_the_sparkline(some: list[tuple[float | None, str]]) -> None:
    paths = drawn(*some).values()
    assert sorted(position for path in paths for position in path) == list(range(WIDTH - len(some), WIDTH))
    assert all(0 < height <= HEIGHT for path in paths for height in path.values())


# Shared and cached


def changing(shown: list[TargetStatus]) -> tuple[StatusSource, list[int]]:
    """Return a source of what is in the list at the time, and a list that grows with each request for it."""
    calls: list[int] = []

    def statuses() -> Iterator[TargetStatus]:
        calls.append(1)
        return iter(shown)

    return replace(a_source(), statuses=statuses), calls


def test_concurrent_requests_share_a_page_and_a_later_one_gets_a_new_one() -> None:
    shown = [good()]
    source, calls = changing(shown)

    async def scenario() -> None:
        app = web_app(source)
        first, second = await asyncio.gather(asking(app, "/"), asking(app, "/"))
        assert first.content == second.content
        assert len(calls) == 1
        shown.append(bad("other"))
        assert "1 of 2 federations failing" in (await asking(app, "/")).text

    asyncio.run(scenario())


def test_a_page_shows_the_targets_of_its_moment() -> None:
    shown = [good("a"), good("b")]
    source, _ = changing(shown)

    async def scenario() -> list[Document]:
        app, pages = web_app(source), []
        for points_now in (points("1"), points("1p")):
            shown[:] = [replace(shown[0], points=points_now)]
            pages.append(Document((await asking(app, "/")).text))
        return pages

    first, second = asyncio.run(scenario())
    assert [len(page.all("path")) for page in (first, second)] == [1, 2]


def test_a_long_page_lets_the_event_loop_run() -> None:
    yielded = 0

    def start_work() -> Any:  # noqa: ANN401  a function to await
        async def yield_if_due() -> None:
            nonlocal yielded
            yielded += 1

        return yield_if_due

    ask(web_app(replace(a_source(*map(good, "abcdef")), start_work=start_work)))
    assert yielded > 6
