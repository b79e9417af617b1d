"""Who is held back because the provider asked for it. Pure; bounded by the number of scopes probed."""

from __future__ import annotations

from typing import NamedTuple

from exporter.target import Target

LONGEST = 300.0
"""Seconds. A provider that asks for an hour would leave us blind for it."""

INTERVALS = 2
"""Of the refused target, when the provider does not say how long."""


class Scope(NamedTuple):
    """What a rate limit counts for: one environment on one host."""

    auth_host: str
    source_environment_id: str


def scope_of(target: Target) -> Scope:
    """Return the scope that `target` is limited in."""
    return Scope(*target.rate_scope)


def hold_for(target: Target, retry_after: float | None) -> float:
    """Return for how many seconds to leave a provider alone that limited `target`."""
    wanted = INTERVALS * target.interval if retry_after is None else retry_after
    return min(wanted, LONGEST)


class Holds:
    """The holds in force."""

    def __init__(self) -> None:
        self._until: dict[Scope, float] = {}

    def hold(self, scope: Scope, until: float) -> float:
        """Hold `scope` back until then, or longer if it already is; return until when."""
        self._until[scope] = max(until, self._until.get(scope, until))
        return self._until[scope]

    def is_held(self, scope: Scope, now: float) -> bool:
        """Whether `scope` is held back at `now`."""
        return self.until(scope, now) is not None

    def until(self, scope: Scope, now: float) -> float | None:
        """Return until when `scope` is held back, None if it is not at `now`."""
        until = self._until.get(scope, now)
        return until if now < until else None

    def forget(self, now: float) -> None:
        """Drop what is over: after many reloads there may be many scopes of former targets."""
        self._until = {scope: until for scope, until in self._until.items() if now < until}
