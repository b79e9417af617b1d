"""The overview page: the headline, then every target, worst first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit

from exporter.reasons import Reason
from exporter.serving.headline import headline
from exporter.serving.html import render, sparkline
from exporter.serving.texts import Health, health, severity
from exporter.single_flight import SingleFlight
from exporter.status import (
    DestinationStatus,
    EgressStatus,
    Point,
    StatusPageReport,
    TargetHistory,
    TargetStatus,
)
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from markupsafe import Markup

YieldIfDue: TypeAlias = Callable[[], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSource:
    """Where pages and API get what they show.

    Args:
        version: the exporter's version.
        statuses: returns every target and journey, built one by one as they are read.
        history: returns all journeys of the named target; empty if it is unknown.
        now: wall clock, seconds since the epoch.
        start_work: called at the start of a long computation; what it returns is awaited every few steps, and
            lets the event loop run when the computation has held it for long enough.
        external_url: returns the base URL of links; None if it is not set.
        egress: returns the result of the egress check; None without one, and before the first.
        suspended: returns why sign-on of a target is suspended; None if it is not.
        status_page: returns the vendor's status page as last read; None without one, and before the first.
        destinations: returns the destinations that list their identity providers, by name.
    """

    version: str
    statuses: Callable[[], Iterator[TargetStatus]]
    history: Callable[[str], tuple[TargetHistory, ...]]
    now: Callable[[], float]
    start_work: Callable[[], YieldIfDue]
    external_url: Callable[[], str | None]
    egress: Callable[[], EgressStatus | None]
    suspended: Callable[[Target], Reason | None] = lambda _: None
    status_page: Callable[[], StatusPageReport | None] = lambda: None
    destinations: Callable[[], tuple[DestinationStatus, ...]] = tuple


class Group(NamedTuple):
    """Targets with the same health."""

    health: Health
    size: int
    statuses: Iterator[TargetStatus]


class Overview:
    """Renders the overview; caches the sparklines, since few change between two requests.

    Args:
        source: what it shows.
    """

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._sparklines: dict[tuple[str, Journey], tuple[tuple[Point, ...], Markup]] = {}
        self.page = SingleFlight(self._render)
        """Returns the page; a thousand targets are a megabyte, so concurrent requests share one."""

    async def _render(self) -> bytes:
        source, now, yield_if_due = self._source, self._source.now(), self._source.start_work()
        statuses = await worst_first(source, now, yield_if_due)
        known = {(status.target.name, status.journey) for status in statuses}
        for key in self._sparklines.keys() - known:
            del self._sparklines[key]
        text = headline(statuses, now, source.egress())
        title = _title(statuses)
        badge = health(statuses[0], now).badge if statuses else Health.NEW.badge
        await yield_if_due()
        groups = [
            Group(kind, len(members := list(group)), pop_all(members))
            for kind, group in groupby(pop_all(statuses), key=partial(health, now=now))
        ]
        await yield_if_due()
        url = source.external_url()
        return await render(
            "overview.html",
            yield_if_due,
            title=title,
            canonical=None if url is None else f"{url}/",
            root=root_path(url),
            is_overview=True,
            api="",
            version=source.version,
            now=now,
            headline=text,
            badge=badge,
            groups=groups,
            sparkline=self._sparkline,
        )

    def _sparkline(self, status: TargetStatus) -> Markup:
        key = status.target.name, status.journey
        points, image = self._sparklines.get(key, (None, None))
        if image is None or points != status.points:
            image = sparkline(status.points, status.timing.interval)
            self._sparklines[key] = status.points, image
        return image


def root_path(external_url: str | None) -> str:
    """Return the path that links start with, such as `/flow/`; empty for relative links.

    With a path in the external URL, links are right with and without a trailing slash, and whether or not the
    proxy strips the path. Without one the exporter cannot know its prefix: relative links work behind any.
    """
    path = urlsplit(external_url or "").path.rstrip("/")
    return f"{path}/" if path else ""


async def worst_first(source: StatusSource, now: float, yield_if_due: YieldIfDue) -> list[TargetStatus]:
    """Return every target and journey, worst first."""
    ranked = []
    for status in source.statuses():
        ranked.append((severity(status, now), status))
        await yield_if_due()
    ranked.sort(key=itemgetter(0))
    await yield_if_due()
    return [status for _, status in ranked]


def pop_all(values: list[T]) -> Iterator[T]:
    """Yield values and drop each one: freeing a thousand at once would hold the event loop."""
    values.reverse()
    while values:
        yield values.pop()


def _title(statuses: Sequence[TargetStatus]) -> str:
    failing = len({status.target.name for status in statuses if status.failing})
    return f"{failing} failing · pingone-flow-exporter" if failing else "pingone-flow-exporter"
