"""The schema seen as a tree of names: which names there are, and which one was meant.

Group      names that the schema knows
Family     names that the operator chooses: targets, labels
Setting    the end: one value
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import get_args, get_origin

from pydantic import BaseModel

from exporter.settings.field import Name
from exporter.settings.schema import Schema
from exporter.settings.written import fold

_ALIKE = 0.7
"""Of 1, by difflib; CLIENT is meant to be CLIENT_ID, PROXY_URL is not AUTH_URL."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value."""


@dataclass(frozen=True, slots=True)
class Group:
    """Names that the schema knows: the fields of a model."""

    model: type[BaseModel]
    members: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class Family:
    """Names that the operator chooses."""

    name: Name
    member: Node


Node = Setting | Group | Family


class NotThereError(Exception):
    """No such name; the message says what is wrong, without the name itself."""


@cache
def root() -> Group:
    """Return the tree of the whole schema."""
    return _group(Schema)


def _group(model: type[BaseModel]) -> Group:
    return Group(model, {name: _node(info.annotation) for name, info in model.model_fields.items()})


def _node(annotation: object) -> Node:
    if get_origin(annotation) is dict:
        key, member = get_args(annotation)
        return Family(next(mark for mark in key.__metadata__ if isinstance(mark, Name)), _node(member))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _group(annotation)
    return Setting()


def step(node: Node, name: str) -> tuple[str, Node]:
    """Go one name down.

    Args:
        node: where to start.
        name: as the operator wrote it.

    Returns:
        The folded name and the node that it leads to.

    Raises:
        NotThereError: there is no such name, or it is no right name.
    """
    folded = fold(name)
    if isinstance(node, Family):
        try:
            node.name.check(folded)
        except ValueError as error:
            raise NotThereError(str(error)) from None
        return folded, node.member
    if isinstance(node, Group) and folded in node.members:
        return folded, node.members[folded]
    raise NotThereError("is unknown")


def alike(name: str, group: Group) -> str | None:
    """Return the member of a group, be it a setting or not, whose name is closest; None if none is close."""
    return next(iter(get_close_matches(fold(name), group.members, n=1, cutoff=_ALIKE)), None)


def meant(names: Sequence[str], node: Node) -> list[str] | None:
    """Guess which path of settings was meant.

    Args:
        names: what was written, as the operator wrote it.
        node: where the path starts.

    Returns:
        Folded names that lead to a setting, or None if nothing is close.
    """
    if isinstance(node, Setting) or not names:
        return [] if isinstance(node, Setting) and not names else None
    head, rest = fold(names[0]), names[1:]
    if isinstance(node, Family):
        return _meant_in_family(head, rest, node)
    for name in get_close_matches(head, node.members, n=3, cutoff=_ALIKE):
        if (tail := meant(rest, node.members[name])) is not None:
            return [name, *tail]
    # One underscore written where two belong: LOG_LEVEL.
    for name, member in node.members.items():
        if head.startswith(f"{name}_") and (tail := meant([head.removeprefix(f"{name}_"), *rest], member)):
            return [name, *tail]
    return None


def _meant_in_family(head: str, rest: Sequence[str], node: Family) -> list[str] | None:
    if (tail := meant(rest, node.member)) is not None:
        names = [head, *tail]
    elif not rest and isinstance(node.member, Group):
        # One underscore written where two belong: EMEA_CLIENT_ID. The longest name, for there are REGION
        # and DESTINATION_REGION.
        fitting = [name for name in node.member.members if head.endswith(f"_{name}")]
        if not fitting:
            return None
        name = max(fitting, key=len)
        names = [head.removesuffix(f"_{name}"), name]
    else:
        return None
    try:
        node.name.check(names[0])
    except ValueError:
        return None
    return names
