"""Who imports whom, read from source files without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Import:
    """One module imported by another.

    Args:
        file: where it is written, relative to the directory that holds the package.
        line: line number.
        importer: dotted name of the importing module; a package's `__init__` has the package's name.
        imported: dotted name of the imported module, absolute. Of `from a import b` it is `a.b` if that is a
            module or package of the walked tree, else `a`.
    """

    file: Path
    line: int
    importer: str
    imported: str


def module_name(file: Path) -> str:
    """Return the dotted name of a file given relative to the directory that holds its package."""
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(package: Path) -> Iterator[tuple[Path, str]]:
    """Yield each source file of a package, relative to the directory that holds it, and its text."""
    for file in sorted(package.rglob("*.py")):
        yield file.relative_to(package.parent), file.read_text(encoding="utf-8")


@cache
def imports(package: Path) -> tuple[Import, ...]:
    """Return every import in a package: in any block, `TYPE_CHECKING` included, and by a literal name."""
    return tuple(_imports(package))


def _imports(package: Path) -> Iterator[Import]:
    files = dict(sources(package))
    known = {module_name(file) for file in files}
    known |= {".".join(file.parent.parts) for file in files}  # packages without an __init__.py too
    for file, text in files.items():
        importer = module_name(file)
        for node in ast.walk(ast.parse(text, str(file))):
            for imported in _imported(node, file, known):
                yield Import(file, getattr(node, "lineno", 0), importer, imported)


def _imported(node: ast.AST, file: Path, known: set[str]) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            package = file.parent.parts
            outer = package[: len(package) - level + 1] if level else ()
            base = ".".join([*outer, *([module] if module else [])])
            whole = [f"{base}.{alias.name}" for alias in names]
            return list(dict.fromkeys(name if name in known else base for name in whole))
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return [name]
        case _:
            return []
