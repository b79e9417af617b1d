"""Raw variables -> a tree of leaves that know where they were written; nothing is judged but names.

    FLOW_EXPORTER_TARGETS__EMEA__LABELS__TIER   ->   {"targets": {"emea": {"labels": {"tier": Leaf}}}}

Stage one of two. It works on names alone, so that broken JSON or an unknown name hides no other mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

from exporter.files import printable
from exporter.settings import document
from exporter.settings.mistake import twice
from exporter.settings.shape import Family, Group, Node, NotThereError, Setting, meant, root, step
from exporter.settings.written import DEFAULTS, DELIMITER, PREFIX, TARGETS, Leaf, Place, Reading, fold

_SERVICE_LINK = re.compile(
    r"(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_\w+)?)"
)
_SERVICE_PORT = re.compile(r"(?:\w+_)?PORT")
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")


def read(variables: Iterable[tuple[str, str]], *, file: str = "") -> Reading:
    """Read the variables of one source; those of other programs are left alone.

    Args:
        variables: names and values; a name may come twice.
        file: the file they are from; empty for the environment.
    """
    source = _Source(file)
    for name, value in variables:
        if fold(name[: len(PREFIX)]) == fold(PREFIX):
            source.take(name, value)
    return source.end()


class _Source:
    """Collects one source's variables; single ones are laid over the JSON document at the end."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._reading = Reading()
        self._document: Leaf | None = None
        self._single: list[tuple[list[str], Leaf]] = []
        self._variables: dict[str, str] = {}
        self._targets: dict[str, dict[str, Place]] = {}

    def take(self, variable: str, value: str) -> None:
        """Take note of one variable."""
        leaf = Leaf(value, Place(variable, file=self._file))
        parts = variable[len(PREFIX) :].split(DELIMITER)
        path: list[str] = []
        node: Node = root()
        try:
            for part in parts:
                folded, node = step(node, part)
                path.append(folded)
        except NotThereError as error:
            self._mistake(leaf.place, _not_there(variable, value, str(error)))
            return
        if fold(variable) in self._variables:
            self._mistake(leaf.place, twice(variable, self._variables[fold(variable)]))
            return
        self._variables[fold(variable)] = variable
        if path == [TARGETS]:
            self._document = leaf
        elif isinstance(node, Setting):
            self._single.append((path, leaf))
            if path[0] == TARGETS:
                self._compare_spelling(parts[1], leaf.place)
        else:
            self._mistake(leaf.place, _bare(variable, node))

    def end(self) -> Reading:
        """Lay the single variables over the document."""
        reading = self._reading
        if self._document is not None:
            targets = document.parse(self._document, cast("Family", root().members[TARGETS]))
            reading.tree[TARGETS] = targets.tree
            reading.places = targets.places
            reading.mistakes += targets.mistakes
        for path, leaf in self._single:
            node = reading.tree
            for name in path[:-1]:
                node = node.setdefault(name, {})
            node[path[-1]] = leaf
        for name, places in self._targets.items():
            spelling, place = next(iter(places.items()))
            target = Place(place.variable[: len(f"{PREFIX}{TARGETS}{DELIMITER}{spelling}")], file=place.file)
            reading.places.setdefault(name, target)
        return reading

    def _compare_spelling(self, spelling: str, place: Place) -> None:
        """Refuse a second spelling of a target: to somebody, two spellings are two targets."""
        places = self._targets.setdefault(fold(spelling), {})
        if places and spelling not in places:
            other = next(iter(places.values()))
            self._mistake(place, f"spells its target in another way than {other}; spell it in one way")
        places.setdefault(spelling, place)

    def _mistake(self, place: Place, message: str) -> None:
        self._reading.mistakes.append(place.mistake(message))


def _not_there(variable: str, value: str, wrong: str) -> str:
    parts = variable[len(PREFIX) :].split(DELIMITER)
    # A target's setting without any target is most often meant for all of them.
    names = meant(parts, root()) or (meant([DEFAULTS, *parts], root()) if len(parts) == 1 else None)
    if names:
        return f"{wrong}; did you mean {_respelt(variable, names)}?"
    rest = variable[len(PREFIX) :].upper()
    if _SERVICE_LINK.fullmatch(rest) or (_SERVICE_PORT.fullmatch(rest) and _SERVICE_ADDRESS.match(value)):
        return (
            f"{wrong}; it looks like a Kubernetes service link, so set enableServiceLinks: false for the pod"
        )
    return wrong


def _bare(variable: str, node: Group | Family) -> str:
    names = meant(variable[len(PREFIX) :].split(DELIMITER), root())
    if names:
        return f"is a group, not one setting; did you mean {_respelt(variable, names)}?"
    member = "OWNER" if isinstance(node, Family) else next(iter(node.members)).upper()
    return f"is a group, not one setting; write for example {printable(f'{variable}{DELIMITER}{member}')}"


def _respelt(variable: str, names: Sequence[str]) -> str:
    """Write the path `names` as a variable, in the operator's spelling wherever that was right."""
    spelling = {fold(part): part for part in variable[len(PREFIX) :].split(DELIMITER)}
    parts = [spelling.get(name, name if variable.islower() else name.upper()) for name in names]
    return printable(f"{variable[: len(PREFIX)]}{DELIMITER.join(parts)}")
