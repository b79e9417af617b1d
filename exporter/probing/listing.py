"""List the identity providers that a destination's application offers, by the first step of `federation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from exporter.destinations import Destination, OfferedProvider, offered_provider
from exporter.outcome import Outcome
from exporter.probing.federation_judge import judge_begin, provider_id, providers_in
from exporter.probing.journeys.federation import begin
from exporter.probing.links import endpoints
from exporter.probing.messages import Steps
from exporter.probing.probe import Prober
from exporter.target import Journey, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a destination's application offers.

    Args:
        outcome: of the exchange; its reason says why there is no listing.
        providers: those that have an id, each once; empty unless the exchange was good.
    """

    outcome: Outcome
    providers: tuple[OfferedProvider, ...] = ()


async def list_providers(prober: Prober, destination: Destination) -> Listing:
    """List the identity providers of a destination once."""
    outcome, verdict = await prober.walk(destination.template, Journey.FEDERATION, _listing)
    if not outcome.success:
        return Listing(outcome=outcome)
    offered = {
        provider.id: provider
        for entry in providers_in(verdict.flow)
        if (provider := offered_provider(provider_id(entry), entry.get("name"))) is not None
    }
    return Listing(outcome=outcome, providers=tuple(offered.values()))


def _listing(target: Target, token: Callable[[], str]) -> Steps:
    """Begin a sign-on at the destination, and go no further."""
    if target.application is None:
        raise ValueError("a destination has an application")
    destination = endpoints(target.destination_url, target.destination_environment_id)
    judge = partial(judge_begin, destination=destination, url=destination.url)
    yield from begin(target.application, destination, (token(), token(), token()), offers=judge)
