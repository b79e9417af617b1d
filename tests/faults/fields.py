"""Every field of the flow, as every type that it does not have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from faults.case import STATUS, Case, ok, provider
from faults.content import NOT_A_FLOW, OTHER_ENVIRONMENT
from faults.stage import GOOD, replies

from exporter.reasons import Reason

if TYPE_CHECKING:
    from faults.case import Found

TYPES: dict[str, tuple[str, Any]] = {
    "null": ("null", None),
    "boolean": ("true", True),
    "number": ("a number", 7),
    "text": ("a text", "x"),
    "list": ("a list", ["x"]),
    "object": ("an object", {"x": 1}),
}
"""By the word in a case's name: how it is said, and an example."""

FIELDS: dict[tuple[str, ...], tuple[str, Found, Found]] = {
    ("status",): ("text", NOT_A_FLOW, NOT_A_FLOW),
    ("environment",): ("object", ok(), OTHER_ENVIRONMENT),
    ("environment", "id"): ("text", ok(), OTHER_ENVIRONMENT),
    ("error",): ("", ok(), provider(Reason.FLOW_FAILED, 200, STATUS, "OTHER")),
    ("code",): ("", ok(), ok()),
    ("details",): ("", ok(), ok()),
    ("interactionId",): ("", ok(), ok()),
    **dict.fromkeys(
        [("id",), ("resumeUrl",), ("createdAt",), ("expiresAt",), ("_links", "self", "href"),
         ("_embedded", "application", "name")],
        ("text", ok(), ok()),
    ),
    **dict.fromkeys(
        [("_links",), ("_links", "self"), ("_links", "usernamePassword.check"), ("_embedded",),
         ("_embedded", "application")],
        ("object", ok(), ok()),
    ),
}  # fmt: skip
"""By the path of a field: its type, what is said when it is null, and when it is of another type."""


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return a good flow with another value in one place."""
    document: dict[str, Any] = json.loads(GOOD)
    *way, last = path
    place = document
    for name in way:
        place = place[name]
    place[last] = value
    return document


def fields() -> list[Case]:
    """Every field of the flow, as every type that it does not have."""
    return [
        Case(
            "_".join(["type", *(_word(name) for name in path), kind]),
            f"`{'.'.join(path)}` is {says}",
            replies(changed(path, value)),
            if_null if value is None else if_other,
        )
        for path, (own, if_null, if_other) in FIELDS.items()
        for kind, (says, value) in TYPES.items()
        if kind != own
    ]


def _word(name: str) -> str:
    return name.lower().strip("_").replace(".", "_")
