"""The latest probes as one small picture, made of as few bytes as a thousand of them on a page allow. Pure.

    ▂▃▂▂█▂▃▄▂   a success is as high as it took long, in proportion to the longest
        └       a failure takes the whole height, one that says nothing of the target half of it

So the result shows in shape as well as in color, which is that of the fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from markupsafe import Markup

from exporter.reasons import Fault
from exporter.serving.times import latency
from exporter.serving.watched import Point

ROOM = 60
HEIGHT = 16
_UNDECIDED = frozenset({Fault.QUOTA.value, Fault.EXPORTER.value})


def sparkline(points: Sequence[Point]) -> Markup:
    """Draw probes, oldest first, the latest at the right edge; told in words to those who do not see it."""
    slowest = max((seconds for seconds, fault in points if fault == Fault.NONE and seconds), default=0.0)
    paths: dict[str, list[str]] = {}
    place = ROOM - len(points)
    for fault, group in groupby(points, key=lambda point: point[1]):
        run = list(group)
        paths.setdefault(fault, []).append(_run(place, run, fault, slowest))
        place += len(run)
    drawn = "".join(f'<path class="{fault}" d="{"".join(runs)}"/>' for fault, runs in sorted(paths.items()))
    label = said(points)
    return Markup(  # noqa: S704  numbers, and names of faults
        f'<svg class="spark" viewBox="0 0 {ROOM} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}">{drawn}</svg>'
    )


def said(points: Sequence[Point]) -> str:
    """Say in words what the picture shows."""
    if not points:
        return "no probes yet"
    took = [seconds for seconds, fault in points if fault == Fault.NONE and seconds is not None]
    good = sum(fault == Fault.NONE for _, fault in points)
    silent = sum(fault in _UNDECIDED for _, fault in points)
    span = f" in {latency(min(took))} to {latency(max(took))}" if took else ""
    rest = f", {silent} not judged" if silent else ""
    return f"last {len(points)} probes: {good} good{span}, {len(points) - good - silent} bad{rest}"


def _run(place: int, run: Sequence[Point], fault: str, slowest: float) -> str:
    """Draw neighbors of one fault as one outline, from the floor and back to it."""
    if fault == Fault.NONE:
        # What our own stall spoilt is a success all the same, of a height that means nothing.
        heights: Iterable[int] = (_height(seconds or 0.0, slowest) for seconds, _ in run)
    else:
        heights = [HEIGHT // 2 if fault in _UNDECIDED else HEIGHT] * len(run)
    parts, level = [f"M{place} {HEIGHT}"], 0
    for height, same in groupby(heights):
        parts.append(f"v{level - height}h{len(list(same))}")
        level = height
    return "".join((*parts, f"v{level}z"))


def _height(seconds: float, slowest: float) -> int:
    # One of four is kept free, so that no success is taken for a failure.
    return max(1, round(seconds / slowest * HEIGHT * 3 / 4)) if slowest else 1
