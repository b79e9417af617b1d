"""The files of a mounted Secret -> variables: one file each, called like its variable.

    secrets/..2026_11_25_10_00_00.1/FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL     the content
    secrets/..data -> ..2026_11_25_10_00_00.1                                  swapped when it changes
    secrets/FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL -> ..data/FLOW_EXPORTER_…

Kubernetes swaps `..data` and then removes what it led to. All is read through one directory, and again when
that was not the current one until the end, so that values of two generations are never mixed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from exporter.settings.file_content import read_bounded
from exporter.settings.mistake import InvalidSetting
from exporter.settings.reading import read
from exporter.settings.written import PREFIX, Place, Reading, fold

LARGEST = 1024 * 1024
"""Bytes; more does not fit into a Secret."""

MOST_BYTES = 16 * LARGEST
MOST_FILES = 20_000
"""Together, in one directory."""

_MISSING = "names a directory that does not exist; write a path that does, relative to the working directory"
_CURRENT = "..data"
_TRIES = 5


class _SwappedError(Exception):
    """Kubernetes put another generation in place while this one was read."""


def read_secret_files(directory: Path, named_at: Place) -> Reading:
    """Read the variables in a directory; what belongs to other programs is left alone.

    Args:
        directory: where they are.
        named_at: where it is named, for when it cannot be read.
    """
    for _ in range(_TRIES):
        try:
            return _read(directory)
        except _SwappedError:
            continue
        except FileNotFoundError:
            wrong = _MISSING
        except NotADirectoryError:
            wrong = "is no directory; write the path of one"
        except OSError as error:
            wrong = f"names a directory that cannot be read ({error.strerror})"
        break
    else:
        wrong = "names a directory that changes while it is read; wait until it does not"
    return Reading(mistakes=[named_at.mistake(wrong)], whole=False)


def _read(directory: Path) -> Reading:
    variables: list[tuple[str, str]] = []
    mistakes: list[InvalidSetting] = []
    left = MOST_BYTES
    shown = directory.name or str(directory)
    with _generation(directory) as (number, names):
        if len(names) > MOST_FILES:
            raise OSError(errno.EFBIG, f"more than {MOST_FILES} files")
        for name in sorted(names):
            place = Place(name, file=shown)
            try:
                raw = read_bounded(name, min(LARGEST, left), directory=number)
                left -= len(raw)
                variables.append((name, _without_line_break(raw.decode())))
            except UnicodeDecodeError:
                mistakes.append(place.mistake("is not encoded in UTF-8; write it in UTF-8"))
            except IsADirectoryError:
                mistakes.append(place.mistake("is no file; write the value into a file of this name"))
            except OSError as error:
                mistakes.append(place.mistake(_unreadable(error, left)))
    reading = read(variables, file=shown)
    reading.mistakes += mistakes
    reading.whole = not mistakes
    return reading


@contextmanager
def _generation(directory: Path) -> Iterator[tuple[int, list[str]]]:
    """Open what is current and list our names in it; at the end, look whether it still is."""
    path = directory / _CURRENT
    if not path.is_dir():
        path = directory
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(number) as entries:
            yield number, [entry.name for entry in islice(filter(_is_ours, entries), MOST_FILES + 1)]
        if not os.path.samestat(os.fstat(number), path.stat()):
            raise _SwappedError
    finally:
        os.close(number)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return fold(entry.name[: len(PREFIX)]) == fold(PREFIX)


def _without_line_break(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _unreadable(error: OSError, left: int) -> str:
    if error.errno != errno.EFBIG:
        return f"cannot be read ({error.strerror})"
    if left < LARGEST:
        return f"is past {MOST_BYTES // LARGEST} MiB of secret files; write fewer"
    return f"has more than {LARGEST // 1024} KiB; write less"
