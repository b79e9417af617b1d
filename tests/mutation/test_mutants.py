"""The changes that mutation testing makes to a module."""

from __future__ import annotations

import ast

from benchmarks.mutation.mutants import mutants

SOURCE = '''
"""A docstring is left alone."""
import os
LIMIT = 3

def is_small(size: int, limit: int = LIMIT) -> bool:
    """Likewise."""
    if size <= limit and not os.name:
        return True
    return min(size, 1) == Reason.OK or Reason.DNS
'''


def test_each_change_is_one_of_a_tired_programmer_and_the_next_one_starts_from_the_original() -> None:
    changes = []
    for mutant in mutants(SOURCE):
        compile(mutant.tree, "mutant", "exec")
        changes.append((".".join(mutant.where), mutant.before, mutant.after))
        assert ast.unparse(mutant.tree) != ast.unparse(ast.parse(SOURCE))
    condition, result = "size <= limit and (not os.name)", "min(size, 1) == Reason.OK or Reason.DNS"
    assert changes == [
        ("", "3", "4"),
        ("is_small", condition, f"not ({condition})"),
        ("is_small", condition, "size <= limit or not os.name"),
        ("is_small", "size <= limit", "size < limit"),
        ("is_small", "not os.name", "os.name"),
        ("is_small", "return True", "return None"),
        ("is_small", "True", "False"),
        ("is_small", f"return {result}", "return None"),
        ("is_small", result, "min(size, 1) == Reason.OK and Reason.DNS"),
        ("is_small", "min(size, 1) == Reason.OK", "min(size, 1) != Reason.OK"),
        ("is_small", "min", "max"),
        ("is_small", "1", "2"),
        ("is_small", "Reason.OK", "Reason.DNS"),
        ("is_small", "Reason.DNS", "Reason.OK"),
    ]
