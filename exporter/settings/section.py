"""One mapping of a YAML file whose keys are known: each value is read, or told to be wrong at its line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import TypeVar

from exporter.files import printable
from exporter.settings import values
from exporter.settings.mistake import InvalidSetting
from exporter.settings.written import Place
from exporter.settings.yaml_nodes import Listing, Mapping, Node, Text

T = TypeVar("T")

_ALIKE = 0.7
"""Of 1, by difflib."""


class Section:
    """A mapping, and what was found to be wrong in it.

    Args:
        node: the mapping; anything else but nothing is a mistake.
        place: where it is written.
        known: keys that it may have; None when the operator chooses them.
        mistakes: where mistakes are put.
    """

    def __init__(
        self, node: Node, place: Place, known: Collection[str] | None, mistakes: list[InvalidSetting]
    ) -> None:
        self.place = place
        self.mistakes = mistakes
        self._values: dict[str, Node] = {}
        if isinstance(node, Mapping):
            for key, value in node.pairs:
                self._take(key, value, known)
        elif not _is_nothing(node):
            mistakes.append(place.mistake("is a group of settings; write keys and values below it"))

    @property
    def names(self) -> list[str]:
        """The keys that have a value, in their order."""
        return list(self._values)

    def at(self, name: str) -> Place:
        """Return where the value of `name` stands."""
        return _beneath(self.place, name, self._values[name].line)

    def wrong(self, name: str, message: str) -> None:
        """Note what is wrong with the value of `name`."""
        self.mistakes.append(self.at(name).mistake(message))

    def section(self, name: str, known: Collection[str] | None) -> Section:
        """Return the mapping at `name`, empty when there is none."""
        if name not in self._values:
            return Section(Mapping([], 0), self.place, known, self.mistakes)
        return Section(self._values[name], self.at(name), known, self.mistakes)

    def read(self, name: str, parse: Callable[[str], T], *, clean: bool = True) -> T | None:
        """Read the text at `name`.

        Args:
            name: a key.
            parse: raises `ValueError` with what is wrong.
            clean: whether control characters are refused; only what spans lines may have any.

        Returns:
            None when there is none, or when it is wrong.
        """
        node = self._values.get(name)
        if node is None:
            return None
        try:
            return parse(_text(node, clean=clean))
        except ValueError as error:
            self.wrong(name, str(error))
            return None

    def read_each(self, name: str, parse: Callable[[str], T]) -> list[T]:
        """Read the list of texts at `name`, without those that are wrong."""
        node = self._values.get(name)
        if node is None:
            return []
        if not isinstance(node, Listing):
            self.wrong(name, "is no list; write one value per line, each after a dash")
            return []
        found = []
        for item in node.items:
            try:
                found.append(parse(_text(item)))
            except ValueError as error:
                place = _beneath(self.place, name, item.line)
                self.mistakes.append(place.mistake(str(error)))
        return found

    def _take(self, key: Text, value: Node, known: Collection[str] | None) -> None:
        if known is not None and key.value not in known:
            near = get_close_matches(key.value, known, n=1, cutoff=_ALIKE) or [
                name for name in known if name.lower() == key.value.lower()
            ]
            hint = f"; did you mean {printable(near[0])}?" if near else ""
            place = _beneath(self.place, key.value, key.line)
            self.mistakes.append(place.mistake(f"is unknown{hint}"))
        elif known is None or not _is_nothing(value):
            # A key of ours without a value is one not set. A user without a hash is not nobody: were he left
            # out, he might be the last one, and the port be open.
            self._values[key.value] = value


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Text) and (node.is_null or not node.value)


def _text(node: Node, *, clean: bool = True) -> str:
    if not isinstance(node, Text):
        raise ValueError("is one setting, not a list or group; write a single value")  # noqa: TRY004  collected with the others
    return str(values.clean(node.value, strip=False)) if clean else node.value


def _beneath(place: Place, name: str, line: int) -> Place:
    return Place("", (*place.keys, name), place.file, line)
