"""The schema itself: its defaults are those of Target, and files are looked at once."""

from __future__ import annotations

import ssl
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from exporter.settings import ConfigurationError, load
from exporter.settings.field import Surroundings
from exporter.settings.schema import TargetFields, required
from exporter.settings.validation import validate
from exporter.settings.written import Leaf, Place
from exporter.target import Target

NAME = "FLOW_EXPORTER_DEFAULTS__CA_FILE"


def told(directory: Path, value: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load({NAME: value, "FLOW_EXPORTER_TARGETS": "[]"}, directory)
    return next(line for line in str(caught.value).split("\n") if line.startswith(NAME)).removeprefix(
        f"{NAME}: "
    )


def test_the_defaults_that_operators_see_are_those_of_a_target() -> None:
    built_in = TargetFields()
    for field in fields(Target):
        if (
            field.default is not MISSING
            and field.name in TargetFields.model_fields
            and field.name != "timeout"
        ):
            assert getattr(built_in, field.name) == field.default or not field.default, field.name


def test_what_a_target_cannot_do_without_is_required() -> None:
    assert list(required()) == ["source_environment_id", "destination_environment_id", "client_id"]


def test_no_file_is_told_to_exist(tmp_path: Path) -> None:
    assert told(tmp_path, "s3cr3t.pem") == (
        "names a file that does not exist; write a path that does, relative to the working directory"
    )


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert told(tmp_path, str(tmp_path)) == "is no file; write the path of a PEM file"


def test_an_empty_path_is_no_path(tmp_path: Path) -> None:
    assert told(tmp_path, "") == "is no path; write the path of a PEM file"


def test_a_path_that_no_system_takes_cannot_be_read(tmp_path: Path) -> None:
    assert told(tmp_path, "x" * 5000) == "names a file that cannot be read (File name too long)"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_file_without_certificates_is_no_ca_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    assert told(tmp_path, "ca.pem") == (
        "holds no certificates that can be read; write the path of a file with PEM certificates"
    )


def test_a_file_of_revocations_alone_is_no_ca_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class LoadsNothing:
        def __init__(self, _protocol: int) -> None: ...

        def load_verify_locations(self, cafile: Path) -> None: ...

        def cert_store_stats(self) -> dict[str, int]:
            return {"x509": 0, "crl": 1, "x509_ca": 0}

    (tmp_path / "crl.pem").touch()
    monkeypatch.setattr(ssl, "SSLContext", LoadsNothing)
    assert told(tmp_path, "crl.pem") == (
        "holds no certificate; write the path of a file with PEM certificates"
    )


def test_a_file_that_many_targets_trust_is_loaded_once(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    real = ssl.SSLContext

    def counted(protocol: int) -> ssl.SSLContext:
        loaded.append(protocol)
        return real(protocol)

    monkeypatch.setattr(ssl, "SSLContext", counted)
    tree = {"targets": {f"t{n}": {"ca_file": Leaf(str(certificate), Place("X"))} for n in range(5)}}
    validated = validate(tree, Surroundings(certificate.parent))
    assert {target.ca_file for target in validated.schema.targets.values()} == {certificate}
    assert len(loaded) == 1
