"""Several sources -> one tree: pydantic-settings lays them over each other, leaf by leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.settings.written import Place, Reading


class _Merged(BaseSettings):
    """Leaves of all sources, not yet judged; they keep the place where they were written."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    tree: dict[str, Any] = {}
    places: dict[str, Any] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  reads the process, not what it is given
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  skips what it cannot read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  there is none yet
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Replace the sources of pydantic-settings by those handed in, the strongest first."""
        readings = cast("InitSettingsSource", init_settings).init_kwargs["readings"]
        return tuple(
            InitSettingsSource(settings_cls, init_kwargs={"tree": reading.tree, "places": reading.places})
            for reading in readings
        )


@dataclass(frozen=True, slots=True)
class Merged:
    """What all sources say together.

    Args:
        tree: folded names down to leaves.
        places: per target, where the strongest source writes it first.
    """

    tree: dict[str, Any]
    places: dict[str, Place]


def merge(*readings: Reading) -> Merged:
    """Lay readings over each other; the first one given is the strongest."""
    merged = _Merged(readings=readings)  # type: ignore[call-arg]  # taken by settings_customise_sources
    return Merged(merged.tree, merged.places)
