"""What `probe` probes: targets by name, pattern, label or destination. No I/O."""

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from exporter.destinations import Destination, plan_from_one_listing
from exporter.files import printable
from exporter.probe_command.report import ProbeRun
from exporter.probing import Listing
from exporter.process import InvalidArgumentError
from exporter.settings import Config
from exporter.target import Journey, Target

_MAX_LISTED_NAMES = 20


@dataclass(frozen=True, slots=True)
class Selection:
    """What is probed; all names are in lower case."""

    names: Sequence[str] = ()
    """Of targets, also discovered ones, or patterns; none means all, unless destinations are named."""
    destinations: Sequence[str] = ()  # names of destinations; each is listed, and its targets are probed
    labels: Sequence[tuple[str, str]] = ()
    """Names and values of labels; of these targets, only those that have them all."""


def select(selection: Selection, config: Config, listings: Mapping[Destination, Listing]) -> list[ProbeRun]:
    """Return what to probe; a listing that failed is a run that has ended.

    Raises:
        InvalidArgumentError: something is selected that does not exist.
    """
    names, wanted = selection.names, selection.destinations
    failed, discovered = list[ProbeRun](), list[Target]()
    for each, listing in listings.items():
        if listing.outcome.success:
            found = plan_from_one_listing(each, listing.providers, config.enabled, config.disabled)
            discovered += found.targets
        else:
            failed.append(ProbeRun(each.template, Journey.FEDERATION, listing.outcome))
    # A name that only a listing can explain is not wrong if there is none.
    known = _configured(config) | {target.name for target in discovered}
    named = [
        name
        for name in names
        if fnmatch.filter(known, name) or not any(_may_be_of(run.target.name, name) for run in failed)
    ]
    chosen = choose(named, config, discovered) if named or not (names or wanted) else ()
    wanted_too = (target for target in discovered if target.listed and target.listed.destination in wanted)
    labeled = _with_labels(dict.fromkeys((*chosen, *wanted_too)), selection.labels)
    return [ProbeRun(target, journey) for target in labeled for journey in target.journeys] + failed


def select_destinations(
    names: Sequence[str], destinations: Sequence[str], config: Config
) -> list[Destination]:
    """Return the destinations with these names, and those that may have these targets; all without names.

    Raises:
        InvalidArgumentError: there is no such destination.
    """
    known = {destination.name: destination for destination in config.destinations}
    if unknown := [name for name in destinations if name not in known]:
        hint = f"known: {', '.join(known)}" if known else "the configuration has none"
        raise InvalidArgumentError(
            "\n".join(f'unknown destination "{printable(name)}"; {hint}' for name in unknown)
        )
    if not (names or destinations):
        return list(config.destinations)
    others = set(names) - _configured(config)
    wanted = {name for name in known if any(_may_be_of(name, other) for other in others)}
    return [each for name, each in known.items() if name in wanted.union(destinations)]


def _may_be_of(destination: str, name: str) -> bool:
    """Return whether a destination may list a target of this name, or one that matches this pattern."""
    prefix, start = f"{destination}_", re.split(r"[*?[]", name)[0]
    return start.startswith(prefix) or (start != name and prefix.startswith(start))


def _configured(config: Config) -> set[str]:
    return {target.name for target in (*config.enabled, *config.disabled)}


def choose(names: Sequence[str], config: Config, discovered: Iterable[Target] = ()) -> tuple[Target, ...]:
    """Return the targets with these names or patterns, each once and in order; without any, all of them.

    Targets of other shards count too, so that the command works in any pod.

    Raises:
        InvalidArgumentError: a name is not that of an enabled target, or no name matches a pattern.
    """
    targets = sorted((*config.enabled, *discovered), key=lambda target: target.name)
    enabled = {target.name: target for target in targets}
    if not names:
        return tuple(targets)
    wanted = {name: fnmatch.filter(enabled, name) for name in names}
    if unknown := [name for name, found in wanted.items() if not found]:
        disabled = [target.name for target in config.disabled]
        raise InvalidArgumentError("\n".join(_explain(name, enabled, disabled) for name in unknown))
    return tuple(enabled[name] for name in dict.fromkeys(name for found in wanted.values() for name in found))


def _explain(name: str, enabled: Iterable[str], disabled: Sequence[str]) -> str:
    if name in disabled:
        return f'target "{name}" is disabled; set its ENABLED to true'
    known = sorted(enabled)
    if re.search(r"[*?[]", name):
        return f'no target matches "{printable(name)}"; {_known(known)}'
    similar = get_close_matches(name, (*known, *disabled), n=1)
    hint = f"did you mean {similar[0]}?" if similar else _known(known)
    return f'unknown target "{printable(name)}"; {hint}'


def _known(texts: Sequence[str]) -> str:
    more = len(texts) - _MAX_LISTED_NAMES
    return f"known: {', '.join(texts[:_MAX_LISTED_NAMES])}{f' and {more} more' if more > 0 else ''}"


def _with_labels(targets: Collection[Target], labels: Sequence[tuple[str, str]]) -> list[Target]:
    """Return the targets that have all these labels, or raise InvalidArgumentError if none of them has."""
    found = [target for target in targets if set(labels) <= set(target.labels)]
    if targets and not found:
        names = {name for name, _ in labels}
        labeled = (label for target in targets for label in target.labels)
        known = sorted({f"{name}={value}" for name, value in labeled if name in names})
        hint = _known(known) if known else f"none has a label {' or '.join(sorted(names))}"
        wanted, plural = ", ".join(map("=".join, labels)), "s" if len(labels) > 1 else ""
        raise InvalidArgumentError(f"no target has the label{plural} {printable(wanted)}; {printable(hint)}")
    return found
