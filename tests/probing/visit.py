"""One probe of a peer on loopback that leaves no socket open."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from probing.examples import SOURCE, a_target
from probing.loopback import Behaviour, Peer, Talk, listening, resolving, run

from exporter.outcome import Outcome, StepRecord
from exporter.probing.probe import Prober, fresh_token
from exporter.probing.transport import StallsSince
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate


NAME = "idp.example"


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of it.

    Args:
        outcome: what the probe found.
        peer: what its peer heard.
        resolved: names that were looked up, in order.
    """

    outcome: Outcome
    peer: Peer
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


def visit(  # noqa: PLR0913  each is one thing that tests vary
    behave: Behaviour,
    *,
    authority: Authority | None = None,
    certificate: Certificate | None = None,
    scheme: str | None = None,
    host: str = NAME,
    addresses: tuple[str, ...] = ("127.0.0.1",),
    token: Callable[[], str] = fresh_token,
    trust: Callable[[Target], ssl.SSLContext] | None = None,
    stalls: StallsSince = lambda _since: (),
    **changes: Any,  # noqa: ANN401  any field of a target
) -> Visit:
    """Probe a peer that does `behave`.

    With an authority to trust, over TLS; with a scheme, the peer speaks TLS only if it has a certificate.
    """
    # Not the system's authorities, which take a while to read: none of them knows a peer of ours.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is not None:
        context.load_verify_locations(authority.ca_file)
    if authority is not None and certificate is None and scheme is None:
        certificate = authority.issue(NAME, "127.0.0.1")
    scheme = scheme or ("http" if certificate is None else "https")
    resolved: list[str] = []

    async def main() -> Visit:
        async with listening(behave, tls=certificate.tls if certificate else None) as peer:
            prober = Prober(
                trust or (lambda _: context),
                resolve=resolving(*addresses, resolved=resolved),
                token=token,
                stalls=stalls,
            )
            url = f"{scheme}://{host}:{peer.port}/{SOURCE}"
            target = a_target(**{"source_url": url, "timeout": 60.0} | changes)
            outcome = await prober(target, Journey.AUTHORIZE)
            await peer.left_alone()
            return Visit(outcome, peer, resolved)

    return run(main())


def wants_a_client_certificate(tls: ssl.SSLContext) -> Behaviour:
    """Return a behaviour that refuses a client as OpenSSL does: asyncio's server would drop the alert."""
    tls.verify_mode = ssl.CERT_REQUIRED

    async def behave(talk: Talk) -> None:
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = tls.wrap_bio(heard, said, server_side=True)
        for _ in range(10):
            try:
                server.do_handshake()
            except ssl.SSLWantReadError:
                await talk.say(said.read())
                heard.write(await talk.reader.read(65536))
            except ssl.SSLError:
                await talk.say(said.read())
                return

    return behave
