"""The page that tells people which metrics there are."""

from __future__ import annotations

import re
import sys

import pytest
from observing.examples import BUCKETS, page

from exporter.observing import DAEMON, FLOW, Metrics, reference

ROW = re.compile(r"\| `(?P<name>[a-z_]+)` \| (?P<kind>[a-z]+) \| (?P<labels>[^|]+) \| (?P<meaning>[^|]+) \|")


def test_every_family_is_one_row_in_the_order_of_the_catalogue() -> None:
    rows = [found for line in reference().splitlines() if (found := ROW.fullmatch(line))]
    assert [(row["name"], row["kind"], row["meaning"]) for row in rows] == [
        (family.name, family.kind, family.help) for family in (*FLOW, *DAEMON)
    ]
    assert [tuple(re.findall(r"`(\w+)`", row["labels"])) for row in rows] == [
        family.labels for family in (*FLOW, *DAEMON)
    ]


def test_a_family_without_labels_has_a_dash_for_them() -> None:
    assert "| `pingone_flow_exporter_probes_in_flight` | gauge | \N{EN DASH} |" in reference()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prometheus-client reads /proc")
def test_what_others_put_on_the_page_is_named() -> None:
    *_, besides = reference().split("\nBesides, ")
    live = {family.name: family.type for family in page(Metrics([], buckets=BUCKETS)).families}
    catalogued = {family.name.removesuffix("_total") for family in (*FLOW, *DAEMON)}
    others = {name + "_total" * (kind == "counter") for name, kind in live.items() if name not in catalogued}
    assert others == set(re.findall(r"`((?:process|python)_[a-z_]+)`", besides))
