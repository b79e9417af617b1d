"""Everything that settings may be written in, the strongest first. Each may name the next weaker ones.

environment  >  .env  >  secret files  >  configuration file
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.settings.configuration_file import read_configuration_file
from exporter.settings.environment_file import NAME as ENVIRONMENT_FILE
from exporter.settings.environment_file import read_environment_file
from exporter.settings.field import path_of
from exporter.settings.reading import read
from exporter.settings.secret_files import read_secret_files
from exporter.settings.written import CONFIG_FILE, PREFIX, SECRETS_DIR, Leaf, Reading


@dataclass(frozen=True, slots=True)
class Sources:
    """What was read, and from where.

    Args:
        readings: the strongest first.
        files: files and directories that were looked for, whether or not they are there.
    """

    readings: Sequence[Reading]
    files: Sequence[Path]


def read_sources(environ: Mapping[str, str], working_directory: Path) -> Sources:
    """Read all sources; what is wrong with one hides nothing in the others."""
    # Sorted, for the order of an environment is nobody's intention, and "first" must not depend on it.
    readings = [read(sorted(environ.items())), read_environment_file(working_directory, environ)]
    files = [working_directory / ENVIRONMENT_FILE]
    if (found := _named(readings, SECRETS_DIR, working_directory)) is not None:
        leaf, path = found
        readings.append(_refusing(read_secret_files(path, leaf.place), "a secret file", SECRETS_DIR))
        files.append(path)
    if (found := _named(readings, CONFIG_FILE, working_directory)) is not None:
        leaf, path = found
        reading = read_configuration_file(path, leaf.place)
        readings.append(_refusing(reading, "a configuration file", CONFIG_FILE, SECRETS_DIR))
        files.append(path)
    return Sources(readings, files)


def _refusing(reading: Reading, source: str, *names: str) -> Reading:
    """Take out of a source what a stronger one has to say, since it tells where to find this one."""
    for name in names:
        leaf: Leaf | None = reading.tree.pop(name, None)
        if leaf is not None:
            variable = f"{PREFIX}{name.upper()}"
            reading.mistakes.append(
                leaf.place.mistake(f"cannot stand in {source}; set {variable} in the environment")
            )
    return reading


def _named(readings: Sequence[Reading], name: str, working_directory: Path) -> tuple[Leaf, Path] | None:
    """Return the path that the strongest source has in a setting, and the setting's leaf."""
    leaf: Leaf | None = next((reading.tree[name] for reading in readings if name in reading.tree), None)
    if leaf is None:
        return None
    try:
        path = path_of(leaf.value, working_directory)
    except ValueError:
        return None  # told with all other values that are wrong
    return None if path is None else (leaf, path)
