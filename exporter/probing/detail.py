"""The exact cause of a failed step as one sentence, from a closed set of templates. No I/O.

A provider chooses which template applies, but none of the text: every parameter is a number, a member of a
closed set, or has the checked shape of a host, an address or a date. Anything else becomes `(not shown)`.
"""

import errno
import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from exporter.outcome import KNOWN_STATUSES, UNKNOWN, Phase
from exporter.probing.errors import KNOWN_CODES, OTHER
from exporter.probing.links import Link
from exporter.reasons import Reason

MAX_CHARACTERS = 200
MAX_NAMES = 2
"""Names or codes of a list that are shown, followed by the number of the others."""

NOT_SHOWN = "(not shown)"


class Template(StrEnum):
    """The templates. `{host}` is host and port of the request, `{address}` those that were connected to."""

    # Names, by the codes of getaddrinfo(3)
    EAI_NONAME = "no such host {name} (NXDOMAIN)"
    EAI_NODATA = "{name} has no address that IP_FAMILY allows"
    EAI_AGAIN = "name server failed or did not respond for {name} (EAI_AGAIN)"
    EAI_FAIL = "name server refused {name}, or its response is invalid (EAI_FAIL)"
    NOT_RESOLVED = "{name} did not resolve ({eai})"
    NO_HOST_NAME = "{name} is not a valid host name"
    RESOLVE_TIMEOUT = "no address for {name} within {seconds}"
    ADDRESS_NOT_ALLOWED = "{host} not requested: address not public, or no TLS for a secret"
    # Connections, by errno
    ECONNREFUSED = "connection refused by {address}"
    EHOSTUNREACH = "no route to {address} (EHOSTUNREACH)"
    ENETUNREACH = "network unreachable for {address} (ENETUNREACH)"
    EADDRNOTAVAIL = "this machine has no address to reach {address} (EADDRNOTAVAIL)"
    ETIMEDOUT = "connection to {address} timed out in the kernel (ETIMEDOUT)"
    NOT_CONNECTED = "connection to {address} failed ({errno})"
    CONNECT_TIMEOUT = "no connection to {address} within {seconds}"
    TUNNEL_REFUSED = "{code} in response to CONNECT {host}"
    TUNNEL_TIMEOUT = "no response to CONNECT {host} within {seconds}"
    AUTHENTICATION = "authentication required, 407 ({host})"
    # TLS
    EXPIRED = "certificate expired {date} ({host})"
    CHAIN_EXPIRED = "issuer's certificate or CA_FILE expired; the server's own is valid until {date} ({host})"
    NOT_YET_VALID = "certificate not valid before {date} ({host})"
    OTHER_NAME = "hostname mismatch: certificate is for {names} ({host})"
    NOT_TRUSTED = "{verify} ({host})"
    NOT_TLS = "wrong version number (plain HTTP on this port?) ({host})"
    ALERT = "TLS alert: {tls} ({host})"
    TLS_ERROR = "TLS error: {tls} ({host})"
    TLS_TIMEOUT = "TLS handshake not complete within {seconds} ({host})"
    # What was sent and received
    RESET = "reset by peer {while} ({host})"
    CLOSED = "closed by peer {while} ({host})"
    BROKEN = "connection failed {while}, {errno} ({host})"
    NO_RESPONSE = "closed by peer without a response ({host})"
    NOT_ACKNOWLEDGED = "request not acknowledged by {address} within {seconds}"
    PROCESSING_TIMEOUT = "no response within {seconds} ({host})"
    TRANSFER_TIMEOUT = "response not complete within {seconds} ({host})"
    NOT_HTTP = "response is not valid HTTP: {violation} ({host})"
    CODE_INVALID = "{code} is not a valid status code ({host})"
    # Responses
    RESPONDED = "{code} from {host}"
    ERROR = "{code} with error {codes} from {host}"
    STATUS = "{code} with status {status} from {host}"
    STATUS_AND_ERROR = "{code} with status {status}, error {codes} from {host}"
    REDIRECT = "{code} to {origin} ({host})"
    REDIRECT_TO_SIGN_ON = "{code} to a sign-on page at {origin} ({host})"
    REDIRECT_WITH_ERROR = "{code} to {origin}: {codes} ({host})"
    TOO_MANY_REDIRECTS = "{code} to {origin}, after 5 redirects ({host})"
    SAML = "{code} with a SAML request for {origin}, not OpenID Connect ({host})"
    NO_LOCATION = "{code} without a Location ({host})"
    LOCATION_MALFORMED = "{code} with a malformed Location ({host})"
    LOCATION_WITHOUT = "{code} to {origin} without {member} ({host})"
    LOCATION_ELSEWHERE = "{code} to {origin}: URL not allowed at this step ({host})"
    LOCATION_OTHER_PATH = "{code} to another environment or path at {origin} ({host})"
    FIREWALL = "{code} with x-amzn-waf-action from {host}"
    CHALLENGE = "{code} with cf-mitigated: challenge from {host}"
    PORTAL = "511 Network Authentication Required from {host}"
    GATEWAY = "{code} Forbidden by an API gateway at {host}"
    REFUSED_WITHOUT_JSON = "{code} without JSON from {host}"
    TOO_LARGE = "body larger than {size} KiB from {host}"
    EMPTY = "{code} with an empty body from {host}"
    MARKUP = "{code} with HTML or XML from {host}"
    NO_REDIRECT = "{code} without the redirect that prompt=none requires, from {host}"
    ERROR_PAGE = "{code} with an error on the page from {host}"
    NO_LOGIN_FORM = "{code} without a login form from {host}"
    NOT_JSON = "{code} with a body that is not a JSON object from {host}"
    # Flows and federations
    NO_STATUS = "response has no flow status ({host})"
    OTHER_ENVIRONMENT = "flow belongs to another environment ({host})"
    NO_FLOW_ID = "flow has no valid id ({host})"
    DAVINCI = (
        "the application runs a DaVinci flow, which does not list identity providers; "
        "use an application with a PingOne sign-on policy ({host})"
    )
    UNEXPECTED = "status {status}, expected {statuses} ({host})"
    NO_PROVIDER = "no identity provider offered ({host})"
    OTHER_PROVIDERS = "identity provider not among the {count} offered ({host})"
    SEVERAL_PROVIDERS = "{count} identity providers offered; set PROVIDER_ID to the ID of one ({host})"
    MEMBER_MISSING = "{member} missing in the response ({host})"
    MEMBER_MALFORMED = "{member} malformed in the response ({host})"
    MEMBER_ELSEWHERE = "{member} leads to {origin}: URL not allowed at this step ({host})"
    MEMBER_OTHER_PATH = "{member} leads to another environment or path at {origin} ({host})"
    NO_STATE = "no state returned ({host})"
    OTHER_STATE = "state differs from the one sent ({host})"
    SUSPENDED = "no password sent: sign-on suspended by {reason} ({host})"
    WAITED = "no password sent: another target's sign-on of the same user did not end in time ({host})"
    HOST_NOT_ALLOWED = "{host} is not a host that the settings allow"
    TOKEN = "ID token does not verify: {claim} ({host})"  # noqa: S105  a template
    # Metadata and keys
    OTHER_ISSUER = "metadata of another issuer at {origin} ({host})"
    OTHER_PATH = "issuer in the metadata differs after {origin}: another path, or a slash at its end ({host})"
    METADATA_MEMBER = "{member} missing or invalid in the metadata ({host})"
    METADATA_LACKS = "{member} in the metadata lacks {value} ({host})"
    NO_KEYS = "no signing key published ({host})"
    NO_USABLE_KEY = "none of {count} published keys is usable ({host})"
    TOO_MANY_KEYS = "{count} keys published, more than 100 ({host})"
    PRIVATE_KEY = "private or symmetric key published ({host})"
    SHORT_KEY = "RSA key under 2048 bits published ({host})"
    # Our own
    SHORTAGE = "exporter out of resources, {errno} ({host})"
    BUG = "bug in the exporter, see its log ({host})"
    STALLED = "exporter stalled; the response may have arrived in time ({host})"
    KEPT_WAITING = "peer closed the connection: the exporter kept it waiting ({host})"


class Detail(NamedTuple):
    """A template and its parameters, except `host`."""

    cause: Template
    parameters: Mapping[str, object] = {}  # name -> value, or a tuple of values; not checked yet

    def __repr__(self) -> str:
        """Show the template alone: the parameters are not checked yet."""
        return f"Detail({self.cause.name})"


VIOLATIONS: Mapping[str, str] = {
    # How h11's messages begin, which may quote the provider behind that
    "illegal status line": "invalid status line",
    "illegal request line": "invalid status line",
    "no response line": "blank lines",
    "Response status_code": "invalid status code",
    "InformationalResponse status_code": "invalid status code",
    "illegal header line": "invalid header line",
    "Illegal header": "invalid header line",
    "continuation line": "invalid header line",
    "bad Content-Length": "invalid Content-Length",
    "conflicting Content-Length": "several values of Content-Length",
    "multiple Transfer-Encoding": "Transfer-Encoding other than chunked",
    "Only Transfer-Encoding": "Transfer-Encoding other than chunked",
    "illegal chunk header": "invalid chunk",
    "malformed chunk footer": "invalid chunk",
    "Received server _SWITCH_UPGRADE": "101 Switching Protocols, not requested",
    "Receive buffer too long": "more than 32 KiB of status line, headers, chunk headers or trailers",
    # Our own
    "neither head nor body": "more than 32 KiB of status line, headers, chunk headers or trailers",
    "the gzip stream ended": "gzip stream ended early",
    "the gzip stream is": "gzip stream broken",
    "the content encoding": "Content-Encoding that was not requested",
    "": "not readable",
}
"""What may be wrong with a response."""

WHILE = {
    Phase.CONNECT: "while connecting",
    Phase.TLS: "during the TLS handshake",
    Phase.PROCESSING: "while reading headers",
    Phase.TRANSFER: "while reading the body",
}

_MEMBERS = """authenticate link|form action|resumeUrl|flowId|code|client_id|redirect_uri|state|issuer|
authorization_endpoint|token_endpoint|jwks_uri|response_types_supported|response_modes_supported|
subject_types_supported|id_token_signing_alg_values_supported""".replace("\n", "")


def _one_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words)))


_HOST, _ADDRESS = r"[A-Za-z0-9._-]{1,49}", r"\[[0-9a-fA-F:.]{2,45}\]"
_NAME = r"(?:\*\.)?[A-Za-z0-9._:-]{1,36}"
_CODE, _STATUS = f"(?:{_one_of((*KNOWN_CODES, OTHER))})", r"[A-Z*][A-Z0-9_.]{0,35}"

PATTERNS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "host": rf"(?:{_HOST}|{_ADDRESS}):\d{{1,5}}",
        "address": rf"(?:[0-9.]{{7,15}}|{_ADDRESS}):\d{{1,5}}",
        "name": rf"{_HOST}|[0-9a-fA-F:.]{{2,45}}",
        "origin": rf"https?://(?:{_HOST}|{_ADDRESS})(?::\d{{1,5}})?",
        "code": r"\d{1,3}",
        "count": r"\d{1,6}",
        "size": r"\d{1,4}",
        "seconds": r"(?:the probe's )?\d{1,6}(?:\.\d{1,3})? s",
        "date": r"\d{4}-\d\d-\d\d",
        "errno": _one_of(errno.errorcode.values()),
        "eai": r"EAI_[A-Z]{2,12}",
        "tls": r"[a-z0-9 ]{1,60}",  # OpenSSL's own reason
        "verify": r"[A-Za-z ,'-]{1,60}",  # OpenSSL's own message
        "names": rf"{_NAME}(?:, {_NAME})*(?: and \d{{1,5}} more)?",
        "codes": rf"{_CODE}(?:, {_CODE})*(?: and \d{{1,5}} more)?",
        "statuses": rf"{_STATUS}(?:, {_STATUS})*(?: and \d{{1,5}} more)?",
        "status": _one_of((*KNOWN_STATUSES, UNKNOWN)),
        "reason": _one_of(Reason),
        "while": _one_of(WHILE.values()),
        "violation": _one_of(VIOLATIONS.values()),
        "member": _MEMBERS,
        "value": r"code|pi\.flow",
        "claim": "no ID token|not signed by a published key|iss|aud|azp|nonce|sub|iat|nbf|exp",
    }.items()
}
"""What each parameter may be."""

_CHOSEN_BY_PROVIDER = frozenset({"origin", "names"})
_MAX_CHARACTERS = {"host": 48, "name": 42, "origin": 56}
_MAX_LISTED_CHARACTERS = 36
"""Longer texts are shortened in the middle."""


def sentence(detail: Detail, host: str | None, secrets: Collection[str] = ()) -> str:
    """Return the sentence; without a host, host and port of the request must not be shown.

    Secrets are values that must not be part of what a provider chose.
    """
    given = {"host": host or "", **detail.parameters}
    return detail.cause.format_map({name: _shown(name, value, secrets) for name, value in given.items()})


def _shown(name: str, value: object, secrets: Collection[str]) -> str:
    texts = value if isinstance(value, tuple) else (str(value),)
    if name in _CHOSEN_BY_PROVIDER and any(contains_any(text, secrets) for text in texts):
        return NOT_SHOWN
    limit = _MAX_CHARACTERS.get(name, _MAX_LISTED_CHARACTERS if isinstance(value, tuple) else MAX_CHARACTERS)
    text = ", ".join(_short(text, limit) for text in texts[:MAX_NAMES])
    if len(texts) > MAX_NAMES:
        text += f" and {len(texts) - MAX_NAMES} more"
    return text if PATTERNS[name].fullmatch(text) else NOT_SHOWN


def _short(text: str, limit: int) -> str:
    half = (limit - len("...")) // 2
    return text if len(text) <= limit else f"{text[: limit - len('...') - half]}...{text[-half:]}"


def contains_any(text: str, secrets: Collection[str]) -> bool:
    """Return True if a text contains a secret, in any case: hosts are read in lower case."""
    lowered = text.lower()
    return any(secret and secret.lower() in lowered for secret in secrets)


def origin_of(link: Link | None) -> str:
    """Return scheme and host of a URL, with its port if it is not the usual one; empty without a URL."""
    return "" if link is None else f"{link.scheme}://{link.authority}"
