"""What pages show, to vary in tests of how they show it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from observing.examples import START, a_failure, a_success, a_target

from exporter.outcome import Outcome
from exporter.reasons import Fault
from exporter.serving import Egress, Past, Views, Watched
from exporter.target import Journey

NOW = START + 240.0
"""Four minutes after the outcomes of `observing.examples` began: 22 Nov 2025 14:04 UTC."""


async def at_once() -> None:
    """Breathe without letting go."""


def a_watched(*outcomes: Outcome, **changes: Any) -> Watched:  # noqa: ANN401  any field of it
    """Return `emea` as it stands after these outcomes, all of one result, with the changes given."""
    told = [outcome for outcome in outcomes if outcome.counts]
    facts: dict[str, Any] = {
        "target": a_target(),
        "journey": Journey.AUTHORIZE,
        "failing": not told[-1].success if told else None,
        "since": told[0].ended_at if told else None,
        "in_a_row": len(told),
        "last": outcomes[-1] if outcomes else None,
        "decisive": told[-1] if told else None,
        "points": tuple((outcome.duration, outcome.fault.value) for outcome in outcomes),
        "next_run": NOW + 12,
    }
    return Watched(**facts | changes)


def good(name: str = "emea", **changes: Any) -> Watched:  # noqa: ANN401  any field of it
    """Return a target that succeeds."""
    return a_watched(a_success(target=name), **{"target": a_target(name=name)} | changes)


def bad(name: str = "emea", host: str = "auth.pingone.eu", **changes: Any) -> Watched:  # noqa: ANN401  any field of an outcome
    """Return a target that fails."""
    target = a_target(name=name, source_url=f"https://{host}/x")
    return a_watched(a_failure(target=name, **changes), target=target)


def slow(name: str = "emea") -> Watched:
    """Return a target that succeeds, and took longer than its objective."""
    return a_watched(a_success(target=name, duration=2.5), target=a_target(name=name))


def views(
    *watched: Watched,
    pasts: Iterable[Past] = (),
    now: float = NOW,
    external_url: str | None = None,
    egress: Egress | None = None,
) -> Views:
    """Return views of these."""
    known = tuple(pasts)
    return Views(
        version="1.2.3",
        watched=lambda: iter(watched),
        past=lambda name: tuple(past for past in known if past.watched.target.name == name),
        now=lambda: now,
        slices=lambda: at_once,
        external_url=lambda: external_url,
        egress=lambda: egress,
    )


def a_past(*outcomes: Outcome, **changes: Any) -> Past:  # noqa: ANN401  any field of what is watched
    """Return what is known of `emea` after these outcomes."""
    newest_first = outcomes[::-1]
    failures = tuple(outcome for outcome in newest_first if not outcome.success)
    return Past(watched=a_watched(*outcomes, **changes), recent=newest_first, failures=failures)


def points(text: str) -> tuple[tuple[float | None, str], ...]:
    """Return a picture's probes: a digit is a success of so many seconds, another sign a fault."""
    faults = {"p": Fault.PROVIDER, "n": Fault.NETWORK, "q": Fault.QUOTA, "x": Fault.EXPORTER}
    return tuple(
        (float(sign), Fault.NONE.value) if sign.isdigit() else (None, faults[sign].value) for sign in text
    )


def named(past: Past, name: str) -> Past:
    """Return the same of another target."""
    return replace(past, watched=replace(past.watched, target=replace(past.watched.target, name=name)))


def made(coroutine: Any) -> Any:  # noqa: ANN401  whatever is awaited
    """Return what a coroutine returns."""
    return asyncio.run(coroutine)


def among(texts: Sequence[str], part: str) -> bool:
    """Whether a part is in one of the texts."""
    return any(part in text for text in texts)
