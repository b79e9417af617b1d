"""docs/settings.md, made from the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.settings.field import shown_default
from exporter.settings.shape import Family, Group, Node, root
from exporter.settings.written import DELIMITER, PREFIX

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


_INTRODUCTION = """\
# Settings

<!-- Generated from exporter/settings/schema.py by `make docs`. -->

Everything is set by variables of the environment, variables of a file `.env` in the working directory,
secret files or a configuration file; of two that set the same, the one that is named first here wins. Names
are case-insensitive. A target's name is made of letters and digits, in groups joined by one underscore, at
most 63 characters, and is lower-cased. Durations are written as in Prometheus: `500ms`, `30s`, `1m30s`,
`2h`. An unknown variable of this prefix is a mistake; `pingone-flow-exporter check-config` tells all mistakes
at once.

Where an environment answers is told by one of `REGION`, `AUTH_URL` and `CUSTOM_DOMAIN`; any of them on a
target beats any in the defaults. The destination answers where the source does, unless it has one of its own
three. A custom domain belongs to one environment, so a source that has one needs its destination's spelt out.

## Configuration file

`FLOW_EXPORTER_CONFIG_FILE` names a file of the same settings, in lower case, with a level where a variable
has `__`. What stands there without quotes is taken as text, as in a variable: `NO` is Norway, `0123` keeps
its zero. Nothing after a colon is an empty value. Where commas separate, a YAML list will do. Anchors,
aliases, merge keys, tags and a second document are refused, each mistake is told with its line, and single
variables win over single lines of the file.

```yaml
defaults:
  region: EU
  labels: {tier: 1}
targets:
  emea:
    source_environment_id: 94e3268d-847d-47aa-a45e-1ef8dd8f4df0
    destination_environment_id: 0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11
    client_id: 6f0cd4a5-4d0a-4f83-9d8e-1b1f3c0f0a55
    interval: 30s
    expected_statuses: [USERNAME_PASSWORD_REQUIRED, OTP_REQUIRED]
log:
  level: debug
```

## Secret files

`FLOW_EXPORTER_SECRETS_DIR` names a directory such as Kubernetes mounts a Secret to. Each file in it that is
called like a variable of this table holds the value of that variable; one line break at its end does not
count. Files of other names, which may belong to other programs, and subdirectories are left alone.

## Variables

| variable | default | meaning |
|---|---|---|
"""


def reference() -> str:
    """Return the page of all variables, in the order of the schema."""
    return _INTRODUCTION + "".join(f"| {' | '.join(row)} |\n" for row in _rows(root(), PREFIX))


def _rows(group: Group, prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, node in group.members.items():
        yield from _rows_of(node, group.model.model_fields[name], f"{prefix}{name.upper()}")


def _rows_of(node: Node, info: FieldInfo, variable: str) -> Iterator[tuple[str, str, str]]:
    meaning = info.description or ""
    if isinstance(node, Family):
        named = f"{variable}{DELIMITER}{node.name.shown}"
        if isinstance(node.member, Group):
            yield from _rows(node.member, f"{named}{DELIMITER}")
            yield f"`{variable}`", shown_default(info), meaning
        else:
            yield f"`{named}`", shown_default(info), meaning
    elif isinstance(node, Group) and meaning:
        # A group with a meaning of its own repeats fields that have been told above.
        yield f"`{variable}{DELIMITER}<FIELD>`", shown_default(info), meaning
    elif isinstance(node, Group):
        yield from _rows(node, f"{variable}{DELIMITER}")
    else:
        yield f"`{variable}`", shown_default(info), meaning
