"""Parts of the rule files that have one source: thresholds from values.yaml, and the URLs in annotations.

Run as a program by `make rules`: writes the rule files for a Prometheus without Helm.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import chart_values
import yaml

RULES = chart_values.CHART / "files" / "rules"
INDEX = Path(__file__).resolve().parent / "runbooks" / "README.md"
EXPORTER, GRAFANA = "http://pingone-flow-exporter:9988", "http://grafana:3000"
CURL = "curl -s http://"
"""What URLs and commands in the rule files start with, until `make rules` or the chart replaces it."""

_BEGIN = "<!-- Thresholds: generated from values.yaml by `make docs`. -->\n"
_END = "<!-- End of thresholds. -->\n"
_VALUES = (chart_values.CHART / "values.yaml").read_text(encoding="utf-8")

THRESHOLDS: dict[str, float] = yaml.safe_load(_VALUES)["rules"]["thresholds"]
"""Name after `pingone_flow:threshold:` -> the default."""


def thresholds_file() -> str:
    """Return the rule file that records every threshold as a series."""
    rules = "".join(
        f"      - record: pingone_flow:threshold:{name}\n        expr: vector({value:g})\n"
        for name, value in THRESHOLDS.items()
    )
    return (
        "# Generated from rules.thresholds in values.yaml by `make docs`; docs/runbooks/README.md\n"
        "# explains them. Without Helm, edit the numbers here.\n"
        "groups:\n  - name: pingone-flow-thresholds\n    interval: 30s\n    rules:\n" + rules
    )


def index() -> str:
    """Return the index of the runbooks with its table of thresholds regenerated."""
    before, _, rest = INDEX.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_table()}{_END}{after}"


def _table() -> str:
    prefix = "rules.thresholds."
    rows = (row for row in chart_values.rows(_VALUES) if row[0].startswith(prefix))
    return "| `pingone_flow:threshold:…` | default | |\n|---|---|---|\n" + "".join(
        f"| `{name.removeprefix(prefix)}` | {default.strip('`')} | {meaning} |\n"
        for name, default, meaning in rows
    )


def rendered(
    text: str, *, external_url: str, dashboard_url: str = "", runbook_url: str = "", curl: str = ""
) -> str:
    """Return a rule file with the URLs of one installation.

    Args:
        text: the file.
        external_url: where people open the exporter.
        dashboard_url: where people open Grafana; empty: without links to it.
        runbook_url: where a copy of the runbooks is; empty: on the exporter.
        curl: how commands ask the exporter's port, until the host; empty: without TLS and credentials.
    """
    text = text.replace(CURL, curl or CURL)
    if not dashboard_url:
        text = re.sub(rf"^ +dashboard_url: {re.escape(GRAFANA)}.*\n", "", text, flags=re.MULTILINE)
    if runbook_url:
        text = text.replace(f"{EXPORTER}/runbooks/", f"{runbook_url.rstrip('/')}/")
    else:
        text = re.sub(r"^ +#.*\n +runbook_url: .*/PingOneExporterAbsent\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^#\n# Links in annotations start with .*\n# .*\n", "", text, flags=re.MULTILINE)
    return text.replace(GRAFANA, dashboard_url.rstrip("/")).replace(EXPORTER, external_url.rstrip("/"))


def main(arguments: list[str] | None = None) -> None:
    """Write the rule files into a directory."""
    parser = argparse.ArgumentParser(description="Write the rule files for a Prometheus without Helm.")
    parser.add_argument("--external-url", required=True, metavar="URL", help="where people open the exporter")
    parser.add_argument("--dashboard-url", default="", metavar="URL", help="where people open Grafana")
    parser.add_argument("--runbook-url", default="", metavar="URL", help="where a copy of the runbooks is")
    parser.add_argument(
        "--curl",
        default="",
        metavar="COMMAND",
        help="how commands ask the exporter, e.g. 'curl -sk -u USER https://'",
    )
    parser.add_argument("directory", type=Path)
    options = vars(parser.parse_args(arguments))
    directory: Path = options.pop("directory")
    if options["curl"] and not re.fullmatch(r"curl [^{}'\"\\]*https?://", options["curl"]):
        parser.error(
            "--curl: must start with curl, end with http:// or https://, and have no quotes or braces"
        )
    for name, url in options.items():
        if url and name != "curl" and not re.fullmatch(r"https?://[^\s?#'\"{}]+", url):
            parser.error(f"--{name.replace('_', '-')}: must start with http:// or https://, without a query")
    directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(RULES.glob("*.yaml")):
        text = rendered(path.read_text(encoding="utf-8"), **options)
        (directory / path.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
