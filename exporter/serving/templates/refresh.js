"use strict";
// Refreshes the page while it is visible. Without this script the page is complete, and reloads by hand.
(() => {
  const EVERY = 10000, PATIENCE = 30000, OLD = 25000;
  const OLD_MARK = "(old) ", SELECTED = "text is selected";
  const main = document.querySelector("main"), announcer = document.getElementById("announcer");
  const stale = document.getElementById("stale"), version = document.getElementById("version").textContent;
  let timer = 0, asking = false, ended = false, seen = Date.now();

  // The text that screen readers announce when it changes; counts and ages change with every probe.
  const sentence = (root) => {
    const headline = root.querySelector("#headline");
    return headline.dataset.announcement ?? headline.textContent;
  };

  // A selector for the focused element that also works on the next page.
  const selectorOf = (element) => {
    if (!main.contains(element)) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    const within = element.closest("details[id], li[id]");
    const own = element.localName === "a" ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : element.localName;
    return within ? `#${CSS.escape(within.id)} ${own}` : own;
  };

  // A selection, for instance of an ID to copy, must not be lost.
  const selecting = () => {
    const selection = getSelection();
    return !selection.isCollapsed && main.contains(selection.anchorNode);
  };

  // An outdated page must not look current: it shows why it is not refreshed, and loses its colors.
  const showStale = (why) => {
    const time = main.querySelector("#asof time").textContent, title = document.title.replace(OLD_MARK, "");
    document.documentElement.classList.toggle("old", why !== "");
    document.title = why ? OLD_MARK + title : title;
    const text = why && `Not refreshed since ${time}: ${why}.`;
    if (stale.textContent !== text) stale.textContent = text;
  };

  const swap = (page) => {
    const next = page.querySelector("main");
    const before = sentence(main), focus = selectorOf(document.activeElement), { scrollX, scrollY } = window;
    for (const { id } of main.querySelectorAll("details[open][id]")) {
      next.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    }
    main.replaceChildren(...next.childNodes);
    document.title = page.title;
    if (focus) main.querySelector(focus)?.focus({ preventScroll: true });
    scrollTo(scrollX, scrollY);
    if (sentence(main) !== before) announcer.textContent = sentence(main);
  };

  // Shows the current page, or returns why not.
  const ask = async () => {
    const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const text = await answer.text(); // always read: an unread response keeps one of the browser's few connections busy
    // Asking again would make the browser show its login dialog again and again.
    ended = answer.status === 401;
    if (ended) return "login required; reload the page";
    if (answer.status === 404) return "this page no longer exists";
    if (!answer.ok) return `the exporter returned HTTP status ${answer.status}`;
    const page = new DOMParser().parseFromString(text, "text/html");
    const next = page.getElementById("version");
    if (!next || !page.querySelector("main #headline")) return "the response is a different page";
    if (next.textContent !== version) location.reload(); // another release has another style and script
    if (selecting()) return SELECTED;
    swap(page);
    return "";
  };

  const refresh = async () => {
    if (asking || ended) return;
    asking = true;
    const slow = setTimeout(showStale, Math.max(500, seen + OLD - Date.now()), "waiting for the exporter");
    const why = await ask().catch(() => "the exporter does not respond");
    clearTimeout(slow);
    if (!why) seen = Date.now();
    showStale(why === SELECTED && Date.now() - seen < OLD ? "" : why);
    asking = false;
    plan();
  };

  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden && !ended) timer = setTimeout(refresh, EVERY);
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  plan();
})();
