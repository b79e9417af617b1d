"""The package keeps the architecture of docs/architecture.md.

    __main__ -> cli -> commands -> daemon -> packages -> ground

Each rule is a function that yields its violations, one line each.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.imports import imports, module_name, sources

EXPORTER = Path(__file__).parent.parent / "exporter"

GROUND = {
    "target",
    "outcome",
    "reasons",
    "status",
    "internal_errors",
    "destinations",
    "durations",
    "files",
    "tls",
    "single_flight",
    "process",
}
PACKAGES = {"settings", "scheduling", "probing", "observing", "serving", "simulator"}
DAEMON = {"daemon", "config_files", "listings"}
COMMANDS = {"demo", "probe_command", "check_config", "completion"}

MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    **dict.fromkeys(GROUND, GROUND),
    **{package: GROUND | {package, ""} for package in PACKAGES},
    **{module: GROUND | PACKAGES - {"simulator"} | DAEMON | {""} for module in DAEMON},
    **{command: GROUND | PACKAGES | DAEMON | {command, ""} for command in COMMANDS},
    "cli": GROUND | PACKAGES - {"simulator"} | DAEMON | COMMANDS | {""},
    "__main__": GROUND | {"cli"},
}
"""By first name below `exporter`; "" is the package itself, which holds the version."""

HOMES: dict[str, set[str]] = {
    "apscheduler": {"scheduling"},
    "bcrypt": {"serving"},
    "cryptography": {"probing", "simulator"},
    "dotenv": {"settings"},
    "h11": {"probing"},
    "httpx": {"probing"},
    "joserfc": {"probing", "simulator"},
    "jinja2": {"serving"},
    "markdown_it": {"serving"},
    "markupsafe": {"serving"},
    "prometheus_client": {"observing"},
    "pydantic": {"observing", "settings", "simulator"},
    "pydantic_core": {"settings"},
    "pydantic_settings": {"settings"},
    "rich": {"demo", "probe_command"},
    "starlette": {"serving", "simulator"},
    "structlog": {"observing"},
    "trustme": {"simulator"},
    "uvicorn": {"serving", "simulator"},
    "yaml": {"settings", "simulator"},
}
"""Packages in which a library may be used, so that replacing it touches only those."""

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
MIN_SEPARATE_FILE_LINES = 60
MAX_FILES = 120
MAX_LINES = 19_761
MIN_AVERAGE_LINES = 120
PICTURE = Path(__file__).parent.parent / "docs" / "architecture.md"
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}


def first_name(module: str) -> str | None:
    """Return the first name below `exporter`, "" for itself, None for any other package."""
    top, *rest = module.split(".")
    if top != EXPORTER.name:
        return None
    return rest[0] if rest else ""


def wrong_directions(package: Path) -> Iterator[str]:
    for found in imports(package):
        importer, imported = first_name(found.importer), first_name(found.imported)
        if importer is None or imported is None or imported in MAY_IMPORT.get(importer, set()):
            continue
        yield f"{found.file}: must not import {found.imported}"


def unknown_modules(package: Path) -> Iterator[str]:
    for file, _ in sources(package):
        if first_name(module_name(file)) not in MAY_IMPORT:
            yield f"{file}: not in MAY_IMPORT"


def import_cycles(package: Path) -> Iterator[str]:
    graph: dict[str, set[str]] = {}
    for found in imports(package):
        if first_name(found.imported) is not None:
            graph.setdefault(found.importer, set()).add(found.imported)
    for start in sorted(graph):
        reached, waiting = set[str](), [start]
        while waiting:
            new = graph.get(waiting.pop(), set()) - reached
            reached |= new
            waiting.extend(new)
        if start in reached:
            yield f"{start}: in an import cycle"


def hidden_imports(package: Path) -> Iterator[str]:
    for file, text in sources(package):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                for module in _imported_tops(node):
                    if module == EXPORTER.name or module in sys.stdlib_module_names:
                        yield f"{file}: {module} imported under TYPE_CHECKING"


def misplaced_libraries(package: Path) -> Iterator[str]:
    for found in imports(package):
        homes = HOMES.get(found.imported.split(".")[0])
        if homes is not None and first_name(found.importer) not in homes:
            yield f"{found.file}: {found.imported} belongs to {' and '.join(sorted(homes))}"


def ground_beyond_stdlib(package: Path) -> Iterator[str]:
    for found in imports(package):
        top = found.imported.split(".")[0]
        if first_name(found.importer) in GROUND and top not in {EXPORTER.name, *sys.stdlib_module_names}:
            yield f"{found.file}: imports {top}, which is not in the standard library"


def private_attributes(package: Path) -> Iterator[str]:
    """Find a silenced SLF001, imported private names, and an undocumented module of asyncio."""
    for file, text in sources(package):
        if "SLF001" in text:
            yield f"{file}: silences SLF001"
        if re.search(r"""[gs]etattr\([^,()]+, ["']_[a-z]""", text):
            yield f"{file}: reaches a private attribute by name"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(EXPORTER.name):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                if any(re.match(r"_[a-z]|sslproto$", name) for name in names if name != "__future__"):
                    yield f"{file}: imports {node.module}.{node.names[0].name}, which is private"


def long_files(package: Path) -> Iterator[str]:
    for file, text in sources(package):
        if len(text.splitlines()) > MAX_FILE_LINES:
            yield f"{file}: more than {MAX_FILE_LINES} lines"


def long_functions(package: Path) -> Iterator[str]:
    for file, text in sources(package):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    yield f"{file}: {node.name} has more than {MAX_FUNCTION_LINES} lines"


def tiny_files(package: Path) -> Iterator[str]:
    """Find files so short that they should be part of the only file of their package that imports them."""
    importers: dict[str, set[str]] = {}
    for found in imports(package):
        importers.setdefault(found.imported, set()).add(found.importer)
    for file, text in sources(package):
        module = module_name(file)
        if len(text.splitlines()) < MIN_SEPARATE_FILE_LINES and len(importers.get(module, set())) == 1:
            (only,) = importers[module]
            is_public = module.startswith(f"{only}.") or first_name(only) != first_name(module)
            if not is_public and "journeys" not in file.parts:
                yield f"{file}: short, and imported by {only} only"


def duplicate_modules(package: Path) -> Iterator[str]:
    files = [file for file, _ in sources(package) if file.stem != "__init__" and "journeys" not in file.parts]
    counts = Counter(file.stem for file in files)
    yield from (f"{file}: a second module {file.stem}" for file in files if counts[file.stem] > 1)


def duplicate_classes(package: Path) -> Iterator[str]:
    found = [
        (file, node.name)
        for file, text in sources(package)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    ]
    counts = Counter(name for _, name in found)
    yield from (f"{file}: a second class {name}" for file, name in found if counts[name] > 1)


def empty_names(package: Path) -> Iterator[str]:
    for file, _ in sources(package):
        for name in {file.stem, *file.parent.parts} & EMPTY_NAMES:
            yield f"{file}: {name} says nothing about its content"


def _imported_tops(block: ast.AST) -> Iterator[str]:
    for node in ast.walk(block):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield EXPORTER.name if node.level else (node.module or "").split(".")[0]


Rule = Callable[[Path], Iterator[str]]
RULES: list[Rule] = [
    wrong_directions,
    unknown_modules,
    import_cycles,
    hidden_imports,
    misplaced_libraries,
    ground_beyond_stdlib,
    private_attributes,
    long_files,
    long_functions,
    tiny_files,
    duplicate_modules,
    duplicate_classes,
    empty_names,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_architecture_holds(rule: Rule) -> None:
    if violations := sorted(rule(EXPORTER)):
        pytest.fail("\n".join(["", *violations]), pytrace=False)


def test_the_picture_has_every_package_and_module() -> None:
    drawn = set(re.findall(r"\w+", PICTURE.read_text(encoding="utf-8").split("```")[1]))
    assert MAY_IMPORT.keys() - {""} <= drawn


def test_the_package_stays_within_its_budget() -> None:
    lines = [len(text.splitlines()) for _, text in sources(EXPORTER)]
    assert len(lines) <= MAX_FILES
    assert sum(lines) <= MAX_LINES
    assert sum(lines) / len(lines) >= MIN_AVERAGE_LINES


LONG_FUNCTION = "def f():\n" + "    x\n" * MAX_FUNCTION_LINES


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (wrong_directions, "serving/a.py", "import exporter.probing.judge"),
        (wrong_directions, "serving/a.py", "from exporter import probing"),
        (wrong_directions, "serving/deep/a.py", "from ...probing.judge import judge"),
        (wrong_directions, "serving/a.py", "def f():\n    import exporter.daemon"),
        (wrong_directions, "serving/a.py", "import importlib\nimportlib.import_module('exporter.daemon')"),
        (wrong_directions, "target.py", "import exporter.daemon"),
        (wrong_directions, "daemon.py", "import exporter.cli"),
        (unknown_modules, "attic/a.py", ""),
        (import_cycles, "probing/judge.py", "if TYPE_CHECKING:\n    from exporter.probing import Judge"),
        (hidden_imports, "serving/a.py", "if TYPE_CHECKING:\n    from exporter.target import Target"),
        (hidden_imports, "serving/a.py", "if TYPE_CHECKING:\n    import json"),
        (misplaced_libraries, "daemon.py", "import httpx"),
        (ground_beyond_stdlib, "target.py", "import anything"),
        (private_attributes, "serving/a.py", "x = y._z  # noqa: SLF001"),
        (private_attributes, "serving/a.py", "x = getattr(y, '_z')"),
        (private_attributes, "serving/a.py", "from asyncio.sslproto import SSLProtocol"),
        (long_files, "daemon.py", "\n" * (MAX_FILE_LINES + 1)),
        (long_functions, "daemon.py", f"class A:\n    async {LONG_FUNCTION}".replace("    x", "        x")),
        (tiny_files, "probing/probe.py", "from exporter.probing import body"),
        (duplicate_modules, "serving/judge.py", ""),
        (duplicate_classes, "serving/a.py", "class Judge: ..."),
        (empty_names, "probing/utils.py", ""),
    ],
)
def test_each_rule_finds_a_violation_however_it_is_written(
    rule: Rule, file: str, text: str, tmp_path: Path
) -> None:
    package = _package(tmp_path, {file: text})
    assert list(rule(package))


def test_no_rule_complains_about_what_is_allowed(tmp_path: Path) -> None:
    text = "import json\nimport starlette\nfrom exporter import __version__, outcome\nfrom . import b"
    package = _package(tmp_path, {"serving/a.py": text, "daemon.py": "from exporter import probing, serving"})
    (package / "probing" / "judge.py").write_text("class Judge: ...\n" * MAX_FUNCTION_LINES, encoding="utf-8")
    assert [found for rule in RULES if rule is not duplicate_classes for found in rule(package)] == []


def _package(directory: Path, files: dict[str, str]) -> Path:
    package = directory / "exporter"
    base = {
        "__init__.py": "",
        "daemon.py": "",
        "probing/__init__.py": "from exporter.probing.judge import Judge",
        "probing/judge.py": "class Judge: ...",
    }
    for name, content in {**base, **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content, encoding="utf-8")
    return package
