"""Prometheus' web configuration file: what is supported, what is rejected, and with which location."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from settings.example import EMEA, errors

from exporter.settings import ConfigurationError, TlsServerConfig, load
from exporter.tls import RateLimit, TlsServer, WebSecurity

VARIABLE = {"FLOW_EXPORTER_WEB__CONFIG_FILE": "web.yml"}
HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
"""The example of the exporter toolkit's documentation."""


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with server.crt, server.key, other.key and ca.crt, and a web.yml to come."""
    directory = tmp_path_factory.mktemp("pems")
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    (directory / "server.crt").write_bytes(b"".join(pem.bytes() for pem in pair.cert_chain_pems))
    pair.private_key_pem.write_to_path(str(directory / "server.key"))
    authority.issue_cert("localhost").private_key_pem.write_to_path(str(directory / "other.key"))
    authority.cert_pem.write_to_path(str(directory / "ca.crt"))
    return directory


def pair_in(directory: Path) -> dict[str, Any]:
    names = {"certificate": "server.crt", "key": "server.key"}
    return {part: (directory / name).read_bytes() for part, name in names.items()}


def read(directory: Path, text: str) -> WebSecurity:
    (directory / "web.yml").write_text(text)
    security = load(EMEA | VARIABLE, directory).security
    assert security is not None
    return security


def reported(directory: Path, text: str, group: str = "") -> list[str]:
    """Return the errors, `group.key in web.yml line 7: …` abbreviated to `key @7: …`."""
    (directory / "web.yml").write_text(text)
    return [
        line.removeprefix(f"{group}.").replace(" in web.yml line ", " @", 1)
        for line in errors(EMEA | VARIABLE, directory)
    ]


CLIENT_AUTH = (
    "client_auth_type @4: expected NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert"
)
PAIR = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def tls(directory: Path, text: str) -> TlsServer:
    found = read(directory, PAIR + text).tls
    assert found is not None
    return found


def test_the_files_that_it_names_are_watched_with_it(pems: Path) -> None:
    (pems / "web.yml").write_text(PAIR)
    files = load(EMEA | VARIABLE, pems).files
    assert set(files) == {pems / name for name in (".env", "web.yml", "server.crt", "server.key")}


def test_an_empty_file_leaves_the_port_open(tmp_path: Path) -> None:
    assert read(tmp_path, "{}") == WebSecurity()


def test_empty_groups_set_nothing(tmp_path: Path) -> None:
    text = "tls_server_config:\nhttp_server_config: {headers: {}}\nbasic_auth_users: null\nrate_limit: {}\n"

    assert read(tmp_path, text) == WebSecurity()


def test_the_example_of_the_exporter_toolkit_is_accepted(pems: Path) -> None:
    security = read(
        pems,
        f"""\
# TLS and basic authentication configuration example.
{PAIR}
basic_auth_users:
  alice: {HASH}
  bob: "{HASH.replace("2y", "2a")}"

rate_limit:
  interval: "1s" # time interval between two requests, set to 0 to disable rate limiter
  burst: 20 # and permits a burst of up to 20 requests.
""",
    )

    assert security == WebSecurity(
        tls=TlsServer(**pair_in(pems)),
        users={"alice": HASH, "bob": HASH.replace("2y", "2a")},
        rate_limit=RateLimit(interval=1.0, burst=20),
    )


def test_every_key_of_tls_that_python_supports_is_accepted(pems: Path) -> None:
    found = tls(
        pems,
        """\
  client_ca_file: ca.crt
  client_auth_type: VerifyClientCertIfGiven
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_RSA_WITH_AES_128_CBC_SHA]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384]
""",
    )

    assert found == TlsServer(
        **pair_in(pems),
        authorities=(pems / "ca.crt").read_bytes(),
        certificate_required=False,
        maximum=ssl.TLSVersion.TLSv1_2,
        ciphers=("ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"),
        curve="secp384r1",
    )


def test_the_defaults_are_those_of_the_exporter_toolkit(pems: Path) -> None:
    found = tls(pems, "  client_auth_type: NoClientCert\n")

    assert (found.minimum, found.maximum) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert (found.authorities, found.ciphers) == (None, ())


def test_certificates_may_be_in_the_file_itself(pems: Path) -> None:
    def indented(name: str) -> str:
        return "\n".join(f"    {line}" for line in (pems / name).read_text().splitlines())

    found = read(
        pems,
        "tls_server_config:\n"
        f"  cert: |\n{indented('server.crt')}\n"
        f"  key: |\n{indented('server.key')}\n"
        f"  client_ca: |\n{indented('ca.crt')}\n"
        "  client_auth_type: RequireAndVerifyClientCert\n",
    ).tls

    assert found is not None
    assert found.key == (pems / "server.key").read_bytes()
    assert found.certificate_required
    assert "PRIVATE" not in repr(found)


def test_paths_are_relative_to_the_file(pems: Path, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    shutil.copy(pems / "server.crt", tmp_path)
    text = f"tls_server_config: {{cert_file: ../server.crt, key_file: {pems / 'server.key'}}}"

    found = read(tmp_path / "web", text).tls

    assert found == TlsServer(**pair_in(pems))


def test_only_suites_of_tls_1_3_disable_tls_1_2(pems: Path) -> None:
    found = tls(pems, "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n")

    assert (found.minimum, found.ciphers) == (ssl.TLSVersion.TLSv1_3, ())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("  client_auth_type: RequestClientCert\n", CLIENT_AUTH),
        ("  client_auth_type: RequireAnyClientCert\n", CLIENT_AUTH),
        ("  client_auth_type: Sometimes\n", CLIENT_AUTH),
        ("  client_auth_type: RequireAndVerifyClientCert\n", "client_auth_type @4: requires client_ca_file"),
        (
            "  client_ca_file: ca.crt\n",
            ("client_ca_file @4: requires client_auth_type: RequireAndVerifyClientCert"),
        ),
        (
            "  client_allowed_sans: [prometheus]\n",
            (
                "client_allowed_sans @4: not supported (Python's ssl cannot check it); use a client_ca_file "
                "of an authority that signs certificates for scrapers only"
            ),
        ),
        (
            "  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n  - TLS_RSA_WITH_RC4_128_SHA\n",
            (
                "cipher_suites @6: unknown or unsafe cipher suite; use e.g. "
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
            ),
        ),
        ("  cipher_suites: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n", "cipher_suites @4: expected a list"),
        ("  min_version: TLS10\n", "min_version @4: expected TLS12 or TLS13"),
        ("  max_version: 1.2\n", "max_version @4: expected TLS12 or TLS13"),
        ("  max_version: TLS12\n  min_version: TLS13\n", "min_version @5: must not be above max_version"),
        (
            "  curve_preferences: [X25519, CurveP256]\n",
            "curve_preferences @4: Python's ssl supports one curve only",
        ),
        (
            "  curve_preferences: [Curve25519]\n",
            "curve_preferences @4: expected CurveP256, CurveP384, CurveP521 or X25519",
        ),
        ("  cert: x\n", "cert @4: cert and cert_file are mutually exclusive"),
        (
            "  prefer_server_cipher_suites: perhaps\n",
            "prefer_server_cipher_suites @4: expected true or false",
        ),
        ("  min_version: [TLS12]\n", "min_version @4: expected TLS12 or TLS13"),
        (
            "  client_ca_fiel: ca.crt\n",
            "client_ca_fiel @4: unknown setting; did you mean tls_server_config.client_ca_file?",
        ),
    ],
)
def test_tls_that_python_cannot_do_is_reported(text: str, error: str, pems: Path) -> None:
    assert reported(pems, PAIR + text, "tls_server_config") == [error]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "{cert_file: absent.crt, key_file: server.key}",
            "cert_file @1: file not found: {directory}/absent.crt",
        ),
        ("{cert_file: server.crt, key_file: .}", "key_file @1: not a regular file: {directory}"),
        (
            "{cert_file: server.key, key_file: server.key}",
            "cert_file @1: no readable certificate found; expected PEM certificates",
        ),
        (
            "{cert_file: server.crt, key_file: server.crt}",
            "key_file @1: no private key found; expected one in PEM",
        ),
        (
            "{cert_file: server.crt, key_file: other.key}",
            "key_file @1: private key does not match the certificate",
        ),
        (
            (
                "{cert_file: server.crt, key_file: server.key, client_auth_type: VerifyClientCertIfGiven, "
                "client_ca_file: server.key}"
            ),
            "client_ca_file @1: no readable certificate found; expected PEM certificates",
        ),
        ("{cert_file: server.crt}", "key_file @1: missing; TLS requires it"),
        ("{min_version: TLS13, key_file: server.key}", "cert_file @1: missing; TLS requires it"),
        ("yes", "tls_server_config @1: expected a mapping"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_where_it_is_named(text: str, error: str, pems: Path) -> None:
    expected = [error.replace("{directory}", str(pems))]
    assert reported(pems, f"tls_server_config: {text}", "tls_server_config") == expected


def test_a_file_without_a_name_is_reported_where_its_key_is(pems: Path) -> None:
    text = "tls_server_config:\n  cert_file: server.crt\n  key_file:\n"
    assert reported(pems, text, "tls_server_config") == ["key_file @3: missing; TLS requires it"]


def test_a_curve_that_this_openssl_lacks_is_an_error(pems: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise ValueError("unknown elliptic curve name")

    monkeypatch.setattr(ssl.SSLContext, "set_ecdh_curve", unknown)
    (line,) = reported(pems, PAIR + "  curve_preferences: [X25519]\n", "tls_server_config")
    assert line == "curve_preferences @4: this OpenSSL does not support X25519"


@pytest.mark.parametrize("http2", ["true", "false"])
def test_http2_may_be_on_or_off(http2: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"http_server_config: {{http2: {http2}}}") == WebSecurity()


def test_headers_are_accepted_and_empty_ones_left_out(tmp_path: Path) -> None:
    text = """\
http_server_config:
  headers:
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    X-Frame-Options: deny
    X-Content-Type-Options: ""
    Content-Security-Policy: default-src 'self'
"""

    assert read(tmp_path, text).headers == (
        ("Content-Security-Policy", "default-src 'self'"),
        ("X-Frame-Options", "deny"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "x-frame-options: deny",
            ("x-frame-options @3: unknown setting; did you mean http_server_config.headers.X-Frame-Options?"),
        ),
        ("Server: me", "Server @3: unknown setting"),
        ("X-Frame-Options: DENY", "X-Frame-Options @3: expected deny or sameorigin"),
        (
            r'X-XSS-Protection: "0\r\nSet-Cookie: a"',
            "X-XSS-Protection @3: contains a control character, such as a line break",
        ),
        (
            "X-XSS-Protection: é",
            "X-XSS-Protection @3: invalid header value; use at most 4096 printable ASCII characters",
        ),
    ],
)
def test_an_invalid_header_is_reported(text: str, error: str, tmp_path: Path) -> None:
    written = f"http_server_config:\n  headers:\n    {text}\n"

    assert reported(tmp_path, written, "http_server_config.headers") == [error]


NO_HASH = "invalid bcrypt hash; create one with htpasswd -nBC 10"


@pytest.mark.parametrize(
    "stored",
    [
        "hunter2",
        HASH[:-1],
        HASH + "a",
        HASH.replace("2y", "2x"),
        HASH.replace("$10$", "$03$"),
        HASH.replace("$10$", "$32$"),
        HASH.replace("$10$", "$9$"),
        HASH[:28] + "/" + HASH[29:],
        "'{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc='",
    ],
)
def test_an_invalid_bcrypt_hash_is_rejected_and_not_shown(stored: str, tmp_path: Path) -> None:
    assert reported(tmp_path, f"basic_auth_users:\n  ann: {stored}\n") == [
        f"basic_auth_users.ann @2: {NO_HASH}"
    ]


def test_a_hash_that_takes_too_long_is_rejected(tmp_path: Path) -> None:
    def users(cost: int) -> str:
        return "basic_auth_users: {ann: " + HASH.replace("$10$", f"${cost}$") + "}"

    assert read(tmp_path, users(16)).users
    assert reported(tmp_path, users(17)) == [
        (
            "basic_auth_users.ann @1: cost above 16: a login would take many seconds; "
            "hash with a cost of 10 to 12"
        )
    ]


@pytest.mark.parametrize("stored", ["", '""', "~", "null"])
def test_a_user_without_a_hash_is_rejected_and_never_left_out(stored: str, tmp_path: Path) -> None:
    """As a template with an unset value writes it; without its only user the port would be open."""
    text = f"basic_auth_users:\n  prometheus: {stored}\n"
    assert reported(tmp_path, text, "basic_auth_users") == [f"prometheus @2: {NO_HASH}"]


def test_more_users_than_the_maximum_are_an_error(tmp_path: Path) -> None:
    users = "".join(f"  u{number}: {HASH}\n" for number in range(1001))
    assert reported(tmp_path, f"basic_auth_users:\n{users}") == [
        "basic_auth_users @1: must have at most 1000 entries"
    ]


def test_a_user_name_that_no_client_can_send_is_rejected(tmp_path: Path) -> None:
    assert reported(tmp_path, f"basic_auth_users: {{'a:b': {HASH}}}") == [
        "basic_auth_users.a:b @1: user name must not contain a colon; no client can send it"
    ]


def test_a_user_name_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    assert set(read(tmp_path, f"basic_auth_users: {{123: {HASH}, no: {HASH}}}").users) == {"123", "no"}


@pytest.mark.parametrize("text", ["{interval: 0, burst: 5}", "{interval: 0s}", "{burst: 5}"])
def test_a_rate_limit_without_an_interval_is_none(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"rate_limit: {text}").rate_limit is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{interval: 1s}", "interval @1: requires burst, the number of requests allowed at once"),
        ("{interval: 1s, burst: 0}", "burst @1: must be at least 1"),
        ("{interval: 1, burst: 1}", "interval @1: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"),
    ],
)
def test_an_invalid_rate_limit_is_reported(text: str, error: str, tmp_path: Path) -> None:
    assert reported(tmp_path, f"rate_limit: {text}", "rate_limit") == [error]


def test_all_errors_are_reported_at_once(pems: Path) -> None:
    text = f"""\
{PAIR}  min_version: SSL3
  client_auth_type: RequireAndVerifyClientCert
http_server_confg: {{}}
basic_auth_users:
  ann: plain
  bob: &x {HASH}
"""
    assert [line.partition(":")[0] for line in reported(pems, text)] == [
        "basic_auth_users.ann @8",
        "http_server_confg @6",
        "tls_server_config.client_auth_type @5",
        "tls_server_config.min_version @4",
        "web.yml line 9",
    ]


def test_an_encrypted_key_is_rejected_without_a_passphrase_prompt(pems: Path) -> None:
    done = subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", pems / "server.key"],
        capture_output=True,
        check=True,
    )
    (pems / "locked.key").write_bytes(done.stdout)

    written = "tls_server_config: {cert_file: server.crt, key_file: locked.key}"
    assert reported(pems, written, "tls_server_config") == [
        "key_file @1: private key is encrypted; decrypt it"
    ]


@pytest.mark.parametrize(
    "text", ["", "- a", "a: [", 'tls_server_config: {cert_file: "\\0", key_file: x}', "a: b\n---\nc: d"]
)
def test_an_unreadable_file_is_an_error_and_never_a_bug(text: str, tmp_path: Path) -> None:
    assert reported(tmp_path, text)


@settings(deadline=None)
@given(
    st.recursive(
        st.sampled_from(["x", "1", "null", "true", "1s", HASH, "server.crt", '"\\ud800"', "TLS12"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            st.dictionaries(
                st.sampled_from([
                    "tls_server_config", "cert_file", "cert", "key", "key_file", "min_version", "client_ca",
                    "basic_auth_users", "http_server_config", "headers", "http2", "rate_limit", "interval",
                    "burst", "cipher_suites", "X-Frame-Options", "client_auth_type",
                ]),
                inner,
                max_size=5,
            ).map(lambda pairs: f"{{{', '.join(f'{name}: {value}' for name, value in pairs.items())}}}"),
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_file_is_accepted_or_reported_and_no_hash_is_shown(text: str) -> None:
    with TemporaryDirectory() as directory:
        (Path(directory) / "web.yml").write_text(text)
        try:
            shown = repr(load(EMEA | VARIABLE, Path(directory)))
        except ConfigurationError as error:
            shown = "".join(each.message for each in error.errors)
    assert HASH not in shown


PAGE = (Path(__file__).parents[2] / "docs" / "web-configuration.md").read_text(encoding="utf-8")


def test_the_page_about_this_file_mentions_every_key_of_tls(tmp_path: Path) -> None:
    (line,) = reported(tmp_path, "tls_server_config: {x: 1, cert: x, key: x}")
    assert line == "tls_server_config.x @1: unknown setting"
    assert [key for key in TlsServerConfig.model_fields if f"`{key}`" not in PAGE] == []


def test_the_example_of_that_page_is_valid_but_for_its_files(tmp_path: Path) -> None:
    lines = reported(tmp_path, PAGE.partition("```yaml\n")[2].partition("```")[0])
    assert lines == [f"tls_server_config.cert_file @2: file not found: {tmp_path}/server.crt"]
