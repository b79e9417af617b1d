"""Small, wrong changes of a module, one at a time: what a tired programmer might write. No I/O."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.RShift: ast.LShift, ast.LShift: ast.RShift,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
_NAMES = {
    name: other
    for pair in (("min", "max"), ("any", "all"), ("lower", "upper"), ("startswith", "endswith"),
                 ("floor", "ceil"), ("partition", "rpartition"), ("removeprefix", "removesuffix"))
    for name, other in (pair, pair[::-1])
}  # fmt: skip
_ENUMS = frozenset({"Reason", "Fault", "Template", "Phase", "SkipCause", "Part"})


MAX_SHOWN = 100
"""Characters of a change, either side."""


class Mutant(NamedTuple):
    """One change.

    Args:
        lines: first and last line of what is changed.
        where: the functions and classes around it, such as `Schedule._run`; empty for the module's own level.
        before: the source of what is changed.
        after: what it becomes.
        tree: the module with the change, for as long as the iteration stays at this mutant.
    """

    lines: tuple[int, int]
    where: tuple[str, ...]
    before: str
    after: str
    tree: ast.Module

    def __str__(self) -> str:
        """Show place and change in one line."""
        return f"{self.lines[0]} {'.'.join(self.where)}: {self.before}  ->  {self.after}"


_Put = Callable[[ast.AST], None]


def mutants(source: str) -> Iterator[Mutant]:
    """Yield all mutants of a module, in a fixed order; the tree is the original again after the last one."""
    tree = ast.parse(source)
    members = _enum_members(tree)
    for node, put, where in _nodes(tree, ()):
        for changed in _changes(node, members):
            put(changed)
            ast.fix_missing_locations(tree)
            try:
                yield Mutant(_lines(node), where, _text(node), _text(changed), tree)
            finally:
                put(node)


def _lines(node: ast.AST) -> tuple[int, int]:
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    if isinstance(node, ast.If | ast.While):  # the condition, not what depends on it
        last = node.test.end_lineno or last
    return first, last


def _text(node: ast.AST) -> str:
    shown = node.test if isinstance(node, ast.If | ast.While) else node
    text = " ".join(ast.unparse(shown).split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _enum_members(tree: ast.Module) -> dict[str, list[str]]:
    """Return the members of the enums that a module uses: a mistaken one is among them."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in _ENUMS:
            used.setdefault(node.value.id, set()).add(node.attr)
    return {name: sorted(members) for name, members in used.items()}


def _nodes(parent: ast.AST, where: tuple[str, ...]) -> Iterator[tuple[ast.AST, _Put, tuple[str, ...]]]:
    """Yield each node that may change, with what puts another one in its place."""
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        where = (*where, parent.name)
    for field, value in ast.iter_fields(parent):
        if field in {"annotation", "returns", "decorator_list", "bases", "keywords_of_class", "type_params"}:
            continue
        if isinstance(value, list):
            for position, child in enumerate(value):
                if isinstance(child, ast.AST) and not _is_passive(child):
                    yield child, _putter_at(value, position), where
                    yield from _nodes(child, where)
        elif isinstance(value, ast.AST):
            yield value, _putter(parent, field), where
            yield from _nodes(value, where)


def _putter(parent: ast.AST, field: str) -> _Put:
    return lambda node: setattr(parent, field, node)


def _putter_at(siblings: list[ast.AST], position: int) -> _Put:
    def put(node: ast.AST) -> None:
        siblings[position] = node

    return put


def _is_passive(node: ast.AST) -> bool:
    """Return True for docstrings, imports, and what only a type checker reads."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases):
        return True
    return isinstance(node, ast.Import | ast.ImportFrom)


def _changes(node: ast.AST, members: dict[str, list[str]]) -> Iterator[ast.AST]:
    """Yield what a node may wrongly be instead."""
    match node:
        case ast.Compare(left, operators, right):
            for position, operator in enumerate(operators):
                swapped = _COMPARISONS[type(operator)]()
                yield ast.Compare(left, [*operators[:position], swapped, *operators[position + 1 :]], right)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.And() if isinstance(operator, ast.Or) else ast.Or(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
        case ast.Call(function, arguments, keywords):
            for position in range(len(keywords)):
                yield ast.Call(function, arguments, [*keywords[:position], *keywords[position + 1 :]])
        case ast.Set([_, _, *_] as elements):
            for position, element in enumerate(elements):
                if not isinstance(element, ast.Constant):  # which changes itself
                    yield ast.Set([*elements[:position], *elements[position + 1 :]])
        case _:
            yield from _other_statements(node, members)


def _other_statements(node: ast.AST, members: dict[str, list[str]]) -> Iterator[ast.AST]:
    match node:
        case ast.Constant() | ast.Attribute() | ast.Name():
            yield from _other_words(node, members)
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Return(value) if value is not None and not (
            isinstance(value, ast.Constant) and value.value is None
        ):
            yield ast.Return(ast.Constant(None))
        case (
            ast.Expr(ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break()
        ):
            yield ast.Pass()
        case ast.Expr(ast.YieldFrom() | ast.Yield()):
            yield ast.Expr(ast.YieldFrom(ast.Tuple([], ast.Load())))
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _other_words(node: ast.AST, members: dict[str, list[str]]) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() | bytes() as value):
            yield ast.Constant(value + type(value)(b"X") if isinstance(value, bytes) else f"{value}X")
        case ast.Attribute(ast.Name(name) as enum, member) if name in _ENUMS and len(members[name]) > 1:
            others = members[name]
            yield ast.Attribute(enum, others[(others.index(member) + 1) % len(others)], ast.Load())
        case ast.Attribute(value, name, context) if name in _NAMES:
            yield ast.Attribute(value, _NAMES[name], context)
        case ast.Name(name, ast.Load()) if name in _NAMES:
            yield ast.Name(_NAMES[name], ast.Load())
