"""The pages as they are read: on any screen, in any light, by whatever means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from e2e.pages.conftest import NAMES, Scene
from harness.browser import DESK, PHONE

if TYPE_CHECKING:
    from harness.browser import Visit
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

FAILURES_IN_A_ROW = "pingone_flow_probe_consecutive_failures"
NO_SUCH_TARGET = "/targets/nothing"
LOGGED_BY_BROWSER = "Failed to load resource: the server responded with a status of 404 (Not Found)"
PATHS = (
    *("/", "/?q=owner:identity", "/targets/environment_2", "/targets/environment_3"),
    *("/runbooks/", "/runbooks/PingOneFederationDown", NO_SUCH_TARGET),
)


@pytest.fixture(scope="module", autouse=True)
def night(scene: Scene) -> Iterator[None]:
    """One federation is fine, one is refused by its provider, one has a certificate that expired."""
    scene.weather("error_json", "environment_2", code=500)
    scene.weather("tls_expired", "environment_3")
    yield
    scene.weather("healthy", *NAMES)


def opened(page: Page) -> Page:
    """Open a probe and a failure, if the page has any."""
    for prefix in ("i-", "f-", "probes", "p-"):
        summary = page.locator(f'details[id^="{prefix}"] > summary').first
        if summary.count():
            summary.click()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("path", PATHS)
def test_it_is_accessible_and_never_wider_than_the_screen(
    visit: Callable[..., Visit], path: str, size: tuple[int, int], scheme: str
) -> None:
    looking = visit(size=size, scheme=scheme)
    opened(looking.go(path))
    assert looking.violations() == []
    assert looking.overflow() <= 0
    if path == NO_SUCH_TARGET:
        looking.wrong.remove(LOGGED_BY_BROWSER)


def test_the_dark_page_is_dark_and_the_light_one_light(visit: Callable[..., Visit]) -> None:
    def background(scheme: str) -> int:
        color = visit(scheme=scheme).go("/").evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))

    assert background("dark") < 3 * 64
    assert background("light") > 3 * 192


def test_the_overview_shows_what_is_failing_and_the_likely_cause(visit: Callable[..., Visit]) -> None:
    page = visit().go("/")
    headline = page.get_by_role("heading", level=1).inner_text()
    assert headline.startswith("2 of 3 federations failing since ")
    assert headline.endswith("; likely cause: provider.")
    names = page.locator("li h3").all_inner_texts()
    assert set(names[:2]) == {"environment_2", "environment_3"}
    assert names[2] == "environment_1"
    assert "server error" in page.locator(".targets li", has_text="environment_2").inner_text()
    expired = page.locator(".targets li", has_text="environment_3").inner_text()
    assert "certificate not valid" in expired
    assert "provider" in expired


@pytest.mark.parametrize("scripts", [True, False])
def test_a_filter_is_answered_by_the_server_and_is_in_the_address(
    visit: Callable[..., Visit], *, scripts: bool
) -> None:
    page = visit(scripts=scripts).go("/")
    page.keyboard.press("Tab")
    field = page.get_by_role("search").get_by_role("searchbox", name="Filter federations")
    field.fill("state:failing owner:identity")
    field.press("Enter")
    page.wait_for_url("**/?q=state%3Afailing+owner%3Aidentity")
    assert set(page.locator("li h3").all_inner_texts()) == {"environment_2", "environment_3"}
    assert page.get_by_text("2 of 3 federations match").count() == 1
    page.get_by_role("link", name="Show all").click()
    assert page.locator("li h3").count() == 3


@pytest.mark.parametrize("scripts", [True, False])
def test_a_probe_opens_to_its_steps_with_and_without_scripts(
    visit: Callable[..., Visit], *, scripts: bool
) -> None:
    page = opened(visit(scripts=scripts).go("/targets/environment_2"))
    assert page.locator('details[id^="i-"][open]').count() == 1
    inside = page.locator('details[id^="f-"][open]').inner_text()
    assert page.get_by_role("button", name="Copy").count() == (
        page.locator("dd[data-copy]:visible").count() if scripts else 0
    )
    for fact in ("Step 1: authorize", "HTTP status\n500", "UNEXPECTED_ERROR", "127.0.0.1", "Transaction ID"):
        assert fact in inside


def test_links_connect_the_pages(visit: Callable[..., Visit], scene: Scene) -> None:
    page = visit().go("/")
    page.get_by_role("link", name="environment_2").click()
    page.wait_for_url("**/targets/environment_2")
    scene.daemon.wait_until(
        lambda metrics: (metrics.value(FAILURES_IN_A_ROW, target="environment_2") or 0) >= 3,
        what="three failures in a row",
    )
    page.reload()
    page.get_by_role("link", name="Runbook PingOneFederationDown").click()
    page.wait_for_url("**/runbooks/PingOneFederationDown")
    page.go_back()
    page.get_by_role("link", name="All federations").click()
    page.wait_for_url(f"{scene.daemon.url}/")
    page.get_by_role("navigation").get_by_role("link", name="Runbooks").click()
    page.wait_for_url("**/runbooks/")
    page.get_by_role("main").get_by_role("link", name="PingOneFederationDown").first.click()
    page.wait_for_url("**/runbooks/PingOneFederationDown")
    page.get_by_role("link", name="pingone-flow-exporter").click()
    page.wait_for_url(f"{scene.daemon.url}/")


def test_a_page_that_does_not_exist_leads_back(visit: Callable[..., Visit], scene: Scene) -> None:
    looking = visit()
    page = looking.go(NO_SUCH_TARGET)
    looking.wrong.remove(LOGGED_BY_BROWSER)
    assert page.get_by_role("heading", level=1).inner_text() == "Not Found"
    page.get_by_role("link", name="pingone-flow-exporter").click()
    page.wait_for_url(f"{scene.daemon.url}/")


def test_a_target_links_to_its_dashboard(visit: Callable[..., Visit]) -> None:
    link = visit().go("/targets/environment_2").get_by_role("link", name="Grafana")
    assert (
        link.get_attribute("href")
        == "https://grafana.example.com/d/pingone-flow-target?var-target=environment_2"
    )


def test_the_values_of_the_strip_show_on_focus_and_on_hover(visit: Callable[..., Visit]) -> None:
    page = visit().go("/targets/environment_2")
    value, bars = page.locator(".value"), page.locator(".strip g")
    titles = bars.locator("title").all_text_contents()
    page.locator(".strip").focus()
    assert value.inner_text() == titles[-1]
    page.keyboard.press("ArrowLeft")
    assert value.inner_text() == titles[-2]
    page.keyboard.press("Home")
    assert value.inner_text() == titles[0]
    bars.nth(1).hover()
    assert value.inner_text() == titles[1]
    assert "UTC: " in titles[0]


def test_the_local_time_shows_on_hover(visit: Callable[..., Visit]) -> None:
    page = visit().go("/targets/environment_2")
    time = page.locator("#asof time")
    assert time.get_attribute("title") is None
    time.hover()
    assert time.get_attribute("title")


def test_an_id_is_copied(visit: Callable[..., Visit]) -> None:
    page = visit().go("/targets/environment_2")
    button = page.get_by_role("button", name="Copy Client ID")
    copied = button.locator("xpath=preceding-sibling::span").inner_text()
    button.click()
    assert page.locator("#announcer").inner_text() == "Copied"
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Control+V")
    assert page.get_by_role("searchbox").input_value() == copied


def test_an_id_that_is_copied_twice_can_be_copied_again(visit: Callable[..., Visit]) -> None:
    page = visit().go("/targets/environment_2")
    button = page.get_by_role("button", name="Copy Client ID")
    button.click(click_count=2)
    assert button.inner_text() == "Copied"
    page.wait_for_timeout(3000)  # the text changes back after two seconds, the page after ten
    assert button.inner_text() == "Copy"


def test_the_icon_shows_the_state(visit: Callable[..., Visit], scene: Scene) -> None:
    hrefs = {
        path: visit().go(path).locator("link[rel=icon]").get_attribute("href")
        for path in ("/", "/targets/environment_1")
    }
    assert hrefs == {"/": "favicon.ico?failing", "/targets/environment_1": "../favicon.ico?ok"}
    assert scene.daemon.get("/favicon.ico?ok").headers["Content-Type"] == "image/svg+xml"


def test_all_can_be_reached_and_opened_by_keyboard(visit: Callable[..., Visit]) -> None:
    page = visit().go("/targets/environment_2")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.localName") == "summary":
            break
    opened_by = page.evaluate_handle("document.activeElement.parentElement")
    assert not opened_by.evaluate("(details) => details.open")
    page.keyboard.press("Enter")
    assert opened_by.evaluate("(details) => details.open")
    page.keyboard.press("Space")
    assert not opened_by.evaluate("(details) => details.open")


def test_a_screen_reader_finds_landmarks_headings_and_lists(visit: Callable[..., Visit]) -> None:
    page = visit().go("/")
    for role in ("banner", "navigation", "search", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("heading", level=2).all_inner_texts() == [
        "Failing 2",
        "What expires next",
        "Healthy 1",
    ]
    assert page.get_by_role("region", name="Failing 2").get_by_role("listitem").count() == 2
    pictures = [picture.get_attribute("aria-label") for picture in page.get_by_role("img").all()]
    assert all(label and label.startswith("Last ") for label in pictures)
