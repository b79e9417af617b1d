"""Debian's Chromium, driven by Playwright: what an operator sees, hears and presses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from harness.prometheus import need_tool
from harness.waiting import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--no-sandbox",  # which root, as in a container, cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # Chromium would look up its maker's hosts at every start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
DESK = (1280, 800)
PHONE = (390, 844)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Yield a browser without a window.

    Playwright keeps an event loop of its own in this thread: no test of the same module may run another.
    """
    program = need_tool("chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE * 1000)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=PATIENCE * 1000)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page that is looked at, and what went wrong with it meanwhile.

    Args:
        browser: in which.
        origin: where all of it must come from.
        size: width and height of the window.
        scripts: whether JavaScript is switched on.
        scheme: `light` or `dark`.
    """

    def __init__(
        self,
        browser: Browser,
        origin: str,
        *,
        size: tuple[int, int] = DESK,
        scripts: bool = True,
        scheme: Any = "light",  # noqa: ANN401  Playwright has it as a literal
    ) -> None:
        self._origin = origin
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=scripts,
            color_scheme=scheme,
        )
        self._context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self._context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def go(self, path: str) -> Page:
        """Go to a page of the origin."""
        self.page.goto(f"{self._origin}{path}")
        return self.page

    def refresh(self) -> None:
        """Let the page ask for itself anew as if its time had come, and wait until it has."""
        with self.page.expect_response(lambda response: response.request.resource_type == "fetch") as asked:
            self.page.clock.fast_forward(EVERY)
        asked.value.finished()
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return wider

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong, one line each."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html']}: {node['failureSummary']}"
            for each in found
            for node in each["nodes"]
        ]

    def strangers(self) -> list[str]:
        """Return what was asked for elsewhere."""
        return [url for url in self.asked if not url.startswith(f"{self._origin}/")]

    def close(self) -> None:
        """Leave."""
        self._context.close()


EVERY = 11_000
"""Milliseconds; longer than the page waits until it asks again."""
