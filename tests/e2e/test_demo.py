"""The demo shows the whole job with nothing configured, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from e2e.showing import Shown, get

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_two_demos_at_once_have_ports_of_their_own(tmp_path: Path) -> None:
    with (
        Shown("demo", directory=tmp_path / "one") as one,
        Shown("demo", directory=tmp_path / "other") as other,
    ):
        for name in ("page", "metrics", "weather"):
            urls = {one.places()[name], other.places()[name]}
            assert len(urls) == 2
            for url in urls:
                assert get(url)
