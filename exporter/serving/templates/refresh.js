"use strict";
// Asks for the page anew while somebody looks at it. Without it the page is complete, and reloads by hand.
(() => {
  const EVERY = 10000, PATIENCE = 30000, OLD = 25000;
  const OLD_MARK = "(old) ", SELECTED = "some of its text is selected";
  const main = document.querySelector("main"), said = document.getElementById("said");
  const stale = document.getElementById("stale"), version = document.getElementById("version").textContent;
  let timer = 0, asking = false, ended = false, seen = Date.now();

  // What is worth an announcement when it changes; counts and ages change with every probe.
  const sentence = (root) => {
    const headline = root.querySelector("#headline");
    return headline.dataset.told ?? headline.textContent;
  };

  // Where the focus is, in words that hold for the next page too.
  const place = (element) => {
    if (!main.contains(element)) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    const within = element.closest("details[id], li[id]");
    const own = element.localName === "a" ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : element.localName;
    return within ? `#${CSS.escape(within.id)} ${own}` : own;
  };

  // Whoever is about to copy an id must not lose it.
  const selecting = () => {
    const selection = getSelection();
    return !selection.isCollapsed && main.contains(selection.anchorNode);
  };

  // What is old must never pass for news: whatever the cause, the page says so, and loses its colors.
  const tell = (why) => {
    const time = main.querySelector("#asof time").textContent, title = document.title.replace(OLD_MARK, "");
    document.documentElement.classList.toggle("old", why !== "");
    document.title = why ? OLD_MARK + title : title;
    const text = why && `Not refreshed since ${time}: ${why}.`;
    if (stale.textContent !== text) stale.textContent = text;
  };

  const swap = (page) => {
    const next = page.querySelector("main");
    const before = sentence(main), focus = place(document.activeElement), { scrollX, scrollY } = window;
    for (const { id } of main.querySelectorAll("details[open][id]")) {
      next.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    }
    main.replaceChildren(...next.childNodes);
    document.title = page.title;
    if (focus) main.querySelector(focus)?.focus({ preventScroll: true });
    scrollTo(scrollX, scrollY);
    if (sentence(main) !== before) said.textContent = sentence(main);
  };

  // Shows the page as it is now, or returns why not.
  const ask = async () => {
    const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    // Asked once more, a browser would put its dialog before the page, again and again.
    ended = answer.status === 401;
    if (ended) return "the exporter asks for a login now; reload the page";
    if (answer.status === 404) return "the exporter no longer has this page";
    if (!answer.ok) return `it is answered with ${answer.status}`;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("version");
    if (!next || !page.querySelector("main #headline")) return "another page is there instead";
    if (next.textContent !== version) location.reload(); // another release has another style and script
    if (selecting()) return SELECTED;
    swap(page);
    return "";
  };

  const refresh = async () => {
    if (asking || ended) return;
    asking = true;
    const slow = setTimeout(tell, Math.max(500, seen + OLD - Date.now()), "the exporter has not answered yet");
    const why = await ask().catch(() => "the exporter does not answer");
    clearTimeout(slow);
    if (!why) seen = Date.now();
    tell(why === SELECTED && Date.now() - seen < OLD ? "" : why);
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
