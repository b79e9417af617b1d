"""The house stands as it was designed: who may import whom, what lives where, and how large it may grow.

    __main__ -> cli -> app -> rooms -> target, outcome, security

Each rule returns its violations, one line with file and line number each; `test_…_is_seen` shows on a small
house with one violation of each kind that the rule can fail.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.imports import imports, module_name, sources

EXPORTER = Path(__file__).parent.parent / "exporter"

ROOMS = frozenset({"settings", "scheduling", "probing", "observing", "serving", "simulator"})
GROUND = frozenset({"target", "outcome", "reasons", "status", "security"})

MAY_IMPORT: dict[str, frozenset[str]] = {
    "": frozenset(),
    "target": GROUND,
    "outcome": GROUND,
    "reasons": GROUND,
    "status": GROUND,
    # What the two views on a terminal share; the rooms do without.
    "palette": GROUND,
    # What settings read and serving serves; whether a certificate can be used, both must answer alike.
    "security": frozenset(),
    **{room: GROUND | {room, ""} for room in ROOMS},
    # On app's floor, each a reason of its own to change: what new settings mean to each room, how they come
    # into force, who notices that there are some, and what the pages show.
    "app": ROOMS | GROUND | {"parts", "reloading", "views", "watching", ""},
    "parts": frozenset({"observing", "probing", "reloading", "scheduling", "serving", "settings"}) | GROUND,
    "reloading": frozenset({"settings"}) | GROUND,
    "views": frozenset({"observing", "scheduling", "serving", ""}) | GROUND,
    "watching": frozenset({"reloading"}),
    # The demo joins the simulator to what app has joined.
    "demo": frozenset({"app", "demo", "observing", "palette", "serving", "settings", "simulator", ""})
    | GROUND,
    # The one-shot wants app's own prober; of the rooms, what says how to pace, watch and tell it.
    "once": frozenset({"app", "observing", "once", "palette", "parts", "scheduling", "settings"}) | GROUND,
    # What would run, without anything that runs it: app would bring the web server and httpx along.
    "preview": frozenset({"scheduling", "settings", ""}) | GROUND,
    "cli": frozenset({"app", "demo", "once", "preview", "serving", "settings", ""}),
    "__main__": frozenset({"cli"}),
}
"""By first name below `exporter`; "" is the package itself, which holds the version and nothing else."""

HOMES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("pydantic", "pydantic_core", "pydantic_settings", "dotenv"), frozenset({"settings"})),
    # Its constructors guess and its errors quote: what reads YAML of an operator does so in one way.
    "yaml": frozenset({"settings", "simulator"}),
    "apscheduler": frozenset({"scheduling"}),
    **dict.fromkeys(("httpx", "httpcore", "aiodns", "pycares"), frozenset({"probing"})),
    "prometheus_client": frozenset({"observing"}),
    # The pages are written there; markupsafe is what jinja2 escapes with.
    **dict.fromkeys(("markdown_it", "jinja2", "markupsafe"), frozenset({"serving"})),
    "bcrypt": frozenset({"settings", "serving"}),  # the one looks whether a hash is one, the other compares
    **dict.fromkeys(("starlette", "uvicorn"), frozenset({"serving", "simulator"})),
}
"""Libraries that live in certain rooms only, so that replacing one is the work of one room."""

LONGEST_FILE = 500
LONGEST_FUNCTION = 80
NO_NAMES = frozenset({"utils", "util", "common", "helpers", "helper"})


def inner(module: str) -> str | None:
    """Return the first name below `exporter`, "" for itself, None for a module of somebody else."""
    top, *rest = module.split(".")
    if top != EXPORTER.name:
        return None
    return rest[0] if rest else ""


def wrong_directions(package: Path) -> Iterator[str]:
    for found in imports(package):
        below, above = inner(found.imported), inner(found.importer)
        if below is not None and above is not None and below not in MAY_IMPORT.get(above, frozenset()):
            yield f"{found.file}:{found.line}: {found.importer} must not import {found.imported}"


def unknown_places(package: Path) -> Iterator[str]:
    for file, _ in sources(package):
        if inner(module_name(file)) not in MAY_IMPORT:
            yield f"{file}:1: the house has no such place; MAY_IMPORT says which there are"


def strayed_libraries(package: Path) -> Iterator[str]:
    for found in imports(package):
        homes = HOMES.get(found.imported.split(".")[0])
        if homes is not None and inner(found.importer) not in homes:
            where = " and ".join(sorted(homes))
            yield f"{found.file}:{found.line}: {found.imported} lives in {where} only"


def ground_on_libraries(package: Path) -> Iterator[str]:
    for found in imports(package):
        if inner(found.importer) in GROUND and inner(found.imported) is None:
            top = found.imported.split(".")[0]
            if top not in sys.stdlib_module_names:
                yield f"{found.file}:{found.line}: {found.importer} imports {top}; not stdlib"


def long_files(package: Path) -> Iterator[str]:
    for file, text in sources(package):
        lines = len(text.splitlines())
        if lines > LONGEST_FILE:
            yield f"{file}:{lines}: {lines} lines, more than {LONGEST_FILE}; find its joint"


def long_functions(package: Path) -> Iterator[str]:
    for file, text in sources(package):
        for node in ast.walk(ast.parse(text, str(file))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    yield f"{file}:{node.lineno}: {node.name} has {lines} lines, more than {LONGEST_FUNCTION}"


def empty_names(package: Path) -> Iterator[str]:
    for file, _ in sources(package):
        for name in {file.stem, *file.parent.parts} & NO_NAMES:
            yield f"{file}:1: {name} says nothing of what is inside"


def hold(rule: Callable[[Path], Iterator[str]]) -> None:
    """Fail with every violation on a line of its own; pytest would abbreviate a list."""
    if violations := list(rule(EXPORTER)):
        pytest.fail("\n".join(["", *violations]), pytrace=False)


def test_imports_go_down_only_and_never_to_a_neighbour() -> None:
    hold(wrong_directions)


def test_every_module_has_its_place_in_the_house() -> None:
    hold(unknown_places)


def test_libraries_stay_in_their_rooms() -> None:
    hold(strayed_libraries)


def test_target_and_outcome_stand_on_the_standard_library_alone() -> None:
    hold(ground_on_libraries)


def test_no_file_is_longer_than_500_lines() -> None:
    hold(long_files)


def test_no_function_is_longer_than_80_lines() -> None:
    hold(long_functions)


def test_no_module_is_called_utils_or_the_like() -> None:
    hold(empty_names)


def test_the_walk_sees_the_whole_exporter() -> None:
    walked = {module_name(file) for file, _ in sources(EXPORTER)}
    assert {"exporter", "exporter.target", "exporter.outcome"} <= walked
    assert {("exporter.outcome", "exporter.target")} <= {
        (found.importer, found.imported) for found in imports(EXPORTER)
    }


def house(directory: Path, file: str, text: str) -> Path:
    """Build a house with one module of interest and a neighbour for it."""
    package = directory / "exporter"
    written = {"__init__.py": "", "app.py": "", "probing/__init__.py": "", "probing/judge.py": "", file: text}
    for name, content in written.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content, encoding="utf-8")
    return package


@pytest.mark.parametrize(
    ("file", "text", "imported"),
    [
        ("serving/a.py", "import json\nimport exporter.probing.judge", "exporter.probing.judge"),
        ("serving/a.py", "\nfrom exporter.probing.judge import judge", "exporter.probing.judge"),
        ("serving/a.py", "\nfrom exporter.probing import judge", "exporter.probing.judge"),
        ("serving/a.py", "\nfrom exporter import probing", "exporter.probing"),
        ("serving/a.py", "\nfrom ..probing import judge", "exporter.probing.judge"),
        ("serving/deep/a.py", "\nfrom ...probing.judge import judge", "exporter.probing.judge"),
        ("serving/__init__.py", "\nfrom .. import app", "exporter.app"),
        ("serving/a.py", "def f():\n    import exporter.app", "exporter.app"),
        ("serving/a.py", "if TYPE_CHECKING:\n    import exporter.app", "exporter.app"),
        ("serving/a.py", "import importlib\nimportlib.import_module('exporter.app')", "exporter.app"),
        ("serving/a.py", "\n__import__('exporter.app')", "exporter.app"),
        ("target.py", "\nimport exporter.app", "exporter.app"),
        ("outcome.py", "\nfrom exporter import __version__", "exporter"),
        ("app.py", "\nimport exporter.cli", "exporter.cli"),
        ("cli.py", "\nimport exporter.probing", "exporter.probing"),
        ("__main__.py", "\nimport exporter.app", "exporter.app"),
        ("__init__.py", "\nimport exporter.target", "exporter.target"),
    ],
)
def test_a_wrong_direction_is_seen_however_it_is_written(
    file: str, text: str, imported: str, tmp_path: Path
) -> None:
    importer = module_name(Path("exporter") / file)
    expected = f"exporter/{file}:2: {importer} must not import {imported}"
    assert list(wrong_directions(house(tmp_path, file, text))) == [expected]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("serving/a.py", "from exporter import __version__, outcome\nfrom exporter.serving import b"),
        ("serving/a.py", "from . import b\nfrom exporter.target import Target\nimport json, starlette"),
        ("app.py", "import exporter.probing, exporter.settings\nfrom exporter.outcome import Outcome"),
        ("cli.py", "from exporter import app, settings"),
        ("outcome.py", "import ast\nfrom exporter.target import Journey"),
    ],
)
def test_what_is_allowed_is_no_violation(file: str, text: str, tmp_path: Path) -> None:
    package = house(tmp_path, file, text)
    for rule in (wrong_directions, unknown_places, strayed_libraries, ground_on_libraries):
        assert list(rule(package)) == []


@pytest.mark.parametrize(
    ("rule", "file", "text", "violation"),
    [
        (unknown_places, "attic/a.py", "", "exporter/attic/a.py:1: the house has no such place"),
        (unknown_places, "other.py", "", "exporter/other.py:1: the house has no such place"),
        (strayed_libraries, "app.py", "\nimport httpx", "exporter/app.py:2: httpx lives in probing only"),
        (
            strayed_libraries,
            "settings/a.py",
            "\nfrom starlette.routing import Route",
            "exporter/settings/a.py:2: starlette.routing lives in serving and simulator only",
        ),
        (
            ground_on_libraries,
            "target.py",
            "\nimport httpx",
            "exporter/target.py:2: exporter.target imports httpx",
        ),
        (long_files, "app.py", "\n" * 501, "exporter/app.py:501: 501 lines, more than 500"),
        (
            long_functions,
            "app.py",
            "class A:\n    async def f():\n" + "        x\n" * 80,
            "exporter/app.py:2: f has 81 lines, more than 80",
        ),
        (empty_names, "probing/utils.py", "", "exporter/probing/utils.py:1: utils says nothing"),
        (empty_names, "common/a.py", "", "exporter/common/a.py:1: common says nothing"),
    ],
)
def test_a_violation_of_each_rule_is_seen(
    rule: Callable[[Path], Iterator[str]], file: str, text: str, violation: str, tmp_path: Path
) -> None:
    (found,) = rule(house(tmp_path, file, text))
    assert found.startswith(violation)


@pytest.mark.parametrize(
    ("rule", "text"),
    [(long_files, "\n" * 500), (long_functions, "def f():\n" + "    x\n" * 79)],
)
def test_the_bounds_themselves_are_within_bounds(
    rule: Callable[[Path], Iterator[str]], text: str, tmp_path: Path
) -> None:
    assert list(rule(house(tmp_path, "app.py", text))) == []
