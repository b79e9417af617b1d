"""Whom a probe trusts."""

from __future__ import annotations

import errno
import json
import shutil
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from harness.certificates import Authority, Certificate
from probing.examples import a_flow, a_target
from probing.loopback import answer, says
from probing.visit import visit, wants_a_client_certificate

from exporter.probing.ssl_contexts import SSLContexts
from exporter.tls import system_has_no_authorities


class System(NamedTuple):
    """Where a system keeps its authorities."""

    file: Path
    directory: Path


def test_targets_with_one_setting_share_one_context(authority: Authority) -> None:
    first, second, own = a_target(), a_target(name="other"), a_target(ca_file=authority.ca_file)
    trust = SSLContexts([first, second, own])
    assert trust(first) is trust(second)
    assert trust(own) is trust(a_target(name="third", ca_file=authority.ca_file))
    assert trust(own) is not trust(first)


def test_a_target_with_a_certificate_has_a_context_without_it_for_other_hosts(authority: Authority) -> None:
    client = authority.client()
    target = a_target(ca_file=authority.ca_file, client_certificate_file=client.both)
    trust = SSLContexts([target])
    other = trust(replace(target, client_certificate_file=None))
    assert other is not trust(target)
    assert [dict(entry)["serialNumber"] for entry in other.get_ca_certs()] == [serial_of(authority.ca_file)]


def test_a_ca_file_is_trusted_alone(authority: Authority) -> None:
    target = a_target(ca_file=authority.ca_file)
    context = SSLContexts([target])(target)
    assert [dict(entry)["serialNumber"] for entry in context.get_ca_certs()] == [serial_of(authority.ca_file)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_to_a_server_that_demands_one(
    version: ssl.TLSVersion, authority: Authority
) -> None:
    server, client = authority.issue("idp.example"), authority.client()
    server.tls.maximum_version = version
    server.tls.verify_mode = ssl.CERT_REQUIRED
    server.tls.load_verify_locations(authority.ca_file)
    own: dict[str, Any] = {"ca_file": authority.ca_file, "client_certificate_file": client.certificate}
    with_key, with_both = (
        own | {"client_key_file": client.key},
        own | {"client_certificate_file": client.both},
    )
    for fields in (with_key, with_both):
        trust = SSLContexts([a_target(**fields)])
        visited = visit(
            says(answer(json.dumps(a_flow()).encode())), certificate=server, trust=trust, **fields
        )
        assert visited.finding == ("ok", "none", "transfer")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_wrong_client_certificate_is_rejected_with_reason_tls(
    version: ssl.TLSVersion, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    client = Authority(tmp_path / "elsewhere").client()
    server = authority.issue("idp.example")
    server.tls.maximum_version = version
    server.tls.load_verify_locations(authority.ca_file)
    fields: dict[str, Any] = {"ca_file": authority.ca_file, "client_certificate_file": client.both}
    refusing = wants_a_client_certificate(server.tls)
    visited = visit(refusing, scheme="https", trust=SSLContexts([a_target(**fields)]), **fields)
    assert visited.finding[:2] == ("tls", "network")


def test_targets_with_other_certificates_or_keys_have_contexts_of_their_own(authority: Authority) -> None:
    one, other = authority.client(), authority.client("other@example.com")
    targets = [
        a_target(),
        a_target(client_certificate_file=one.both),
        a_target(client_certificate_file=one.certificate, client_key_file=one.key),
        a_target(client_certificate_file=other.both),
        a_target(client_certificate_file=other.both, ca_file=authority.ca_file),
    ]
    trust = SSLContexts(targets)
    assert len({trust(target) for target in targets}) == len(targets)


def test_a_key_that_was_encrypted_meanwhile_is_an_error_and_no_prompt(
    authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    client = authority.client()
    key = serialization.load_pem_private_key(client.key.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    client.key.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"password")))
    with pytest.raises(ssl.SSLError):
        SSLContexts([a_target(client_certificate_file=client.certificate, client_key_file=client.key)])
    assert capfd.readouterr() == ("", "")


def serial_of(ca_file: Path) -> object:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    return dict(context.get_ca_certs()[0])["serialNumber"]


def test_certificates_and_names_are_always_checked(authority: Authority) -> None:
    for target in (a_target(), a_target(ca_file=authority.ca_file)):
        context = SSLContexts([target])(target)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_certificate_checks_are_the_same_on_every_python(authority: Authority) -> None:
    """Python 3.13 switched both on: strict checks refuse private authorities that others accept."""
    for target in (a_target(), a_target(ca_file=authority.ca_file)):
        flags = SSLContexts([target])(target).verify_flags
        assert not flags & ssl.VerifyFlags.VERIFY_X509_STRICT
        assert flags & ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN


def test_an_intermediate_authority_alone_can_be_trusted(tmp_path: Path) -> None:
    root = trustme.CA()
    intermediate = root.create_child_ca()
    (tmp_path / "intermediate.pem").write_bytes(intermediate.cert_pem.bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    intermediate.issue_cert("idp.example").configure_cert(server)
    target = a_target(ca_file=tmp_path / "intermediate.pem")
    visited = visit(
        says(answer(json.dumps(a_flow()).encode())),
        certificate=Certificate(tls=server, not_before=datetime.now(UTC), not_after=datetime.now(UTC)),
        trust=SSLContexts([target]),
        ca_file=target.ca_file,
    )
    assert visited.finding == ("ok", "none", "transfer")


def test_the_systems_authorities_are_there_even_when_every_target_has_its_own(authority: Authority) -> None:
    # The warm-up walks a target of its own, without a CA_FILE.
    context = SSLContexts([a_target(ca_file=authority.ca_file)])(a_target())
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_missing_ca_file_is_reported_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SSLContexts([a_target(ca_file=tmp_path / "gone.pem")])


# Whether the system trusts any authority


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """Return a system without authorities, as OpenSSL sees it."""
    system = System(tmp_path / "cert.pem", tmp_path / "certs")
    system.directory.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(system.file))
    monkeypatch.setenv("SSL_CERT_DIR", str(system.directory))
    return system


def test_a_system_without_any_authority_has_none(system: System) -> None:
    assert system_has_no_authorities()
    system.directory.rmdir()
    assert system_has_no_authorities()


def test_a_system_with_one_file_of_authorities_has_some(system: System, authority: Authority) -> None:
    shutil.copy(authority.ca_file, system.file)
    assert not system_has_no_authorities()
    system.directory.rmdir()
    assert not system_has_no_authorities()


def test_a_system_with_a_directory_of_authorities_has_some(system: System, authority: Authority) -> None:
    # OpenSSL looks into it by the hash of a name when it needs one; none of it is in the store before.
    shutil.copy(authority.ca_file, system.directory / "0a1b2c3d.0")
    assert not system_has_no_authorities()


def test_an_empty_file_of_authorities_is_none(system: System) -> None:
    system.file.write_text("# nothing\n", encoding="ascii")
    assert system_has_no_authorities()


def test_an_unlistable_directory_does_not_prevent_the_start(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenSSL opens its files by name, for which it needs no list of them.
    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "permission denied", str(path))

    monkeypatch.setattr(type(system.directory), "iterdir", refuse)
    assert not system_has_no_authorities()


# Renewal


def test_a_changed_authority_file_is_reloaded(tmp_path: Path) -> None:
    target = a_target(ca_file=Authority(tmp_path).ca_file)
    trust = SSLContexts([target])
    Authority(tmp_path)  # in the place of the one before
    renewed = trust.renewed([target])
    assert renewed(target) is not trust(target)
    assert [dict(entry)["serialNumber"] for entry in renewed(target).get_ca_certs()] == [
        serial_of(tmp_path / "ca.pem")
    ]


def test_contexts_whose_files_have_not_changed_are_used_again(system: System, authority: Authority) -> None:
    shutil.copy(authority.ca_file, system.file)
    client = authority.client()
    targets = [
        a_target(),
        a_target(ca_file=authority.ca_file),
        a_target(
            ca_file=authority.ca_file, client_certificate_file=client.certificate, client_key_file=client.key
        ),
    ]
    trust = SSLContexts(targets)
    again = trust.renewed(targets).renewed(targets)
    assert [again(target) for target in targets] == [trust(target) for target in targets]
    for changed, affected in ((client.key, {2}), (authority.ca_file, {1, 2}), (system.file, {0})):
        with changed.open("a") as file:
            file.write("\n")
        trust, again = again, again.renewed(targets)
        assert {number for number, each in enumerate(targets) if again(each) is not trust(each)} == affected
    shutil.copy(authority.ca_file, system.directory / "0a1b2c3d.0")
    assert again.renewed(targets)(targets[0]) is not again(targets[0])


def test_targets_of_before_keep_their_contexts_until_the_next_renewal(authority: Authority) -> None:
    old, new = a_target(ca_file=authority.ca_file), a_target(name="new")
    trust = SSLContexts([old])
    renewed = trust.renewed([new])
    assert renewed(old) is trust(old)
    with pytest.raises(KeyError):
        renewed.renewed([new])(old)


def test_a_file_that_is_wrong_by_now_leaves_the_contexts_as_they_are(authority: Authority) -> None:
    target = a_target(ca_file=authority.ca_file)
    trust = SSLContexts([target])
    before = trust(target)
    authority.ca_file.write_text("nothing", encoding="ascii")
    with pytest.raises(OSError, match="X509"):
        trust.renewed([target])
    assert trust(target) is before
