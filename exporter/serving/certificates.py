"""The server's certificate, as it stands on disk now: renewed there, it is renewed here.

Looked at from time to time in a thread, by content: a mounted Secret swaps a link, and a copied file may
keep its date. What cannot be used changes nothing, since an old certificate is better than none.
"""

from __future__ import annotations

import hashlib
import logging
import ssl

from exporter import tls as tls_files
from exporter.tls import TlsMaterial, TlsServer

INTERVAL = 5.0
"""Seconds between two looks; certificates are renewed days before they end."""

_log = logging.getLogger("exporter.serving")


class Certificates:
    """One server's certificate, key and client authorities, and the context made from them.

    Args:
        tls: where they are, and what else handshakes are made with.

    Raises:
        TlsFileError: they cannot be used.
    """

    def __init__(self, tls: TlsServer) -> None:
        self._tls = tls
        material = tls_files.read_material(tls)
        self.context: ssl.SSLContext = tls_files.server_context(tls, material)
        self._used = self._seen = _digest(material)

    def look(self) -> bool:
        """Look whether they have changed, and tell whether there is a new context. Reads files."""
        try:
            material = tls_files.read_material(self._tls)
        except tls_files.TlsFileError as error:
            self._found(f"{error.part} {error}", error)
            return False
        digest = _digest(material)
        if not self._found(digest) or digest == self._used:
            return False
        try:
            self.context = tls_files.server_context(self._tls, material)
        except tls_files.TlsFileError as error:
            _keep(error)
            return False
        self._used = digest
        _log.info("TLS certificate renewed")
        return True

    def _found(self, what: str, error: tls_files.TlsFileError | None = None) -> bool:
        """Tell whether it is something else than at the last look; each thing is told of once."""
        if what == self._seen:
            return False
        self._seen = what
        if error is not None:
            _keep(error)
        return True


def _keep(error: tls_files.TlsFileError) -> None:
    _log.warning("TLS certificate not renewed, the old one is kept: %s: %s", error.part, error)


def _digest(material: TlsMaterial) -> str:
    parts = (material.certificate, material.key, material.authorities or b"")
    return "".join(hashlib.sha256(part).hexdigest() for part in parts)
