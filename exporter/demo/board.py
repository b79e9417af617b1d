"""What the demo shows: a live table on a terminal, a line per change elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from exporter.outcome import Outcome, rfc3339
from exporter.target import Journey

_text, _number = partial(Column, no_wrap=True), partial(Column, no_wrap=True, justify="right")

COLUMNS = (
    _text("target", width=17),
    Column("weather"),  # what has no width is cut where there is too little room
    _text("reason", width=17),
    _text("fault", width=13),
    _number("latency", width=7),
    _number("ok", width=5),
    _number("failed", width=6),
)
REDRAWS_PER_SECOND = 4


@dataclass(slots=True)
class _Tally:
    last: Outcome | None = None
    ok: int = 0
    failed: int = 0
    inconclusive: int = 0


class Board:
    """Observes outcomes and shows them on `console`, with what `weather` returns for a target.

    `targets` have a row from the start; below them, those that are discovered follow by name.
    """

    def __init__(self, console: Console, targets: Iterable[str], weather: Callable[[str], str]) -> None:
        self._console = console
        self._weather = weather
        self._live = console.is_interactive
        self._tallies = {target: _Tally() for target in targets}
        self._discovered: dict[str, _Tally] = {}

    def observe(self, outcome: Outcome, /) -> None:
        """Record an outcome; without a terminal, print a line when the reason changed."""
        if outcome.journey is Journey.DISCOVERY:  # a row shows whether users can sign on
            return
        tally = self._tallies.get(outcome.target) or self._discovered.setdefault(outcome.target, _Tally())
        changed = tally.last is None or tally.last.reason is not outcome.reason
        tally.last = outcome
        tally.ok += outcome.conclusive and outcome.success
        tally.failed += outcome.conclusive and not outcome.success
        tally.inconclusive += not outcome.conclusive
        if changed and not self._live:
            fault = "" if outcome.success else f" (step {outcome.step}, fault {outcome.fault})"
            line = f"{outcome.target}: {outcome.reason}{fault}, weather {self._weather(outcome.target)}"
            self._print(f"{rfc3339(outcome.ended_at)} {line}")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the context lasts; without a terminal, print the sums at its end."""
        if not self._live:
            yield
            for target, tally in self._rows():
                more = f", {tally.inconclusive} inconclusive" if tally.inconclusive else ""
                self._print(f"{target}: {tally.ok} ok, {tally.failed} failed{more}")
            return
        with Live(console=self._console, refresh_per_second=REDRAWS_PER_SECOND, get_renderable=self.table):
            yield

    def table(self) -> Table:
        """Return the table as it is now, one row per target."""
        columns = [column.copy() for column in COLUMNS]
        table = Table(*columns, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for target, tally in self._rows():
            weather = Text(self._weather(target), no_wrap=True, overflow="ellipsis")
            cells = {"target": Text(target), "weather": weather, **_cells(tally)}
            table.add_row(*(cells.get(str(column.header)) for column in columns))
        return table

    def _rows(self) -> Iterator[tuple[str, _Tally]]:
        yield from self._tallies.items()
        yield from sorted(self._discovered.items())

    def _print(self, line: str) -> None:
        with suppress(OSError, SystemExit):  # rich exits when a pipe is closed, as `head` does
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _cells(tally: _Tally) -> dict[str, Text]:
    last = tally.last
    if last is None:
        return {"reason": Text("not probed yet", style="dim")}
    color = last.fault.color
    return {
        "reason": Text(last.reason.value, style=color),
        "fault": Text("" if last.success else last.fault.value, style=color),
        "latency": Text(f"{last.duration * 1000:.0f} ms"),
        "ok": Text(str(tally.ok)),
        "failed": Text(str(tally.failed), style="red" if tally.failed else "dim"),
    }
