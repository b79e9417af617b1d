"""Whom a probe trusts: one `SSLContext` per distinct TLS setting.

Building one reads every certificate of the system and holds the event loop for some 20 ms, so all
of them are built before the schedule starts and then shared.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.target import Target


class Trust:
    """The TLS contexts of a set of targets.

    Args:
        targets: whose settings to build for.

    Raises:
        OSError: a file cannot be read, or is no certificate (`ssl.SSLError` is one).
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        # None, the system's, even when every target has a file: the warm-up's own target has none.
        ca_files = {None, *(target.ca_file for target in targets)}
        self._contexts = {ca_file: _context(ca_file) for ca_file in ca_files}
        self._earlier: Mapping[Path | None, ssl.SSLContext] = {}

    def renewed(self, targets: Iterable[Target]) -> Trust:
        """Return the contexts of other targets, built anew, since the content of a file may have changed.

        Those of before are known to it too: they are probed for as long as a reload takes.
        """
        trust = Trust(targets)
        trust._earlier = self._contexts  # one generation, not a chain of them
        return trust

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
        context = self._contexts.get(target.ca_file)
        return self._earlier[target.ca_file] if context is None else context


def _context(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the given authorities alone, or else the system's."""
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.set_alpn_protocols(["http/1.1"])
    return context
