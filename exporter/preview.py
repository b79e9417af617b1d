"""What would run, for `check-config`: joins settings and scheduling, and starts nothing.

settings -> targets -> plan -> tables, and warnings where a configuration is right but hardly meant
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from exporter.durations import format_duration
from exporter.outcome import KNOWN_STATUSES
from exporter.scheduling import ENVIRONMENT_RATE, ONE_SOURCE, Load, first_probes, loads
from exporter.settings import Config, describe
from exporter.target import Target

Row = tuple[str, ...]

_MOST_ROWS = 20
"""Of a table of loads. Its heaviest rows come first; whoever has more environments will not read them all."""

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What to tell.

    Args:
        text: what would run.
        warnings: what is right, but hardly meant.
    """

    text: str
    warnings: tuple[str, ...]


def preview(settings: Config) -> Preview:
    """Say what would run."""
    everything = (*settings.targets, *settings.shard.elsewhere)
    blocks = [*_loads(settings, everything), *_starts(settings), describe(settings)]
    warnings = [
        *_near_the_limit(settings, everything),
        *_never_slow(settings.targets),
        *_never_returned(settings.targets),
    ]
    return Preview("\n\n".join(blocks), tuple(warnings))


def _loads(settings: Config, everything: Sequence[Target]) -> Iterator[str]:
    sharded = bool(settings.shard.elsewhere)
    places: tuple[tuple[str, Callable[[Target], str]], ...] = (
        ("auth host", lambda target: target.auth_host),
        ("source environment", lambda target: target.source_environment_id),
    )
    for title, where in places:
        own = {load.where: load for load in loads(settings.targets, where)}
        found = [(own[load.where], load) for load in loads(everything, where) if load.where in own]
        shards = ["of all shards"] if sharded else []
        rows = [(title, "targets", "probes/min", *shards, "open flows")]
        for here, whole in found[:_MOST_ROWS]:
            shards = [_per_minute(whole)] if sharded else []
            rows.append((here.where, str(here.targets), _per_minute(here), *shards, _number(here.flows)))
        if found:
            more = len(found) - _MOST_ROWS
            yield _table(rows) + (f"\nand {more} more, with fewer probes" if more > 0 else "")


def _starts(settings: Config) -> Iterator[str]:
    rows = [
        (
            start.target.name,
            start.journey.value,
            f"after {format_duration(start.delay)}" if start.delay else "at once",
            format_duration(start.target.interval),
        )
        for start in first_probes(settings.targets)
    ]
    if rows:
        yield _table([("target", "journey", "first probe", "then every"), *rows])


def _near_the_limit(settings: Config, everything: Sequence[Target]) -> Iterator[str]:
    own = {target.source_environment_id for target in settings.targets}
    shards = " by all shards together" if settings.shard.elsewhere else ""
    for load in loads(everything, lambda target: target.source_environment_id):
        if load.is_near_the_limit and load.where in own:
            yield (
                f"source environment {load.where} is sent {_number(load.requests)} requests a second"
                f"{shards}; one address gets {ONE_SOURCE:.0%} of what an environment takes, which is about "
                f"{_number(ONE_SOURCE * ENVIRONMENT_RATE)} a second as others tell; make INTERVAL longer"
            )


def _never_slow(targets: Iterable[Target]) -> Iterator[str]:
    names = [target.name for target in targets if target.latency_objective >= target.timeout]
    if names:
        yield (
            "LATENCY_OBJECTIVE is not shorter than the timeout, so that no success is ever slow: "
            f"{_some(names)}; make it shorter"
        )


def _never_returned(targets: Iterable[Target]) -> Iterator[str]:
    """Warn of a status that nobody else knows: a new one is right, a misspelt one fails every probe."""
    found: dict[str, list[str]] = {}
    for target in targets:
        for status in target.expected_statuses:
            if status not in KNOWN_STATUSES:
                found.setdefault(status, []).append(target.name)
    for status, names in sorted(found.items()):
        close = get_close_matches(status, sorted(KNOWN_STATUSES), n=1)
        meant = f"did you mean {close[0]}?" if close else "look whether it is spelt right"
        yield f"EXPECTED_STATUSES has {status}, which PingOne is not known to return: {_some(names)}; {meant}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return f"{', '.join(names[:_MOST_NAMES])}{f' and {more} more' if more > 0 else ''}"


def _per_minute(load: Load) -> str:
    return _number(load.probes * 60)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value >= 0.1 else "<0.1"  # noqa: PLR2004  what one decimal shows


def _table(rows: Sequence[Row]) -> str:
    """Write rows under their heads: first column flush left, numbers flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = [column[-1][:1].isdigit() or column[-1][:1] == "<" for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number and place else cell.ljust(width)
            for place, (cell, width, number) in enumerate(zip(row, widths, numbers, strict=True))
        ).rstrip()
        for row in rows
    )
