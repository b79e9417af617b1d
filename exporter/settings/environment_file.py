"""`.env` in the working directory -> variables, by python-dotenv's parser, which pydantic-settings brings.

pydantic-settings' own source for it skips lines that it cannot read, keeps the last of two equal names,
looks into the process's environment, and takes quadratic time; here each of these is visible or absent.
"""

from __future__ import annotations

import io
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from exporter.settings.mistake import InvalidSetting
from exporter.settings.reading import read
from exporter.settings.written import PREFIX, Place, Reading, fold

if TYPE_CHECKING:
    from dotenv.parser import Binding

NAME = ".env"


def read_environment_file(directory: Path, environ: Mapping[str, str]) -> Reading:
    """Read the variables of `.env`, if it is there.

    Args:
        directory: where to look; a directory called `.env`, as some virtual environments are, does not count.
        environ: what `${NAME}` may refer to, beside the file's own names.
    """
    try:
        text = (directory / NAME).read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return Reading()
    except UnicodeDecodeError:
        return Reading(
            mistakes=[InvalidSetting(NAME, "is not encoded in UTF-8; write it in UTF-8")], whole=False
        )
    except OSError as error:
        return Reading(mistakes=[InvalidSetting(NAME, f"cannot be read ({error.strerror})")], whole=False)
    return _parse(text, environ)


def _parse(text: str, environ: Mapping[str, str]) -> Reading:
    variables: list[tuple[str, str]] = []
    mistakes: list[InvalidSetting] = []
    known: dict[str, str] = {}
    scope = ChainMap[str, str | None](known, environ)  # type: ignore[arg-type]  # only the first map is written to
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            if _is_ours(binding.original.string):
                mistakes.append(
                    InvalidSetting(NAME, f"line {_line(binding)} cannot be read; write NAME=value")
                )
        elif binding.key is not None and binding.value is None:
            if _is_ours(binding.key):
                mistakes.append(Place(binding.key, file=NAME).mistake("has no value; write NAME=value"))
        elif binding.key is not None and binding.value is not None:
            known[binding.key] = "".join(atom.resolve(scope) for atom in parse_variables(binding.value))
            variables.append((binding.key, known[binding.key]))
    reading = read(variables, file=NAME)
    reading.mistakes += mistakes
    return reading


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _is_ours(line: str) -> bool:
    start = line.strip().removeprefix("export ").lstrip().lstrip("'")
    return fold(start[: len(PREFIX)]) == fold(PREFIX)
