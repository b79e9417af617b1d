"""How one variable of the schema is described and read.

row(default, meaning)    its default as the operator would write it, and what it means
read(parse)              its value, by a function that raises `ValueError` saying what would be right
authorities, optional_path  the same for paths, which start at the working directory
Name                     marks the keys of a dict as names that the operator chooses
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field, PlainValidator, ValidationInfo

from exporter.settings import values
from exporter.settings.client_certificate import Wrong
from exporter.settings.written import Leaf

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Name:
    """Marks the keys of a dict as names that the operator chooses.

    Args:
        check: raises `ValueError` for a wrong name.
        shown: how the reference writes it.
    """

    check: Callable[[str], None]
    shown: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What validation may look at beside the values.

    Args:
        working_directory: relative paths start here.
        examined: what was found out about files of authorities: nothing, or what is wrong.
        pairs: the same about files of client certificates and their keys.
    """

    working_directory: Path
    examined: dict[Path, str | None] = field(default_factory=dict)
    pairs: dict[tuple[Path, Path | None], Wrong | None] = field(default_factory=dict)


def read(parse: Callable[[object], object], *, strip: bool = True) -> PlainValidator:
    """Make a validator of a function that reads one value, with white space around it left out or kept."""

    def validate(value: object) -> object:
        return parse(values.clean(value.value if isinstance(value, Leaf) else value, strip=strip))

    return PlainValidator(validate)


def optional_path(value: Leaf, info: ValidationInfo[Surroundings]) -> Path | None:
    """Read the path of a file or directory, which whoever reads it will look at; empty means none."""
    return path_of(value.value, info.context.working_directory)


def path_of(value: object, working_directory: Path) -> Path | None:
    """Read a path; empty means none.

    Raises:
        ValueError: it is none.
    """
    written = values.clean(value)
    if written is None or written == "":
        return None
    if not isinstance(written, str):
        raise ValueError("is no path; write one, or nothing for none")  # noqa: TRY004  pydantic collects ValueErrors only
    return working_directory / written


def authorities(value: Leaf, info: ValidationInfo[Surroundings]) -> Path:
    """Read the path of a file of authorities, and look whether it holds any."""
    written = values.clean(value.value)
    if not isinstance(written, str) or not written:
        raise ValueError("is no path; write the path of a PEM file")
    path = info.context.working_directory / written
    examined = info.context.examined
    if path not in examined:
        examined[path] = _wrong_with_authorities(path)
    if wrong := examined[path]:
        raise ValueError(wrong)
    return path


def _wrong_with_authorities(path: Path) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.exists() and not path.is_file():
            return "is no file; write the path of a PEM file"
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificates that can be read; write the path of a file with PEM certificates"
    except FileNotFoundError:
        return "names a file that does not exist; write a path that does, relative to the working directory"
    except OSError as error:
        return f"names a file that cannot be read ({error.strerror})"
    if not context.cert_store_stats()["x509"]:
        return "holds no certificate; write the path of a file with PEM certificates"
    return None


_NONE = "–"  # noqa: RUF001  a dash in a table's empty cell


def row(default: str | None, meaning: str, *, shown: str = "", hidden: bool = False) -> Any:  # noqa: ANN401  as pydantic's Field
    """Describe one variable: its default as the operator would write it, and what it means.

    Args:
        default: None when there is none, or when it depends on other settings.
        meaning: one line of Markdown for the reference.
        shown: how the reference shows a default that depends on other settings.
        hidden: whether a value that is taken may be or hold a secret, so that no repr has it; a path is taken
            before anybody looks whether it is there.
    """
    return Field(
        # Typed as Any, because a default is written as the operator would, and only then read.
        default=cast("Any", default),
        validate_default=default is not None,
        description=meaning,
        repr=not hidden,
        json_schema_extra={"shown": shown or (_NONE if default is None else f"`{default}`")},
    )


def shown_default(info: FieldInfo) -> str:
    """Return a field's default as the reference shows it."""
    extra = info.json_schema_extra
    return str(extra["shown"]) if isinstance(extra, dict) else _NONE


REQUIRED = "required"
"""How the reference shows that there is no default."""
