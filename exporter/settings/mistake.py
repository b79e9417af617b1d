"""What is wrong with a configuration: where, and what would be right. Never a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from exporter.files import printable


@dataclass(frozen=True, slots=True, order=True)
class InvalidSetting:
    """One thing that the operator has to change.

    Args:
        location: the variable, or the key inside a document, as the operator wrote it.
        message: what is wrong and what would be right, without any value.
    """

    location: str
    message: str

    def __str__(self) -> str:
        """Write it on one line."""
        return f"{self.location}: {self.message}"


class ConfigurationError(Exception):
    """Every error in a configuration, reported at once.

    Args:
        errors: at least one; kept without repetitions, sorted by location.
        files: files and directories that were read, or would have been, were they there.
    """

    def __init__(self, errors: Iterable[InvalidSetting], *, files: Iterable[Path] = ()) -> None:
        self.errors: tuple[InvalidSetting, ...] = tuple(sorted(set(errors)))
        self.files: tuple[Path, ...] = tuple(files)
        super().__init__("\n".join(str(error) for error in self.errors))


def twice(name: str, first: str) -> str:
    """Say that one name is written twice, perhaps in two spellings."""
    if name == first:
        return "is set twice; keep one of them"
    return f"is the same as {printable(first)}; keep one of them"
