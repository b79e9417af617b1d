"""Whom a probe trusts."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from probing.examples import a_target

from exporter.probing.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from harness.certificates import Authority


def test_targets_with_one_setting_share_one_context(authority: Authority) -> None:
    first, second, own = a_target(), a_target(name="other"), a_target(ca_file=authority.ca_file)
    trust = Trust([first, second, own])
    assert trust(first) is trust(second)
    assert trust(own) is trust(a_target(name="third", ca_file=authority.ca_file))
    assert trust(own) is not trust(first)


def test_a_ca_file_is_trusted_alone(authority: Authority) -> None:
    target = a_target(ca_file=authority.ca_file)
    context = Trust([target])(target)
    assert [dict(entry)["serialNumber"] for entry in context.get_ca_certs()] == [serial_of(authority.ca_file)]


def serial_of(ca_file: Path) -> object:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca_file)
    return dict(context.get_ca_certs()[0])["serialNumber"]


def test_certificates_and_names_are_always_checked(authority: Authority) -> None:
    for target in (a_target(), a_target(ca_file=authority.ca_file)):
        context = Trust([target])(target)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_the_systems_authorities_are_there_even_when_every_target_has_its_own(authority: Authority) -> None:
    # The warm-up walks a target of its own, without a CA_FILE.
    context = Trust([a_target(ca_file=authority.ca_file)])(a_target())
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_ca_file_that_is_gone_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Trust([a_target(ca_file=tmp_path / "gone.pem")])
