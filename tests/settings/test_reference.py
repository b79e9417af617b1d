"""The generated reference: every setting of the schema, each once."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from settings.example import EMEA, P, errors
from settings_reference import reference

from exporter.settings import load
from exporter.target import DestinationApplication, JourneyTiming, SyntheticUser, Target

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROW = re.compile(r"\| `([^`]+)` \| (.+?) \| (.+) \|")


def rows() -> list[tuple[str, str, str]]:
    table = reference().split("|---|---|---|\n")[1].splitlines()
    return [ROW.fullmatch(line).groups() for line in table]  # type: ignore[union-attr,misc]  # None fails the test


def test_every_row_names_a_variable_that_is_read() -> None:
    names = [name for name, _, _ in rows()]
    real = [
        name.replace("<NAME>", "EMEA").replace("<KEY>", "OWNER").replace("<FIELD>", "INTERVAL")
        for name in names
    ]
    for name in real:
        lines = errors({**EMEA, name: "{}", f"{P}NONSENSE": ""})
        assert [line for line in lines if "unknown setting" in line] == [f"{P}NONSENSE: unknown setting"]
    assert len(set(names)) == len(names)


def test_rows_show_the_default_as_it_is_written_or_explained() -> None:
    defaults = {name: default for name, default, _ in rows()}
    assert defaults["FLOW_EXPORTER_TARGETS__<NAME>__CLIENT_ID"] == "required"
    assert defaults["FLOW_EXPORTER_TARGETS__<NAME>__INTERVAL"] == "`60s`"
    assert defaults["FLOW_EXPORTER_TARGETS__<NAME>__TIMEOUT"] == "min(`10s`, half the interval)"
    assert defaults["FLOW_EXPORTER_TARGETS__<NAME>__PROMPT"] == "–"  # noqa: RUF001  the table's empty cell
    assert defaults["FLOW_EXPORTER_WEB__LISTEN_ADDRESS"] == "`:9988`"


def test_every_row_says_what_its_variable_means() -> None:
    assert all(len(meaning) > 5 for _, _, meaning in rows())


def test_targets_defaults_and_groups_are_all_there() -> None:
    names = [name for name, _, _ in rows()]
    assert {
        "FLOW_EXPORTER_TARGETS",
        "FLOW_EXPORTER_TARGETS__<NAME>__LABELS__<KEY>",
        "FLOW_EXPORTER_DEFAULTS__<FIELD>",
        "FLOW_EXPORTER_LOG__FORMAT",
        "FLOW_EXPORTER_MAX_CONCURRENT_PROBES",
    } <= set(names)


def test_the_example_of_a_configuration_file_is_a_right_one(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(reference().split("```yaml\n")[1].split("```")[0])
    (target,) = load({"FLOW_EXPORTER_CONFIG_FILE": "flows.yaml"}, tmp_path).targets
    assert target.labels == (("tier", "1"),)


PACKAGES = Path(__file__).resolve().parents[2] / "exporter"
READERS = ("probing", "scheduling", "observing", "serving")


@pytest.mark.parametrize("kind", [Target, DestinationApplication, SyntheticUser, JourneyTiming])
def test_every_field_that_settings_become_is_read(kind: type[DataclassInstance]) -> None:
    files = [
        path for name in READERS for path in (PACKAGES / name).rglob("*") if path.suffix in {".py", ".html"}
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert [field.name for field in fields(kind) if not re.search(rf"\.{field.name}\b", code)] == []
