"""Certificates made on the spot: a good one, and each way in which one can be bad."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A server's certificate.

    Args:
        tls: the context with which a server presents it.
        not_before: start of its validity, to the second.
        not_after: end of its validity, to the second.
    """

    tls: ssl.SSLContext
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A client's certificate, as files.

    Args:
        certificate: PEM file of the certificate alone.
        key: PEM file of its key.
        both: PEM file of both.
    """

    certificate: Path
    key: Path
    both: Path


class Authority:
    """A certificate authority of its own, unknown to everybody who was not given its file.

    Args:
        directory: where `ca_file` is written.

    Attributes:
        ca_file: its certificate as PEM, for `CA_FILE`.
    """

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self.ca_file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def issue(
        self,
        *names: str,
        starts_in: timedelta = -DAY,
        ends_in: timedelta = 90 * DAY,
        subject: str | None = None,
    ) -> Certificate:
        """Return a certificate for `names`; its validity starts and ends so long from now.

        Args:
            names: host names and addresses.
            starts_in: and
            ends_in: from now.
            subject: its organization and common name.
        """
        return _issue(self._ca, names, starts_in, ends_in, subject)

    def client(self, name: str = "probe@example.com") -> ClientCertificate:
        """Return one for a client, in files beside `ca_file`."""
        leaf = self._ca.issue_cert(name)
        certificate, key, both = (self._directory / f"{name}.{end}" for end in ("crt", "key", "pem"))
        leaf.cert_chain_pems[0].write_to_path(str(certificate))
        leaf.private_key_pem.write_to_path(str(key))
        leaf.private_key_and_cert_chain_pem.write_to_path(str(both))
        return ClientCertificate(certificate=certificate, key=key, both=both)

    def good(self) -> Certificate:
        """Return one that is valid for this machine's own names and addresses."""
        return self.issue(*LOCAL_NAMES)

    def expired(self) -> Certificate:
        """Return one that ended yesterday."""
        return self.issue(*LOCAL_NAMES, starts_in=-90 * DAY, ends_in=-DAY)

    def not_yet_valid(self) -> Certificate:
        """Return one that begins tomorrow."""
        return self.issue(*LOCAL_NAMES, starts_in=DAY)

    def wrong_name(self) -> Certificate:
        """Return one that is valid for another name."""
        return self.issue("elsewhere.example")


def unknown_issuer(organisation: str | None = None) -> Certificate:
    """Return a valid one of an authority with this name that no client trusts."""
    return _issue(trustme.CA(organization_name=organisation), LOCAL_NAMES, -DAY, 90 * DAY)


def _issue(
    ca: trustme.CA,
    names: tuple[str, ...],
    starts_in: timedelta,
    ends_in: timedelta,
    subject: str | None = None,
) -> Certificate:
    now = datetime.now(UTC).replace(microsecond=0)  # a certificate knows whole seconds only
    not_before, not_after = now + starts_in, now + ends_in
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = ca.issue_cert(
        *names,
        not_before=not_before,
        not_after=not_after,
        organization_name=subject,
        common_name=subject,
    )
    leaf.configure_cert(tls)
    return Certificate(tls=tls, not_before=not_before, not_after=not_after)
