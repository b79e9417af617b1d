"""TLS over a TCP stream, through OpenSSL's memory buffers, so that every byte is read by `recvmsg`."""

import asyncio
import ssl
from contextlib import suppress

from exporter.probing.stream import TcpStream
from exporter.probing.timing import Deadline

_HANDSHAKE_READ_BYTES = 16 * 1024


class TlsStream:
    """A TLS connection; it has what a `TcpStream` has. `session` is OpenSSL's side of it.

    The certificate must be valid for `server_name`, a host name or an address.
    """

    def __init__(self, tcp: TcpStream, context: ssl.SSLContext, server_name: str) -> None:
        self.tcp = tcp
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self, deadline: Deadline) -> float:
        """Shake hands; return how many seconds the peer took.

        Our last message of it is sent together with the request.

        Raises:
            OSError: if it failed; `ssl.SSLError` is one.
            DeadlineError: if the timeout passed.
        """
        seconds = 0.0
        while True:
            try:
                self.session.do_handshake()
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    await self.tcp.send(self._outgoing.read())
                else:
                    deadline.start_peer_time(self.tcp.arrived)
                await self._fill(_HANDSHAKE_READ_BYTES)
                seconds += deadline.stop_peer_time(self.tcp.arrived)
            except ssl.SSLError:
                self.tcp.send_now(self._outgoing.read())  # the alert that gives the reason
                raise
            else:
                return seconds

    async def send(self, data: bytes) -> None:
        """Send all of `data`; see `TcpStream.send`."""
        self.session.write(data)
        await self.tcp.send(self._outgoing.read())

    async def receive(self, max_bytes: int) -> bytes:
        """Return what arrived next; see `TcpStream.receive`."""
        others_ran = False
        while True:
            try:
                data = self.session.read(max_bytes)
            except ssl.SSLWantReadError:
                if self._outgoing.pending:  # our part of a renegotiation, which TLS 1.2 has
                    self.tcp.send_now(self._outgoing.read())
                await self._fill(max_bytes)
                others_ran = True
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            else:
                if not others_ran:
                    await asyncio.sleep(0)
                return data

    def is_open(self) -> bool:
        """Return False if the peer closed the connection, or sent data unasked."""
        data = self.tcp.receive_now(_HANDSHAKE_READ_BYTES)
        if data == b"":
            return False
        self._incoming.write(data or b"")
        try:
            self.session.read(1)  # there may be an alert behind what was read
        except ssl.SSLError as error:
            return isinstance(error, ssl.SSLWantReadError)  # nothing, or session tickets
        return False

    def close(self) -> None:
        """Close the connection."""
        with suppress(ssl.SSLError):
            self.session.unwrap()
        self.tcp.close(self._outgoing.read())

    async def _fill(self, max_bytes: int) -> None:
        data = await self.tcp.receive(max_bytes)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
