"""Raw settings as a flat map from path to value, with the location of each.

FLOW_EXPORTER_TARGETS__EMEA__INTERVAL=30s  ->  ("targets", "emea", "interval"): RawValue("30s", Location)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from exporter.files import file_digests, printable

PREFIX = "FLOW_EXPORTER_"
DELIMITER = "__"

Keys = tuple[str, ...]
"""Path of a setting: folded names from the top of the schema down."""


@dataclass(frozen=True, slots=True, order=True)
class InvalidSetting:
    """One error in the configuration."""

    location: str  # the variable, or the key and the file, as the operator wrote it
    message: str  # what is wrong and what would be right, without any value that may be a secret

    def __str__(self) -> str:
        """Format the error as one line."""
        return f"{self.location}: {self.message}"


class ConfigurationError(Exception):
    """Every error in a configuration, reported at once.

    Args:
        errors: at least one; kept without repetitions, sorted by location.
        files: files and directories that were read, or would be if they existed, with digests from before.
    """

    def __init__(
        self, errors: Iterable[InvalidSetting], *, files: Mapping[Path, bytes] = MappingProxyType({})
    ) -> None:
        self.errors: tuple[InvalidSetting, ...] = tuple(sorted(set(errors)))
        self.files = files
        super().__init__("\n".join(str(error) for error in self.errors))


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is written, in the operator's spelling."""

    variable: str = ""  # full name of the variable; empty in a YAML file
    keys: Keys = ()  # path inside the variable's JSON, or inside the YAML file
    file: str = ""  # name of the file; empty for the environment
    line: int = 0  # line of the file, from 1; 0 if unknown

    def __str__(self) -> str:
        """Format the location for a message.

        FLOW_EXPORTER_TARGETS (emea.interval) in .env        targets.emea.interval in flows.yaml line 12
        """
        variable, inside = printable(self.variable), printable(".".join(self.keys))
        name = f"{variable} ({inside})" if variable and inside else variable or inside
        file = f"{printable(self.file)}{f' line {self.line}' if self.line else ''}"
        return f"{name}{' in ' if name and file else ''}{file}"

    def key(self, key: str, line: int = 0) -> Location:
        """Return the location of a key of the JSON or YAML mapping at this location."""
        return replace(self, keys=(*self.keys, key), line=line)

    def spelled(self, path: Keys) -> Location:
        """Return where the operator would write the setting at `path`, in the spelling of this location."""
        if self.keys or not self.variable:
            spelling = {fold(key): key for key in self.keys}
            keys = path[1:] if self.variable else path  # the JSON variable stands for `targets`
            return replace(self, keys=tuple(spelling.get(name, name) for name in keys))
        spelling = {fold(part): part for part in self.variable[len(PREFIX) :].split(DELIMITER)}
        parts = (spelling.get(name, name if self.variable.islower() else name.upper()) for name in path)
        return replace(self, variable=f"{self.variable[: len(PREFIX)]}{DELIMITER.join(parts)}")

    def error(self, message: str) -> InvalidSetting:
        """Return an error at this location."""
        return InvalidSetting(str(self), message)


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value as it was written. It may be a misplaced secret, so no repr and no message shows it."""

    value: object = field(repr=False)
    """A string, or what JSON and YAML can hold: numbers, booleans, None and lists. {} stands for a mapping;
    its members are values, too."""
    location: Location


@dataclass(slots=True)
class RawSettings:
    """The settings of one source, or of several."""

    values: dict[Keys, RawValue] = field(default_factory=dict)  # every value and mapping that is set
    items: dict[Keys, Location] = field(default_factory=dict)  # locations of items of lists and of empty keys
    errors: list[InvalidSetting] = field(default_factory=list)
    """Errors in the source itself, such as a name that is set twice."""
    complete: bool = True
    """Whether the source was read to its end; otherwise nothing can be reported as missing."""
    files: dict[Path, bytes] = field(default_factory=dict)
    """Files and directories that all of this is read from, or would be if they existed; their digests."""

    def add(self, path: Keys, value: object, location: Location) -> bool:
        """Add a value, unless another one is at its path already; return whether it was added."""
        if path not in self.values:
            self.values[path] = RawValue(value, location)
            return True
        taken = self.values[path].location
        if (taken.keys or taken.variable) != (location.keys or location.variable):
            self.error(location, f"same setting as {replace(taken, file='', line=0)}; keep one of them")
        else:
            first = f", first in line {taken.line}" if taken.line else ""
            self.error(location, f"set twice{first}; keep one of them")
        return False

    def add_weaker(self, other: RawSettings) -> None:
        """Add what a weaker source sets; a value that is set already stays."""
        for path, raw in other.values.items():
            taken = self.values.get(path)
            # A value that another source has a mapping for is not lost: the two conflict.
            if taken is None or (taken.value == {} and raw.value not in (None, {})):
                self.values[path] = raw
        self.items = other.items | self.items
        self.errors = [*self.errors, *other.errors]
        self.complete = self.complete and other.complete
        self.files = other.files | self.files

    def note(self, *paths: Path) -> None:
        """Take digests of files before they are read, so that a change in between is noticed later."""
        self.files |= file_digests(path for path in paths if path not in self.files)

    def drop_conflicts(self) -> None:
        """Report each value at a path that other values treat as a mapping, and leave it out."""
        written = dict(self.values)
        members = {path[:length]: path for path in reversed(written) for length in range(1, len(path))}
        for path in members.keys() & written.keys():
            raw = written[path]
            if raw.value is None:  # YAML's null is an empty mapping
                self.values[path] = RawValue({}, raw.location)
            elif raw.value != {}:
                member = written[members[path]].location
                self.error(raw.location, f"conflicts with {member}; remove one of them")
                del self.values[path]

    def location(self, path: Keys) -> Location | None:
        """Return where something is written, None if it is not."""
        return self.values[path].location if path in self.values else self.items.get(path)

    def error(self, location: Location, message: str) -> None:
        """Record an error at a location."""
        self.errors.append(location.error(message))

    def nested(self) -> dict[str, Any]:
        """Return the values as nested dictionaries."""
        tree: dict[str, Any] = {}
        for path, raw in self.values.items():
            if raw.value == {}:
                _node(tree, path)
            else:
                _node(tree, path[:-1])[path[-1]] = raw.value
        return tree


def _node(tree: dict[str, Any], path: Keys) -> dict[str, Any]:
    for name in path:
        tree = tree.setdefault(name, {})
    return tree


def fold(name: str) -> str:
    """Return a name in lower case; beyond ASCII it stays, for the Kelvin sign must not become a k."""
    return name.lower() if name.isascii() else encodable(name)


def encodable(name: str) -> str:
    """Return a name that pydantic accepts as a key: bytes that are not UTF-8 are escaped."""
    return name.encode(errors="backslashreplace").decode()
