"""The overview page: the headline, what is wrong, what expires next, then every other target."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from exporter.internal_errors import InternalErrors, Part
from exporter.reasons import Fault, Reason, reason_text
from exporter.serving.expiry import Expiry, expiries_of, soonest_first
from exporter.serving.headline import headline
from exporter.serving.health import Health, Row, describe_status, health, likely_fault, severity, warnings
from exporter.serving.html import TITLE, YieldIfDue, render, sparkline, yielding
from exporter.serving.target_filter import SYNTAX, matches, parse_filter
from exporter.status import DestinationStatus, EgressStatus, LiveFacts, TargetHistory, TargetStatus

MAX_UNHEALTHY_LINES = 8
"""Lines about unhealthy targets that are shown before the rest is folded: about one screen."""
MIN_LINES_OF_GROUP = 2
MIN_TARGETS_OF_HOST = 5
"""This many targets of one host that fail in the same way are shown as one line."""
MAX_EXPIRIES = 5
CANNOT_RENDER = "cannot render a target"

_TROUBLE = frozenset({Health.FAILING, Health.UNSTABLE})
_ORDINARY = frozenset({Health.NEW, Health.HEALTHY})
_HARMLESS = _ORDINARY | {Health.SLOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSource(LiveFacts):
    """Where pages and API get what they show."""

    # every target and journey, built one by one as they are read
    statuses: Callable[[], Iterator[TargetStatus]]
    # all journeys of the named target; empty if it is unknown
    history: Callable[[str], tuple[TargetHistory, ...]]
    now: Callable[[], float]  # wall clock, seconds since the epoch
    # called when a long computation starts, which then awaits the result every few steps to let others run
    start_work: Callable[[], YieldIfDue]
    external_url: Callable[[], str | None]  # the base URL of links; None if it is not set
    # the URL template of links from a target to other programs, by their names
    links: Callable[[], Mapping[str, str | None]] = dict


class Survey(NamedTuple):
    """All targets at one moment, for page and API; rows are in the order of severity, worst first."""

    headline: str
    egress: EgressStatus | None
    destinations: Sequence[DestinationStatus]
    journeys: list[Row]  # of each target and journey
    targets: list[Row]  # of each target, with its worst journey
    found: list[Row]  # the targets that match the filter
    expiries: Sequence[Expiry]  # what expires next, soonest first


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


async def overview_page(source: StatusSource, query: str = "") -> bytes:
    """Return the page with the targets that match a filter; all if it is empty."""
    now, yield_if_due = source.now(), source.start_work()
    seen = await survey(source, query, now, yield_if_due)
    targets = seen.targets
    worst = targets[0].health if targets else Health.NEW
    if worst in _HARMLESS and any(one.never_listed for one in seen.destinations):
        worst = Health.INCONCLUSIVE
    counts = Counter(row.health for row in targets)
    hosts = Counter(host for row in targets for host in {row.status.host, row.status.relevant_host})
    await yield_if_due()
    sections = _sections(seen.found, hosts, fold=not query)
    await yield_if_due()

    def guarded(line: Callable[[Row], str], name_alone: Callable[[Row], str], row: Row) -> str:
        """Render the line of a target; a bug that shows there costs no other target its line."""
        with source.errors.catching(Part.PAGE, CANNOT_RENDER, target=row.status.target.name):
            return line(row)
        return name_alone(row)

    return await render(
        "overview.html",
        yield_if_due,
        external_url=source.external_url(),
        title=f"{failing} failing · {TITLE}" if (failing := counts[Health.FAILING]) else TITLE,
        page="overview",
        badge=worst.badge,
        query=query,
        syntax=SYNTAX,
        now=now,
        headline=seen.headline,
        counts=counts,
        found=len(seen.found),
        total=len(targets),
        sections=sections,
        expiries=seen.expiries,
        destinations=seen.destinations,
        status_page=source.status_page(),
        sparkline=sparkline,
        warnings=warnings,
        guarded=guarded,
    )


async def survey(source: StatusSource, query: str, now: float, yield_if_due: YieldIfDue) -> Survey:
    """Look at every target; `query` is a filter, which all match if it is empty."""
    journeys = [_rated(one, now, source.errors) async for one in yielding(source.statuses(), yield_if_due)]
    journeys.sort(key=partial(severity, now=now))
    await yield_if_due()
    by_name: defaultdict[str, list[Row]] = defaultdict(list)
    for row in journeys:
        by_name[row.status.target.name].append(row)
    targets = [
        worst._replace(others=tuple(other.status for other in others))
        async for worst, *others in yielding(by_name.values(), yield_if_due)
    ]
    expiries = soonest_first(expiry for row in journeys for expiry in row.expiries)
    await yield_if_due()
    egress, destinations = source.egress(), source.destinations()
    text = headline(targets, now, egress, destinations)
    await yield_if_due()
    found = targets
    if terms := parse_filter(query):
        found = [row async for row in yielding(targets, yield_if_due) if matches(row, terms, source.errors)]
    return Survey(text, egress, destinations, journeys, targets, found, expiries[:MAX_EXPIRIES])


def _rated(status: TargetStatus, now: float, errors: InternalErrors) -> Row:
    with errors.catching(Part.PAGE, CANNOT_RENDER, target=status.target.name):
        kind = health(status, now)
        fault, why = (likely_fault(status), describe_status(status)) if kind in _TROUBLE else (None, "")
        return Row(status, kind, fault, why, tuple(expiries_of(status)))
    return Row(status, Health.INCONCLUSIVE)  # a bug that shows with one target costs no other its row


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
