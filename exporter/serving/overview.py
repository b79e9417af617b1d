"""The overview: a sentence on all that is watched, then every target, the worst first. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeAlias, TypeVar

from markupsafe import Markup

from exporter.reasons import Fault
from exporter.serving.document import render
from exporter.serving.headline import headline
from exporter.serving.sparkline import sparkline
from exporter.serving.standing import Standing, Verdict, rank, standing, verdict
from exporter.serving.times import clock, latency, relative
from exporter.serving.watched import Breath, Point, Views, Watched
from exporter.serving.words import status
from exporter.target import Journey

Drawn: TypeAlias = dict[tuple[str, Journey], tuple[tuple[Point, ...], Markup]]

T = TypeVar("T")

NOT_KNOWN = "-"


class Row(NamedTuple):
    """A target and journey, as a line of the overview shows it."""

    name: str
    host: str
    fault: str
    verdict: Verdict
    last: str
    sparkline: Markup
    latency: str
    next: str


class Group(NamedTuple):
    """Targets that stand alike."""

    heading: str
    badge: str
    told: str
    anchor: str
    size: int
    rows: Iterator[Row]


class Overview:
    """Makes the overview; keeps its pictures, since from one look to the next few probes are run.

    Args:
        views: where what it shows is taken from.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._drawn: Drawn = {}
        self._made: asyncio.Task[bytes] | None = None

    async def page(self) -> bytes:
        """Return the page as it is now; those who ask while it is made all get the same one.

        A thousand targets are a megabyte, and however many look at them, they cost what one does.
        """
        if self._made is None:
            self._made = asyncio.create_task(self._make())
            self._made.add_done_callback(self._over)
        return await asyncio.shield(self._made)  # whoever leaves takes it from nobody

    def _over(self, _: asyncio.Task[bytes]) -> None:
        self._made = None

    async def _make(self) -> bytes:
        breath, now = self._views.slices(), self._views.now()
        ranked = await worst_first(self._views, now, breath)
        self._forget({(watched.target.name, watched.journey) for watched in ranked})
        sentence, title, mood = (
            headline(ranked, now, self._views.egress()),
            _title(ranked),
            _mood(ranked, now),
        )
        await breath()
        groups = [
            Group(
                kind.heading,
                kind.badge,
                kind.told,
                kind.name.lower(),
                len(members := list(group)),
                (_row(watched, now, self._picture(watched)) for watched in drained(members)),
            )
            for kind, group in groupby(drained(ranked), key=partial(standing, now=now))
        ]
        await breath()
        url = self._views.external_url()
        return await render(
            "overview.html",
            breath,
            title=title,
            canonical=None if url is None else f"{url}/",
            root="",
            api="",
            version=self._views.version,
            now=now,
            headline=sentence,
            mood=mood,
            groups=groups,
        )

    def _picture(self, watched: Watched) -> Markup:
        key = watched.target.name, watched.journey
        points, image = self._drawn.get(key, (None, None))
        if image is None or points != watched.points:
            image = sparkline(watched.points)
            self._drawn[key] = watched.points, image
        return image

    def _forget(self, watched: set[tuple[str, Journey]]) -> None:
        """Drop pictures of those that are no longer watched."""
        for key in self._drawn.keys() - watched:
            del self._drawn[key]


async def worst_first(views: Views, now: float, breath: Breath) -> list[Watched]:
    """Return all that is watched, in the order it is to be told in."""
    found = []
    for watched in views.watched():
        found.append((rank(watched, now), watched))
        await breath()
    found.sort(key=itemgetter(0))
    await breath()
    return [watched for _, watched in found]


def drained(values: list[T]) -> Iterator[T]:
    """Yield values and let go of each: to free those of a thousand targets in one go holds the loop, too."""
    values.reverse()
    while values:
        yield values.pop()


def _mood(watched: Sequence[Watched], now: float) -> str:
    return standing(watched[0], now).badge if watched else Standing.UNKNOWN.badge


def _title(watched: Sequence[Watched]) -> str:
    failing = len({each.target.name for each in watched if each.failing})
    return f"{failing} failing · pingone-flow-exporter" if failing else "pingone-flow-exporter"


def _row(watched: Watched, now: float, picture: Markup) -> Row:
    target, last, decisive = watched.target, watched.last, watched.decisive
    several = len(target.journeys) > 1
    return Row(
        name=target.name,
        host=f"{target.auth_host}, {watched.journey}" if several else target.auth_host,
        fault=decisive.fault.value if watched.failing and decisive else "",
        verdict=verdict(watched, now),
        last=f"{status(last)}, {relative(last.ended_at, now)}" if last else target_of(watched),
        sparkline=picture,
        latency=took(watched),
        next=_next(watched, now),
    )


def target_of(watched: Watched) -> str:
    """Say whom a target signs on, when there is nothing else to say of it yet."""
    return f"source environment {watched.target.source_environment_id}"


def took(watched: Watched) -> str:
    """Say how long the last probe took, where that can be believed."""
    last = watched.last
    if last is None or last.stalled:
        return NOT_KNOWN
    return latency(last.duration) if last.fault is not Fault.EXPORTER else NOT_KNOWN


def next_run(watched: Watched, now: float) -> str:
    """Say when it is probed next; what is overdue is about to be."""
    due = watched.next_run
    return "none any more" if due is None else relative(max(due, now), now)


def _next(watched: Watched, now: float) -> str:
    when = "no more probes" if watched.next_run is None else f"next {next_run(watched, now)}"
    if watched.held_until is None:
        return when
    return f"held back until {clock(watched.held_until, now)}, {when}"
