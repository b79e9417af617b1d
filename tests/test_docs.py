"""Documentation is up to date: generated pages, links, reasons, and the settings it mentions."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from chart.rendering import render
from harness.prometheus import need_tool
from reasons_table import ADVICE, GROUPS

from exporter import cli
from exporter.reasons import FAULTS, Reason
from exporter.settings import load

ROOT = Path(__file__).resolve().parents[1]
GENERATE = ROOT / "docs" / "generate.py"


def _script() -> Any:  # noqa: ANN401  a module that is imported by its path
    spec = importlib.util.spec_from_file_location("generate", GENERATE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = "pingone-flow-exporter"


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [block for marked, block in found if marked == language]


def shell_lines() -> Iterator[list[str]]:
    """Yield the README's commands, in words, without comments."""
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.mark.parametrize("page", SCRIPT.PAGES, ids=lambda page: page.name)
def test_a_generated_page_is_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == SCRIPT.PAGES[page](), (
        f"run make docs: {page.name} is out of date"
    )


def test_the_script_writes_what_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCRIPT, "PAGES", {tmp_path / "page.md": lambda: "text é \n"})
    SCRIPT.main()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "text é \n"


RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROOFS = re.findall(r"`([\w/]+\.py)::(\w+)`", RELIABILITY)


def test_every_row_about_reliability_has_a_test_that_exists() -> None:
    rows = [row for row in RELIABILITY.splitlines() if row.startswith("| ") and " | what happens" not in row]
    assert len(rows) > 30
    assert [row for row in rows if ".py::test_" not in row] == []
    missing = [
        f"{file}::{test}"
        for file, test in PROOFS
        if f"def {test}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def _documents() -> list[Path]:
    return [
        path
        for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/*/*.md")])
        if path.is_file()
    ]


@pytest.mark.parametrize("page", _documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_of_the_repository_leads_to_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    for link in links:
        file, _, anchor = link.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, link


def test_the_readme_explains_every_reason_and_fault_once() -> None:
    grouped = [reason for reasons in GROUPS.values() for reason in reasons]

    assert sorted(grouped) == sorted(Reason)
    assert set(ADVICE) == {(reason, fault) for reason in FAULTS for fault in FAULTS[reason]}


@pytest.mark.parametrize("page", _documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_variable_in_the_docs_is_a_setting(page: Path) -> None:
    known = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bFLOW_EXPORTER_[A-Z_]*[A-Z]\b(?!__)", page.read_text(encoding="utf-8")))

    for name in named:
        pattern = re.sub("_(TARGETS|DESTINATIONS)__[A-Z]+__", r"_\1__<NAME>__", name)
        pattern = re.sub("_DEFAULTS__", "_TARGETS__<NAME>__", pattern)
        pattern = re.sub("__LABELS__[A-Z]+$", "__LABELS__<KEY>", pattern)
        assert f"`{pattern}`" in known, name


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_path_in_the_guides_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:exporter|tests|docs|helm|benchmarks)/[\w./-]+)`", text)

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_command_in_the_readme_is_one() -> None:
    """Of the exporter and of make; what other programs get is in the tests below, where they can run."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    others = set()
    for words in shell_lines():
        program, *arguments = words
        if program == "kubectl":
            program, *arguments = words[words.index("--") + 1 :]
        if program == PROGRAM:
            cli.parser().parse_args(arguments)
        elif program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE), words
        else:
            others.add(program)
    assert others == {".", "export", "buildah", "helm", "promtool", "prometheus"}


def test_every_row_of_the_readmes_table_of_commands_is_understood() -> None:
    rows = re.findall(rf"^\| `(?:…|{PROGRAM})((?: [^`]*)?)` \|", README, re.MULTILINE)
    lines = [re.sub(r"[\[\]…]", "", row).replace("NAME=KIND", "emea=down") for row in rows]
    assert len(lines) > 10
    for line in lines:
        if "--version" not in line:
            cli.parser().parse_args(shlex.split(line))
    flags = re.search(r"\(docs/settings.md#flags\)\n((?:`[^`]+`[, and]*)+)", README)
    assert flags is not None
    for flag in re.findall("`(.+?)`", flags[1]):
        cli.parser().parse_args(["probe", flag, "x"])


def test_the_readmes_variables_are_a_configuration() -> None:
    first = dict(words[1].split("=", 1) for words in shell_lines() if words[0] == "export")
    (several,) = [block for block in blocks("") if block.startswith("FLOW_EXPORTER_DESTINATIONS")]
    config = load(first | dict(line.split("=", 1) for line in several.splitlines()), ROOT / "docs")
    assert [target.name for target in config.targets] == ["emea"]
    assert [destination.name for destination in config.destinations] == ["hub"]


def test_the_readmes_helm_command_installs_the_target() -> None:
    (command,) = [words for words in shell_lines() if words[0] == "helm"]
    assert (ROOT / command[3]).samefile(SCRIPT.chart_values.CHART)
    values: dict[str, Any] = {}
    for option, setting in pairwise(command):
        if option == "--set":
            path, _, value = setting.partition("=")
            *groups, last = path.split(".")
            group = values
            for name in groups:
                group = group.setdefault(name, {})
            group[last] = value
    release = render(values)
    assert release.one("PrometheusRule")["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    (container,) = release.pods[0]["containers"]
    assert container["image"].startswith("registry.example/")
    (target,) = load(release.environment(pod="flows-0", secrets={}), ROOT / "docs").targets
    assert (target.name, target.labels) == ("emea", (("owner", "identity"),))


def test_the_readmes_queries_are_about_metrics_that_exist() -> None:
    known = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    queries = blocks("promql")
    assert len(queries) == 5
    for query in queries:
        promql.parse(query)
        for name in re.findall(r"\bpingone_\w+", query):
            assert f"`{name}`" in known, query


ALERT_TEST = """
rule_files: [pingone.yml]
tests:
  - interval: 1m
    input_series:
      - {series: 'pingone_flow_probe_consecutive_failures{target="a",journey="federation"}', values: 3x5}
      - series: pingone_flow_probe_last_result_info{target="a",journey="authorize",reason="ok"}
        values: 1x5
      - series: pingone_flow_probe_last_result_info{target="a",journey="federation",reason="tls",fault="p"}
        values: 1x5
    alert_rule_test:
      - eval_time: 2m
        alertname: PingOneFederationDown
        exp_alerts:
          - exp_labels: {severity: critical, target: a, journey: federation}
            exp_annotations:
              summary: Users cannot sign on through this PingOne federation.
              description: "a: tls, fault p"
"""


def test_the_readmes_rule_files_work_as_pasted(tmp_path: Path) -> None:
    """The first alert alone, with its journey's reason, then all of them, by the README's words."""
    promtool = need_tool("promtool")
    for block in blocks("yaml")[:2]:
        name = re.match(r"# (\S+\.yml)", block)
        assert name is not None
        (tmp_path / name[1].rstrip(",")).write_text(block, encoding="utf-8")
    shutil.copytree(SCRIPT.rule_files.RULES, tmp_path / "rules")
    first = tmp_path / "prometheus.yml"
    (line,) = re.findall(r"set `(rule_files: .*?)`", README)
    every = tmp_path / "every.yml"
    every.write_text(re.sub("rule_files: .*", line, first.read_text(encoding="utf-8")), encoding="utf-8")
    for file, count in ((first, 1), (every, len(list(SCRIPT.rule_files.RULES.iterdir())))):
        done = subprocess.run(
            [promtool, "check", "config", file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{count} rule files found" in done.stdout
    (tmp_path / "test.yml").write_text(ALERT_TEST, encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
