"""The rule files for a Prometheus without Helm: `make rules`."""

from __future__ import annotations

from pathlib import Path

import pytest
import rule_files
import yaml
from rules.story import ALERTS, DOCUMENTS


def written(directory: Path, *arguments: str) -> dict[str, dict[str, str]]:
    rule_files.main(["--external-url", "https://flows.example.com/", *arguments, str(directory / "rules")])
    documents = {
        path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in directory.glob("rules/*")
    }
    assert documents.keys() == DOCUMENTS.keys()
    rules = [rule for text in documents.values() for group in text["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule["annotations"] for rule in rules if "alert" in rule}


def test_every_url_is_that_of_the_installation(tmp_path: Path) -> None:
    found = written(
        tmp_path, "--dashboard-url", "https://g.example", "--runbook-url", "https://wiki.example/r/"
    )
    for alert, urls in found.items():
        assert urls.keys() == ALERTS[alert]["annotations"].keys()
        assert urls["runbook_url"] == f"https://wiki.example/r/{alert}"
        assert urls["dashboard_url"].startswith("https://g.example/d/pingone-flow-")
    down = found["PingOneFederationDown"]
    assert down["exporter_url"] == "https://flows.example.com/targets/{{ $labels.target }}"


def test_what_has_no_address_is_left_out(tmp_path: Path) -> None:
    for alert, urls in written(tmp_path).items():
        assert "dashboard_url" not in urls
        runbook = f"https://flows.example.com/runbooks/{alert}"
        assert urls.get("runbook_url", runbook) == runbook
        assert ("runbook_url" in urls) == (alert != "PingOneExporterAbsent")


@pytest.mark.parametrize("url", ["flows.example.com", "https://a?b=c", 'https://a"b'])
def test_an_address_that_is_none_is_an_error(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        rule_files.main(["--external-url", url, str(tmp_path)])
    assert caught.value.code == 2
    assert "--external-url: must start with http:// or https://" in capsys.readouterr().err


def test_commands_bring_what_the_port_asks_for(tmp_path: Path) -> None:
    command = "curl -sk -u prometheus https://"
    for alert, texts in written(tmp_path, "--curl", command).items():
        original = ALERTS[alert]["annotations"]["description"]
        assert texts["description"] == original.replace("curl -s http://", command)


@pytest.mark.parametrize("command", ["wget http://", "curl -s", "curl -u 'a' http://", "curl {{ http://"])
def test_a_command_that_is_none_is_an_error(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        rule_files.main(["--external-url", "https://a.example", "--curl", command, str(tmp_path)])
    assert "--curl: must start with curl, end with http:// or https://" in capsys.readouterr().err
