"""Values are found by name and labels, and never by chance."""

from __future__ import annotations

import pytest
from harness.samples import Samples

PAGE = """\
# HELP pingone_flow_probe_success Whether the last probe was good.
# TYPE pingone_flow_probe_success gauge
pingone_flow_probe_success{target="a",journey="authorize"} 1.0
pingone_flow_probe_success{target="b",journey="authorize"} 0.0
# HELP pingone_flow_probes_total Probes.
# TYPE pingone_flow_probes_total counter
pingone_flow_probes_total{target="a",journey="authorize",reason="ok"} 3.0
pingone_flow_probes_total{target="a",journey="authorize",reason="dns"} 2.0
"""


def test_a_value_is_found_by_some_of_its_labels() -> None:
    samples = Samples(PAGE)
    assert samples.value("pingone_flow_probe_success", target="b") == 0.0
    assert samples.value("pingone_flow_probes_total", target="a", reason="dns") == 2.0


def test_what_is_absent_is_none_and_not_zero() -> None:
    samples = Samples(PAGE)
    assert samples.value("pingone_flow_probe_success", target="c") is None
    assert samples.value("pingone_flow_probe_success", colour="red") is None
    assert not samples.has("pingone_flow_probe_success", target="c")
    assert samples.has("pingone_flow_probe_success")


def test_an_ambiguous_question_is_rejected() -> None:
    with pytest.raises(LookupError, match="2 series"):
        Samples(PAGE).value("pingone_flow_probes_total", target="a")


def test_series_are_summed_over() -> None:
    assert Samples(PAGE).total("pingone_flow_probes_total", target="a") == 5.0
    assert Samples(PAGE).total("pingone_flow_probes_total", target="c") == 0.0


@pytest.mark.parametrize("name", ["pingone_flow_probes", "pingone_flow_probes_total"])
def test_a_counter_is_found_under_both_of_its_names(name: str) -> None:
    family = Samples(PAGE).family(name)
    assert family is not None
    assert (family.type, family.documentation, len(family.samples)) == ("counter", "Probes.", 2)
    assert Samples(PAGE).family("other") is None


def test_openmetrics_is_read_by_its_own_parser() -> None:
    page = "# TYPE a counter\na_total 1.0\n# EOF\n"
    assert Samples(page, openmetrics=True).value("a_total") == 1.0
    with pytest.raises(ValueError, match="EOF"):
        Samples(page.removesuffix("# EOF\n"), openmetrics=True)


def test_a_digest_leaves_out_zeros_and_the_rest_of_a_long_page() -> None:
    assert 'target="b"' not in Samples(PAGE).digest()
    assert Samples(PAGE).digest(lines=1).splitlines()[1] == "… and 2 lines more"
