"""Mappings as JSON and YAML write them -> a tree of leaves, held against the schema's names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.files import printable
from exporter.settings.mistake import twice
from exporter.settings.shape import Family, Group, NotThereError, Setting, alike, meant, root, step
from exporter.settings.written import DEFAULTS, DELIMITER, PREFIX, Leaf, Place, Reading, fold

_MOST_GUESSES = 100
"""A guess costs a millisecond, and a file for another program may have a million names."""


class Pairs(list[tuple[str, int, object]]):
    """A mapping whose keys may repeat: each key, its line (0 when not known) and its value."""


class Nothing:
    """A value that was left out: of a group, that it has no members; of a setting, null."""


@dataclass(frozen=True, slots=True)
class Grower:
    """Makes trees of one document.

    Args:
        reading: where mistakes and the places of targets are noted.
        mapping: what a mapping is called.
    """

    reading: Reading
    mapping: str

    def grow(self, pairs: Pairs, node: Family | Group, place: Place) -> dict[str, Any]:
        """Return the tree beneath `node`, which stands at `place`, without what is wrong."""
        tree: dict[str, Any] = {}
        spellings: dict[str, str] = {}
        for key, line, value in pairs:
            here = Place(place.variable, (*place.keys, key), place.file, line)
            try:
                name, member = step(node, key)
            except NotThereError as error:
                self._mistake(here, f"{error}{self._suggestion(key, node, place)}")
                continue
            if name in spellings:
                self._mistake(here, twice(key, spellings[name]))
                continue
            spellings[name] = key
            if isinstance(node, Family) and isinstance(member, Group):
                self.reading.places[name] = here
            self._member(tree, name, member, value, here)
        return tree

    def _member(
        self, tree: dict[str, Any], name: str, member: Setting | Family | Group, value: object, here: Place
    ) -> None:
        if isinstance(member, Setting):
            if isinstance(value, Pairs):
                self._mistake(here, f"is one setting, not a group; write a value, not {self.mapping}")
            else:
                tree[name] = Leaf(None if isinstance(value, Nothing) else value, here)
        elif isinstance(value, Pairs | Nothing):
            tree[name] = self.grow(value if isinstance(value, Pairs) else Pairs(), member, here)
        else:
            self._mistake(here, f"is a group, not one setting; write {self.mapping}")

    def _mistake(self, place: Place, message: str) -> None:
        self.reading.mistakes.append(place.mistake(message))

    def _suggestion(self, key: str, node: Family | Group, place: Place) -> str:
        if len(self.reading.mistakes) >= _MOST_GUESSES:
            return ""
        names = meant([key], node) or (_meant_at_the_top(key) if node is root() else None)
        if not names and isinstance(node, Group) and (name := alike(key, node)):
            names = [name]
        return f"; did you mean {printable('.'.join((*place.keys, *names)))}?" if names else ""


def _meant_at_the_top(key: str) -> Sequence[str] | None:
    """Guess what was meant by a variable's name, or by a target's setting without any target."""
    if fold(key[: len(PREFIX)]) == fold(PREFIX):
        return meant(key[len(PREFIX) :].split(DELIMITER), root())
    return meant([DEFAULTS, key], root())
