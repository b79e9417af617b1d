"""What a file holds, within bounds; for files that the operator names and may change at any time."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MISSING = "names a file that does not exist; write a path that does, relative to the working directory"

_NO_FILE = "is no file; write the path of one"


def content(path: Path, most: int) -> bytes:
    """Read a whole file.

    Args:
        path: of a regular file, perhaps through symbolic links.
        most: bytes that it may have.

    Raises:
        ValueError: what is wrong with it, told of the variable that names it; without the path, which may be
            a misplaced secret.
    """
    try:
        # Without O_NONBLOCK, a pipe that nobody writes to would hold us for ever.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(number, "rb") as file:  # noqa: PTH123  a descriptor, not a path
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise ValueError(_NO_FILE)
            read = file.read(most + 1)
    except IsADirectoryError:
        raise ValueError(_NO_FILE) from None
    except FileNotFoundError:
        raise ValueError(MISSING) from None
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    if len(read) > most:
        raise ValueError(f"names a file of more than {most // 1024} KiB; write a smaller one")
    return read
