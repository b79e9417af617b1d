"""One target's fields in two layers, its own over DEFAULTS, each with the place where it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.settings.mistake import InvalidSetting
from exporter.settings.schema import TargetFields
from exporter.settings.values import MOST_LABELS
from exporter.settings.written import Leaf, Place

_BUILT_IN = dict(TargetFields())


@dataclass(frozen=True, slots=True)
class Layer:
    """One level on which fields are written: a target or DEFAULTS.

    Args:
        leaves: everything that is written, also what is wrong.
        fields: what of it is right.
    """

    leaves: Mapping[str, Any]
    fields: TargetFields

    def place(self, name: str) -> Place:
        """Return where the field `name` is written on this level."""
        leaf: Leaf = self.leaves[name]
        return leaf.place

    def written(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that are written on this level, right or wrong, in the order of `names`."""
        return [name for name in names if name in self.leaves]

    def is_right(self, name: str) -> bool:
        """Whether the field `name`, which is written on this level, passed validation."""
        return name in self.fields.model_fields_set


@dataclass(frozen=True, slots=True)
class Draft:
    """A target before its fields were compared with each other.

    Args:
        name: the target's name.
        place: where it is written.
        layers: the target's own level, then DEFAULTS.
        fields: the layers merged, over the built-in defaults; what is wrong is as if not written.
        labels: the layers' labels merged, key by key, without empty ones.
    """

    name: str
    place: Place
    layers: tuple[Layer, Layer]
    fields: TargetFields
    labels: tuple[tuple[str, str], ...]

    def layer(self, *names: str) -> Layer | None:
        """Return the topmost level that has any of `names`; None when all are left to their defaults."""
        return next((layer for layer in self.layers if layer.written(names)), None)

    def is_right(self, name: str) -> bool:
        """Whether the field `name` has a value that may be used: a right one, or a built-in default."""
        layer = self.layer(name)
        return layer is None or layer.is_right(name)


def draft(name: str, place: Place, own: Layer, defaults: Layer, mistakes: list[InvalidSetting]) -> Draft:
    """Merge the two levels of one target."""
    layers = (own, defaults)
    merged = _BUILT_IN.copy()
    for layer in reversed(layers):
        merged.update((field, getattr(layer.fields, field)) for field in layer.fields.model_fields_set)
    labels = {**defaults.fields.labels, **own.fields.labels}
    kept = tuple(sorted((label, value) for label, value in labels.items() if value))
    if len(kept) > MOST_LABELS:
        mistakes.append(
            place.beneath("labels").mistake(
                f"has more than {MOST_LABELS} labels, DEFAULTS included; write fewer"
            )
        )
    return Draft(name, place, layers, TargetFields.model_construct(**merged), kept)
