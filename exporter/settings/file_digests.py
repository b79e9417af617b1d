"""What files hold, in few bytes each: whether a configuration has changed on disk.

By content, not by time: Kubernetes swaps the link to a directory of a mounted ConfigMap, every file of
which is then new, and most often says the same.

    config/..data -> ..2026_11_25     swapped
    config/exporter.yaml -> ..data/exporter.yaml
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

LARGEST = 16 * 1024 * 1024
"""Bytes of a file that are looked at; of a larger one, its size and its time are, too."""

MOST_ENTRIES = 10_000
"""Of one directory, below which there may be others."""

DEEPEST = 4

_INTERNAL = ".."
"""How names begin under which Kubernetes keeps the content of a mount; links to it lead there."""


def file_digests(paths: Iterable[Path]) -> Mapping[Path, bytes]:
    """Return a digest of each file's or directory's content, or of what keeps it from being read.

    Reads files: not for the event loop.
    """
    return {path: _of(path, DEEPEST) for path in paths}


def _of(path: Path, depth: int) -> bytes:
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            return _of_directory(path, depth)
        if not stat.S_ISREG(facts.st_mode):  # a pipe would be waited for
            return _digest(b"special", str(facts.st_rdev).encode())
        with path.open("rb") as file:
            content = file.read(LARGEST)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return _digest(b"unreadable", str(getattr(error, "errno", None)).encode())
    rest = f"{facts.st_size} {facts.st_mtime_ns}" if facts.st_size > LARGEST else ""
    return _digest(b"file", content, rest.encode())


def _of_directory(path: Path, depth: int) -> bytes:
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in islice(entries, MOST_ENTRIES))
    parts = [b"directory"]
    for name in names if depth else ():
        if not name.startswith(_INTERNAL):
            parts += [os.fsencode(name), _of(path / name, depth - 1)]
    return _digest(*parts)


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
