"""List the identity providers that a destination's application offers, by the first step of `federation`."""

from dataclasses import dataclass

from exporter.destinations import Destination, OfferedProvider, offered_provider
from exporter.outcome import Outcome
from exporter.probing.federation_judge import provider_id, providers_in
from exporter.probing.journeys.federation import begin_sign_on
from exporter.probing.probe import Prober
from exporter.target import Journey


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a destination's application offers."""

    outcome: Outcome  # of the exchange; its reason says why there is no listing
    providers: tuple[OfferedProvider, ...] = ()
    """Those that have an id, each once; empty unless the exchange was good."""


async def list_providers(prober: Prober, destination: Destination) -> Listing:
    """List the identity providers of a destination once."""
    outcome, verdict = await prober.run_steps(destination.template, Journey.FEDERATION, begin_sign_on)
    if not outcome.success:
        return Listing(outcome=outcome)
    offered = {
        provider.id: provider
        for entry in providers_in(verdict.flow)
        if (provider := offered_provider(provider_id(entry), entry.get("name"))) is not None
    }
    return Listing(outcome=outcome, providers=tuple(offered.values()))
