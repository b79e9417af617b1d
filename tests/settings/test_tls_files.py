"""CA_FILE, CLIENT_CERTIFICATE_FILE and CLIENT_KEY_FILE are checked when settings are loaded."""

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
from settings.example import EMEA, D, P, T, errors, targets

from exporter.settings import Config, ConfigurationError, load

if TYPE_CHECKING:
    from harness.certificates import Authority

CERTIFICATE, KEY = "CLIENT_CERTIFICATE_FILE", "CLIENT_KEY_FILE"
CRT, OWN_KEY, BOTH = (f"probe@example.com.{end}" for end in ("crt", "key", "pem"))


@pytest.fixture
def directory(tmp_path: Path, authority: Authority) -> Path:
    """Return a working directory with a client certificate, and with everything that is none."""
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


def reported(directory: Path, extra: Mapping[str, str]) -> list[str]:
    return errors({**EMEA, **extra}, directory)


def test_a_file_in_a_setting_that_does_not_exist_is_not_read(directory: Path) -> None:
    (directory / "flows.yaml").write_text("targets: {}\n")
    extra = {f"{P}CA_FILE": "absent", f"{P}CONFIG_FILE": "flows.yaml"}
    with pytest.raises(ConfigurationError) as caught:
        loaded(directory, extra)
    assert [str(error) for error in caught.value.errors] == [
        f"{P}CA_FILE: unknown setting; did you mean {P}DEFAULTS__CA_FILE?"
    ]
    assert directory / "absent" not in caught.value.files


def test_a_certificate_and_its_key_reach_the_target(directory: Path) -> None:
    settings = loaded(directory, {f"{T}{CERTIFICATE}": CRT, f"{T}{KEY}": OWN_KEY})
    (target,) = settings.targets
    assert target.client_certificate_file == directory / CRT
    assert target.client_key_file == directory / OWN_KEY
    assert set(settings.files) == {directory / ".env", directory / CRT, directory / OWN_KEY}


def test_the_key_may_be_in_the_file_of_the_certificate(directory: Path) -> None:
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


NO_CERTIFICATE = "no readable certificate found; expected PEM certificates"
NO_KEY = "no private key found; expected one in PEM"
BAD_KEY = "private key cannot be read; expected one in PEM"
ENCRYPTED = "private key is encrypted; decrypt it"


@pytest.mark.parametrize(
    ("certificate", "key", "field", "message"),
    [
        ("missing", OWN_KEY, CERTIFICATE, "file not found: {}/missing"),
        (CRT, "missing", KEY, "file not found: {}/missing"),
        ("directory", OWN_KEY, CERTIFICATE, "not a regular file: {}/directory"),
        (CRT, "pipe", KEY, "not a regular file: {}/pipe"),
        ("empty", OWN_KEY, CERTIFICATE, NO_CERTIFICATE),
        (OWN_KEY, OWN_KEY, CERTIFICATE, NO_CERTIFICATE),
        ("broken CERTIFICATE", OWN_KEY, CERTIFICATE, NO_CERTIFICATE),
        (CRT, "empty", KEY, NO_KEY),
        (CRT, CRT, KEY, NO_KEY),
        (CRT, "broken PRIVATE KEY", KEY, BAD_KEY),
        (CRT, "", CERTIFICATE, NO_KEY),
        (CRT, "encrypted", KEY, ENCRYPTED),
        (CRT, "encrypted of old", KEY, ENCRYPTED),
        ("encrypted both", "", CERTIFICATE, ENCRYPTED),
        (CRT, "other@example.com.key", KEY, "private key does not match the certificate"),
        ("", OWN_KEY, KEY, "requires CLIENT_CERTIFICATE_FILE on the same level"),
        (CRT, "a\nb", KEY, "contains a control character, such as a line break"),
    ],
)
@pytest.mark.parametrize("level", [T, D])
def test_a_pair_that_cannot_be_used_is_reported_once(
    level: str, certificate: str, key: str, field: str, message: str, directory: Path
) -> None:
    written = {f"{level}{CERTIFICATE}": certificate, f"{level}{KEY}": key}
    assert reported(directory, written) == [f"{level}{field}: {message.format(directory)}"]


def test_a_key_in_the_defaults_does_not_belong_to_a_certificate_of_a_target(directory: Path) -> None:
    assert reported(directory, {f"{T}{CERTIFICATE}": CRT, f"{D}{KEY}": OWN_KEY}) == [
        f"{D}{KEY}: requires CLIENT_CERTIFICATE_FILE on the same level",
        f"{T}{CERTIFICATE}: {NO_KEY}",
    ]


def test_a_certificate_that_openssl_finds_too_weak_is_rejected(directory: Path) -> None:
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
    assert reported(directory, {f"{T}{CERTIFICATE}": "weak"}) == [
        f"{T}{CERTIFICATE}: certificate rejected by OpenSSL (ee key too small)"
    ]


def test_invalid_files_are_among_those_to_watch(directory: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(directory, {f"{T}{CERTIFICATE}": CRT, f"{T}{KEY}": "missing"})
    assert set(caught.value.files) == {directory / ".env", directory / CRT, directory / "missing"}


def ca_error(directory: Path, value: str) -> str:
    (line,) = reported(directory, {f"{D}CA_FILE": value})
    return line.removeprefix(f"{D}CA_FILE: ")


def test_a_ca_file_reaches_the_target_relative_to_the_working_directory(certificate: Path) -> None:
    config = loaded(certificate.parent, {f"{D}CA_FILE": certificate.name})
    assert config.targets[0].ca_file == certificate
    assert set(config.files) == {certificate.parent / ".env", certificate}


def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    assert ca_error(tmp_path, "ca.pem") == f"file not found: {tmp_path}/ca.pem"


def test_a_directory_is_not_a_ca_file(tmp_path: Path) -> None:
    assert ca_error(tmp_path, str(tmp_path)) == f"not a regular file: {tmp_path}"


def test_a_path_that_no_system_accepts_is_reported(tmp_path: Path) -> None:
    assert ca_error(tmp_path, "x" * 5000).endswith("...: File name too long")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_file_without_certificates_is_not_a_ca_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    assert ca_error(tmp_path, "ca.pem") == NO_CERTIFICATE


def test_a_ca_file_is_checked_whatever_else_is_wrong(tmp_path: Path) -> None:
    assert reported(tmp_path, {f"{T}CA_FILE": "ca.pem", f"{T}PKCE": "maybe"}) == [
        f"{T}CA_FILE: file not found: {tmp_path}/ca.pem",
        f"{T}PKCE: expected true or false",
    ]


def test_a_ca_file_of_many_targets_is_digested_and_read_once(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = os.open

    def counted(path: str, *arguments: int, **keywords: int) -> int:
        opened.append(str(path))
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", counted)
    extra = {f"FLOW_EXPORTER_TARGETS__{name}__CA_FILE": certificate.name for name in "ABC"}
    loaded(certificate.parent, {**targets("A", "B", "C"), **extra})
    assert opened.count(str(certificate)) == 2
