"""What all groups of settings share: how one is declared, and how its errors are found, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from exporter.durations import parse_duration


def setting(meaning: str, default: object = None, *, shown: str = "") -> Any:  # noqa: ANN401  as pydantic's Field
    """Declare a setting.

    Args:
        meaning: one line of Markdown for docs/settings.md.
        default: None if there is none, or if it depends on other settings.
        shown: how docs/settings.md shows the default, where that is not the value itself.
    """
    return Field(default=cast("Any", default), description=meaning, json_schema_extra={"shown": shown})


def duration(meaning: str, default: str) -> Any:  # noqa: ANN401  likewise
    """Declare a setting with a duration as its default, as the operator would write it."""
    return setting(meaning, parse_duration(default), shown=f"`{default}`")


Conflict = tuple[str, str]
"""A setting, and what is wrong with it in combination with others; nothing if it is missing."""


class Section(BaseModel):
    """A group of settings. Reports every error at once, and shows no value in a repr."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def conflicts(cls, written: Mapping[str, object]) -> Iterator[Conflict]:  # noqa: ARG003  see subclasses
        """Yield the errors of settings that cannot be combined, given the values as they are written."""
        yield from ()

    @classmethod
    def written(cls, data: object) -> object:
        """Return what is written; YAML's null is an empty group."""
        return {} if data is None else data

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, data: object, handler: ModelWrapValidatorHandler[Section]) -> Section:
        """Check combinations even if a value is invalid, so that no error hides another."""
        written = cls.written(data)
        errors = [_details(*each) for each in cls.conflicts(written)] if isinstance(written, dict) else []
        try:
            validated = handler(written)
        except ValidationError as error:
            errors += [
                InitErrorDetails(type=each["type"], loc=each["loc"], input=None, ctx=each.get("ctx", {}))
                for each in error.errors(include_url=False, include_input=False)
            ]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors, hide_input=True)
        return validated

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show no values: each may be a secret, or one in the wrong place."""
        yield from ()


def _details(name: str, message: str) -> InitErrorDetails:
    if not message:
        return InitErrorDetails(type="missing", loc=(name,), input=None)
    return InitErrorDetails(type="value_error", loc=(name,), input=None, ctx={"error": ValueError(message)})


def exclusive(
    written: Mapping[str, object], names: tuple[str, ...], shown: Callable[[str], str] = str.upper
) -> Iterator[Conflict]:
    """Yield an error if more than one of some settings is written; `shown` formats a name."""
    *others, last = [name for name in names if written.get(name) is not None] or names[:1]
    if others:
        yield last, f"{' and '.join(map(shown, [last, *others]))} are mutually exclusive"
