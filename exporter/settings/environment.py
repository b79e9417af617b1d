"""Read settings from the environment, from `.env`, and from the JSON in FLOW_EXPORTER_TARGETS.

pydantic-settings' own source for `.env` skips lines that it cannot parse, keeps the last of two equal names,
and looks into the process's environment.
"""

import io
import json
import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from exporter.files import FileError, read_bounded
from exporter.settings.provenance import (
    DELIMITER,
    PREFIX,
    InvalidSetting,
    Keys,
    Location,
    RawSettings,
    RawValue,
    fold,
)

ENV_FILE = ".env"

_MAX_ENV_FILE_BYTES = 8 * 1024 * 1024
_MAX_JSON_DEPTH = 20
_JSON_EXAMPLE = 'use e.g. {"emea": {"client_id": "..."}}'
_IN_QUOTES = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_QUOTED = "value is enclosed in quotes; remove them (docker --env-file keeps quotes)"
_UNDEFINED = "refers to an undefined ${NAME}; define it, or enclose the value in single quotes"
_SINGLE_QUOTED = re.compile(r"""\s*(?:export\s+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*=[^\S\r\n]*'""")


def read_environment(environ: Mapping[str, str]) -> list[RawSettings]:
    """Read the environment: its variables, then the weaker JSON of FLOW_EXPORTER_TARGETS."""
    variables: list[tuple[str, str]] = []
    errors: list[InvalidSetting] = []
    # Sorted, so that "first" in an error does not depend on the order of the environment.
    for name, value in sorted(environ.items()):
        quoted = _IN_QUOTES.fullmatch(value.strip())
        if quoted and is_setting(name):
            errors.append(Location(name).error(_QUOTED))
        variables.append((name, quoted[2] if quoted else value))  # what is inside is checked, too
    return read_variables(variables, errors=errors)


def read_env_file(directory: Path, environ: Mapping[str, str]) -> list[RawSettings]:
    """Read `.env`, if it exists; `${NAME}` may refer to the environment, besides names in the file.

    A directory named `.env`, as of some virtual environments, is ignored.
    """
    path = directory / ENV_FILE
    try:
        text = read_bounded(path, _MAX_ENV_FILE_BYTES).decode()
    except UnicodeDecodeError:
        message = "not encoded in UTF-8"
    except FileError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return []
        if isinstance(error.__cause__, IsADirectoryError) and path.is_dir():
            return []
        message = str(error)
    else:
        return _parse_env_file(text, environ)
    return [RawSettings(errors=[Location(file=ENV_FILE).error(message)], complete=False)]


def _parse_env_file(content: str, environ: Mapping[str, str]) -> list[RawSettings]:
    variables: list[tuple[str, str]] = []
    errors: list[InvalidSetting] = []
    known: dict[str, str] = {}
    scope = ChainMap(known, dict(environ))
    for binding in parse_stream(io.StringIO(content)):
        if binding.error or (binding.key is not None and binding.value is None):
            text = binding.original.string
            if is_setting(text.strip().removeprefix("export ").lstrip().lstrip("'")):
                blank_lines = text[: len(text) - len(text.lstrip())].count("\n")
                location = Location(file=ENV_FILE, line=binding.original.line + blank_lines)
                errors.append(location.error("syntax error; use NAME=value, with both quotes or none"))
        elif binding.key is not None and binding.value is not None:
            value, undefined = _expand(binding, scope)
            if not undefined:
                known[binding.key] = value
            elif is_setting(binding.key):
                errors.append(Location(binding.key, file=ENV_FILE).error(_UNDEFINED))
            variables.append((binding.key, value))
    return read_variables(variables, ENV_FILE, errors)


def _expand(binding: Binding, names: Mapping[str, str]) -> tuple[str, bool]:
    """Replace `${NAME}` in a value, as a shell does; return also whether a name is undefined."""
    value = binding.value or ""
    if _SINGLE_QUOTED.match(binding.original.string):
        return value, False
    atoms = list(parse_variables(value))
    undefined = any(
        isinstance(atom, Variable) and atom.default is None and atom.name not in names for atom in atoms
    )
    return "".join(atom.resolve(names) for atom in atoms), undefined


def is_setting(name: str) -> bool:
    """Return whether a variable's name has the exporter's prefix, in any case."""
    return fold(name[: len(PREFIX)]) == fold(PREFIX)


def read_variables(
    variables: Iterable[tuple[str, str]], file: str = "", errors: Iterable[InvalidSetting] = ()
) -> list[RawSettings]:
    """Read variables of one source; those of other programs are ignored.

    Args:
        variables: names and values; a name may be there twice.
        file: the file or directory that they are from; empty for the environment.
        errors: found in their source so far.

    Returns:
        The single variables, then the weaker JSON of FLOW_EXPORTER_TARGETS.
    """
    settings = RawSettings(errors=[*errors])
    groups: dict[Keys, Location] = {}
    for name, value in variables:
        if not is_setting(name):
            continue
        location = Location(name, file=file)
        parts = name[len(PREFIX) :].split(DELIMITER)
        path = tuple(map(fold, parts))
        settings.add(path, value, location)
        if path[0] in {"targets", "destinations"} and len(path) > 2:  # noqa: PLR2004  targets, a name, a setting
            end = len(PREFIX + DELIMITER.join(parts[:2]))
            groups.setdefault(path[:2], replace(location, variable=name[:end]))
    settings.groups |= groups
    document = settings.values.pop(("targets",), None)
    return [settings] if document is None else [settings, _read_json(document)]


class _Pairs(list[tuple[str, object]]):
    """A JSON object with keys that may repeat."""


def _read_json(document: RawValue) -> RawSettings:
    """Read a JSON object of targets."""
    settings, targets, problem = RawSettings(), None, "expected a JSON object"
    try:
        targets = json.loads(str(document.value), object_pairs_hook=_Pairs, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        problem = f"invalid JSON (line {error.lineno}, column {error.colno})"
    except (ValueError, RecursionError):
        problem = "invalid JSON"
    if isinstance(targets, _Pairs):
        _add_object(settings, ("targets",), targets, document.location)
    else:
        settings.error(document.location, f"{problem}; {_JSON_EXAMPLE}")
        settings.complete = False
    return settings


def _add_object(settings: RawSettings, path: Keys, pairs: _Pairs, location: Location) -> None:
    if len(path) > _MAX_JSON_DEPTH:
        settings.error(location, f"nested deeper than {_MAX_JSON_DEPTH} levels")
    elif settings.add_group(path, location):
        for key, value in pairs:
            here, at = (*path, fold(key)), location.key(key)
            if isinstance(value, _Pairs):
                _add_object(settings, here, value, at)
            else:
                settings.add(here, value, at)


def _reject_constant(_name: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no infinities")
