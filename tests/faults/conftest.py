"""One daemon that probes the whole fault table, and the table as it found it at the end of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from faults.run import FOUND, Scraped, running
from faults.stage import Stage
from faults.table import GROUPS

if TYPE_CHECKING:
    from harness.samples import Samples

LAST_RESULT = "pingone_flow_probe_last_result_info"


@pytest.fixture(scope="module")  # no longer: hundreds of targets would go on being probed beside other tests
def scraped(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Scraped]:
    """What a daemon says of all cases, and of a healthy target among them."""
    directory = tmp_path_factory.mktemp("faults")
    with Stage(directory) as stage, running(stage, directory) as found:
        pytestconfig.stash.setdefault(FOUND, []).append(found.samples)
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was found of each fault, when this folder alone was asked for."""
    found = config.stash.get(FOUND, [])
    if not found or not all("faults" in argument for argument in config.args):
        return
    for heading, cases in GROUPS.items():
        terminalreporter.section(heading, sep="-")
        for case in cases:
            terminalreporter.write_line(f"{case.name:42} {_told(found, case.name):40} {case.says}")


def _told(found: Iterable[Samples], target: str) -> str:
    series = [labels for samples in found for labels, _ in samples.series(LAST_RESULT, target=target)]
    return "; ".join(f"{labels['reason']}, {labels['fault']}, {labels['phase']}" for labels in series)
