"""Documentation is up to date: generated pages, links, reasons, and the settings it mentions."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from reasons_table import ADVICE, GROUPS

from exporter.reasons import FAULTS, Reason

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


@pytest.mark.parametrize("page", SCRIPT.PAGES, ids=lambda page: page.name)
def test_a_generated_page_is_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == SCRIPT.PAGES[page](), (
        f"run make docs: {page.name} is out of date"
    )


def test_the_script_writes_what_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCRIPT, "PAGES", {tmp_path / "page.md": lambda: "text é \n"})
    SCRIPT.main()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "text é \n"


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
