"""Read variables: from the environment, from `.env`, and from the files of a mounted Secret.

In each, the JSON of FLOW_EXPORTER_TARGETS is weaker than single variables.
"""

import errno
import io
import json
import os
import re
from collections import ChainMap
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import NoReturn

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from exporter.files import call_with_timeout, describe_os_error, printable, read_bounded, read_file
from exporter.settings.provenance import DELIMITER, PREFIX, Keys, Location, RawSettings, RawValue, fold

ENV_FILE = ".env"

MAX_SECRET_FILE_BYTES = 1024 * 1024
"""More does not fit into a Secret."""
MAX_SECRETS_BYTES = 16 * MAX_SECRET_FILE_BYTES
MAX_SECRET_FILES = 20_000

_MAX_SECRETS_READS = 5
_MAX_ENV_FILE_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 20
_JSON_EXAMPLE = 'use e.g. {"emea": {"client_id": "..."}}'
_IN_QUOTES = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
_QUOTED = "value is enclosed in quotes; remove them (docker --env-file keeps quotes)"
_UNDEFINED = "refers to an undefined ${NAME}; define it, or enclose the value in single quotes"
_SINGLE_QUOTED = re.compile(r"""\s*(?:export\s+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*=[^\S\r\n]*'""")


def read_environment(environ: Mapping[str, str]) -> RawSettings:
    """Read the environment."""
    settings = RawSettings()
    # Sorted, so that "first" in an error does not depend on the order of the environment.
    for name, value in sorted(environ.items()):
        quoted = _IN_QUOTES.fullmatch(value.strip())
        if quoted and _is_setting(name):
            settings.error(Location(name), _QUOTED)
        _add_variable(settings, name, quoted[2] if quoted else value)  # what is inside is checked, too
    return _with_json(settings)


def read_env_file(directory: Path, environ: Mapping[str, str]) -> RawSettings:
    """Read `.env`, if it exists; `${NAME}` may refer to the environment, besides names in the file.

    A directory named `.env`, as of some virtual environments, is ignored. pydantic-settings' own source skips
    lines that it cannot parse, keeps the last of two equal names, and looks into the process's environment.
    """
    path = directory / ENV_FILE
    try:
        text = read_bounded(path, _MAX_ENV_FILE_BYTES).decode()
    except UnicodeDecodeError:
        message = "not encoded in UTF-8"
    except (FileNotFoundError, NotADirectoryError):
        return RawSettings()
    except OSError as error:
        if isinstance(error, IsADirectoryError) and path.is_dir():
            return RawSettings()
        message = describe_os_error(error, path, _MAX_ENV_FILE_BYTES)
    else:
        return _parse_env_file(text, environ)
    return RawSettings(errors=[Location(file=ENV_FILE).error(message)], complete=False)


def _parse_env_file(content: str, environ: Mapping[str, str]) -> RawSettings:
    settings = RawSettings()
    known: dict[str, str] = {}
    scope = ChainMap(known, dict(environ))
    for binding in parse_stream(io.StringIO(content)):
        if binding.error or (binding.key is not None and binding.value is None):
            text = binding.original.string
            if _is_setting(text.strip().removeprefix("export ").lstrip().lstrip("'")):
                blank_lines = text[: len(text) - len(text.lstrip())].count("\n")
                location = Location(file=ENV_FILE, line=binding.original.line + blank_lines)
                settings.error(location, "syntax error; use NAME=value, with both quotes or none")
        elif binding.key is not None and binding.value is not None:
            value, undefined = _expand(binding, scope)
            if not undefined:
                known[binding.key] = value
            elif _is_setting(binding.key):
                settings.error(Location(binding.key, file=ENV_FILE), _UNDEFINED)
            _add_variable(settings, binding.key, value, ENV_FILE)
    return _with_json(settings)


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


def read_secret_files(directory: Path, named_at: Location) -> RawSettings:
    """Read the files of a mounted Secret, one per variable and named like it; other names are ignored.

        FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL -> ..data/FLOW_EXPORTER_…     ..data -> ..2026_11_25_10_00_00.1

    On every change, Kubernetes swaps `..data`, then removes the old directory.

    Args:
        directory: where it is mounted.
        named_at: where the operator names it, for errors about the directory itself.
    """
    shown = printable(str(directory))
    for _ in range(_MAX_SECRETS_READS):
        try:
            if (settings := call_with_timeout(lambda: _read_secret(directory))) is not None:
                return settings
            message = f"directory changes while it is read: {shown}"
        except FileNotFoundError:
            message = f"directory not found: {shown}"
        except OSError as error:
            message = describe_os_error(error, directory, 0)
            break
    return RawSettings(errors=[named_at.error(message)])


def _read_secret(directory: Path) -> RawSettings | None:
    """Read one version of a Secret; None if it is no longer the current one, so that two are never mixed."""
    version = _current_version(directory)
    with os.scandir(version) as entries:
        names = list(islice((each.name for each in entries if _is_setting(each.name)), MAX_SECRET_FILES + 1))
    if len(names) > MAX_SECRET_FILES:
        raise OSError(errno.E2BIG, f"more than {MAX_SECRET_FILES} files")
    settings = RawSettings()
    remaining = MAX_SECRETS_BYTES
    file = directory.name or str(directory)
    for name in sorted(names):
        limit = min(MAX_SECRET_FILE_BYTES, remaining)
        try:
            content = read_file(version / name, limit)
            remaining -= len(content)
            text = content.decode()
        except UnicodeDecodeError:
            message = "not encoded in UTF-8"
        except OSError as error:
            message = describe_os_error(error, directory / name, limit)
            if error.errno == errno.EFBIG and limit < MAX_SECRET_FILE_BYTES:
                shown = printable(str(directory))
                message = f"secret files larger than {MAX_SECRETS_BYTES // 1024} KiB together: {shown}"
        else:
            _add_variable(settings, name, text.removesuffix("\n").removesuffix("\r"), file)
            continue
        settings.error(Location(name, file=file), message)
        settings.complete = False
    return _with_json(settings) if _current_version(directory) == version else None


def _current_version(directory: Path) -> Path:
    data = directory / "..data"
    return Path(os.path.realpath(data if data.is_dir() else directory, strict=True))


def _is_setting(name: str) -> bool:
    """Return whether a variable's name has the exporter's prefix, in any case."""
    return fold(name[: len(PREFIX)]) == fold(PREFIX)


def _add_variable(settings: RawSettings, name: str, value: str, file: str = "") -> None:
    """Add a variable; those of other programs are ignored."""
    if _is_setting(name):
        path = tuple(map(fold, name[len(PREFIX) :].split(DELIMITER, _MAX_DEPTH)))
        settings.add(path, value, Location(name, file=file))


def _with_json(settings: RawSettings) -> RawSettings:
    """Add the JSON of FLOW_EXPORTER_TARGETS to the variables of one source."""
    if document := settings.values.pop(("targets",), None):
        settings.add_weaker(_read_json(document))
    return settings


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
    if len(path) > _MAX_DEPTH:
        settings.error(location, f"nested deeper than {_MAX_DEPTH} levels")
    elif settings.add(path, {}, location):
        for key, value in pairs:
            here, at = (*path, fold(key)), location.key(key)
            if isinstance(value, _Pairs):
                _add_object(settings, here, value, at)
            else:
                settings.add(here, value, at)


def _reject_constant(_name: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no infinities")
