"""A browser that is made to ask by another site's page is told apart from everybody else."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from exporter.serving.cross_site import is_cross_site

Pairs = list[tuple[str, str]]


def asked(*pairs: tuple[str, str], host: str = "exporter.example:9988") -> bool:
    raw = [(name.encode(), value.encode()) for name, value in (("host", host), *pairs)]
    return is_cross_site(Headers(raw=raw))


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([], id="curl"),
        pytest.param([("sec-fetch-site", "same-origin")], id="our own page"),
        pytest.param([("sec-fetch-site", "none")], id="the person"),
        pytest.param([("origin", "http://exporter.example:9988")], id="our own page in an older browser"),
        pytest.param([("origin", "https://EXPORTER.example:9988")], id="in front of it ends TLS"),
        pytest.param(
            [("sec-fetch-site", "same-origin"), ("origin", "http://exporter.example:9988")], id="both"
        ),
    ],
)
def test_these_may(pairs: Pairs) -> None:
    assert not asked(*pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("sec-fetch-site", "cross-site")], id="another site"),
        pytest.param([("sec-fetch-site", "same-site")], id="a sibling that somebody else may own"),
        pytest.param([("sec-fetch-site", "")], id="nothing that the standard knows"),
        pytest.param([("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], id="two of them"),
        pytest.param([("origin", "http://elsewhere.example:9988")], id="another host"),
        pytest.param([("origin", "http://exporter.example")], id="another port"),
        pytest.param([("origin", "http://exporter.example:9988.evil.example")], id="a longer name"),
        pytest.param([("origin", "http://exporter.example:9988@evil.example")], id="our name as a user"),
        pytest.param([("origin", "null")], id="an opaque origin"),
        pytest.param([("origin", "")], id="no origin"),
        pytest.param([("origin", "http://[")], id="a broken one"),
        pytest.param(
            [("origin", "http://exporter.example:9988"), ("origin", "http://evil.example")], id="two origins"
        ),
        pytest.param(
            [("sec-fetch-site", "same-origin"), ("origin", "http://evil.example")], id="one against the other"
        ),
    ],
)
def test_these_may_not(pairs: Pairs) -> None:
    assert asked(*pairs)


def test_two_hosts_are_no_host() -> None:
    assert asked(("host", "other.example"), ("origin", "http://exporter.example:9988"))
