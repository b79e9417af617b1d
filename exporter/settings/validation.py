"""A merged tree -> the schema's models, with every mistake on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from exporter.settings.field import Surroundings
from exporter.settings.mistake import InvalidSetting
from exporter.settings.schema import Schema
from exporter.settings.written import Leaf


@dataclass(frozen=True, slots=True)
class Validated:
    """What was right, and what was not.

    Args:
        schema: the models, without the values that are wrong.
        mistakes: one for each value that is wrong.
    """

    schema: Schema
    mistakes: list[InvalidSetting]


def validate(tree: dict[str, Any], surroundings: Surroundings) -> Validated:
    """Validate everything at once; what is wrong is left out, so that the rest can still be compared."""
    try:
        return Validated(Schema.model_validate(tree, context=surroundings), [])
    except ValidationError as error:
        failures = error.errors(include_url=False)
    mistakes = [_told(failure["input"], failure["ctx"]["error"]) for failure in failures]
    right = _without(tree, {failure["loc"] for failure in failures})
    return Validated(Schema.model_validate(right, context=surroundings), mistakes)


def _told(leaf: Leaf, error: ValueError) -> InvalidSetting:
    return leaf.place.mistake(str(error))


def _without(
    tree: dict[str, Any], wrong: set[tuple[int | str, ...]], path: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        name: _without(value, wrong, (*path, name)) if isinstance(value, dict) else value
        for name, value in tree.items()
        if (*path, name) not in wrong
    }
