"""Mutate modules that must not be wrong, and count the changes that no unit test notices.

    python -m benchmarks.mutation [--sample 100] [--seed 17] [--json FILE] [MODULE ...]

For each module: its tests are collected once, and run once to see which lines each one reaches. Then the
tests that reach a mutant run in a process of its own, forked from there, until one fails. The scores are in
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.mutation.modules import MODULES
from benchmarks.mutation.trial import try_module

if TYPE_CHECKING:
    from benchmarks.mutation.trial import Score


def main() -> None:
    """Mutate, print the survivors and one table, write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutation", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="part of a path (default: all)")
    parser.add_argument(
        "--sample", type=int, default=100, help="mutants of each module (default: 100; 0 is all)"
    )
    parser.add_argument("--seed", type=int, default=17, help="of the sample (default: 17)")
    parser.add_argument("--json", type=Path, default=Path("dist/mutation.json"), help="where the figures go")
    options = parser.parse_args()
    chosen = [
        path for path in MODULES if not options.modules or any(part in path for part in options.modules)
    ]
    scores = {}
    for path in chosen:
        began = time.monotonic()
        # A process of its own: no module of the exporter may be loaded, or mutated, before its tests are.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            score: Score = pool.apply(try_module, (path, MODULES[path], options.sample, options.seed))
        scores[path] = score
        for text in score["survivors"]:
            print(f"{path}:{text}")
        print(f"{_row(path, score)}  {time.monotonic() - began:.0f} s", flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    print("", *(_row(path, score) for path, score in scores.items()), f"JSON: {options.json}", sep="\n")
    sys.exit(0 if scores and all(score["killed"] >= 0.9 * score["tried"] for score in scores.values()) else 1)


def _row(path: str, score: Score) -> str:
    killed, tried = score["killed"], score["tried"]
    return f"{path:40} {killed:4} of {tried:4} killed {killed / tried:7.1%}, of {score['mutants']} mutants"


if __name__ == "__main__":
    main()
