"""What all groups of settings share: how one is declared, and how its errors are found, all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
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
    def conflicts(cls, _given: Collection[str], _valid: Mapping[str, Any], /) -> Iterator[Conflict]:
        """Yield the errors of settings that cannot be combined.

        The arguments are the names of the settings that have a value, valid or not, and the values, defaults
        included: of these an invalid one is absent, and all are if one is missing that the group requires.
        """
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, data: object, handler: ModelWrapValidatorHandler[Section]) -> Section:
        """Check combinations even if a value is invalid, so that no error hides another."""
        given = {} if data is None else data  # YAML's null is an empty group
        if not isinstance(given, dict):
            return handler(given)
        errors: list[InitErrorDetails] = []
        try:
            validated = handler(given)
            valid = dict(validated)
        except ValidationError as error:
            errors = [
                InitErrorDetails(type=each["type"], loc=each["loc"], input=None, ctx=each.get("ctx", {}))
                for each in error.errors(include_url=False, include_input=False)
            ]
            valid = _valid(given, {each["loc"][0] for each in errors}, handler)
        names = {name for name, value in given.items() if value is not None}
        errors += [_details(*each) for each in cls.conflicts(names, valid)]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors, hide_input=True)
        return validated

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show no values: each may be a secret, or one in the wrong place."""
        yield from ()


def _valid(
    given: Mapping[str, object], invalid: Collection[object], handler: ModelWrapValidatorHandler[Section]
) -> dict[str, Any]:
    """Return the values of all settings but the invalid ones; nothing if a required one is missing."""
    try:
        others = handler({name: value for name, value in given.items() if name not in invalid})
    except ValidationError:
        return {}
    return {name: value for name, value in others if name not in invalid}


def _details(name: str, message: str) -> InitErrorDetails:
    if not message:
        return InitErrorDetails(type="missing", loc=(name,), input=None)
    return InitErrorDetails(type="value_error", loc=(name,), input=None, ctx={"error": ValueError(message)})


def exclusive(
    given: Collection[str], names: tuple[str, ...], shown: Callable[[str], str] = str.upper
) -> Iterator[Conflict]:
    """Yield an error if more than one of some settings has a value; `shown` formats a name."""
    *others, last = [name for name in names if name in given] or names[:1]
    if others:
        yield last, f"{' and '.join(map(shown, [last, *others]))} are mutually exclusive"
