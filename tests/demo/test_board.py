"""What the demo shows: a table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import errno
import io
import os
import re
from typing import Any

import pytest
from rich.console import Console
from weather_outcomes import REPORTED

from exporter.demo.board import Board
from exporter.outcome import Outcome, Phase, StepRecord
from exporter.reasons import FAULTS, Fault, Reason
from exporter.simulator import demo_script
from exporter.target import Journey

NOON = 1_776_772_800.25  # 2026-04-21T12:00:00.250Z
TARGET = "nordics_workforce"
STATUS = "USERNAME_PASSWORD_REQUIRED"


def outcome(reason: Reason = Reason.OK, **changes: Any) -> Outcome:  # noqa: ANN401  any field
    step = StepRecord(
        step="authorize",
        reason=reason,
        phase=Phase.TRANSFER,
        phases={},
        flow_status=STATUS if reason is Reason.OK else None,
    )
    facts: dict[str, Any] = {
        "target": TARGET,
        "journey": Journey.AUTHORIZE,
        "reason": reason,
        "fault": FAULTS[reason][0],
        "step": "authorize",
        "phase": Phase.TRANSFER,
        "started_at": NOON - 1,
        "ended_at": NOON,
        "duration": 1.2345,
        "transaction_id": "1",
        "steps": (step,),
    }
    return Outcome(**{**facts, **changes})


class Show:
    """A board and its output; the test sets the weather."""

    def __init__(self, *, live: bool = False, width: int = 80, **console: Any) -> None:  # noqa: ANN401  rich's
        self._file = io.StringIO()
        self.console = Console(file=self._file, force_terminal=live, width=width, _environ={}, **console)
        self.weather = "healthy"
        self.board = Board(
            self.console,
            [TARGET, "other"],
            lambda target: self.weather if target == TARGET else "flaky ratio=0.3",
        )

    def written(self) -> str:
        return self._file.getvalue()

    def table(self) -> list[str]:
        with self.console.capture() as captured:
            self.console.print(self.board.table())
        return captured.get().splitlines()


class _FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_output_that_cannot_be_written_ends_no_probe() -> None:
    Board(Console(file=_FullDisk()), [TARGET], lambda _: "healthy").observe(outcome(Reason.OK))


def test_a_row_is_about_sign_on_not_about_discovery() -> None:
    show = Show()
    show.board.observe(outcome(Reason.KEYS_INVALID, journey=Journey.DISCOVERY))
    assert show.written() == ""


def test_without_a_terminal_each_change_of_reason_is_a_line() -> None:
    show = Show(width=20)
    show.board.observe(outcome())
    show.board.observe(outcome())
    show.weather = "[red]refused[/]"
    show.board.observe(outcome(Reason.CONNECT))
    show.board.observe(outcome(Reason.CONNECT, ended_at=NOON + 1))
    show.board.observe(outcome(ended_at=NOON + 2))
    assert show.written().splitlines() == [
        "2026-04-21T12:00:00.250Z nordics_workforce: ok, weather healthy",
        (
            "2026-04-21T12:00:00.250Z nordics_workforce: connect (step authorize, fault network), "
            "weather [red]refused[/]"
        ),
        "2026-04-21T12:00:02.250Z nordics_workforce: ok, weather [red]refused[/]",
    ]


def test_without_a_terminal_the_sums_are_printed_at_the_end() -> None:
    show = Show()
    with show.board.shown():
        show.board.observe(outcome())
        show.board.observe(outcome(Reason.CONNECT))
        show.board.observe(outcome(Reason.CONNECT))
        assert "probes" not in show.written()
    assert show.written().splitlines()[-2:] == [
        "nordics_workforce: 1 ok, 2 failed",
        "other: 0 ok, 0 failed",
    ]


def test_discovered_targets_follow_by_name() -> None:
    show = Show()
    for name in ("hub_z", TARGET, "hub_a"):
        show.board.observe(outcome(target=name))
    assert [line.split()[0] for line in show.table()] == ["target", TARGET, "other", "hub_a", "hub_z"]


def test_on_a_terminal_the_table_is_live_and_stays_at_the_end() -> None:
    show = Show(live=True)
    with show.board.shown():
        show.board.observe(outcome(Reason.CONNECT))
    assert "12:00:00.250Z" not in show.written()
    assert "probes" not in show.written()
    assert "\x1b[" in show.written()
    last = show.written().rpartition("target")[2]
    assert "connect" in last
    assert "not probed yet" in last


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    show = Show(live=True, force_interactive=False)
    with show.board.shown():
        show.board.observe(outcome())
    assert "nordics_workforce: ok, weather healthy\n" in show.written()
    assert "nordics_workforce: 1 ok, 0 failed\n" in show.written()


def test_a_row_is_weather_and_the_last_probe() -> None:
    show = Show(width=140)
    show.board.observe(outcome())
    assert show.table()[0].split() == [
        "target", "weather", "reason", "fault", "latency", "ok", "failed",
    ]  # fmt: skip
    assert show.table()[1].split() == [TARGET, "healthy", "ok", "1234", "ms", "1", "0"]
    show.weather = "refused"
    show.board.observe(outcome(Reason.CONNECT, ended_at=NOON + 60))
    show.board.observe(outcome(Reason.CONNECT, ended_at=NOON + 120, duration=0.0004))
    assert show.table()[1].split() == [
        TARGET, "refused", "connect", "network", "0", "ms", "1", "2",
    ]  # fmt: skip
    assert show.table()[2].split() == ["other", "flaky", "ratio=0.3", "not", "probed", "yet"]


@pytest.mark.parametrize("width", [80, 100, 133, 200])
def test_no_reason_that_the_demo_plays_and_no_fault_or_number_is_ever_cut(width: int) -> None:
    kinds = {REPORTED[change.weather.kind] for change in demo_script().changes}
    played = [each.reason for kind in kinds for each in (*kind.authorize, kind.federation) if each]
    longest = max(played, key=len)
    show = Show(width=width)
    show.weather = "slow ms=350 jitter=250"
    for _ in range(12_345):
        show.board.observe(outcome(longest, fault=Fault.CONFIGURATION, duration=1.9))
    heading, row, _ = show.table()
    assert max(len(line) for line in show.table()) <= width
    for part in (TARGET, longest.value, "configuration", "1900 ms", " 12345"):
        assert part in row
    for part in ("target", "weather", "reason", "fault", "latency", "ok", "failed"):
        assert part in heading


def test_all_of_it_is_shown_where_there_is_room() -> None:
    show = Show(width=133)
    show.weather = "slow ms=350 jitter=250"
    show.board.observe(outcome())
    assert "slow ms=350 jitter=250" in show.table()[1]


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_color(fault: Fault) -> None:
    show = Show(live=True, width=140)
    show.board.observe(outcome(Reason.TIMEOUT, fault=fault))
    assert re.search(r"\x1b\[[39]\dm" + fault.value, show.table()[1]), "normal or bright"
