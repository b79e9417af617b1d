"""The table of values in the chart's README, generated from the comments in values.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "helm" / "pingone-flow-exporter"

_KEY = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z_]+):(?: .*)?")
_BEGIN = "<!-- Values: generated from values.yaml by `make docs`. -->\n"
_END = "<!-- End of values. -->\n"
_HEADER = "| value | default | meaning |\n|---|---|---|\n"


class CommentMissingError(Exception):
    """A value without a comment."""


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
