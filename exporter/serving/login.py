"""Basic authentication (RFC 7617) with bcrypt hashes, as Prometheus has it, bounded in time and memory.

    header ── user, password ── remembered? ─── yes ──────────────────────── in
                                     └ no ── waits ── bcrypt ── right ── remembered, in
                                                         └ wrong ─────── out

A hash costs a processor tenths of a second. So one is computed at a time, in a thread that gives way to
probes; those who wait are bounded, in all and per address; and whoever has once been let in, as a scraper
has, does not wait.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import bcrypt

MOST_REMEMBERED = 100
"""Logins; there are as many as users, or a few more while passwords change."""
MOST_WAITING = 32
MOST_WAITING_PER_CLIENT = 4
"""So that one address, whatever it sends, keeps another one waiting for four hashes at most."""
LONGEST_PASSWORD = 72
"""Bytes that bcrypt looks at. Go's comparison leaves out the rest, like htpasswd, and so does Prometheus:
the password that opens its door must open this one. Python's would raise."""

_NICENESS = 10
"""Of that thread alone, as Linux has it: probes and scrapes get the processors first."""


class CrowdedError(Exception):
    """Too many logins wait already."""


class Login:
    """Who may come in.

    Args:
        check: tells whether a password, at most 72 bytes, is that of a bcrypt hash.
    """

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._users: dict[bytes, bytes] = {}
        self._decoys: list[bytes] = []
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, None] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Future[bool]] = {}
        self._waiting: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="login", initializer=os.nice, initargs=(_NICENESS,)
        )

    @property
    def waiting(self) -> int:
        """How many logins wait, the one that is being compared among them."""
        return self._waiting.total()

    def renew(self, users: Mapping[str, str]) -> None:
        """Let these users in from now on, and nobody else; anybody when there are none.

        What was remembered of a hash that is gone is never asked for again, for the hash is part of its key.

        Args:
            users: names and bcrypt hashes.
        """
        self._users = {name.encode(): stored.encode() for name, stored in users.items()}
        self._decoys = sorted(self._users.values())

    def close(self) -> None:
        """Check no more passwords."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def admits(self, headers: Sequence[bytes], client: str) -> bool:
        """Tell whether a request may come in.

        Args:
            headers: every `Authorization` header of the request.
            client: the address that it came from.

        Raises:
            CrowdedError: too many wait already.
        """
        if not self._users:
            return True
        credentials = _credentials(headers)
        if credentials is None:
            return False
        user, password = credentials
        stored = self._users.get(user)
        compared = stored or self._decoy(user)
        key = self._mac(user, compared, password)
        # Not of an unknown user: one that was removed may be compared with the very hash that was his.
        if stored is not None and key in self._remembered:
            self._remembered.move_to_end(key)
            return True
        right = await self._checked(key, password[:LONGEST_PASSWORD], compared, client)
        if not right or stored is None or self._users.get(user) != stored:
            return False
        self._remembered[key] = None
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return True

    def _decoy(self, user: bytes) -> bytes:
        """Choose a real hash to compare an unknown user's password with.

        Its cost is that of the others, and always the same for the same name: nothing tells that nobody
        has that name.
        """
        number = int.from_bytes(hmac.digest(self._key, user, "sha256")[:8])
        return self._decoys[number % len(self._decoys)]

    def _mac(self, *parts: bytes) -> bytes:
        """Make one key of several parts, each with its length: no two lists of parts read alike.

        Joined without, a user who chose a name and password well had another one's (CVE-2022-46146).
        """
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for part in parts:
            mac.update(len(part).to_bytes(8))
            mac.update(part)
        return mac.digest()

    async def _checked(self, key: bytes, password: bytes, stored: bytes, client: str) -> bool:
        """Wait for bcrypt; who sends the same at the same time waits for the same."""
        check = self._under_way.get(key)
        if check is None:
            if self.waiting >= MOST_WAITING or self._waiting[client] >= MOST_WAITING_PER_CLIENT:
                raise CrowdedError
            loop = asyncio.get_running_loop()
            check = loop.run_in_executor(self._thread, self._check, password, stored)
            self._under_way[key] = check
            self._waiting[client] += 1
            check.add_done_callback(lambda _: self._done(key, client))
        return await asyncio.shield(check)

    def _done(self, key: bytes, client: str) -> None:
        del self._under_way[key]
        self._waiting[client] -= 1
        if not self._waiting[client]:
            del self._waiting[client]


def _credentials(headers: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Read user and password; None when there are none, or when it is not clear which."""
    if len(headers) != 1:
        return None
    scheme, _, encoded = headers[0].partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(b" "), validate=True)
    except binascii.Error:
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None
