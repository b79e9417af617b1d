"""The pages while they are open: they follow the weather, and take nothing from whoever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from e2e.pages.conftest import NAMES
from harness.browser import EVERY, PATIENCE
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.pages.conftest import Scene
    from harness.browser import Visit
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

MILLISECONDS = 1000
HIDE = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s });"
CHANGED = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def timed(visit: Callable[..., Visit]) -> Callable[[str], Visit]:
    """Begins a visit whose time passes when the test says so."""

    def begin(path: str) -> Visit:
        looking = visit()
        looking.page.clock.install()
        looking.go(path)
        return looking

    return begin


@pytest.fixture(autouse=True)
def fine(scene: Scene) -> None:
    """Each test begins in fine weather."""
    scene.weather("healthy", *NAMES)


def test_the_weather_changes_and_the_verdict_with_it_while_the_page_stays(
    visit: Callable[..., Visit], scene: Scene
) -> None:
    page = visit().go("/")
    headline = page.get_by_role("heading", level=1)
    expect(headline).to_have_text("All 3 federations succeed.")
    page.evaluate("window.sameAsBefore = true")
    scene.weather("refused", "environment_1")
    expect(headline).to_contain_text("1 of 3 federations fails", timeout=PATIENCE * MILLISECONDS)
    expect(page.locator("li").first).to_contain_text("environment_1")
    expect(page.locator("li").first).to_contain_text("connect, no connection")
    scene.weather("healthy", "environment_1")
    expect(headline).to_have_text("All 3 federations succeed.", timeout=PATIENCE * MILLISECONDS)
    assert page.evaluate("window.sameAsBefore")


def test_what_is_open_focused_and_scrolled_stays_so(timed: Callable[[str], Visit]) -> None:
    looking = timed("/targets/environment_1")
    page = looking.page
    summary = page.locator("details > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    chosen = page.locator("details").first.get_attribute("id")
    page.evaluate("scrollTo(0, 120)")
    before = page.evaluate("[scrollY, document.querySelector('main').firstElementChild === window.first]")
    page.evaluate("window.first = document.querySelector('main').firstElementChild")
    looking.refresh()
    page.wait_for_function("window.first !== document.querySelector('main').firstElementChild")
    assert page.evaluate("[...document.querySelectorAll('details[open]')].map((one) => one.id)") == [chosen]
    assert page.evaluate("document.activeElement.parentElement.id") == chosen
    assert page.evaluate("scrollY") == before[0] == 120


def test_a_link_that_has_the_focus_keeps_it_wherever_it_moves(
    timed: Callable[[str], Visit], scene: Scene
) -> None:
    looking = timed("/")
    looking.page.get_by_role("link", name="environment_3").focus()
    scene.weather("error_json", "environment_3")
    looking.refresh()
    expect(looking.page.locator("li").first).to_contain_text("environment_3")
    assert looking.page.evaluate("document.activeElement.textContent") == "environment_3"


def test_only_another_headline_is_announced(timed: Callable[[str], Visit], scene: Scene) -> None:
    looking = timed("/")
    said = looking.page.locator("#said")
    assert said.get_attribute("role") == "status"
    looking.refresh()
    expect(looking.page).to_have_title("pingone-flow-exporter")
    assert said.inner_text() == ""
    scene.weather("error_json", "environment_2", code=503)
    looking.refresh()
    expect(said).to_contain_text("1 of 3 federations fails; it looks like the provider")
    expect(looking.page).to_have_title("1 failing · pingone-flow-exporter")


def test_on_the_page_of_a_target_one_more_probe_is_not_announced(timed: Callable[[str], Visit]) -> None:
    looking = timed("/targets/environment_2")
    newest = looking.page.locator("details").first.get_attribute("id")
    for _ in range(int(PATIENCE)):
        looking.refresh()
        if looking.page.locator("details").first.get_attribute("id") != newest:
            break
    assert looking.page.locator("details").first.get_attribute("id") != newest
    assert looking.page.locator("#said").inner_text() == ""


def test_a_hidden_page_asks_for_nothing_and_one_that_is_seen_again_asks_at_once(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/")
    page = looking.page
    page.evaluate(HIDE % "true" + CHANGED)
    asked = len(looking.asked)
    page.clock.fast_forward(10 * EVERY)
    assert len(looking.asked) == asked
    with page.expect_response("**/"):
        page.evaluate(HIDE % "false" + CHANGED)


def test_what_is_selected_to_be_copied_stays_selected(timed: Callable[[str], Visit]) -> None:
    looking = timed("/")
    select = "getSelection().selectAllChildren(document.querySelector('h3'))"
    looking.page.evaluate(select)
    selected = looking.page.evaluate("String(getSelection())")
    looking.refresh()
    assert looking.page.evaluate("String(getSelection())") == selected != ""


def test_when_the_exporter_does_not_answer_the_page_stays_and_says_since_when_it_is_old(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/")
    page: Page = looking.page
    page.route("**/", lambda route: route.abort())
    page.clock.fast_forward(EVERY)
    stale = page.locator("#stale")
    expect(stale).to_contain_text("Not refreshed since ")
    expect(stale).to_be_in_viewport(ratio=1)
    assert stale.get_attribute("role") == "status"
    expect(page.get_by_role("heading", level=1)).to_have_text("All 3 federations succeed.")
    looking.wrong.clear()  # the browser tells on its console, too, that nobody answered
    page.unroute("**/")
    looking.refresh()
    expect(stale).to_be_empty()
