"""`null`, or a key with nothing behind it, deletes a value: that works, or one line says what is missing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from chart.rendering import CHART, ONE, TARGET, RefusedError, render, values_of

Path = tuple[str, ...]
DEFAULTS = values_of(CHART / "values.yaml")
APPLICATION = {"environmentId": TARGET["destinationEnvironmentId"], "clientId": "a", "redirectUri": "a:b"}
ALL_ON = {
    "statusPage": {"url": "https://status.example/api"},
    "web": {"existingSecret": "web"},
    "ingress": {"enabled": True},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
    "networkPolicy": {"enabled": True},
    "podDisruptionBudget": {"enabled": True},
    "verticalPodAutoscaler": {"enabled": True},
}
PODS = {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True}}


def paths(values: dict[str, Any], above: Path = ()) -> Iterator[Path]:
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from paths(value, (*above, name))


def default(path: Path) -> Any:  # noqa: ANN401  whatever the chart has
    value: Any = DEFAULTS
    for name in path:
        value = value[name]
    return value


def nulled(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return values with one more null; what they set in its place is gone."""
    result: dict[str, Any] = copy.deepcopy(values)
    inner = result
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = None
    return result


NOT_EMPTY = {("targets",), ("podMonitor", "enabled"), ("securityContext", "allowPrivilegeEscalation")}
EMPTY = [
    path for path in paths(DEFAULTS) if default(path) in ("", None, False, {}, []) and path not in NOT_EMPTY
]
OFF_BY_DEFAULT: list[Path] = [
    ("statusPage",),
    ("web",),
    ("podMonitor",),
    ("ingress",),
    ("httpRoute",),
    ("networkPolicy",),
    ("podDisruptionBudget",),
    ("verticalPodAutoscaler",),
]


@pytest.mark.parametrize("path", EMPTY + OFF_BY_DEFAULT, ids=".".join)
def test_null_for_a_value_that_is_empty_or_off_by_default_changes_nothing(path: Path) -> None:
    assert render(nulled(ONE, path)) == render(ONE)


@pytest.mark.parametrize("path", list(paths(DEFAULTS)), ids=".".join)
def test_null_for_any_value_works_or_one_line_says_what_is_missing(path: Path) -> None:
    values = ONE | ALL_ON | (PODS if path[0] == "podMonitor" else {})
    try:
        text = repr(render(nulled(values, path)))
    except RefusedError as error:
        (line,) = str(error).strip().splitlines()[-1:]
        missing = f"at '{'/'.join(['', *path[:-1]])}': missing property '{path[-1]}'"
        required = "targets: no target configured" if path == ("targets",) else f"{'.'.join(path)}: required"
        assert missing in line or required in line
    else:
        assert "nil>" not in text
        assert "<no value>" not in text


@pytest.mark.parametrize("mode", ["env", "file"])
def test_null_in_an_overlay_removes_what_the_base_has_set(mode: str) -> None:
    """Helm itself deletes only what the chart's own values have."""
    overlay = """
    targets:
      emea: {region: null, interval: null, timeout: null, labels: null, loginHosts: null, ipFamily: null}
      apac: {labels: {owner: null, tier: gold}, clientKeyFile: null, authUrl: https://a.example, region: null}
    destinations: {hub: {region: null, expect: null, maxProviders: null, labels: null}}
    defaults: {proxyUrl: null, region: null, journeys: null, labels: null}
    additionalLabels: {release: null}
    podAnnotations: {a/b: null}
    global: {imageRegistry: null, imagePullSecrets: null}
    web: {config: {tls_server_config: null, basic_auth_users: null}}
    rules:
      labels: {team: null}
      alerts: {PingOneClockSkew: {enabled: null, for: null, severity: null, labels: null, annotations: null}}
    """
    written: dict[str, Any] = yaml.safe_load(overlay)
    apac = TARGET | {"authUrl": "https://a.example", "labels": {"tier": "gold"}}
    plain = {
        "targets": {"emea": TARGET, "apac": apac},
        "destinations": {"hub": APPLICATION},
        "configMode": mode,
    }
    for fields in written["targets"].values():
        fields.update(TARGET)
    written["destinations"]["hub"].update(APPLICATION)
    assert render(written | {"configMode": mode}) == render(plain)


def test_null_for_a_required_field_is_as_if_it_were_not_there() -> None:
    with pytest.raises(RefusedError, match=r"targets\.emea\.clientId: required"):
        render({"targets": {"emea": TARGET | {"clientId": None}}})


def test_a_list_of_targets_may_be_null_if_they_come_from_elsewhere() -> None:
    assert render({"targets": None, "existingSecret": "a"}) == render({"existingSecret": "a"})
