"""Answers that wait in memory until their clients take them: bounded together.

A page of a thousand targets has megabytes, and hundreds of clients that ask for it and never read would fill
the memory of any pod. When too much waits, the client that has kept us waiting longest goes: a scraper takes
its answer in milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.serving.seats import Sitter


class Unread:
    """The answers of one server that wait.

    Args:
        most: bytes.
        fewest: answers that may wait however large they are.
    """

    def __init__(self, most: int, fewest: int) -> None:
        self._most = most
        self._fewest = fewest
        # a dict for its order: the one that waits longest is the first
        self._sizes: dict[Sitter, int] = {}
        self._total = 0

    @property
    def total(self) -> int:
        """Bytes that wait."""
        return self._total

    def wait(self, sitter: Sitter, size: int) -> None:
        """Let so many bytes of an answer wait; others may have to go."""
        since = self._sizes.get(sitter, 0)
        self._sizes[sitter] = size
        self._total += size - since
        while self._total > self._most and len(self._sizes) > self._fewest:
            longest = next(iter(self._sizes))
            self.leave(longest)
            longest.abort()

    def leave(self, sitter: Sitter) -> None:
        """Its answer is taken, or it is gone; one that nothing waits for is no matter."""
        self._total -= self._sizes.pop(sitter, 0)
