"""The chart's README from the comments in values.yaml, and its checks of settings from their types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from exporter.settings import TargetSettings
from exporter.settings.schema import DestinationSettings

CHART = Path(__file__).resolve().parents[1] / "helm" / "pingone-flow-exporter"

_KEY = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z0-9_]+):(?: .*)?")
_BEGIN = "<!-- Values: generated from values.yaml by `make docs`. -->\n"
_END = "<!-- End of values. -->\n"
_HEADER = "| value | default | meaning |\n|---|---|---|\n"


_IN_A_SECRET = {"username", "password", "destination_client_secret"}


class CommentMissingError(Exception):
    """A value without a comment."""


def schema() -> str:
    """Return values.schema.json with every setting of a target and of a destination, checked by its type.

    Raises:
        LookupError: a setting is the first one of its type; write its check by hand.
    """
    document = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    checks: list[tuple[object, Any]] = []
    for definition, settings in (("target", TargetSettings), ("destination", DestinationSettings)):
        hints = get_type_hints(settings, include_extras=True)
        types = {name: _type_of(hints[name]) for name in settings.model_fields if name not in _IN_A_SECRET}
        written = document["definitions"][definition]["properties"]
        checks += [
            (types[name], written[_camel_case(name)]) for name in types if _camel_case(name) in written
        ]
        for name, kind in types.items():
            if _camel_case(name) not in written:
                alike = next((check for other, check in checks if other == kind), None)
                if alike is None:
                    key = _camel_case(name)
                    raise LookupError(
                        f"{name} is the first setting of its type; add {key} to values.schema.json"
                    )
                written[_camel_case(name)] = alike
        document["definitions"][definition]["properties"] = {
            _camel_case(name): written[_camel_case(name)] for name in types
        }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _type_of(hint: Any) -> object:  # noqa: ANN401  any annotation
    """Return the type of a setting, without None where it may be left out."""
    named = [each for each in get_args(hint) if each is not type(None)]
    return named[0] if type(None) in get_args(hint) else hint


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def readme() -> str:
    """Return the chart's README with its table regenerated."""
    before, _, rest = (CHART / "README.md").read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table((CHART / 'values.yaml').read_text(encoding='utf-8'))}{_END}{after}"


def table(values: str) -> str:
    """Return the table of a values.yaml.

    Raises:
        CommentMissingError: if a value has no comment above it.
    """
    return _HEADER + "".join(
        f"| `{name}` | {default} | {meaning} |\n" for name, default, meaning in rows(values)
    )


def rows(values: str) -> Iterator[tuple[str, str, str]]:
    """Return path, default and comment of each value."""
    tree = yaml.safe_load(values)
    path: list[str] = []
    comment: list[str] = []
    for line in values.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip().removeprefix("#").strip())
            continue
        if key := _KEY.fullmatch(line):
            path = [*path[: len(key["indent"]) // 2], key["name"]]
            default, name, meaning = _at(tree, path), ".".join(path), " ".join(comment).replace("|", r"\|")
            if not isinstance(default, dict) or not default:
                if not meaning:
                    raise CommentMissingError(name)
                yield name, f"`{json.dumps(default)}`", meaning
            elif meaning:
                yield name, "", meaning
        comment = []


def _at(tree: Any, path: list[str]) -> Any:  # noqa: ANN401  whatever YAML holds
    for name in path:
        tree = tree[name]
    return tree
