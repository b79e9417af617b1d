"""What a person sees of the demo: a live table on a terminal, a line per change elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from exporter.outcome import Outcome, rfc3339
from exporter.palette import COLORS

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod


_COLUMNS = {
    "target": 17,
    "weather": 22,
    "reason": 17,
    "fault": 13,
    "status": 26,
    "since": 8,
    "latency": 7,
    "good": 5,
    "bad": 5,
}
"""Headings in their order, with widths that hold whatever the demo shows."""
_NUMBERS = frozenset({"since", "latency", "good", "bad"})
_ELASTIC = ("status", "weather")
"""Cut when there is too little room, the first one first."""
_LEFT_OUT = frozenset({"status", "since"})
"""On a narrow terminal."""
_GAP = 1
_SHORTEST = 8
_WIDE = 105
_REDRAWS_PER_SECOND = 4


@dataclass(slots=True)
class _Seen:
    last: Outcome | None = None
    since: float = 0.0
    good: int = 0
    bad: int = 0


class Board:
    """Observes outcomes and shows them.

    Args:
        console: where to.
        weather: target name -> the weather over its source environment at this moment.
    """

    def __init__(self, console: Console, weather: Mapping[str, Callable[[], str]]) -> None:
        self._console = console
        self._weather = weather
        self._live = console.is_interactive
        self._seen = {target: _Seen() for target in weather}

    def observe(self, outcome: Outcome, /) -> None:
        """Take note; without a terminal, print a line when the reason changed."""
        seen = self._seen[outcome.target]
        changed = seen.last is None or seen.last.reason is not outcome.reason
        if changed:
            seen.since = outcome.ended_at
        seen.last = outcome
        if outcome.success:
            seen.good += 1
        else:
            seen.bad += 1
        if changed and not self._live:
            self._print_line(outcome)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it for as long as the context lasts, and what it came to at the end."""
        if not self._live:
            yield
            self._print_sums()
            return
        with Live(
            console=self._console,
            refresh_per_second=_REDRAWS_PER_SECOND,
            get_renderable=self.table,
        ):
            yield

    def table(self) -> Table:
        """Return the table as it is now, one row per target."""
        widths = _widths(self._console.width)
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for heading, width in widths.items():
            justify: JustifyMethod = "right" if heading in _NUMBERS else "left"
            table.add_column(heading, justify=justify, no_wrap=True, width=width)
        for target, seen in self._seen.items():
            cells = {"target": Text(target), "weather": Text(self._weather[target]()), **_cells(seen)}
            table.add_row(*(cells.get(heading) for heading in widths))
        return table

    def _print_line(self, outcome: Outcome) -> None:
        weather = self._weather[outcome.target]()
        line = f"{outcome.target}: {outcome.reason} ({_whose(outcome)}), weather {weather}"
        self._print(f"{rfc3339(outcome.ended_at)} {line}")

    def _print_sums(self) -> None:
        for target, seen in self._seen.items():
            self._print(f"{target}: {seen.good} good, {seen.bad} bad probes")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _widths(room: int) -> dict[str, int]:
    """Return the columns that there is room for, with their widths; a reason or a number is never cut."""
    narrow = room < _WIDE
    widths = {heading: width for heading, width in _COLUMNS.items() if not (narrow and heading in _LEFT_OUT)}
    for heading in _ELASTIC:
        lacking = sum(widths.values()) + _GAP * (len(widths) - 1) - room
        if heading in widths and lacking > 0:
            widths[heading] = max(widths[heading] - lacking, _SHORTEST)
    return widths


def _cells(seen: _Seen) -> dict[str, Text]:
    last = seen.last
    if last is None:
        return {"reason": Text("not probed yet", style="dim")}
    colour = COLORS[last.fault]
    status = next((step.flow_status for step in reversed(last.steps) if step.flow_status), "")
    return {
        "reason": Text(last.reason.value, style=colour),
        "fault": Text("" if last.success else last.fault.value, style=colour),
        "status": Text(status),
        "since": Text(rfc3339(seen.since)[11:19]),
        "latency": Text(f"{last.duration * 1000:.0f} ms"),
        "good": Text(str(seen.good)),
        "bad": Text(str(seen.bad), style="red" if seen.bad else "dim"),
    }


def _whose(outcome: Outcome) -> str:
    return "good" if outcome.success else f"fault: {outcome.fault}"
