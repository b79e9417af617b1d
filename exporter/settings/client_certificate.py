"""Certificate and key that are shown to a provider that wants to see them; looked at before they are used."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from exporter.settings.file_content import content
from exporter.settings.mistake import InvalidSetting

if TYPE_CHECKING:  # a cycle that the redesign removes
    from exporter.settings.draft import Layer
    from exporter.settings.field import Surroundings

CERTIFICATE, KEY = "client_certificate_file", "client_key_file"
PAIR = (CERTIFICATE, KEY)

_LARGEST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a pair.

    Args:
        field: which of the two has to change.
        message: what would be right.
    """

    field: str
    message: str


def check_client_certificate(layer: Layer, surroundings: Surroundings) -> list[InvalidSetting]:
    """Say what is wrong with the pair that one level writes; the other level has nothing to do with it."""
    written = layer.written(PAIR)
    if not written or not all(layer.is_right(name) for name in written):
        return []
    certificate, key = layer.fields.client_certificate_file, layer.fields.client_key_file
    if certificate is None:
        if key is None:
            return []
        return [
            layer.place(KEY).mistake("stands without a certificate; set CLIENT_CERTIFICATE_FILE beside it")
        ]
    pair = (certificate, key)
    pairs = surroundings.pairs
    if pair not in pairs:
        pairs[pair] = _wrong_with(certificate, key)
    wrong = pairs[pair]
    return [] if wrong is None else [layer.place(wrong.field).mistake(wrong.message)]


def _wrong_with(certificate: Path, key: Path | None) -> Wrong | None:
    for name, path in ((CERTIFICATE, certificate), (KEY, key)):
        try:
            if path is not None:
                content(path, _LARGEST)  # OpenSSL would wait for a pipe, and names no reason
        except ValueError as error:
            return Wrong(name, str(error))
    if not _holds_a_certificate(certificate):
        return Wrong(
            CERTIFICATE, "holds no certificate that can be read; write the path of a PEM file with one"
        )
    return _wrong_with_key(certificate, key)


def _holds_a_certificate(path: Path) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        return False
    return bool(context.cert_store_stats()["x509"])


class _EncryptedError(Exception):
    """OpenSSL asks for a password; without us it would ask the terminal."""


def _refuse() -> NoReturn:
    raise _EncryptedError


def _wrong_with_key(certificate: Path, key: Path | None) -> Wrong | None:
    field = CERTIFICATE if key is None else KEY
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=_refuse)
    except _EncryptedError:
        return Wrong(
            field, "holds an encrypted key, whose password nobody is asked for; write it unencrypted"
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return Wrong(
                field, "holds a key that does not belong to the certificate; write the one that does"
            )
        if error.reason:
            # Such as EE_KEY_TOO_SMALL; names a rule of OpenSSL's, and nothing of the file.
            return Wrong(CERTIFICATE, f"is refused by OpenSSL ({error.reason.replace('_', ' ').lower()})")
        if key is None:
            return Wrong(field, "holds no private key; append it, or set CLIENT_KEY_FILE to a file that does")
        return Wrong(field, "holds no private key that can be read; write the path of a PEM file with one")
    except OSError as error:
        return Wrong(field, f"names a file that cannot be read ({error.strerror})")
    return None
