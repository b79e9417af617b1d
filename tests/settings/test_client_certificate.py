"""CLIENT_CERTIFICATE_FILE and CLIENT_KEY_FILE: looked at when settings are read; no password is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter.settings import Config, ConfigurationError, describe, load

if TYPE_CHECKING:
    from harness.certificates import Authority


T = "FLOW_EXPORTER_TARGETS__EMEA__"
D = "FLOW_EXPORTER_DEFAULTS__"
CERTIFICATE, KEY = "CLIENT_CERTIFICATE_FILE", "CLIENT_KEY_FILE"
EMEA = {
    f"{T}SOURCE_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
    f"{T}DESTINATION_ENVIRONMENT_ID": "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
    f"{T}CLIENT_ID": "client",
}
CRT, OWN_KEY, BOTH = (f"probe@example.com.{end}" for end in ("crt", "key", "pem"))


@pytest.fixture
def directory(tmp_path: Path, authority: Authority) -> Path:
    """Return a working directory with a client certificate, and with all that may stand in its place."""
    key = serialization.load_pem_private_key(authority.client().key.read_bytes(), None)
    authority.client("other@example.com")
    for name, form in [
        ("encrypted", serialization.PrivateFormat.PKCS8),
        ("encrypted of old", serialization.PrivateFormat.TraditionalOpenSSL),
    ]:
        (tmp_path / name).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"password")
            )
        )
    (tmp_path / "encrypted both").write_bytes(
        (tmp_path / CRT).read_bytes() + (tmp_path / "encrypted").read_bytes()
    )
    (tmp_path / "empty").touch()
    for kind in ("CERTIFICATE", "PRIVATE KEY"):
        (tmp_path / f"broken {kind}").write_text(f"-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def loaded(directory: Path, extra: Mapping[str, str]) -> Config:
    return load({**EMEA, **extra}, directory)


def told(directory: Path, extra: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(directory, extra)
    return str(caught.value).split("\n")


def test_a_certificate_and_its_key_reach_the_target_and_are_shown(directory: Path) -> None:
    settings = loaded(directory, {f"{T}{CERTIFICATE}": CRT, f"{T}{KEY}": OWN_KEY})
    (target,) = settings.targets
    assert target.client_certificate_file == directory / CRT
    assert target.client_key_file == directory / OWN_KEY
    assert settings.files == (directory / ".env", directory / CRT, directory / OWN_KEY)
    lines = describe(settings).split("\n")
    assert f"  client certificate      {directory / CRT}" in lines
    assert f"  client key              {directory / OWN_KEY}" in lines


def test_the_key_may_stand_in_the_certificates_file(directory: Path) -> None:
    (target,) = loaded(directory, {f"{T}{CERTIFICATE}": BOTH, f"{T}{KEY}": ""}).targets
    assert (target.client_certificate_file, target.client_key_file) == (directory / BOTH, None)


def test_both_are_taken_from_one_level(directory: Path) -> None:
    defaults = {f"{D}{CERTIFICATE}": CRT, f"{D}{KEY}": OWN_KEY}
    (target,) = loaded(directory, defaults).targets
    assert target.client_key_file == directory / OWN_KEY
    (target,) = loaded(directory, {**defaults, f"{T}{CERTIFICATE}": "other@example.com.pem"}).targets
    assert target.client_certificate_file == directory / "other@example.com.pem"
    assert target.client_key_file is None
    (target,) = loaded(directory, {**defaults, f"{T}{CERTIFICATE}": ""}).targets
    assert (target.client_certificate_file, target.client_key_file) == (None, None)


NO_CERTIFICATE = "holds no certificate that can be read; write the path of a PEM file with one"
NO_KEY = "holds no private key that can be read; write the path of a PEM file with one"
KEY_ELSEWHERE = "holds no private key; append it, or set CLIENT_KEY_FILE to a file that does"
ENCRYPTED = "holds an encrypted key, whose password nobody is asked for; write it unencrypted"
MISSING = "names a file that does not exist; write a path that does, relative to the working directory"
NO_FILE = "is no file; write the path of one"


@pytest.mark.parametrize(
    ("certificate", "key", "field", "message"),
    [
        ("missing", OWN_KEY, CERTIFICATE, MISSING),
        (CRT, "missing", KEY, MISSING),
        ("directory", OWN_KEY, CERTIFICATE, NO_FILE),
        (CRT, "pipe", KEY, NO_FILE),
        ("empty", OWN_KEY, CERTIFICATE, NO_CERTIFICATE),
        (OWN_KEY, OWN_KEY, CERTIFICATE, NO_CERTIFICATE),
        ("broken CERTIFICATE", OWN_KEY, CERTIFICATE, NO_CERTIFICATE),
        (CRT, "empty", KEY, NO_KEY),
        (CRT, CRT, KEY, NO_KEY),
        (CRT, "broken PRIVATE KEY", KEY, NO_KEY),
        (CRT, "", CERTIFICATE, KEY_ELSEWHERE),
        (CRT, "encrypted", KEY, ENCRYPTED),
        (CRT, "encrypted of old", KEY, ENCRYPTED),
        ("encrypted both", "", CERTIFICATE, ENCRYPTED),
        (
            CRT,
            "other@example.com.key",
            KEY,
            "holds a key that does not belong to the certificate; write the one that does",
        ),
        ("", OWN_KEY, KEY, "stands without a certificate; set CLIENT_CERTIFICATE_FILE beside it"),
        (CRT, "a\nb", KEY, "holds a control character, such as a line break; write it without"),
    ],
)
@pytest.mark.parametrize("level", [T, D])
def test_a_pair_that_cannot_be_used_is_told_once_with_what_would_be_right(
    level: str, certificate: str, key: str, field: str, message: str, directory: Path
) -> None:
    written = {f"{level}{CERTIFICATE}": certificate, f"{level}{KEY}": key}
    assert told(directory, written) == [f"{level}{field}: {message}"]


def test_a_key_in_the_defaults_does_not_serve_a_certificate_of_a_target(directory: Path) -> None:
    assert told(directory, {f"{T}{CERTIFICATE}": CRT, f"{D}{KEY}": OWN_KEY}) == [
        f"{D}{KEY}: stands without a certificate; set CLIENT_CERTIFICATE_FILE beside it",
        f"{T}{CERTIFICATE}: {KEY_ELSEWHERE}",
    ]


def test_a_certificate_that_openssl_finds_too_weak_is_told_in_its_words(directory: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  too weak is the point
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "probe")])
    now = datetime.now(UTC)
    weak = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "weak").write_bytes(weak + key.private_bytes(*plain))
    assert told(directory, {f"{T}{CERTIFICATE}": "weak"}) == [
        f"{T}{CERTIFICATE}: is refused by OpenSSL (ee key too small)"
    ]


def test_files_that_are_wrong_are_among_those_to_watch(directory: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(directory, {f"{T}{CERTIFICATE}": CRT, f"{T}{KEY}": "missing"})
    assert caught.value.files == (directory / ".env", directory / CRT, directory / "missing")
