"""A name server for one daemon, which answers as badly as a case wants.

The system's resolver knows its name servers by address alone, always on port 53, from a file that belongs to
the whole machine. So the daemon is started in a mount namespace of its own, where that file is another one.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest
from harness.daemon import COMMAND
from harness.prometheus import need_tool
from harness.waiting import poll

ADDRESS = "127.53.53.53"
"""Any address in 127.0.0.0/8 is this machine's own; no other program listens on this one."""

A, AAAA, CNAME = 1, 28, 5
NO_ERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
RESPONSE = 0x8180
TRUNCATED = 0x0200
ZONE = "faults.example"

MOUNT = 'mount --bind "$0/resolv.conf" /etc/resolv.conf && mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf'


class NameServer:
    """Answers by the first label of a name, up to its hyphen; not at all when it is not known."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run, name="name server")

    def __enter__(self) -> Self:
        """Listen; without the right to, the test is skipped, or in CI, which skips nothing, fails."""
        try:
            poll(self._binds, bool, what="another test to leave port 53")
        except PermissionError:
            self._socket.close()
            unable("port 53 is not ours to listen on: run as root")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", (ADDRESS, 53))
        self._thread.join()
        self._socket.close()

    def _binds(self) -> bool:
        try:
            self._socket.bind((ADDRESS, 53))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True

    def _run(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(4096)
            if not question:
                return
            for reply in answer(question):
                self._socket.sendto(reply, sender)


def answer(query: bytes) -> Sequence[bytes]:
    """Return what is replied to a query, all of it."""
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    asked = question[1 : 1 + question[0]].decode().partition("-")[0]
    kind = struct.unpack("!H", question[-4:-2])[0]
    v4, v6 = socket.inet_aton("127.0.0.1"), socket.inet_pton(socket.AF_INET6, "::1")
    records: Mapping[str, Mapping[int, bytes]] = {
        "good": {A: v4},
        "both": {A: v4, AAAA: v6},
        "four": {A: v4},
        "six": {AAAA: v6},
        "empty": {},
    }
    codes = {"nxdomain": NXDOMAIN, "servfail": SERVFAIL, "refused": REFUSED}
    if asked == "garbage":
        return (query[:2] + b"\xff" * 30,)
    if asked == "stranger":
        return (bytes([query[0] ^ 1]) + _reply(query, question, RESPONSE, [(A, v4)])[1:],)
    if asked == "truncated":
        return (_reply(query, question, RESPONSE | TRUNCATED, []),)
    if asked == "circle":
        return (_reply(query, question, RESPONSE, [(CNAME, b"\xc0\x0c")]),)
    if asked in codes:
        return (_reply(query, question, RESPONSE | codes[asked], []),)
    if asked in records:
        found = [(kind, records[asked][kind])] if kind in records[asked] else []
        return (_reply(query, question, RESPONSE, found),)
    return ()


def _reply(query: bytes, question: bytes, flags: int, records: Sequence[tuple[int, bytes]]) -> bytes:
    """Write a message (RFC 1035, section 4); a record's name is a pointer to the question's."""
    head = query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    body = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(data)) + data for kind, data in records
    )
    return head + question + body


def asking(directory: Path) -> tuple[str, ...]:
    """Return the command, so that it asks this name server; files for that are written to `directory`."""
    unshare = need_tool("unshare")
    tried = subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False)
    if tried.returncode:
        unable(f"unshare --mount is not permitted: {tried.stderr.decode().strip()}")
    directory.mkdir(parents=True, exist_ok=True)
    # One attempt of 5 s: longer than any probe waits.
    (directory / "resolv.conf").write_text(f"nameserver {ADDRESS}\noptions timeout:5 attempts:1\n")
    (directory / "nsswitch.conf").write_text("hosts: files dns\n")
    return (unshare, "--mount", "sh", "-c", f'{MOUNT} && exec "$@"', str(directory), *COMMAND)


def unable(reason: str) -> None:
    """Skip the test, or fail it in CI, which skips nothing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
