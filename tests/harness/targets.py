"""Change the targets that tests make."""

from dataclasses import fields, replace
from typing import Any

from exporter.target import JourneyTiming, Target

_TIMES = {field.name for field in fields(JourneyTiming)}


def changed(target: Target, **changes: Any) -> Target:  # noqa: ANN401  any field of a target
    """Return a target with other values of its fields; `interval` and the like are those of `authorize`."""
    times = {name: changes.pop(name) for name in _TIMES & changes.keys()}
    return replace(target, authorize=replace(target.authorize, **times), **changes)
