"""Who may stay when there is no room for all: connections are bounded, and a new one is never refused.

    stranger ── a whole request ── at work ── its answer ── regular ── a whole request ── at work ── …
    └─ goes first, oldest first     └─ stays                └─ goes next, the longest idle first

Hundreds of connections that send nothing, or a handshake that never ends, then cost a scraper nothing: each
of its own makes room for itself.
"""

from __future__ import annotations

from typing import Protocol


class Sitter(Protocol):
    """What holds a seat: the transport below HTTP and TLS."""

    def abort(self) -> None:
        """End at once."""


class Seats:
    """The seats of one server.

    Args:
        most: how many are taken at once, one more while every other one is at work.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # dicts for their order: the one that waits longest is the first
        self._strangers: dict[Sitter, None] = {}
        self._regulars: dict[Sitter, None] = {}
        self._at_work: dict[Sitter, None] = {}

    def __len__(self) -> int:
        """Count those that are taken."""
        return len(self._strangers) + len(self._regulars) + len(self._at_work)

    def take(self, sitter: Sitter) -> None:
        """Seat a new connection; the one that is missed least gives way."""
        if len(self) >= self._most:
            self._make_room()
        self._strangers[sitter] = None

    def work(self, sitter: Sitter) -> None:
        """A whole request is there: until it is answered the connection keeps its seat."""
        if sitter in self._strangers or sitter in self._regulars:  # not one that just had to go
            self.leave(sitter)
            self._at_work[sitter] = None

    def rest(self, sitter: Sitter) -> None:
        """The request is answered."""
        if sitter in self._at_work:
            del self._at_work[sitter]
            self._regulars[sitter] = None

    def leave(self, sitter: Sitter) -> None:
        """The connection is lost; one that holds no seat is no matter."""
        for row in (self._strangers, self._regulars, self._at_work):
            row.pop(sitter, None)

    def clear(self) -> None:
        """End all that are strangers: there is nothing that they would lose."""
        for sitter in list(self._strangers):
            sitter.abort()

    def _make_room(self) -> None:
        for row in (self._strangers, self._regulars):
            for sitter in row:
                self.leave(sitter)
                sitter.abort()
                return
