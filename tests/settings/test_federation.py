"""Settings of the journey `federation`: what it needs, how far it goes, and what is refused as dangerous."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, D, P, T, errors, only_target, targets

from exporter.settings import load
from exporter.target import ClientAuth, DestinationApplication, Journey, JourneyTiming, SyntheticUser

FEDERATION = {
    f"{T}JOURNEYS": "federation",
    f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION,
    f"{T}DESTINATION_CLIENT_ID": "rp",
    f"{T}DESTINATION_REDIRECT_URI": "https://rp.example.com/callback",
}
USER = {f"{T}USERNAME": "probe", f"{T}PASSWORD": "s3cr3t"}
SIGN_ON = {**FEDERATION, **USER, f"{T}SOURCE_ENVIRONMENT_ID": SOURCE, f"{T}REGION": "EU"}
SECRET = {f"{T}DESTINATION_CLIENT_SECRET": "t0k3n"}
NEEDS_TLS = "is sent over https only; plain http is allowed only to localhost and loopback addresses"
IN_FILE = "secret in a configuration file; set it by a variable or in FLOW_EXPORTER_SECRETS_DIR"


def test_a_federation_without_a_user_needs_nothing_of_the_source() -> None:
    (target,) = load(FEDERATION, NOWHERE).targets
    assert target.journeys == (Journey.FEDERATION,)
    assert (target.source_environment_id, target.client_id, target.source_url) == (None, None, None)
    assert target.destination_url == f"https://auth.pingone.com/{DESTINATION}"
    assert target.application == DestinationApplication(
        client_id="rp", redirect_uri="https://rp.example.com/callback"
    )
    assert target.federation == JourneyTiming(interval=300.0, timeout=30.0, latency_objective=10.0)
    assert target.last_step(Journey.FEDERATION) == "source_authorize"


def test_the_source_of_a_federation_without_a_user_may_be_set() -> None:
    (target,) = load({**EMEA, **FEDERATION}, NOWHERE).targets
    assert target.source_url == f"https://auth.pingone.com/{SOURCE}"


@pytest.mark.parametrize(
    ("extra", "last"),
    [
        ({}, "destination_resume"),
        (SECRET, "token"),
        ({f"{T}DESTINATION_CLIENT_AUTH": "none"}, "token"),
        ({f"{T}DESTINATION_CLIENT_AUTH": "post"}, "destination_resume"),
    ],
)
def test_a_federation_goes_as_far_as_its_settings(extra: Mapping[str, str], last: str) -> None:
    (target,) = load({**SIGN_ON, **extra}, NOWHERE).targets
    assert target.user == SyntheticUser(username="probe", password="s3cr3t")
    assert target.last_step(Journey.FEDERATION) == last
    assert target.client_id is None


def test_both_journeys_have_their_own_times() -> None:
    target = only_target(
        {**FEDERATION, f"{T}JOURNEYS": "authorize,federation", f"{T}FEDERATION_INTERVAL": "40s"}
    )
    assert target.journeys == (Journey.AUTHORIZE, Journey.FEDERATION)
    assert target.timing(Journey.AUTHORIZE) == JourneyTiming(interval=60, timeout=10, latency_objective=2)
    assert target.timing(Journey.FEDERATION) == JourneyTiming(interval=40, timeout=20, latency_objective=10)


@pytest.mark.parametrize(
    ("default", "own", "journeys"),
    [
        ("JOURNEYS", "JOURNEY", (Journey.AUTHORIZE,)),
        ("JOURNEY", "JOURNEYS", (Journey.AUTHORIZE,)),
        ("JOURNEYS", None, (Journey.FEDERATION,)),
        ("JOURNEY", None, (Journey.FEDERATION,)),
    ],
)
def test_the_alias_of_a_target_overrides_the_setting_of_the_defaults(
    default: str, own: str | None, journeys: tuple[Journey, ...]
) -> None:
    fields = {name: text for name, text in FEDERATION.items() if not name.endswith("JOURNEYS")}
    extra = {f"{D}{default}": "federation", **({f"{T}{own}": "authorize"} if own else {})}
    assert only_target({**fields, **extra}).journeys == journeys


@pytest.mark.parametrize("level", [T, D])
def test_a_setting_and_its_alias_on_one_level_are_an_error(level: str) -> None:
    both = {f"{level}JOURNEYS": "authorize", f"{level}JOURNEY": "authorize"}
    assert errors({**EMEA, **both}) == [f"{level}JOURNEY: JOURNEY and JOURNEYS are mutually exclusive"]


def test_a_federation_needs_the_application_of_its_destination() -> None:
    assert errors({f"{T}JOURNEY": "federation"}) == [
        (f"{T}DESTINATION_CLIENT_ID: missing; set it to the client ID of the destination's application"),
        (
            f"{T}DESTINATION_ENVIRONMENT_ID: missing; set it to the UUID of the environment that users are "
            "signed on for (the relying party)"
        ),
        (
            f"{T}DESTINATION_REDIRECT_URI: missing; set it to the redirect URI of the destination's "
            "application, exactly as registered"
        ),
    ]


def test_authorize_needs_the_source_beside_a_federation() -> None:
    assert errors({**FEDERATION, f"{T}JOURNEYS": "authorize,federation"}) == [
        f"{T}CLIENT_ID: missing; set it to the client ID of the source application",
        (
            f"{T}SOURCE_ENVIRONMENT_ID: missing; set it to the UUID of the environment that signs users on "
            "(the identity provider)"
        ),
    ]


def test_an_invalid_journey_reports_nothing_else_as_missing() -> None:
    invalid = {**FEDERATION, f"{T}JOURNEYS": "federate"}
    assert errors(invalid) == [
        f"{T}JOURNEYS: unknown journey; use authorize, federation, discovery, comma-separated"
    ]


def test_a_sign_on_needs_the_source_spelled_out() -> None:
    assert errors({**FEDERATION, **USER}) == [
        f"{T}PASSWORD: requires REGION, AUTH_URL or CUSTOM_DOMAIN, which says where the password may be sent",
        (
            f"{T}SOURCE_ENVIRONMENT_ID: missing; set it to the UUID of the environment that signs users on "
            "(the identity provider)"
        ),
    ]


@pytest.mark.parametrize(("name", "other"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
@pytest.mark.parametrize("empty", [True, False])
def test_a_user_name_and_a_password_need_each_other(name: str, other: str, empty: bool) -> None:  # noqa: FBT001  a column
    environ = {**SIGN_ON, f"{T}{other}": ""} if empty else {**SIGN_ON}
    if not empty:
        del environ[f"{T}{other}"]
    assert errors(environ) == [f"{T}{name}: requires {other}"]


def test_an_empty_user_name_and_password_are_none() -> None:
    (target,) = load({**FEDERATION, f"{T}USERNAME": "", f"{T}PASSWORD": ""}, NOWHERE).targets
    assert target.user is None


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (
            {f"{T}FEDERATION_INTERVAL": "29s", f"{T}FEDERATION_TIMEOUT": "20s"},
            f"{T}FEDERATION_INTERVAL: must be at least 30s for a target with a password",
        ),
        (
            {f"{D}FEDERATION_INTERVAL": "10s"},
            f"{D}FEDERATION_INTERVAL: must be at least 30s for a target with a password (target emea)",
        ),
        (
            {f"{T}EXPECTED_STATUSES": "USERNAME_PASSWORD_REQUIRED,DAVINCI"},
            (
                f"{T}EXPECTED_STATUSES: DAVINCI and PASSWORD are mutually exclusive; the exporter cannot "
                "sign on to a DaVinci flow"
            ),
        ),
        (
            {f"{T}SOURCE_KIND": "oidc"},
            f"{T}SOURCE_KIND: oidc and PASSWORD are mutually exclusive; passwords are for PingOne only",
        ),
        (
            {**SECRET, f"{T}DESTINATION_CLIENT_AUTH": "none"},
            f"{T}DESTINATION_CLIENT_AUTH: none means a client without a secret; use basic or post",
        ),
        (
            {f"{T}FEDERATION_TIMEOUT": "5m"},
            f"{T}FEDERATION_TIMEOUT: must be shorter than FEDERATION_INTERVAL, which is 5m",
        ),
    ],
)
def test_a_dangerous_or_useless_sign_on_is_refused(extra: Mapping[str, str], line: str) -> None:
    assert errors({**SIGN_ON, **extra}) == [line]


def test_a_federation_without_a_user_may_be_frequent() -> None:
    (target,) = load({**FEDERATION, f"{T}FEDERATION_INTERVAL": "1s"}, NOWHERE).targets
    assert target.federation == JourneyTiming(interval=1.0, timeout=0.5, latency_objective=10.0)


def with_urls(**urls: str) -> dict[str, str]:
    environ = {name: value for name, value in SIGN_ON.items() if not name.endswith("REGION")}
    return {**environ, **SECRET, **{f"{T}{name}": url for name, url in urls.items()}}


def test_secrets_over_plain_http_are_refused() -> None:
    assert errors(with_urls(AUTH_URL="http://source.example")) == [
        f"{T}AUTH_URL: DESTINATION_CLIENT_SECRET {NEEDS_TLS}",
        f"{T}AUTH_URL: PASSWORD {NEEDS_TLS}",
    ]
    urls = {"AUTH_URL": "https://source.example", "DESTINATION_AUTH_URL": "http://10.0.0.1:8080"}
    assert errors(with_urls(**urls)) == [f"{T}DESTINATION_AUTH_URL: DESTINATION_CLIENT_SECRET {NEEDS_TLS}"]


@pytest.mark.parametrize(
    "url", ["http://localhost:9000", "http://127.0.0.9/base", "http://[::1]:8080", "https://source.example"]
)
def test_secrets_over_plain_http_to_loopback_are_accepted(url: str) -> None:
    (target,) = load(with_urls(AUTH_URL=url), NOWHERE).targets
    assert target.application is not None
    assert target.application.client_auth is ClientAuth.BASIC


@pytest.mark.parametrize("url", ["http://localhost.example", "http://127.0.0.1.example", "http://0.0.0.0"])
def test_a_host_that_looks_like_loopback_is_not(url: str) -> None:
    assert f"{T}AUTH_URL: PASSWORD {NEEDS_TLS}" in errors(with_urls(AUTH_URL=url))


@pytest.mark.parametrize("name", ["USERNAME", "PASSWORD", "DESTINATION_CLIENT_SECRET"])
def test_credentials_cannot_be_defaults(name: str) -> None:
    assert errors({**SIGN_ON, **SECRET, f"{D}{name}": "s3cr3t"}) == [
        f"{D}{name}: cannot be a default; set {name} of each target"
    ]


def test_secrets_in_a_configuration_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(
        "targets:\n  emea:\n    password: s3cr3t\n    destination_client_secret: s3cr3t\n"
        "    proxy_url: http://user:s3cr3t@proxy.example:3128\n    username: probe\n"
    )
    environ = {name: value for name, value in SIGN_ON.items() if name not in USER}
    assert errors({**environ, f"{P}CONFIG_FILE": "flows.yaml"}, tmp_path) == [
        f"targets.emea.destination_client_secret in flows.yaml line 4: {IN_FILE}",
        f"targets.emea.password in flows.yaml line 3: {IN_FILE}",
        f"targets.emea.proxy_url in flows.yaml line 5: {IN_FILE}",
    ]


def test_a_secret_file_completes_a_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(
        f"targets:\n  emea:\n    journeys: [federation]\n    destination_environment_id: {DESTINATION}\n"
        f"    source_environment_id: {SOURCE}\n    region: EU\n    destination_client_id: rp\n"
        "    destination_redirect_uri: https://rp.example.com/\n    secret_expires: 2027-03-31\n"
    )
    (tmp_path / "secrets").mkdir()
    for name, text in {**USER, **SECRET}.items():
        (tmp_path / "secrets" / name).write_text(f"{text}\n")
    sources = {f"{P}CONFIG_FILE": "flows.yaml", f"{P}SECRETS_DIR": "secrets"}
    (target,) = load(sources, tmp_path).targets
    assert target.user == SyntheticUser(username="probe", password="s3cr3t")
    assert target.last_step(Journey.FEDERATION) == "token"
    assert target.secret_expires == 1_806_451_200.0


def test_every_error_of_a_federation_is_reported_at_once() -> None:
    wrong = {
        f"{T}PASSWORD": "s3cr3t\x00",
        f"{T}FEDERATION_INTERVAL": "1s",
        f"{T}EXPECTED_STATUSES": "DAVINCI",
        f"{T}SECRET_EXPIRES": "soon",
        f"{T}DESTINATION_CLIENT_ID": "a b",
    }
    found = errors({**SIGN_ON, **wrong})
    assert [line.partition(":")[0].removeprefix(T) for line in found] == [
        "DESTINATION_CLIENT_ID", "EXPECTED_STATUSES", "FEDERATION_INTERVAL", "PASSWORD", "SECRET_EXPIRES",
    ]  # fmt: skip
    assert "s3cr3t" not in str(found)


def test_no_secret_and_no_user_is_in_a_repr() -> None:
    config = load({**SIGN_ON, **SECRET, f"{T}LOOKUP_USERNAME": "s3cr3t-name"}, NOWHERE)
    for planted in ("s3cr3t", "t0k3n", "'probe'"):
        assert planted not in repr(config)


def test_slots_are_enough_for_all_journeys_at_once() -> None:
    names = [f"T{number}" for number in range(100)]
    environ = targets(*names)
    for name in names:
        environ |= {variable.replace("EMEA", name): text for variable, text in FEDERATION.items()}
    environ |= {variable: "authorize,federation" for variable in environ if variable.endswith("JOURNEYS")}
    slow = {f"{D}INTERVAL": "2s", f"{D}FEDERATION_INTERVAL": "2s", f"{D}TIMEOUT": "1s"}
    assert load({**environ, **slow}, NOWHERE).max_concurrent_probes == 150
