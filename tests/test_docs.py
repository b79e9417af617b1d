"""The generated pages of docs/ are what their functions return today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

GENERATE = Path(__file__).resolve().parents[1] / "docs" / "generate.py"


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
