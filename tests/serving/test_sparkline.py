"""The latest probes as one small picture."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving.examples import points
from serving.html import Document

from exporter.reasons import Fault
from exporter.serving.sparkline import HEIGHT, ROOM, said, sparkline
from exporter.serving.watched import Point

some_points = st.lists(
    st.tuples(st.none() | st.floats(0, 100), st.sampled_from([fault.value for fault in Fault])), max_size=ROOM
)


def paths(drawn: str) -> dict[str | None, str]:
    return {path["class"]: path["d"] or "" for path in Document(drawn).all("path")}


def columns(path: str) -> dict[int, int]:
    """Read a path back: place -> height."""
    found: dict[int, int] = {}
    place = height = 0
    for command, number in re.findall(r"([Mvhz])(-?\d*)", path):
        if command == "M":
            place, height = int(number), 0
        elif command == "v":
            height -= int(number)
        elif command == "h":
            found |= dict.fromkeys(range(place, place + int(number)), height)
            place += int(number)
        else:
            assert height == 0  # an outline ends on the floor that it began on
    return found


def test_a_success_is_as_high_as_it_took_long_and_leaves_room_above_it() -> None:
    assert columns(paths(sparkline(points("124")))["none"]) == {57: 3, 58: 6, 59: 12}


def test_a_failure_takes_the_whole_height_and_what_says_nothing_half_of_it() -> None:
    drawn = paths(sparkline(points("1pn1qx")))
    assert columns(drawn["provider"]) == {55: HEIGHT}
    assert columns(drawn["network"]) == {56: HEIGHT}
    assert columns(drawn["quota"]) == {58: HEIGHT // 2}
    assert columns(drawn["exporter"]) == {59: HEIGHT // 2}
    assert set(columns(drawn["none"])) == {54, 57}


def test_neighbors_of_one_kind_are_drawn_in_one_piece() -> None:
    assert paths(sparkline(points("ppp"))) == {"provider": "M57 16v-16h3v16z"}


def test_the_latest_probe_is_at_the_right_edge_and_sixty_fill_it() -> None:
    assert set(columns(paths(sparkline(points("1")))["none"])) == {ROOM - 1}
    assert set(columns(paths(sparkline(points("1" * ROOM)))["none"])) == set(range(ROOM))


@pytest.mark.parametrize(
    ("signs", "told"),
    [
        ("", "no probes yet"),
        ("12p", "last 3 probes: 2 good in 1.00 s to 2.00 s, 1 bad"),
        ("pqx", "last 3 probes: 0 good, 1 bad, 2 not judged"),
    ],
)
def test_it_is_told_in_words_too(signs: str, told: str) -> None:
    assert said(points(signs)) == told
    assert Document(sparkline(points(signs))).all("svg")[0]["aria-label"] == told


def test_sixty_different_latencies_weigh_less_than_half_a_kilobyte() -> None:
    assert len(sparkline([(0.1 + number * 7 % 60 / 100, "none") for number in range(ROOM)])) < 640


@given(some_points)
def test_any_probes_are_drawn_each_once_and_within_the_picture(some: list[Point]) -> None:
    drawn = [columns(path) for path in paths(sparkline(some)).values()]
    places = [place for path in drawn for place in path]
    assert sorted(places) == list(range(ROOM - len(some), ROOM))
    assert all(0 < height <= HEIGHT for path in drawn for height in path.values())
