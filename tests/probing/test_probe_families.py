"""A probe tries the addresses of its target's family, in turn, and no others."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping

import pytest
from probing.examples import SOURCE, a_flow, a_target
from probing.loopback import answer, listening, run, says
from probing.visit import visit

from exporter.outcome import Outcome, Phase
from exporter.probing.probe import Prober
from exporter.probing.resolver import Resolver
from exporter.target import IpFamily, Journey

GOOD = answer(json.dumps(a_flow()).encode())


def probe(family: IpFamily, addresses: Mapping[IpFamily, tuple[str, ...]], host: str) -> tuple[Outcome, int]:
    """Probe a peer on 127.0.0.1 by a name with these addresses; also return the number of connections."""

    def look_up(_host: str, of: IpFamily) -> tuple[str, ...]:
        if not addresses[of]:
            raise OSError("no address of that family")
        return addresses[of]

    async def main() -> tuple[Outcome, int]:
        async with listening(says(GOOD)) as peer:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            prober = Prober(lambda _: trust, resolve=Resolver(look_up))
            url = f"http://{host}:{peer.port}/{SOURCE}"
            target = a_target(source_url=url, ip_family=family, timeout=60.0)
            outcome = await prober(target, Journey.AUTHORIZE)
            await peer.left_alone()
            return outcome, len(peer.talks)

    return run(main())


@pytest.mark.parametrize("family", list(IpFamily))
def test_a_name_is_resolved_for_the_targets_family(family: IpFamily) -> None:
    addresses = dict.fromkeys(IpFamily, ("192.0.2.1",)) | {family: ("127.0.0.1",)}
    outcome, connections = probe(family, addresses, "idp.example")
    assert outcome.success
    assert connections == 1


@pytest.mark.parametrize("family", list(IpFamily))
def test_a_name_without_an_address_of_the_family_does_not_resolve(family: IpFamily) -> None:
    addresses = dict.fromkeys(IpFamily, ("127.0.0.1",)) | {family: ()}
    outcome, connections = probe(family, addresses, "idp.example")
    assert (outcome.reason, outcome.fault, outcome.phase) == ("dns", "network", Phase.RESOLVE)
    assert connections == 0


def test_an_address_of_another_family_is_not_connected_to() -> None:
    outcome, connections = probe(IpFamily.V6, {}, "127.0.0.1")
    assert (outcome.reason, outcome.fault, outcome.phase) == ("dns", "network", Phase.RESOLVE)
    assert connections == 0


def test_the_addresses_of_both_families_are_tried_in_turn() -> None:
    # Nothing listens on ::1; a machine without IPv6 refuses it just as well.
    visited = visit(says(GOOD), addresses=("::1", "127.0.0.1"))
    assert visited.outcome.success
    assert visited.step.address == "127.0.0.1"
    assert visited.step.addresses_tried == ("::1", "127.0.0.1")
