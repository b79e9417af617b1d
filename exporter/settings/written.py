"""What the operator wrote, and where: raw values that carry their provenance."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from exporter.files import printable
from exporter.settings.mistake import InvalidSetting

PREFIX = "FLOW_EXPORTER_"
DELIMITER = "__"

TARGETS = "targets"
DEFAULTS = "defaults"
CONFIG_FILE = "config_file"
SECRETS_DIR = "secrets_dir"


def fold(name: str) -> str:
    """Lower the case of a name. Names beyond ASCII stay: the Kelvin sign must not become a k."""
    return name.lower() if name.isascii() else name


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written, in the operator's own spelling.

    Args:
        variable: name of the variable, with its prefix; empty in a YAML file, which has none.
        keys: path inside the variable's JSON, or inside the YAML file.
        file: the file that sets the variable; empty for the environment.
        line: of the file, from 1; 0 when it is not known.
    """

    variable: str
    keys: tuple[str, ...] = ()
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """Write it for a message.

        FLOW_EXPORTER_TARGETS (emea.interval) in .env        targets.emea.interval in flows.yaml line 12
        """
        variable, inside = printable(self.variable), printable(".".join(self.keys))
        name = f"{variable} ({inside})" if variable and inside else variable or inside
        file = f"{printable(self.file)}{f' line {self.line}' if self.line else ''}"
        return f"{name}{' in ' if name and file else ''}{file}"

    def beneath(self, name: str) -> Place:
        """Return where `name`, a lower-case field of the group at this place, would be written."""
        if self.keys:
            return replace(self, keys=(*self.keys, name))
        cased = name if self.variable.islower() else name.upper()
        return replace(self, variable=f"{self.variable}{DELIMITER}{cased}")

    def mistake(self, message: str) -> InvalidSetting:
        """Say what is wrong here."""
        return InvalidSetting(str(self), message)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One raw value. It may be a misplaced secret, so it is in no repr and in no message.

    Args:
        value: a text, or what JSON has: numbers, booleans, None and lists.
        place: where it is written.
    """

    value: object = field(repr=False)
    place: Place


@dataclass(slots=True)
class Reading:
    """What one source says.

    Args:
        tree: folded names down to leaves.
        places: per target, where it is written first.
        mistakes: what is wrong with the names.
        whole: whether it is known what all of the source says; if not, nothing can be called missing.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    mistakes: list[InvalidSetting] = field(default_factory=list)
    whole: bool = True
