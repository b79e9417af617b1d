"""The JSON form of targets -> the same leaves that single variables make."""

from __future__ import annotations

import json
from typing import NoReturn

from exporter.settings.shape import Family
from exporter.settings.tree import Grower, Pairs
from exporter.settings.written import Leaf, Reading

_WRONG = 'write for example {"emea": {"client_id": "..."}}'


def parse(leaf: Leaf, targets: Family) -> Reading:
    """Read a JSON document of targets.

    Args:
        leaf: the text of the document.
        targets: what its top level stands for.

    Returns:
        The tree beneath `targets`, without what is wrong; and what is wrong.
    """
    reading = Reading()
    try:
        value = json.loads(str(leaf.value), object_pairs_hook=_pairs, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        wrong = f"is no JSON (line {error.lineno}, column {error.colno}); {_WRONG}"
        reading.mistakes.append(leaf.place.mistake(wrong))
    except (ValueError, RecursionError):
        reading.mistakes.append(leaf.place.mistake(f"is no JSON that can be read; {_WRONG}"))
    else:
        if isinstance(value, Pairs):
            reading.tree = Grower(reading, "a JSON object").grow(value, targets, leaf.place)
        else:
            reading.mistakes.append(leaf.place.mistake(f"is no JSON object; {_WRONG}"))
    return reading


def _pairs(pairs: list[tuple[str, object]]) -> Pairs:
    return Pairs((key, 0, value) for key, value in pairs)


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("JSON has no such number")
