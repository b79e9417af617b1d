"""The pages while they are open: they refresh, and leave the reader's focus and selection alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from e2e.pages.conftest import NAMES
from harness.browser import EVERY
from harness.waiting import PATIENCE, poll
from playwright.sync_api import expect

if TYPE_CHECKING:
    from e2e.pages.conftest import Scene
    from harness.browser import Visit
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.e2e

MILLISECONDS = 1000
HIDE = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s });"
CHANGED = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def timed(visit: Callable[..., Visit]) -> Callable[[str], Visit]:
    """Begins a visit with a clock that the test controls."""

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


def test_a_change_of_the_weather_shows_without_reloading_the_page(
    visit: Callable[..., Visit], scene: Scene
) -> None:
    page = visit().go("/")
    headline = page.get_by_role("heading", level=1)
    expect(headline).to_have_text("3 of 3 federations healthy.")
    page.evaluate("window.sameAsBefore = true")
    scene.weather("refused", "environment_1")
    expect(headline).to_contain_text("1 of 3 federations failing", timeout=PATIENCE * MILLISECONDS)
    expect(page.locator(".targets li").first).to_contain_text("environment_1")
    expect(page.locator(".targets li").first).to_contain_text("connection failed")
    scene.weather("healthy", "environment_1")
    expect(headline).to_have_text("3 of 3 federations healthy.", timeout=PATIENCE * MILLISECONDS)
    assert page.evaluate("window.sameAsBefore")


def test_open_focused_and_scrolled_elements_stay_so(timed: Callable[[str], Visit]) -> None:
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
    looking.page.locator(".targets").get_by_role("link", name="environment_3").focus()
    scene.weather("error_json", "environment_3")
    looking.refresh()
    expect(looking.page.locator(".targets li").first).to_contain_text("environment_3")
    assert looking.page.evaluate("document.activeElement.textContent") == "environment_3"


def test_only_a_changed_headline_is_announced(timed: Callable[[str], Visit], scene: Scene) -> None:
    looking = timed("/")
    said = looking.page.locator("#announcer")
    assert said.get_attribute("role") == "status"
    looking.refresh()
    expect(looking.page).to_have_title("pingone-flow-exporter")
    assert said.inner_text() == ""
    scene.weather("error_json", "environment_2", code=503)
    looking.refresh()
    expect(said).to_contain_text("1 of 3 federations failing since ")
    expect(looking.page).to_have_title("1 failing · pingone-flow-exporter")


def test_one_more_probe_is_not_announced_on_the_page_of_a_target(timed: Callable[[str], Visit]) -> None:
    looking = timed("/targets/environment_2")
    last = looking.page.locator(".probe .when time")
    newest = last.get_attribute("datetime")

    def refreshed() -> str | None:
        looking.refresh()
        return last.get_attribute("datetime")

    poll(refreshed, lambda shown: shown != newest, what="another probe")
    assert looking.page.locator("#announcer").inner_text() == ""


def test_a_hidden_page_does_not_refresh_and_a_visible_one_refreshes_at_once(
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


def test_selected_text_stays_selected_and_the_page_says_that_it_is_old(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/")
    select = "getSelection().selectAllChildren(document.querySelector('h3'))"
    looking.page.evaluate(select)
    selected = looking.page.evaluate("String(getSelection())")
    looking.refresh()
    assert looking.page.evaluate("String(getSelection())") == selected != ""
    stale = looking.page.locator("#stale")
    expect(stale).to_be_empty()
    time = looking.page.locator("#asof time")
    as_of, exactly = time.inner_text(), time.get_attribute("datetime")
    for _ in range(2):
        looking.refresh()
    expect(stale).to_have_text(f"Not refreshed since {as_of}: text is selected.")
    looking.page.evaluate("getSelection().removeAllRanges()")
    looking.refresh()
    expect(stale).to_be_empty()
    assert time.get_attribute("datetime") != exactly


def test_if_the_exporter_does_not_respond_the_page_says_since_when_it_is_old(
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
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 3 federations healthy.")
    looking.wrong.clear()  # the browser also logs that there was no response
    expect(page).to_have_title("(old) pingone-flow-exporter")
    assert colors(page) == "grayscale(1)"
    page.unroute("**/")
    looking.refresh()
    expect(stale).to_be_empty()
    expect(page).to_have_title("pingone-flow-exporter")
    assert colors(page) == "none"


def colors(page: Page) -> str:
    """Tell what is made of the colors of the page."""
    found: str = page.evaluate("getComputedStyle(document.querySelector('main')).filter")
    return found


def test_a_slow_exporter_is_reported_before_the_page_gives_up(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/")
    page = looking.page
    waiting: list[Route] = []
    page.route("**/", lambda route: waiting.append(route))  # noqa: PLW0108  a built-in takes no mark of Playwright
    with page.expect_request("**/"):
        page.clock.fast_forward(EVERY)
    expect(page.locator("#stale")).to_be_empty()
    page.clock.fast_forward(2 * EVERY)
    expect(page.locator("#stale")).to_contain_text("UTC: waiting for the exporter.")
    with page.expect_response("**/"):
        waiting.pop().continue_()
    expect(page.locator("#stale")).to_be_empty()


def test_a_page_that_was_hidden_for_long_says_that_it_is_old(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/")
    page = looking.page
    page.evaluate(HIDE % "true" + CHANGED)
    page.clock.fast_forward(100 * EVERY)
    waiting: list[Route] = []
    page.route("**/", lambda route: waiting.append(route))  # noqa: PLW0108  a built-in takes no mark of Playwright
    with page.expect_request("**/"):
        page.evaluate(HIDE % "false" + CHANGED)
    page.clock.fast_forward(1000)
    expect(page.locator("#stale")).to_contain_text("Not refreshed since ")
    waiting.pop().abort()
    expect(page.locator("#stale")).to_contain_text("UTC: the exporter does not respond.")
    looking.wrong.clear()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, "not found", "this page no longer exists"),
        (503, "no healthy upstream", "the exporter returned HTTP status 503"),
        (200, "<main>Sign on</main>", "the response is a different page"),
        (200, "", "the response is a different page"),
    ],
)
def test_any_other_response_is_never_shown_and_the_page_recovers(
    timed: Callable[[str], Visit], status: int, body: str, why: str
) -> None:
    looking = timed("/")
    page = looking.page
    page.route("**/", lambda route: route.fulfill(status=status, body=body, content_type="text/html"))
    looking.refresh()
    expect(page.locator("#stale")).to_contain_text(f"UTC: {why}.")
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 3 federations healthy.")
    page.unroute("**/")
    looking.refresh()
    expect(page.locator("#stale")).to_be_empty()
    looking.wrong.clear()


def test_a_login_that_becomes_required_is_shown_once(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/")
    page = looking.page
    page.route("**/", lambda route: route.fulfill(status=401, body="unauthorized"))
    looking.refresh()
    expect(page.locator("#stale")).to_contain_text("login required; reload the page.")
    asked = len(looking.asked)
    page.clock.fast_forward(10 * EVERY)
    page.evaluate(CHANGED)
    assert len(looking.asked) == asked
    looking.wrong.clear()


def test_an_unreachable_target_is_reported_and_its_response_is_read_to_the_end(
    timed: Callable[[str], Visit],
) -> None:
    looking = timed("/targets/environment_1")
    page = looking.page
    gone = "**/targets/environment_1"
    page.route(gone, lambda route: route.continue_(url=route.request.url.replace("_1", "_9")))
    looking.refresh()  # waits for the end of the answer
    expect(page.locator("#stale")).to_contain_text("UTC: this page no longer exists.")
    looking.wrong.clear()


def test_another_release_is_loaded_with_its_own_style_and_script(timed: Callable[[str], Visit]) -> None:
    looking = timed("/")
    page = looking.page
    text = page.content().replace("Version ", "Version 9.")
    page.evaluate("window.sameAsBefore = true")
    page.route("**/", lambda route: route.fulfill(body=text, content_type="text/html"), times=1)
    with page.expect_navigation():
        page.clock.fast_forward(EVERY)
    assert page.evaluate("window.sameAsBefore") is None
