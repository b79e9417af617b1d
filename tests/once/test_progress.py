"""A person who waits sees how far it is, and nobody else is bothered with it."""

from __future__ import annotations

import io
import os
import pty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import pytest
from harness.waiting import poll
from hypothesis import given
from hypothesis import strategies as st

from exporter.once.progress import line, progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """Open a terminal; what was written to it so far is read by the second one."""
    monkeypatch.setenv("TERM", "xterm")
    reading, writing = pty.openpty()
    os.set_blocking(reading, False)
    seen = bytearray()

    def read() -> str:
        with suppress(BlockingIOError):
            seen.extend(os.read(reading, 65_536))
        return seen.decode()

    with os.fdopen(writing, "w") as stream:
        yield stream, read
    os.close(reading)


@contextmanager
def shown(stream: TextIO, *tallies: tuple[int, int, int]) -> Iterator[None]:
    """Show these tallies, one per redraw, the last one until the end."""
    left = list(tallies)
    with progress(stream, lambda: left.pop(0) if len(left) > 1 else left[0]):
        yield


def test_a_terminal_is_redrawn_and_left_clean(terminal: tuple[TextIO, Callable[[], str]]) -> None:
    stream, read = terminal
    with shown(stream, (4, 1, 0), (4, 2, 1)):
        poll(read, lambda text: "2 of 4" in text, timeout=30, what="second redraw")
    text = read()
    assert text.startswith("\r\x1b[K[#######.......................] 1 of 4 probed, 0 failed")
    assert "\r\x1b[K[###############...............] 2 of 4 probed, 1 failed" in text
    assert text.endswith("\r\x1b[K")


@pytest.mark.parametrize("term", ["dumb", None], ids=["dumb", "none"])
def test_a_terminal_that_cannot_redraw_a_line_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, terminal: tuple[TextIO, Callable[[], str]], term: str | None
) -> None:
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    stream, read = terminal
    with untouched(monkeypatch, stream):
        pass
    assert read() == ""


def test_what_is_no_terminal_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with untouched(monkeypatch, io.StringIO()):
        pass


@contextmanager
def untouched(monkeypatch: pytest.MonkeyPatch, stream: TextIO) -> Iterator[None]:
    """Fail if anything begins to draw on `stream`, since what is drawn later is not seen."""
    drawn: list[object] = []
    monkeypatch.setattr("exporter.once.progress._draw", lambda *_: drawn.append(stream))
    with shown(stream, (1, 0, 0)):
        yield
    assert drawn == []


def test_a_terminal_that_is_gone_ends_the_bar_and_nothing_else(
    terminal: tuple[TextIO, Callable[[], str]],
) -> None:
    stream, _ = terminal
    begun: list[bool] = []

    class Gone:
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            begun.append(True)
            return 1_000_000

    with progress(Gone(), lambda: (1, 0, 0)):  # type: ignore[arg-type]  # all that is used of a stream
        poll(lambda: begun, bool, timeout=30, what="bar")
    assert not stream.closed


@given(st.integers(1, 100_000).flatmap(lambda total: st.tuples(st.just(total), st.integers(0, total))))
def test_the_bar_is_full_only_at_the_end_and_fits_any_terminal(counts: tuple[int, int]) -> None:
    total, done = counts
    bar = line(total, done, 0)
    assert ("." not in bar) == (done == total)
    assert bar.isascii()
    assert len(bar) < 80
