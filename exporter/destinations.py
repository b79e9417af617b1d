"""Destinations: make targets of the identity providers that a destination's application offers. No I/O.

    listing ──> after_listing ──> KnownProviders ──> plan ──> targets, states
                       ^            │
                       └────────────┘       a reload: after_reload

Identity is the provider's id. Every shard makes the same targets of the same listing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeAlias
from unicodedata import category

from exporter.target import UUID, DestinationApplication, ListedProvider, Target

MISSING_AFTER_LISTINGS = 2  # a provider is missing once this many listings in a row lack it

FORGET_SECONDS = 24 * 3600.0
"""The target of a missing provider is removed after this time, unless EXPECT lists the provider."""

MAX_SLUG_LENGTH = 30
MAX_TARGET_NAME_LENGTH = 63
MAX_DESTINATION_NAME_LENGTH = 27  # so that a target's name has room for a slug and four characters of the id
MAX_PROVIDER_NAME_LENGTH = 256

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_CHARACTERS = 4
_OTHER_CHARACTERS = re.compile(r"[^a-z0-9]+")


class ProviderState(StrEnum):
    """What the exporter does about a provider; the metric label `state`. A provider has one of them."""

    WATCHED = "watched"
    FILTERED = "filtered"
    """`INCLUDE` or `EXCLUDE` leaves it out."""
    OVER_LIMIT = "over_limit"
    """`MAX_PROVIDERS` leaves it out."""
    LINK_ONLY = "link_only"
    """Watched, but nothing behind the link that leads to it can be checked."""
    MISSING = "missing"


_LEFT_OUT = frozenset({ProviderState.FILTERED, ProviderState.OVER_LIMIT})


class NamePattern(Protocol):
    """A regular expression on providers' names."""

    @property
    def pattern(self) -> str:
        """As it is written."""

    def search(self, name: str, /) -> object:
        """Return something true if it matches anywhere in the name, which the provider chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One application of a destination. Its identity providers become targets."""

    name: str  # in the settings; at most 27 characters, so that the targets' names fit
    template: Target  # what its targets inherit, and how it is listed: a target without a provider
    include: NamePattern | None = None  # on the provider's name, anywhere in it; None for all
    exclude: NamePattern | None = None  # likewise; None for none
    expect: frozenset[str] = frozenset()  # names or ids of providers that must be there; ids in lower case
    max_providers: int = 200  # that are watched, those of `expect` first, then by sorted id
    refresh_interval: float = 300.0  # seconds between two listings

    @property
    def listing(self) -> tuple[str, DestinationApplication | None]:
        """Where and by which application providers are listed; while equal, earlier listings stay valid."""
        return self.template.destination_url, self.template.application

    def expects(self, provider: OfferedProvider, others: Collection[str] = ()) -> bool:
        """Return whether EXPECT lists a provider: its id, or its name unless `others` have that."""
        name = provider.name
        return provider.id.lower() in self.expect or (name in self.expect and name not in others)

    def shard_key(self, provider: OfferedProvider) -> str:
        """Return the key that assigns a provider to a shard; being offered does not change it."""
        identifier = provider.id.lower()
        by_name = provider.name in self.expect and identifier not in self.expect
        return provider.name if by_name or not identifier else identifier

    def selects(self, provider: OfferedProvider) -> bool:
        """Return whether the settings ask for a provider; EXPECT wins over INCLUDE and EXCLUDE."""
        included = self.include is None or self.include.search(provider.name)
        excluded = self.exclude is not None and self.exclude.search(provider.name)
        return self.expects(provider) or bool(included and not excluded)


@dataclass(frozen=True, slots=True, order=True)
class OfferedProvider:
    """An identity provider in a destination's flow; compared by id first."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownProvider:
    """What is known of one provider."""

    provider: OfferedProvider  # as it was last offered
    state: ProviderState  # watched, filtered, over_limit or missing
    target: str = ""  # name of its target; empty for none
    slug: str = ""  # the part of that name that stands for the provider
    absent: int = 0  # listings in a row without it
    absent_since: float | None = None  # the first of these, by the clock of the listings; None while offered


KnownProviders: TypeAlias = tuple[KnownProvider, ...]  # of one destination, from its listings so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be probed for one destination."""

    targets: tuple[Target, ...] = ()  # this shard's, by name
    # of each provider, with the name of the target that watches it, if one does
    states: tuple[tuple[ProviderState, str, OfferedProvider], ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the targets with a missing provider."""
        return tuple(sorted(name for state, name, _ in self.states if state is ProviderState.MISSING))

    def counts(self, link_only: Collection[str] = ()) -> Mapping[ProviderState, int]:
        """Return how many providers are in each state."""
        counts = dict.fromkeys(ProviderState, 0)
        for state, name, _ in self.states:
            is_link = state is ProviderState.WATCHED and name in link_only
            counts[ProviderState.LINK_ONLY if is_link else state] += 1
        return counts


def offered_provider(identifier: object, name: object) -> OfferedProvider | None:
    """Return a provider of a flow; None without an id that can be a label."""
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        return None
    text = name[:MAX_PROVIDER_NAME_LENGTH] if isinstance(name, str) else ""
    shown = (each if each.isprintable() or category(each) == "Zs" else " " for each in text)
    return OfferedProvider(identifier, "".join(shown))


def after_listing(
    destination: Destination,
    known: KnownProviders,
    offered: Iterable[OfferedProvider],
    *,
    now: float,
    taken: Collection[str] = (),
) -> KnownProviders:
    """Return what is known after a listing."""
    present = {provider.id: provider for provider in offered}
    gone = (each for each in known if each.provider.id not in present)
    absent = [replace(each, absent=each.absent + 1, absent_since=_since(each, now)) for each in gone]
    names = {each.provider.id: (each.target, each.slug) for each in known if each.provider.id}
    return _with_states_and_names(destination, present.values(), absent, now=now, names=names, taken=taken)


def after_reload(
    destination: Destination, known: KnownProviders, *, now: float, taken: Collection[str] = ()
) -> KnownProviders:
    """Return what is known after a reload, which chooses and names the targets anew."""
    present = [each.provider for each in known if not each.absent]
    absent = [each for each in known if each.absent]
    return _with_states_and_names(destination, present, absent, now=now, names={}, taken=taken)


def _with_states_and_names(
    destination: Destination,
    present: Iterable[OfferedProvider],
    absent: Iterable[KnownProvider],
    *,
    now: float,
    names: Mapping[str, tuple[str, str]],
    taken: Collection[str],
) -> KnownProviders:
    """Return what is known, with the state of each provider and the name of each target."""
    in_order = sorted(present)
    selected = sorted(filter(destination.selects, in_order), key=lambda each: not destination.expects(each))
    states = dict.fromkeys(in_order, ProviderState.FILTERED)
    states |= dict.fromkeys(selected, ProviderState.OVER_LIMIT)
    states |= dict.fromkeys(selected[: destination.max_providers], ProviderState.WATCHED)
    missing = _still_missing(destination, absent, {provider.name for provider in states}, now)
    awaited = _awaited(destination, [*states, *(each.provider for each in missing)], absent, now)
    found = [KnownProvider(provider=provider, state=state) for provider, state in states.items()]
    found += [*missing, *awaited]
    used = {*taken, *(target for target, _ in names.values() if target)}
    named = []
    for each in sorted(found, key=lambda each: each.provider):
        target, slug = names.get(each.provider.id, ("", ""))
        if each.state not in _LEFT_OUT and not target:
            target, slug = _new_name(destination.name, each.provider, used)
        used.add(target)
        named.append(replace(each, target=target, slug=slug))
    return tuple(named)


def _still_missing(
    destination: Destination, absent: Iterable[KnownProvider], offered: Collection[str], now: float
) -> list[KnownProvider]:
    """Return the absent providers that keep their targets, each with its state.

    A provider with a name in `offered` was replaced by one with another id, which then meets EXPECT.
    """
    kept = []
    for each in absent:
        provider = each.provider
        if not provider.id or each.state in _LEFT_OUT or not destination.selects(provider):
            continue
        if destination.expects(provider, offered) or now - _since(each, now) < FORGET_SECONDS:
            kept.append(_with_state_of_absent(each))
    # Providers that get other ids all the time must not fill the exporter with targets.
    kept.sort(key=lambda each: (not destination.expects(each.provider, offered), -(each.absent_since or now)))
    return kept[: destination.max_providers]


def _since(known: KnownProvider, now: float) -> float:
    return now if known.absent_since is None else known.absent_since


def _awaited(
    destination: Destination, known: Collection[OfferedProvider], absent: Iterable[KnownProvider], now: float
) -> Iterator[KnownProvider]:
    """Yield the entries of EXPECT that no listing has offered, after a restart for example."""
    waiting = {each.provider.name: each for each in absent if not each.provider.id}
    found = {provider.id.lower() for provider in known} | {provider.name for provider in known}
    for entry in destination.expect - found:
        first = KnownProvider(
            provider=OfferedProvider("", entry), state=ProviderState.WATCHED, absent=1, absent_since=now
        )
        yield _with_state_of_absent(waiting.get(entry, first))


def _with_state_of_absent(each: KnownProvider) -> KnownProvider:
    state = ProviderState.MISSING if each.absent >= MISSING_AFTER_LISTINGS else ProviderState.WATCHED
    return replace(each, state=state)


def _new_name(destination: str, provider: OfferedProvider, used: Collection[str]) -> tuple[str, str]:
    """Return a free name for a provider's target, and the slug in it."""
    # An entry of EXPECT that has not been offered is a name or an id; of a name, no id is known.
    identifier = provider.id or (provider.name if UUID.fullmatch(provider.name.lower()) else "")
    digest = hashlib.sha256((identifier or provider.name).encode(errors="replace")).hexdigest()
    slug = _slug("" if identifier == provider.name else provider.name) or _slug(identifier) or digest[:8]
    start = _OTHER_CHARACTERS.sub("", identifier.lower())[:_ID_CHARACTERS]
    for suffix in (start, *(digest[:length] for length in range(8, len(digest)))):
        room = MAX_TARGET_NAME_LENGTH - len(destination) - len(suffix) - 2
        parts = (destination, slug[:room].strip("_"), suffix)
        name = "_".join(filter(None, parts))
        if name not in used:
            break
    return name, slug


def _slug(text: str) -> str:
    return _OTHER_CHARACTERS.sub("_", text.lower()).strip("_")[:MAX_SLUG_LENGTH].strip("_")


def plan(
    destination: Destination,
    known: KnownProviders,
    *,
    explicit: Iterable[Target] = (),
    disabled: Iterable[Target] = (),
    is_own: Callable[[str], bool] = lambda _: True,
) -> Plan:
    """Return what is to be probed.

    Args:
        destination: as it is configured.
        known: what its listings have shown.
        explicit: targets of the settings; one that names a provider replaces the discovered target.
        disabled: disabled targets of the settings; the providers that they name are not watched.
        is_own: whether this shard probes a provider with this `shard_key`.
    """
    environment = destination.template.destination_environment_id
    watching, switched_off = _name_of(explicit, environment), _name_of(disabled, environment)
    offered = {each.provider.name for each in known if not each.absent}
    targets, states = [], []
    for each in known:
        state, provider, target = each.state, each.provider, each.target
        if state is ProviderState.WATCHED and not provider.id:
            continue  # EXPECT waits for it; one listing without it may be chance
        if (own := watching(provider)) is not None:
            target, state = own, ProviderState.WATCHED if state in _LEFT_OUT else state
        elif switched_off(provider) is not None:
            if each.absent:
                continue
            target, state = "", ProviderState.FILTERED
        elif state not in _LEFT_OUT and is_own(destination.shard_key(provider)):
            expected = not provider.id or destination.expects(provider, offered if each.absent else ())
            targets.append(_target(destination, each, expected=expected))
        states.append((state, target, provider))
    targets.sort(key=lambda target: target.name)
    return Plan(targets=tuple(targets), states=tuple(states))


def _name_of(targets: Iterable[Target], environment: str) -> Callable[[OfferedProvider], str | None]:
    """Return a function from a provider to the name of the target with its id or name as PROVIDER_ID."""
    by_name = {
        target.provider_id: target.name
        for target in targets
        if target.provider_id and target.destination_environment_id == environment
    }
    by_id = {provider_id.lower(): name for provider_id, name in by_name.items()}
    by_name |= {key: name for key, name in by_id.items() if UUID.fullmatch(key)}  # as EXPECT has them
    return lambda provider: by_id.get(provider.id.lower()) or by_name.get(provider.name)


def plan_from_one_listing(
    destination: Destination,
    offered: Collection[OfferedProvider],
    explicit: Collection[Target],
    disabled: Collection[Target],
) -> Plan:
    """Return the plan after a single listing; an absent provider of EXPECT is missing at once."""
    known, taken = KnownProviders(), {target.name for target in (*explicit, *disabled)}
    for _ in range(MISSING_AFTER_LISTINGS):
        known = after_listing(destination, known, offered, now=0.0, taken=taken)
    return plan(destination, known, explicit=explicit, disabled=disabled)


def _target(destination: Destination, known: KnownProvider, *, expected: bool) -> Target:
    provider = known.provider
    return replace(
        destination.template,
        name=known.target,
        provider_id=provider.id or provider.name,  # an entry of EXPECT that was never offered has no id
        listed=ListedProvider(
            destination=destination.name,
            name=provider.name,
            slug=known.slug,
            expected=expected,
        ),
    )
