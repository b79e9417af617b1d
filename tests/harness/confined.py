"""Runs a command under the seccomp filters that a systemd unit comes to.

As a script: UNIT COMMAND [ARGUMENT…]. It takes the unit's SystemCallFilter, MemoryDenyWriteExecute and
RestrictAddressFamilies. What they mean is in systemd's source, src/shared/seccomp-util.c; which calls a
set holds, systemd-analyze reports.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
"""Actions of seccomp(2): SECCOMP_RET_ALLOW, and SECCOMP_RET_ERRNO with the error's number added."""

EQUAL, MASKED_EQUAL = 4, 7
"""How libseccomp compares an argument."""

WRITABLE, EXECUTABLE, SHM_EXEC = 2, 4, 0o100000
MAX_FAMILIES = 48
PR_SET_NO_NEW_PRIVS = 38


class Compared(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Filter:
    """A filter under construction; `otherwise` is done with what no rule is about."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def rule(self, call: str, action: int, *compared: Compared) -> None:
        """Do this with a system call, if its arguments compare so; calls of other machines are left out."""
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            rules = (Compared * len(compared))(*compared)
            self._library.seccomp_rule_add_array(
                self._context, ctypes.c_uint32(action), number, len(compared), rules
            )

    def load(self) -> None:
        """Put it in force, for this process and its children."""
        if self._library.seccomp_load(self._context) != 0:
            raise OSError(errno.EPERM, "seccomp_load")


def settings(unit: Path) -> dict[str, list[str]]:
    """Return the words of each setting, over all lines that it has."""
    words: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.startswith("#"):
            words.setdefault(key, []).append(value)
    return words


def members(name: str) -> set[str]:
    """Return the system calls of a set, those of the sets in it included."""
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    calls: set[str] = set()
    for word in (line.strip() for line in listed.splitlines()[1:]):
        if word and not word.startswith("#"):
            calls |= members(word) if word.startswith("@") else {word}
    return calls


def allowed(lines: list[str]) -> set[str]:
    """Return what SystemCallFilter leaves; a line that begins with ~ takes away."""
    calls: set[str] = set()
    for line in lines:
        named = {call for name in line.removeprefix("~").split() for call in members(name)}
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def confine(unit: Path) -> None:
    """Give up what the unit takes away, for good."""
    wanted = settings(unit)
    calls = Filter(ERRNO | errno.EPERM)
    for call in sorted(allowed(wanted["SystemCallFilter"])):
        calls.rule(call, ALLOW)
    more = Filter(ALLOW)
    if wanted["MemoryDenyWriteExecute"] == ["yes"]:
        refused = ERRNO | errno.EPERM
        both = WRITABLE | EXECUTABLE
        more.rule("mmap", refused, Compared(2, MASKED_EQUAL, both, both))
        for call in ("mprotect", "pkey_mprotect"):
            more.rule(call, refused, Compared(2, MASKED_EQUAL, EXECUTABLE, EXECUTABLE))
        more.rule("shmat", refused, Compared(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    (families,) = wanted["RestrictAddressFamilies"]
    kept = {int(getattr(socket, name)) for name in families.split()}
    for family in set(range(MAX_FAMILIES)) - kept:
        more.rule("socket", ERRNO | errno.EAFNOSUPPORT, Compared(0, EQUAL, family, 0))
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    more.load()
    calls.load()  # last: an ordinary service does not make the calls of loading


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  the command is the caller's
