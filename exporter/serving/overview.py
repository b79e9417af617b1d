"""The overview page: the headline, what is wrong, what expires next, then every other target."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import urlsplit

from exporter.internal_errors import InternalErrors, Part
from exporter.reasons import Fault, Reason, reason_text
from exporter.serving.expiry import expiries_of, soonest_first
from exporter.serving.headline import headline
from exporter.serving.health import Health, Row, describe_status, health, likely_fault, severity, warnings
from exporter.serving.html import TITLE, YieldIfDue, render, sparkline, yielding
from exporter.serving.target_filter import SYNTAX, matches, parse_filter
from exporter.status import (
    DestinationStatus,
    EgressStatus,
    StatusPageReport,
    TargetHistory,
    TargetStatus,
)
from exporter.target import Target

MAX_UNHEALTHY_LINES = 8
"""Lines about unhealthy targets that are shown before the rest is folded: about one screen."""
MIN_LINES_OF_GROUP = 2
MIN_TARGETS_OF_HOST = 5
"""This many targets of one host that fail in the same way are shown as one line."""
MAX_EXPIRIES = 5
CANNOT_RENDER = "cannot render a target"

_TROUBLE = frozenset({Health.FAILING, Health.UNSTABLE})
_ORDINARY = frozenset({Health.NEW, Health.HEALTHY})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSource:
    """Where pages and API get what they show."""

    version: str
    # every target and journey, built one by one as they are read
    statuses: Callable[[], Iterator[TargetStatus]]
    # all journeys of the named target; empty if it is unknown
    history: Callable[[str], tuple[TargetHistory, ...]]
    now: Callable[[], float]  # wall clock, seconds since the epoch
    errors: InternalErrors  # counts and logs our own bugs
    # called when a long computation starts, which then awaits the result every few steps to let others run
    start_work: Callable[[], YieldIfDue]
    external_url: Callable[[], str | None]  # the base URL of links; None if it is not set
    # the result of the egress check; None without one, and before the first
    egress: Callable[[], EgressStatus | None]
    # why sign-on of a target is suspended; None if it is not
    suspended: Callable[[Target], Reason | None] = lambda _: None
    # as last read; None without one, and before the first
    status_page: Callable[[], StatusPageReport | None] = lambda: None
    # those that list their identity providers, by name
    destinations: Callable[[], tuple[DestinationStatus, ...]] = tuple
    # the URL template of links from a target to other programs, by their names
    links: Callable[[], Mapping[str, str | None]] = dict


class HostGroup(NamedTuple):
    """Targets of one host that fail in the same way, shown as one line."""

    host: str
    total: int
    since: float
    fault: Fault
    why: str
    rows: Sequence[Row]


class HealthGroup(NamedTuple):
    """Targets with the same health: lines that are shown at first, and those that are folded."""

    health: Health
    size: int
    hosts: Sequence[HostGroup]
    shown: Sequence[Row]
    folded: Sequence[Row]


_HARMLESS = frozenset({Health.SLOW, Health.NEW, Health.HEALTHY})


async def overview_page(source: StatusSource, query: str = "") -> bytes:
    """Return the page with the targets that match a filter; all if it is empty."""
    now, yield_if_due = source.now(), source.start_work()
    journeys = await worst_first(source, now, yield_if_due)
    expiries = soonest_first(expiry for row in journeys for expiry in row.expiries)
    targets = await by_target(journeys, yield_if_due)
    worst = targets[0].health if targets else Health.NEW
    if worst in _HARMLESS and any(one.never_listed for one in source.destinations()):
        worst = Health.INCONCLUSIVE
    counts = Counter(row.health for row in targets)
    text = headline(targets, now, source.egress(), source.destinations())
    await yield_if_due()
    hosts = Counter(host for row in targets for host in {row.status.host, row.status.relevant_host})
    found = await matching(targets, query, yield_if_due, source.errors) if query else targets
    await yield_if_due()
    sections = _sections(found, hosts, fold=not query)
    await yield_if_due()
    url = source.external_url()

    def guarded(line: Callable[[Row], str], name_alone: Callable[[Row], str], row: Row) -> str:
        """Render the line of a target; a bug that shows there costs no other target its line."""
        with source.errors.catching(Part.PAGE, CANNOT_RENDER, target=row.status.target.name):
            return line(row)
        return name_alone(row)

    return await render(
        "overview.html",
        yield_if_due,
        title=f"{failing} failing · {TITLE}" if (failing := counts[Health.FAILING]) else TITLE,
        page="overview",
        badge=worst.badge,
        canonical=None if url is None else f"{url}/",
        root=root_path(url),
        query=query,
        syntax=SYNTAX,
        version=source.version,
        now=now,
        headline=text,
        counts=counts,
        found=len(found),
        total=len(targets),
        sections=sections,
        expiries=expiries,
        max_expiries=MAX_EXPIRIES,
        destinations=source.destinations(),
        status_page=source.status_page(),
        sparkline=sparkline,
        warnings=warnings,
        guarded=guarded,
    )


def root_path(external_url: str | None) -> str:
    """Return the path that links start with, such as `/flow/`; empty for relative links.

    With a path in the external URL, links are right with and without a trailing slash, and whether or not the
    proxy strips the path. Without one the exporter cannot know its prefix: relative links work behind any.
    """
    path = urlsplit(external_url or "").path.rstrip("/")
    return f"{path}/" if path else ""


async def worst_first(source: StatusSource, now: float, yield_if_due: YieldIfDue) -> list[Row]:
    """Return a row for each target and journey, worst first."""
    rows = [_rated(one, now, source.errors) async for one in yielding(source.statuses(), yield_if_due)]
    rows.sort(key=partial(severity, now=now))
    await yield_if_due()
    return rows


def _rated(status: TargetStatus, now: float, errors: InternalErrors) -> Row:
    with errors.catching(Part.PAGE, CANNOT_RENDER, target=status.target.name):
        kind = health(status, now)
        fault, why = (likely_fault(status), describe_status(status)) if kind in _TROUBLE else (None, "")
        return Row(status, kind, fault, why, tuple(expiries_of(status)))
    return Row(status, Health.INCONCLUSIVE)  # a bug that shows with one target costs no other its row


async def by_target(rows: Iterable[Row], yield_if_due: YieldIfDue) -> list[Row]:
    """Return one row for each target, in the order of their first journeys."""
    journeys: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        journeys[row.status.target.name].append(row)
    return [
        worst._replace(others=tuple(other.status for other in others))
        async for worst, *others in yielding(journeys.values(), yield_if_due)
    ]


async def matching(
    rows: Iterable[Row], query: str, yield_if_due: YieldIfDue, errors: InternalErrors
) -> list[Row]:
    """Return the rows that match a filter."""
    terms = parse_filter(query)
    return [row async for row in yielding(rows, yield_if_due) if matches(row, terms, errors)]


def _sections(rows: Iterable[Row], all_of_hosts: Counter[str], *, fold: bool) -> list[HealthGroup]:
    """Group targets by health; unhealthy ones fill about one screen, and the rest of them is folded."""
    room, sections = MAX_UNHEALTHY_LINES, []
    for kind, group in groupby(rows, key=attrgetter("health")):
        members = list(group)
        size, hosts = len(members), list[HostGroup]()
        if fold and kind is Health.FAILING:
            hosts, members = _by_host(members, all_of_hosts)
        limit = len(members)
        if fold and kind not in _ORDINARY:
            limit = max(room - len(hosts), MIN_LINES_OF_GROUP)
            limit += len(members) == limit + 1  # to fold a single line would save none
            room -= len(hosts) + min(limit, len(members))
        sections.append(HealthGroup(kind, size, hosts, members[:limit], members[limit:]))
    return sections


def _by_host(failing: Sequence[Row], all_of_hosts: Counter[str]) -> tuple[list[HostGroup], list[Row]]:
    """Return the hosts that explain many failures, and the failing targets that none of them explains."""
    alike: defaultdict[tuple[str, Reason, Fault, str], list[Row]] = defaultdict(list)
    for row in failing:
        alike[_cause(row)].append(row)
    groups = {key: rows for key, rows in alike.items() if len(rows) >= MIN_TARGETS_OF_HOST}
    others = [row for row in failing if _cause(row) not in groups]
    hosts = []
    for (host, reason, fault, _), rows in groups.items():
        texts = {row.why for row in rows}
        why = texts.pop() if len(texts) == 1 else reason_text(reason, fault)
        since = min(row.status.since or 0.0 for row in rows)
        hosts.append(HostGroup(host, all_of_hosts[host], since, fault, why, rows))
    return sorted(hosts, key=lambda host: len(host.rows), reverse=True), others


def _cause(row: Row) -> tuple[str, Reason, Fault, str]:
    decisive = row.status.decisive
    assert decisive is not None  # noqa: S101  it is what made the target failing
    return row.status.relevant_host, decisive.reason, decisive.fault, decisive.step
