"""The sparkline of a target on the overview."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving.examples import a_source, ask, good, overview, points, web_app

from exporter.reasons import Fault

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
    paths = drawn(*points("1pn1qxa"))
    assert (paths["provider"], paths["network"]) == ({54: HEIGHT}, {55: HEIGHT})
    inconclusive = (paths["quota"], paths["exporter"], paths["account"])
    assert inconclusive == ({57: HEIGHT // 2}, {58: HEIGHT // 2}, {59: HEIGHT // 2})
    assert set(paths["none"]) == {53, 56}


def test_neighbors_with_one_fault_are_one_outline_at_the_right_edge() -> None:
    (path,) = overview(good(points=points("ppp"))).all("path")
    assert path == {"class": "provider", "d": "M57 16v-16h3v16z"}
    assert set(drawn(*points("1" * WIDTH))["none"]) == set(range(WIDTH))


@pytest.mark.parametrize(
    ("letters", "text"),
    [
        ("", "No probes yet"),
        ("1", "Last probe: 1 ok (at most 1.00 s)"),
        ("12p", "Last 3 probes (one every 1m): 2 ok (at most 2.00 s), 1 failed"),
        ("pqx", "Last 3 probes (one every 1m): 0 ok, 1 failed, 2 inconclusive"),
    ],
)
def test_a_sparkline_has_a_text(letters: str, text: str) -> None:
    assert overview(good(points=points(letters))).all("svg")[0]["aria-label"] == text


def test_a_sparkline_of_sixty_different_latencies_is_small() -> None:
    some = tuple((0.1 + number * 7 % 60 / 100, Fault.NONE) for number in range(WIDTH))
    plain, whole = (len(ask(web_app(a_source(good(points=each)))).content) for each in ((), some))
    assert whole - plain < 640


some_points = st.lists(
    st.tuples(st.none() | st.floats(0, 100), st.sampled_from(list(Fault))),
    max_size=WIDTH,
)


@settings(max_examples=50)
@given(some_points)
def test_every_probe_is_drawn_once_within_the_sparkline(some: list[tuple[float | None, str]]) -> None:
    paths = drawn(*some).values()
    assert sorted(position for path in paths for position in path) == list(range(WIDTH - len(some), WIDTH))
    assert all(0 < height <= HEIGHT for path in paths for height in path.values())
