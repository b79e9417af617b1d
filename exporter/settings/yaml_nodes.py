"""What a YAML file holds: texts, lists and mappings that know their lines; `yaml_reading` makes them.

    {"a": [1, on]}   ->   Mapping([(Text("a", 1), Listing([Text("1", 1), Text("on", 1)], 1))], 1)

What a scalar means is for the setting to say: `NO` is a text and no boolean, `0123` no octal number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.settings.mistake import InvalidSetting

_NULLS = frozenset({"~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as it is written. It may be a misplaced secret, so it is in no repr.

    Args:
        value: without its quotes.
        line: from 1.
        plain: whether it stands without quotes, and so may mean more than its letters.
    """

    value: str = field(repr=False)
    line: int
    plain: bool = True

    @property
    def is_null(self) -> bool:
        """Whether it says that there is no value; nothing at all is an empty text."""
        return self.plain and self.value in _NULLS


@dataclass(frozen=True, slots=True)
class Listing:
    """A list.

    Args:
        items: in their order.
        line: where it starts, from 1.
    """

    items: list[Node]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping. Its keys are texts, each of them there once.

    Args:
        pairs: in their order.
        line: where it starts, from 1.
    """

    pairs: list[tuple[Text, Node]]
    line: int


Node = Text | Listing | Mapping


@dataclass(slots=True)
class Document:
    """What was read.

    Args:
        root: without what is wrong; None when something ended the reading, and what follows is not known.
        mistakes: what YAML has and we do not take, and what is no YAML at all.
    """

    root: Mapping | None = None
    mistakes: list[InvalidSetting] = field(default_factory=list)
