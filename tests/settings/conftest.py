"""A certificate on disk, for CA_FILE."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return the path of a PEM file with one authority, made on the spot."""
    path = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path
