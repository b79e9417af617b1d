"""Read files that the operator names: regular files only, bounded in size and in time."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

READ_TIMEOUT_SECONDS = 10.0
_STALLED_READ_TIMEOUT_SECONDS = 0.5
"""While an earlier read still hangs, later ones wait only this long: a load must not take minutes."""
_MAX_STALLED_READS = 8
MAX_DIGESTED_BYTES = 16 * 1024 * 1024
"""More than any file of the configuration may have: a larger one is unreadable."""
MAX_DIRECTORY_ENTRIES = 10_000
_KUBERNETES_INTERNAL = ".."
"""Prefix of names under which Kubernetes keeps the content of a mount; the other names link to it."""

_MAX_SHOWN_CHARACTERS = 200
_stalled: list[Future[Any]] = []


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Read a whole file, as `read_file`, which may also raise TimeoutError."""
    return call_with_timeout(lambda: read_file(path, max_bytes))


def read_file(path: Path, max_bytes: int) -> bytes:
    """Read a whole file, which must be regular, or a symbolic link to one; without a bound in time.

    Raises:
        IsADirectoryError: it is not a regular file.
        OSError: it cannot be read; EFBIG if it is too large. `describe_os_error` makes a sentence of it.
    """
    # Without O_NONBLOCK, opening a named pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content


def describe_os_error(error: OSError, path: Path, max_bytes: int) -> str:
    """Return one sentence about a file or directory that cannot be read; it names the path."""
    shown = printable(str(path))
    if isinstance(error, FileNotFoundError):
        return f"file not found: {shown}"
    if isinstance(error, IsADirectoryError) or error.errno == errno.ENXIO:  # ENXIO: a socket
        return f"not a regular file: {shown}"
    if error.errno == errno.EFBIG:
        return f"file larger than {max_bytes // 1024} KiB: {shown}"
    return f"cannot read {shown}: {error.strerror or 'timed out'}"


def call_with_timeout(call: Callable[[], T]) -> T:
    """Call a function that may hang on a dead file system; the hanging thread does not delay the exit.

    Raises:
        TimeoutError: it did not return in time.
    """
    _stalled[:] = [read for read in _stalled if not read.done()]
    if len(_stalled) >= _MAX_STALLED_READS:
        raise TimeoutError
    future = start_thread(call)
    try:
        return future.result(_STALLED_READ_TIMEOUT_SECONDS if _stalled else READ_TIMEOUT_SECONDS)
    except TimeoutError:
        if not future.done():
            _stalled.append(future)
        raise


def start_thread(call: Callable[[], T]) -> Future[T]:
    """Run a blocking call in a daemon thread, which does not delay the exit of the process if it hangs."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # from now on it cannot be cancelled, only left

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  raised where the result is read
            future.set_exception(error)

    Thread(target=run, name="blocking call", daemon=True).start()
    return future


def printable(name: str) -> str:
    """Make a name or path safe for any terminal and log: escaped ASCII of bounded length."""
    escaped = name[: _MAX_SHOWN_CHARACTERS + 1].encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= _MAX_SHOWN_CHARACTERS else f"{escaped[:_MAX_SHOWN_CHARACTERS]}..."


def file_digests(paths: Iterable[Path]) -> dict[Path, bytes]:
    """Return a digest of the content of each file or directory, or of why it cannot be read.

    By content, not by time: when Kubernetes swaps the link to a mounted ConfigMap, every file is new and most
    have the same content as before. Reads files: not for the event loop.
    """
    return {path: _digest_within_time(path) for path in paths}


def _digest_within_time(path: Path) -> bytes:
    try:
        return call_with_timeout(lambda: _digest(path))
    except TimeoutError:
        return b"timed out"


def _digest(path: Path, *, listed: bool = True) -> bytes:
    """Digest a file, or what a directory has in it; if not `listed`, a directory is an unreadable file."""
    try:
        if listed and path.is_dir():
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in islice(entries, MAX_DIRECTORY_ENTRIES))
            names = [name for name in names if not name.startswith(_KUBERNETES_INTERNAL)]
            found = (os.fsencode(name) + b"\0" + _digest(path / name, listed=False) for name in names)
            content = b"directory\0" + b"\0".join(found)
        else:
            content = read_file(path, MAX_DIGESTED_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return f"unreadable: {getattr(error, 'errno', None)}".encode()
    return hashlib.blake2b(content, digest_size=16).digest()
