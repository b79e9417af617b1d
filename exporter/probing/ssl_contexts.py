"""Which certificates a probe trusts, and which one it shows: one `SSLContext` per distinct TLS setting.

Building one reads every certificate of the system and holds the event loop for some 20 ms, so all of them are
built before the schedule starts, and shared.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from exporter.files import file_digests
from exporter.target import Target

_Contexts = Mapping["_TlsFiles", tuple[Sequence[bytes], ssl.SSLContext]]
"""TLS files -> digests of what was read, and the context."""


class SSLContexts:
    """The TLS contexts of a set of targets.

    Args:
        earlier: contexts of before, which are used again if their files have not changed: generations of them
            would leave megabytes of free memory between each other.

    Raises:
        OSError: a file cannot be read, or is not a certificate (`ssl.SSLError` is one).
    """

    def __init__(self, targets: Iterable[Target], earlier: _Contexts = MappingProxyType({})) -> None:
        # The system's, even when every target has a file: the warm-up's own target has none.
        settings = {_TlsFiles()}
        for target in targets:  # for its environments, and without its certificate for any other host
            settings |= {_tls_files(target), _TlsFiles(target.ca_file)}
        # Digests first: what changes in between is then noticed by the next renewal.
        digests = file_digests({file for setting in settings for file in setting.files})
        self._contexts, self._earlier = {}, earlier
        for setting in settings:
            read = [digests[file] for file in setting.files]
            known = earlier.get(setting)
            if known is None or known[0] != read:
                known = read, verified_context(*setting)
            self._contexts[setting] = known

    def renewed(self, targets: Iterable[Target]) -> SSLContexts:
        """Return the contexts of other targets; files with a new content are read again.

        Those of before are there for one generation: their targets are probed until the reload is complete.
        """
        return SSLContexts(targets, self._contexts)

    def __call__(self, target: Target) -> ssl.SSLContext:
        """Return the context that `target` is probed with."""
        setting = _tls_files(target)
        return (self._contexts.get(setting) or self._earlier[setting])[1]


class _TlsFiles(NamedTuple):
    """The TLS files of a target: all that its context depends on."""

    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All files that are read; without a `ca_file`, the system's authorities are among them."""
        system = ssl.get_default_verify_paths()
        authorities = (system.cafile, system.capath) if self.ca_file is None else ()
        return [*(file for file in self if file is not None), *(Path(path) for path in authorities if path)]


def _tls_files(target: Target) -> _TlsFiles:
    return _TlsFiles(target.ca_file, target.client_certificate_file, target.client_key_file)


def verified_context(
    ca_file: Path | None, certificate_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Return a context that trusts the given authorities alone, or else the system's.

    Raises:
        OSError: a file cannot be read, or is not a certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    # The same on every Python: 3.13 switched both on by default. Strict checks refuse private authorities
    # that lack what RFC 5280 asks of public ones; any trusted certificate ends a chain, self-signed or not.
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if certificate_file is not None:
        # An empty password: a key that was encrypted meanwhile is an error, not a prompt on a terminal.
        context.load_cert_chain(certificate_file, key_file, password="")
    return context
