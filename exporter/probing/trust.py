"""Whom a probe trusts: one `SSLContext` per distinct TLS setting.

Building one reads every certificate of the system and holds the event loop for some 20 ms, so all
of them are built before the schedule starts and then shared.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.target import Target


class Trust:
    """The TLS contexts of a set of targets.

    Args:
        targets: whose settings to build for.
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        # None, the system's, even when every target has a file: the warm-up's own target has none.
        ca_files = {None, *(target.ca_file for target in targets)}
        self._contexts = {ca_file: _context(ca_file) for ca_file in ca_files}

    @staticmethod
    def system_has_none() -> bool:
        """Whether the system trusts nobody, as in an image without a package of authorities."""
        paths = ssl.get_default_verify_paths()
        try:
            if paths.capath and next(Path(paths.capath).iterdir(), None) is not None:
                return False
        except PermissionError:
            return False  # OpenSSL opens by name what we may not list
        return not ssl.create_default_context().cert_store_stats()["x509_ca"]

    def __call__(self, target: Target) -> ssl.SSLContext:
        """Return the context that `target` is probed with."""
        return self._contexts[target.ca_file]


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the given authorities alone, or else the system's."""
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.set_alpn_protocols(["http/1.1"])
    return context
