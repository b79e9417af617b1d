"""Basic authentication (RFC 7617) with bcrypt hashes, as in Prometheus, and the rate limit for requests.

A hash takes tenths of a second of CPU. One is computed at a time, in a thread of low priority; the number of
waiting logins is bounded, in total and per client; a login that succeeded once does not wait again.
"""

import asyncio
import base64
import binascii
import hmac
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from exporter.tls import RateLimit

MAX_CACHED_LOGINS = 100
MAX_WAITING_LOGINS = 32
MAX_WAITING_LOGINS_PER_CLIENT = 4
MAX_PASSWORD_BYTES = 72
"""bcrypt ignores the rest. Go truncates there, and a password that works with Prometheus must work here."""
_NICENESS = 10


class TooManyLoginsError(Exception):
    """Too many logins are waiting."""


class BasicAuth:
    """Checks user names and passwords; `check` compares one of at most 72 bytes with its bcrypt hash."""

    def __init__(self, check: Callable[[bytes, bytes], bool] = bcrypt.checkpw) -> None:
        self._check = check
        self._hashes: dict[bytes, bytes] = {}
        self._key = secrets.token_bytes(32)
        self._cache: OrderedDict[bytes, None] = OrderedDict()
        self._waiting: dict[bytes, tuple[asyncio.Future[bool], str]] = {}
        """By key: bcrypt's result to come, and the client that asked first."""
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="login", initializer=os.nice, initargs=(_NICENESS,)
        )

    @property
    def waiting(self) -> int:
        """Number of waiting logins, including the one that is being checked."""
        return len(self._waiting)

    def set_users(self, users: Mapping[str, str]) -> None:
        """Replace users and their bcrypt hashes; without any, every request is accepted.

        The hash is part of a cache key, so a changed or removed password is not accepted from the cache.
        """
        self._hashes = {name.encode(): stored.encode() for name, stored in users.items()}

    def close(self) -> None:
        """Stop checking passwords."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def accepts(self, headers: Sequence[bytes], client: str) -> bool:
        """Return whether a request may pass, by all of its `Authorization` headers and its remote address.

        Raises:
            TooManyLoginsError: too many logins are waiting.
        """
        if not self._hashes:
            return True
        credentials = _parse(headers)
        if credentials is None:
            return False
        user, password = credentials
        stored = self._hashes.get(user)
        compared = stored or self._decoy(user)
        key = self._cache_key(user, compared, password)
        # Known users only: the decoy of a removed user may be that user's own former hash.
        if stored is not None and key in self._cache:
            self._cache.move_to_end(key)
            return True
        matches = await self._matches(key, password[:MAX_PASSWORD_BYTES], compared, client)
        if not matches or stored is None or self._hashes.get(user) != stored:
            return False
        self._cache[key] = None
        if len(self._cache) > MAX_CACHED_LOGINS:
            self._cache.popitem(last=False)
        return True

    def _decoy(self, user: bytes) -> bytes:
        """Return a real hash for an unknown user, always the same, so that timing reveals no user name."""
        decoys = sorted(self._hashes.values())
        return decoys[int.from_bytes(hmac.digest(self._key, user, "sha256")[:8]) % len(decoys)]

    def _cache_key(self, *parts: bytes) -> bytes:
        """Return an HMAC of length-prefixed parts; plain concatenation is ambiguous (CVE-2022-46146)."""
        return hmac.digest(self._key, b"".join(len(part).to_bytes(8) + part for part in parts), "sha256")

    async def _matches(self, key: bytes, password: bytes, stored: bytes, client: str) -> bool:
        """Wait for bcrypt; identical logins at the same time share one computation."""
        if key not in self._waiting:
            own = sum(other == client for _, other in self._waiting.values())
            if self.waiting >= MAX_WAITING_LOGINS or own >= MAX_WAITING_LOGINS_PER_CLIENT:
                raise TooManyLoginsError
            check = asyncio.get_running_loop().run_in_executor(self._thread, self._check, password, stored)
            self._waiting[key] = check, client
            check.add_done_callback(lambda _: self._waiting.pop(key))
        return await asyncio.shield(self._waiting[key][0])


def _parse(headers: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return user and password; None if there is not exactly one valid header."""
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


class TokenBucket:
    """A rate limit: full at first, one token is added per interval, one is taken per request."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._updated_at = clock()

    def take(self) -> bool:
        """Take a token; return False if there is none."""
        now = self._clock()
        elapsed, self._updated_at = now - self._updated_at, now
        self._tokens = min(self.limit.burst, self._tokens + elapsed / self.limit.interval)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
