"""Which certificates a probe trusts, and which one it shows: one `SSLContext` per distinct TLS setting.

Building one reads every certificate of the system and holds the event loop for some 20 ms, so all of them are
built before the schedule starts, and shared.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from exporter.target import Target


class SSLContexts:
    """The TLS contexts of a set of targets.

    Args:
        targets: the targets to build contexts for.

    Raises:
        OSError: a file cannot be read, or is not a certificate (`ssl.SSLError` is one).
    """

    def __init__(self, targets: Iterable[Target]) -> None:
        # The system's, even when every target has a file: the warm-up's own target has none.
        settings = {_Setting(), *(each for target in targets for each in _settings(target))}
        self._contexts = {setting: _context(setting) for setting in settings}
        self._earlier: Mapping[_Setting, ssl.SSLContext] = {}

    def renewed(self, targets: Iterable[Target]) -> SSLContexts:
        """Return the contexts of other targets, rebuilt, because the content of a file may have changed.

        It also has the contexts of before: their targets are probed until the reload is complete.
        """
        contexts = SSLContexts(targets)
        contexts._earlier = self._contexts  # one generation, not a chain of them
        return contexts

    def __call__(self, target: Target) -> ssl.SSLContext:
        """Return the context that `target` is probed with."""
        setting = _setting(target)
        context = self._contexts.get(setting)
        return self._earlier[setting] if context is None else context


def verified_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the given authorities alone, or else the system's.

    Raises:
        OSError: the file cannot be read, or is not a certificate.
    """
    return _context(_Setting(ca_file))


class _Setting(NamedTuple):
    """All of a target that its context depends on."""

    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None


def _setting(target: Target) -> _Setting:
    return _Setting(target.ca_file, target.client_certificate_file, target.client_key_file)


def _settings(target: Target) -> tuple[_Setting, _Setting]:
    """Return what a target needs: for its environments, and without its certificate for any other host."""
    return _setting(target), _Setting(target.ca_file)


def _context(setting: _Setting) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=setting.ca_file)
    # The same on every Python: 3.13 switched both on by default. Strict checks refuse private authorities
    # that lack what RFC 5280 asks of public ones; any trusted certificate ends a chain, self-signed or not.
    context.verify_flags = (
        context.verify_flags & ~ssl.VerifyFlags.VERIFY_X509_STRICT
    ) | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if setting.client_certificate_file is not None:
        # An empty password: a key that was encrypted meanwhile is an error, not a prompt on a terminal.
        context.load_cert_chain(setting.client_certificate_file, setting.client_key_file, password="")
    return context
