"""One probe by way of a forward proxy: both peers on loopback, in one loop with the probe."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probing.examples import SOURCE, a_target
from probing.loopback import Behaviour, Peer, Talk, answer, listening, loop, not_resolving, resolving, run
from probing.visit import NAME

from exporter.outcome import Outcome, StepRecord
from exporter.probing.probe import Prober
from exporter.probing.resolver import ResolvedName
from exporter.target import IpFamily, Journey

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate


PROXY = "proxy.example"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
DENIED = answer(b"", 'Proxy-Authenticate: Basic realm="egress"', status="407 Proxy Authentication Required")


@dataclass(frozen=True, slots=True)
class Detour:
    """What came of it.

    Args:
        outcome: what the probe found.
        proxy: what the proxy heard.
        provider: what the provider heard.
        resolved: names that the probe looked up, in order.
    """

    outcome: Outcome
    proxy: Peer
    provider: Peer
    resolved: list[str]

    @property
    def step(self) -> StepRecord:
        """The only step."""
        (step,) = self.outcome.steps
        return step

    @property
    def finding(self) -> tuple[str, str, str]:
        """Reason, fault and phase, in words."""
        return self.outcome.reason.value, self.outcome.fault.value, self.outcome.phase.value


def detour(
    at_proxy: Behaviour,
    at_provider: Behaviour,
    *,
    authority: Authority | None = None,
    certificate: Certificate | None = None,
    credentials: str = "",
    addresses: tuple[str, ...] = ("127.0.0.1",),
    **changes: Any,  # noqa: ANN401  any field of a target
) -> Detour:
    """Probe a provider by way of a proxy; over TLS with an authority to trust.

    The proxy alone knows where the provider is: its name does not resolve for the probe.
    """
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is not None:
        trust.load_verify_locations(authority.ca_file)
        certificate = certificate or authority.issue(NAME)
    resolved: list[str] = []

    def resolve(name: str, family: IpFamily) -> asyncio.Future[ResolvedName]:
        resolved.append(name)
        return not_resolving(name, family) if name != PROXY else resolving(*addresses)(name, family)

    async def main() -> Detour:
        async with (
            listening(at_provider, tls=certificate.tls if certificate else None) as provider,
            listening(at_proxy) as proxy,
        ):
            prober = Prober(lambda _: trust, resolve=resolve)
            scheme = "http" if authority is None else "https"
            fields = {
                "source_url": f"{scheme}://{NAME}:{provider.port}/{SOURCE}",
                "proxy_url": f"http://{credentials}{PROXY}:{proxy.port}",
                "timeout": 60.0,
            }
            outcome = await prober(a_target(**fields | changes), Journey.AUTHORIZE)
            await proxy.left_alone()
            await provider.left_alone()
            return Detour(outcome, proxy, provider, resolved)

    return run(main())


def forwards(credentials: str | None = None, *, thinks: float = 0.0) -> Behaviour:
    """Return the behaviour of a forward proxy (RFC 9110, sections 7.3.2 and 9.3.6).

    With `user:password` it refuses clients without them. It thinks about each request for so many
    seconds. All names lead to 127.0.0.1.
    """

    async def behave(talk: Talk) -> None:
        await talk.hear()
        loop().skip(thinks)
        line, *headers = talk.peer.heads[-1].decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        if credentials is not None and proxy_authorization(credentials) not in headers:
            await talk.say(DENIED)
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        reader, writer = await asyncio.open_connection("127.0.0.1", int(place.rpartition(":")[2]))
        try:
            if method == "CONNECT":
                await talk.say(ESTABLISHED)
            else:
                path = "/" + target.split("/", 3)[3]
                kept = [name for name in headers if not name.lower().startswith("proxy-")]
                writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept]).encode("latin-1"))
            await asyncio.gather(pump(talk.reader, writer), pump(reader, talk.writer))
        finally:
            writer.transport.abort()

    return behave


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Hand on bytes, and then the end."""
    with suppress(OSError):  # either side may end by a reset
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


def proxy_authorization(credentials: str) -> str:
    """Return the header that brings `user:password` to a proxy (RFC 7617)."""
    return f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}"
