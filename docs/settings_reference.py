"""docs/settings.md, generated from the schema."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, get_args, get_origin

from pydantic import BaseModel

from exporter.settings import FLAGS, REQUIRED, Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_NO_DEFAULT = "–"  # noqa: RUF001  a dash in a table's empty cell

_INTRODUCTION = """\
# Settings

<!-- Generated from exporter/settings/target_settings.py and schema.py by `make docs`. -->

Settings come from these sources, highest precedence first: command-line flags, environment variables, a file
`.env` in the working directory, secret files, a configuration file. Names of settings are case-insensitive.
The name of a target consists of letters and digits, in groups joined by single underscores, at most 63
characters, and is lower-cased. Durations are written as in Prometheus: `500ms`, `30s`, `1m30s`, `2h`. An
unknown variable with the prefix `FLOW_EXPORTER_` is an error. `pingone-flow-exporter check-config` reports
all errors at once.

One of `REGION`, `AUTH_URL` and `CUSTOM_DOMAIN` sets the location of an environment; any of them on a target
overrides all of them in the defaults. The destination has the location of the source, unless
`DESTINATION_REGION`, `DESTINATION_AUTH_URL` or `DESTINATION_CUSTOM_DOMAIN` is set. A custom domain belongs to
one environment, so if the source has one, the destination's location must be set. A host name may end in a
dot: then it is resolved without search domains; everything else uses it without the dot.

`JOURNEYS` sets what the probes of a target do. Each journey has its own interval:

- `authorize` asks the source to start a sign-on.
- `federation` follows a sign-on as far as its settings allow: to the source's response; with a test account,
  to the destination's code; with the application's secret, to a verified ID token
  ([pingone-setup.md](pingone-setup.md)).
- `discovery` reads the source's OpenID metadata and signing keys; it needs `SOURCE_ENVIRONMENT_ID` or
  `ISSUER`.

`PASSWORD`, `DESTINATION_CLIENT_SECRET` and a `PROXY_URL` with a password are not allowed in a configuration
file.

In `.env`, `${NAME}` in a value is replaced, except in single quotes; an undefined name is an error. In an
environment variable, quotes around the value are an error: `docker --env-file` does not remove them.

## Flags

The commands `run`, `check-config` and `probe` take these flags, before or after the command. They are named
like those of Prometheus' own exporters. After a reload they still override everything else.

| flag | variable |
|---|---|
{flags}
## Configuration file

`FLOW_EXPORTER_CONFIG_FILE` names a YAML file of the same settings, in lower case, nested where a variable has
`__`. Values without quotes are text, as in a variable: `NO` is not a boolean, and `0123` keeps its zero. A
key without a value is not set. A comma-separated value may also be a YAML list. Anchors, aliases, merge keys,
tags and further documents are errors. Every error is reported with its line. Variables override single
settings of the file.

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

`FLOW_EXPORTER_SECRETS_DIR` names a directory, such as a mounted Kubernetes Secret. Each file in it that is
named like a variable of this table holds its value; line breaks at its end are removed, quotes are not.
Other files and subdirectories are ignored.

## Variables

| variable | default | meaning |
|---|---|---|
"""


def reference() -> str:
    """Return the page of all settings, in the order of the schema."""
    flags = "".join(
        f"| `{flag}` | `FLOW_EXPORTER_{'__'.join(keys).upper()}` |\n" for flag, keys in FLAGS.items()
    )
    introduction = _INTRODUCTION.replace("{flags}\n", f"{flags}\n")
    return introduction + "".join(f"| {' | '.join(row)} |\n" for row in _rows(Settings, "FLOW_EXPORTER_"))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    # The schema has the destinations first, since the rules of targets depend on them.
    for name, info in sorted(model.model_fields.items(), key=lambda field: field[0] == "destinations"):
        variable, meaning = f"{prefix}{name.upper()}", info.description or ""
        named = get_origin(info.annotation) is dict
        kind = get_args(info.annotation)[1] if named else info.annotation
        group = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        if group and named:
            yield from _rows(group, f"{variable}__<NAME>__")
            if meaning:
                yield f"`{variable}`", _NO_DEFAULT, meaning
        elif group and meaning:  # it has the settings of another group
            yield f"`{variable}__<FIELD>`", _NO_DEFAULT, meaning
        elif group:
            yield from _rows(group, f"{variable}__")
        elif named:
            yield f"`{variable}__<KEY>`", _NO_DEFAULT, meaning
        else:
            yield (
                f"`{variable}`",
                "required" if info.is_required() or name in REQUIRED else _default(info),
                meaning,
            )


def _default(info: FieldInfo) -> str:
    shown = isinstance(info.json_schema_extra, dict) and info.json_schema_extra["shown"]
    if shown:
        return str(shown)
    match info.default:
        case None | ():
            return _NO_DEFAULT
        case bool():
            return f"`{str(info.default).lower()}`"
        case tuple():  # bounds of a histogram as .5, not 0.5
            return f"`{','.join(str(each).removeprefix('0') for each in info.default)}`"
        case Enum():
            return f"`{info.default.value}`"
        case _:
            return f"`{info.default}`"
