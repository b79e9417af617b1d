"""A directory as Kubernetes mounts a Secret or ConfigMap, and swaps its content.

..2026_11_25.1/NAME         a generation
..data -> ..2026_11_25.1    the current one; replaced by a rename, so that there is always one
NAME -> ..data/NAME         what programs open
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path


class Mount:
    """A mounted volume.

    Args:
        directory: made where it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._generation = 0

    def put(self, files: Mapping[str, str | bytes]) -> None:
        """Replace the whole content in one step, in the order of Kubernetes' atomic writer."""
        self._generation += 1
        data = self.directory / "..data"
        before = data.resolve() if data.exists() else None
        generation = self.directory / f"..2026_11_25_10_00_00.{self._generation}"
        generation.mkdir(parents=True)
        for name, content in files.items():
            (generation / name).write_bytes(content.encode() if isinstance(content, str) else content)
        link = self.directory / "..data_tmp"
        link.symlink_to(generation.name)
        link.rename(data)
        for name in files:
            if not (self.directory / name).is_symlink():
                (self.directory / name).symlink_to(f"..data/{name}")
        for path in self.directory.iterdir():
            if not path.name.startswith("..") and path.name not in files:
                path.unlink()
        if before is not None:
            shutil.rmtree(before)
