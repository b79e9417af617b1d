"""What a file holds, within bounds; for files that the operator names and may change at any time."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def content(path: Path, most: int) -> bytes:
    """Read a whole file that a variable names.

    Args:
        path: of a regular file, perhaps through symbolic links.
        most: bytes that it may have.

    Raises:
        ValueError: what is wrong with it, told of the variable; without the path, which may be a misplaced
            secret.
    """
    try:
        return read_bounded(path, most)
    except FileNotFoundError:
        raise ValueError(
            "names a file that does not exist; write a path that does, relative to the working directory"
        ) from None
    except IsADirectoryError:
        raise ValueError("is no file; write the path of one") from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ValueError(f"names a file of more than {most // 1024} KiB; write a smaller one") from None
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None


def read_bounded(path: str | Path, most: int, *, directory: int | None = None) -> bytes:
    """Read a whole file.

    Args:
        path: of a regular file, perhaps through symbolic links.
        most: bytes that it may have.
        directory: descriptor of the one where a relative path starts; None for the working directory.

    Raises:
        IsADirectoryError: it is one, or something else that is no regular file.
        OSError: it cannot be read; with EFBIG, it is too large.
    """
    # Without O_NONBLOCK, a pipe that nobody writes to would hold us for ever.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with open(number, "rb") as file:  # noqa: PTH123  a descriptor, not a path
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise IsADirectoryError
        read = file.read(most + 1)
    if len(read) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return read
