"use strict";
// Asks for the page anew while somebody looks at it. Without it the page is complete, and reloads by hand.
(() => {
  const EVERY = 10000, PATIENCE = 30000;
  const main = document.querySelector("main"), said = document.getElementById("said");
  const stale = document.getElementById("stale");
  let timer = 0, asking = false, seen = new Date();

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

  const swap = (page) => {
    const next = page.querySelector("main");
    if (!next) throw new Error("no page of ours");
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

  const refresh = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!selecting()) swap(page);
      seen = new Date();
      stale.textContent = "";
    } catch {
      const since = `${seen.toISOString().slice(11, 19)} UTC`;
      stale.textContent = `Not refreshed since ${since}: the exporter does not answer, or no longer has this page.`;
    } finally {
      asking = false;
      plan();
    }
  };

  const plan = () => {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, EVERY);
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  plan();
})();
