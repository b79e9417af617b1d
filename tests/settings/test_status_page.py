"""The settings of the vendor's status page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from settings.example import EMEA, NOWHERE

from exporter.settings import ConfigurationError, load
from exporter.target import IpFamily

if TYPE_CHECKING:
    from pathlib import Path

    from harness.certificates import Authority

NO_USER = "must not contain a user or password"
PAGE = "FLOW_EXPORTER_STATUS_PAGE__"


def test_the_status_page_takes_the_way_out_that_the_defaults_give(
    tmp_path: Path, authority: Authority
) -> None:
    config = load(
        {
            **EMEA,
            f"{PAGE}URL": "https://status.example.com/api/v2/summary.json?token=planted",
            f"{PAGE}COMPONENTS": "k3tm8hjrxdt1, North America / SSO ,k3tm8hjrxdt1",
            f"{PAGE}INTERVAL": "60s",
            "FLOW_EXPORTER_DEFAULTS__CA_FILE": str(authority.ca_file),
            "FLOW_EXPORTER_DEFAULTS__PROXY_URL": "http://user:planted@proxy.example:3128",
            "FLOW_EXPORTER_DEFAULTS__IP_FAMILY": "4",
        },
        tmp_path,
    )
    page, route = config.status_page, config.route
    assert page.components == ("k3tm8hjrxdt1", "North America / SSO")
    assert (page.interval, route.ca_file, route.ip_family) == (60.0, authority.ca_file, IpFamily.V4)
    assert route.proxy_url == "http://user:planted@proxy.example:3128"
    assert "planted" not in repr(config)


def test_a_status_page_needs_its_url_alone() -> None:
    assert load(EMEA, NOWHERE).status_page.url is None
    page = load({**EMEA, f"{PAGE}URL": "https://s.example/summary.json"}, NOWHERE).status_page
    assert (page.components, page.interval) == ((), 120.0)
    empty = {f"{PAGE}URL": "", f"{PAGE}COMPONENTS": " ", f"{PAGE}INTERVAL": "2m"}
    assert load({**EMEA, **empty}, NOWHERE).status_page.url is None


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("INTERVAL", "59s", "must be between 1m and 1d"),
        ("INTERVAL", "2", "invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"),
        ("URL", "status.example.com", "invalid http or https URL; use e.g. https://www.example.com/"),
        (
            "URL",
            "https://user:planted@s.example/",
            "must not contain a user or password; write an @ elsewhere as %40",
        ),
        ("COMPONENTS", "a,,b", "invalid component; use its ID, or group / name, comma-separated"),
        ("COMPONENTS", "x" * 201, "invalid component; use its ID, or group / name, comma-separated"),
        ("COMPONENTS", ",".join(map(str, range(51))), "more than 50 components"),
        ("COMPONENT", "a", "unknown setting; did you mean FLOW_EXPORTER_STATUS_PAGE__COMPONENTS?"),
    ],
)
def test_an_invalid_status_page_is_reported(name: str, value: str, wrong: str) -> None:
    variables = {**EMEA, f"{PAGE}URL": "https://s.example/summary.json", f"{PAGE}{name}": value}
    with pytest.raises(ConfigurationError) as caught:
        load(variables, NOWHERE)
    errors = {str(error) for error in caught.value.errors}
    assert errors == {f"{PAGE}{name}: {wrong}"}
    assert "planted" not in str(caught.value)


def test_components_of_no_page_are_an_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({**EMEA, f"{PAGE}COMPONENTS": "a"}, NOWHERE)
    assert str(caught.value) == f"{PAGE}COMPONENTS: requires STATUS_PAGE__URL"
