"""The root of the image: what the exporter needs of its base, and nothing else: no shell, no package manager.

Run by Dockerfile in a stage that has the base and /opt/exporter; writes the files below a directory. It is an
allow-list, so that whatever else a base has stays out: an interpreter, its standard library, the libraries
that these and the dependencies load, certificate authorities, time zones, and a few files of /etc.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

EXPORTER = Path("/opt/exporter")
LEFT_OUT = {
    *("__pycache__", "ensurepip", "idlelib", "lib2to3", "pydoc_data"),
    *("site-packages", "test", "tkinter", "turtledemo"),
}
"""Of the standard library. Its bytecode is in /opt/exporter, and ensurepip would bring pip back."""
TREES = (
    "/etc/pki",
    "/etc/ssl",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
)
FILES = (
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/timezone",
)
MERGED = ("/lib", "/lib64")
"""Links to the directories in /usr, where they are merged."""
_LOADED = re.compile(r"(/\S+) \(0x")
_PACKAGE = re.compile(r"^([a-z0-9.+-]+)[,:]", re.MULTILINE)


def needed() -> Iterator[Path]:
    """Yield every file and link, but for the targets of links."""
    interpreter = EXPORTER / "bin" / "python"
    while interpreter.is_symlink():
        interpreter = interpreter.parent / interpreter.readlink()
        yield interpreter
    standard = [
        path
        for path in Path(sysconfig.get_path("stdlib")).rglob("*")
        if not path.is_dir() and path.suffix != ".a" and not LEFT_OUT & set(path.parts)
    ]
    yield from standard
    programs = [interpreter, *(path for path in (*standard, *EXPORTER.rglob("*")) if ".so" in path.suffixes)]
    libraries = {Path(path) for path in _LOADED.findall(output("ldd", *map(str, programs)))}
    # The C library loads these by name, where it does not contain them (before glibc 2.34).
    libraries |= {path for near in {path.parent for path in libraries} for path in near.glob("libnss_[df]*")}
    yield from sorted(libraries)
    for tree in TREES:
        yield from (path for path in Path(tree).rglob("*") if path.is_symlink() or path.is_file())
    yield from (path for path in map(Path, FILES) if path.exists())


def copy(path: Path, root: Path) -> None:
    """Copy a file, or a link and what it leads to."""
    path = path.parent.resolve() / path.name
    to = root / path.relative_to("/")
    if os.path.lexists(to):
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, to, follow_symlinks=False)
    if path.is_symlink() and not path.is_dir() and path.exists():
        copy(path.parent / path.readlink(), root)


def record_packages(root: Path) -> None:
    """Describe the Debian packages that files were copied from, where scanners for vulnerabilities look."""
    if shutil.which("dpkg-query") is None:
        return
    files = [
        f"/{path.relative_to(root)}" for path in root.rglob("*") if path.is_file() and not path.is_symlink()
    ]
    known = [*files, *(file.removeprefix("/usr") for file in files if file.startswith("/usr/lib"))]
    found = output("dpkg-query", "--search", *known)
    directory = root / "var" / "lib" / "dpkg" / "status.d"
    directory.mkdir(parents=True)
    for name in sorted(set(_PACKAGE.findall(found))):
        (directory / name).write_text(output("dpkg-query", "--status", name), encoding="utf-8")


def output(*command: str) -> str:
    """Return what a program of the base prints; those here fail if they know nothing of one of many files."""
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stdout  # noqa: S603  fixed


def main() -> None:
    """Write the root."""
    root = Path(sys.argv[1])
    root.mkdir()
    for link in map(Path, MERGED):
        if link.is_symlink():
            (root / link.name).symlink_to(link.readlink())
    for path in needed():
        copy(path, root)
    record_packages(root)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main()
