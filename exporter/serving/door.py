"""The door of the web port: who comes in, how, and what every answer carries, as configured now.

door = Door(security)
site(…, door=door)                    login, headers, rate limit: per request
serving(app, sockets, door=door)      TLS: per connection
door.prepare(security)()              another configuration, without closing the port
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable

from exporter.serving.certificates import INTERVAL, Certificates
from exporter.serving.login import Login
from exporter.tls import RateLimit, TlsServer, WebSecurity

_OPEN = WebSecurity()

_log = logging.getLogger("exporter.serving")


class Door:
    """What stands between the port and the site.

    Args:
        security: None for an open port.
        login: checks passwords.

    Raises:
        TlsFileError: a certificate, key or list of authorities cannot be used.
    """

    def __init__(self, security: WebSecurity | None = None, *, login: Login | None = None) -> None:
        security = security or _OPEN
        self.login = login or Login()
        self._certificates = _certificates(security.tls)
        self._tls = security.tls
        self._hang_up: Callable[[], None] = lambda: None
        self._furnish(security)

    @property
    def context(self) -> ssl.SSLContext | None:
        """What the next handshake is made with; None when there is no TLS."""
        return self._certificates.context if self._certificates else None

    def prepare(self, security: WebSecurity | None) -> Callable[[], None]:
        """Make ready for another configuration; reads files, so in a thread.

        Returns:
            What puts it in force, on the loop: at once for requests, and for connections when they are made.
            Those that were made under other rules of TLS end.

        Raises:
            TlsFileError: a certificate, key or list of authorities cannot be used; nothing has changed.
        """
        security = security or _OPEN
        same = security.tls == self._tls
        certificates = self._certificates if same else _certificates(security.tls)

        def apply() -> None:
            self._furnish(security)
            if not same:
                self._tls, self._certificates = security.tls, certificates
                self._hang_up()

        return apply

    @contextlib.asynccontextmanager
    async def open(self, hang_up: Callable[[], None]) -> AsyncIterator[None]:
        """Look after the certificates while the block runs.

        Args:
            hang_up: ends the connections that were made under other rules.
        """
        self._hang_up = hang_up
        watch = asyncio.create_task(self._watch(), name="certificates")
        try:
            yield
        finally:
            watch.cancel()
            self._hang_up = lambda: None
            self.login.close()

    def has_room(self) -> bool:
        """Tell whether the rate limit allows another request now, and count it if so."""
        return self._bucket is None or self._bucket.take()

    def _furnish(self, security: WebSecurity) -> None:
        self.headers = security.headers
        self.login.renew(security.users)
        limit = security.rate_limit
        if limit is None:
            self._bucket = None
        elif self._bucket is None or self._bucket.limit != limit:
            self._bucket = Bucket(limit)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self._look()
            except Exception:  # noqa: BLE001  a bug, or no file is left to open: the next look may go well
                _log.exception("cannot look at the certificates")

    async def _look(self) -> None:
        certificates = self._certificates
        if certificates is None:
            return
        if await asyncio.to_thread(certificates.look):
            self._hang_up()

    _bucket: Bucket | None = None


class Bucket:
    """A bucket of tokens, full at first; one drops in per interval.

    Args:
        limit: interval and size.
        clock: seconds that never go back.
    """

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._counted_at = clock()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._clock()
        since, self._counted_at = now - self._counted_at, now
        self._tokens = min(self.limit.burst, self._tokens + since / self.limit.interval)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _certificates(tls: TlsServer | None) -> Certificates | None:
    return None if tls is None else Certificates(tls)
