"""The filter of overview and API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import a_failure, a_step, a_success, a_target
from observing.federation import a_federation
from serving.examples import a_source, a_status, ask, good, overview, unstable, web_app
from serving.html import Document

from exporter.internal_errors import InternalErrors
from exporter.status import TargetStatus
from exporter.target import Journey, ListedProvider

LISTED = ListedProvider(destination="hub", name="Old-One", slug="old_one")


def labelled(status: TargetStatus, host: str, **labels: str) -> TargetStatus:
    target = replace(status.target, source_url=f"https://{host}/x", labels=tuple(labels.items()))
    return replace(status, target=target)


TARGETS = (
    labelled(good("emea"), "auth.pingone.eu", owner="Identity", tier="1"),
    labelled(good("apac"), "auth.pingone.asia:8443", owner="identity team", tier="10"),
    labelled(unstable("crm"), "auth.pingone.eu", owner="sales", region="eu"),
    a_status(a_failure(target="hr"), target=a_target(name="hr")),
    a_status(target=a_federation(name="hub_old_one_3f2a", listed=LISTED), journey=Journey.FEDERATION),
)


def found(query: str) -> list[str]:
    """Return the targets that match, by the overview and by the API, which agree."""
    links = [str(link["href"]) for link in overview(*TARGETS, query=query).all("a")]
    shown = [link.removeprefix("targets/") for link in links if link.startswith("targets/")]
    document: dict[str, Any] = ask(web_app(a_source(*TARGETS)), f"/api/v1/targets?q={query}").json()
    assert [target["target"] for target in document["targets"]] == shown
    return shown


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("emea", ["emea"]),
        ("EMEA", ["emea"]),
        ("pingone.asia", ["apac"]),
        ("asia:8443", ["apac"]),
        ("identity", ["apac", "emea"]),
        ("identity tier:1", ["emea"]),
        ("tier:1", ["emea"]),
        ("owner:identity", ["apac", "emea"]),
        ('owner:"identity team"', ["apac"]),
        ('"identity team"', ["apac"]),
        ("owner:ident", []),
        ("host:pingone.eu", ["hr", "crm", "hub_old_one_3f2a", "emea"]),
        ("host:sso", ["hub_old_one_3f2a"]),
        ("region:eu", ["crm"]),
        ("state:failing", ["hr"]),
        ("state:unstable", ["crm"]),
        ("state:new", ["hub_old_one_3f2a"]),
        ("state:healthy", ["apac", "emea"]),
        ("state:ok tier:10", ["apac"]),
        ("failing", ["hr"]),
        ("destination:hub provider:old-one", ["hub_old_one_3f2a"]),
        ("name:e state:ok", ["emea"]),
        ("nothing", []),
        ("owner:", []),
    ],
)
def test_every_term_must_match(query: str, expected: list[str]) -> None:
    assert found(query) == expected


def test_without_a_term_all_match() -> None:
    for query in ("", "  ", '"'):
        document = ask(web_app(a_source(*TARGETS)), f"/api/v1/targets?q={query}").json()
        assert len(document["targets"]) == len(TARGETS)


def test_a_filter_is_cut_at_200_characters() -> None:
    assert found("emea" + " " * 200 + "nothing") == ["emea"]
    field = overview(*TARGETS, query="x" * 1000).all("input")[0]
    assert field["value"] == "x" * 200


def test_the_rest_of_the_api_is_about_all_targets() -> None:
    document = ask(web_app(a_source(*TARGETS)), "/api/v1/targets?q=emea").json()
    assert document["headline"].startswith("1 of 5 federations failing since ")


@given(st.text())
def test_any_text_is_a_filter(query: str) -> None:
    errors = InternalErrors()
    page = ask(web_app(a_source(good(), errors=errors)), f"/?{urlencode({'q': query})}")
    assert Document(page.text).open == []
    assert not any(errors.counts.values())


def test_a_source_that_the_settings_do_not_name_is_found_by_the_host_that_was_requested() -> None:
    outcome = a_success(
        journey=Journey.FEDERATION, steps=(a_step(step="source_authorize", host="login.example:443"),)
    )
    for source_url, matching in ((None, 1), ("https://auth.pingone.eu/x", 0)):
        target = a_federation(listed=LISTED, source_url=source_url)
        status = a_status(outcome, target=target, journey=Journey.FEDERATION)
        document = overview(status, query="host:login.example")
        assert f"{matching} of 1 federations match" in document.text
