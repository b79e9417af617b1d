"""Which targets are meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from exporter.settings import Config, ConfigurationError, InvalidSetting, printable
from exporter.target import Target

_LISTED = 20
"""Names that are listed when none is like the one asked for."""


def choose(names: Iterable[str], settings: Config) -> tuple[Target, ...]:
    """Return the targets of these names, each once and in their order; without names all that are enabled.

    Those of other shards too: whoever asks does so in any pod, and wants to know of the target.

    Raises:
        ConfigurationError: with a mistake for each name that is no enabled target's.
    """
    targets = sorted((*settings.targets, *settings.shard.elsewhere), key=lambda target: target.name)
    enabled = {target.name: target for target in targets}
    asked = dict.fromkeys(name.lower() for name in names)
    if not asked:
        return tuple(targets)
    mistakes = [
        InvalidSetting(f"target {printable(name)}", _wrong(name, sorted(enabled), settings.disabled))
        for name in asked
        if name not in enabled
    ]
    if mistakes:
        raise ConfigurationError(mistakes)
    return tuple(enabled[name] for name in asked)


def _wrong(name: str, enabled: Sequence[str], disabled: Sequence[str]) -> str:
    if name in disabled:
        return "is disabled; set its ENABLED to true"
    if alike := get_close_matches(name, (*enabled, *disabled), n=1):
        return f"there is none of this name; did you mean {alike[0]}?"
    more = f" and {len(enabled) - _LISTED} more" if len(enabled) > _LISTED else ""
    return f"there is none of this name; there are {', '.join(enabled[:_LISTED])}{more}"
