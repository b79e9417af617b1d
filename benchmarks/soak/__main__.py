"""Soak the exporter: minutes of faults, reloads and hostile clients, after which nothing may be lost or grow.

    python -m benchmarks.soak [--minutes 10] [--rate 200] [--json FILE] [--keep DIRECTORY]

Exit status 1 if a bound is broken; the table says which. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.processes import COMMAND, version_of
from benchmarks.report import machine
from benchmarks.soak.report import as_json, judge, requests_of, runs_of, table
from benchmarks.soak.run import soak
from exporter.process import raise_open_file_limit


def main() -> None:
    """Soak, print the table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="after the warm-up (default: 10)")
    parser.add_argument("--rate", type=int, default=200, help="probes a second (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the weather (default: 1)")
    parser.add_argument("--json", type=Path, default=Path("dist/soak.json"), help="where the figures go")
    parser.add_argument("--keep", type=Path, help="directory for the log and the provider's list of requests")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started, too
    raise_open_file_limit()
    about = {**machine(), "version": version_of([COMMAND, "--version"])}
    with ExitStack() as stack:
        directory = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        soaked = asyncio.run(soak(directory, options.rate, options.minutes * 60, options.seed))
        runs, matched = runs_of(soaked), requests_of(soaked)
        rows = judge(soaked, runs, matched)
    print(*(f"{name}: {value}" for name, value in about.items()), "", *table(rows), "", sep="\n", flush=True)
    result = {"machine": about, **as_json(soaked, rows, runs, matched)}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"JSON: {options.json}")
    sys.exit(0 if result["kept"] else 1)


if __name__ == "__main__":
    main()
