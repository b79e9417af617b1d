"""The JSON form of targets -> the same leaves that single variables make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from exporter.settings.mistake import printable, twice
from exporter.settings.shape import NotThereError, Setting, meant, step
from exporter.settings.written import Leaf, Place, Reading

if TYPE_CHECKING:
    from exporter.settings.shape import Family, Group

_WRONG = 'write for example {"emea": {"client_id": "..."}}'


class _Pairs(list[tuple[str, object]]):
    """A JSON object whose keys may repeat."""


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
        value = json.loads(str(leaf.value), object_pairs_hook=_Pairs, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        wrong = f"is no JSON (line {error.lineno}, column {error.colno}); {_WRONG}"
        reading.mistakes.append(leaf.place.mistake(wrong))
    except (ValueError, RecursionError):
        reading.mistakes.append(leaf.place.mistake(f"is no JSON that can be read; {_WRONG}"))
    else:
        if isinstance(value, _Pairs):
            reading.tree = _tree(value, targets, leaf.place, reading)
        else:
            reading.mistakes.append(leaf.place.mistake(f"is no JSON object; {_WRONG}"))
    return reading


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("JSON has no such number")


def _tree(pairs: _Pairs, node: Family | Group, place: Place, reading: Reading) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    spellings: dict[str, str] = {}
    for key, value in pairs:
        here = Place(place.variable, (*place.keys, key), place.file)
        try:
            name, member = step(node, key)
        except NotThereError as error:
            reading.mistakes.append(here.mistake(f"{error}{_suggestion(key, node, place)}"))
            continue
        if name in spellings:
            reading.mistakes.append(here.mistake(twice(key, spellings[name])))
            continue
        spellings[name] = key
        if not place.keys:
            reading.places[name] = here
        if isinstance(member, Setting):
            if isinstance(value, _Pairs):
                reading.mistakes.append(
                    here.mistake("is one setting, not a group; write a value, not an object")
                )
            else:
                tree[name] = Leaf(value, here)
        elif isinstance(value, _Pairs):
            tree[name] = _tree(value, member, here, reading)
        else:
            reading.mistakes.append(here.mistake("is a group, not one setting; write a JSON object"))
    return tree


def _suggestion(key: str, node: Family | Group, place: Place) -> str:
    names = meant([key], node)
    return f"; did you mean {printable('.'.join((*place.keys, *names)))}?" if names else ""
