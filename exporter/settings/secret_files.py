"""Read the files of a mounted Secret: one file per variable, named like it.

    FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL -> ..data/FLOW_EXPORTER_…     ..data -> ..2026_11_25_10_00_00.1

On every change, Kubernetes swaps `..data`, then removes the old directory. Everything is read through one
open directory, and read again if that is no longer the current one, so that two versions are never mixed.
"""

import errno
import os
from itertools import islice
from pathlib import Path

from exporter.files import call_with_timeout, describe_os_error, printable, read_file
from exporter.settings.environment import is_setting, read_variables
from exporter.settings.provenance import InvalidSetting, Location, RawSettings

MAX_FILE_BYTES = 1024 * 1024
"""More does not fit into a Secret."""
MAX_BYTES = 16 * MAX_FILE_BYTES
MAX_FILES = 20_000

_CURRENT = "..data"
_MAX_TRIES = 5


class _SwappedError(Exception):
    """Kubernetes swapped the directory while it was read."""


def read_secret_files(directory: Path, named_at: Location) -> list[RawSettings]:
    """Read the variables in the directory of a mounted Secret; files with other names are ignored.

    `named_at` is where the operator names it, for errors about the directory itself.
    """
    shown = printable(str(directory))
    for _ in range(_MAX_TRIES):
        try:
            return call_with_timeout(lambda: _read(directory))
        except _SwappedError:
            continue
        except FileNotFoundError:
            message = f"directory not found: {shown}"
        except OSError as error:
            message = describe_os_error(error, directory, 0)
        break
    else:
        message = f"directory changes while it is read: {shown}"
    return [RawSettings(errors=[named_at.error(message)])]


def _read(directory: Path) -> list[RawSettings]:
    """Read the current version; at the end, check that it is still current."""
    variables: list[tuple[str, str]] = []
    errors: list[InvalidSetting] = []
    remaining = MAX_BYTES
    file = directory.name or str(directory)
    path = directory / _CURRENT
    if not path.is_dir():
        path = directory
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(descriptor) as entries:
            names = list(islice((each.name for each in entries if is_setting(each.name)), MAX_FILES + 1))
        if len(names) > MAX_FILES:
            raise OSError(errno.E2BIG, f"more than {MAX_FILES} files")
        for name in sorted(names):
            location = Location(name, file=file)
            limit = min(MAX_FILE_BYTES, remaining)
            try:
                content = read_file(name, limit, dir_fd=descriptor)
                remaining -= len(content)
                variables.append((name, content.decode().removesuffix("\n").removesuffix("\r")))
            except UnicodeDecodeError:
                errors.append(location.error("not encoded in UTF-8"))
            except OSError as error:
                message = describe_os_error(error, directory / name, limit)
                if error.errno == errno.EFBIG and limit < MAX_FILE_BYTES:
                    shown = printable(str(directory))
                    message = f"secret files larger than {MAX_BYTES // 1024} KiB together: {shown}"
                errors.append(location.error(message))
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            raise _SwappedError
    finally:
        os.close(descriptor)
    sources = read_variables(variables, file, errors)
    sources[0].complete = not errors
    return sources
