"use strict";
// Refreshes the page while it is visible, and adds copy buttons, values of the strip and local times.
// Without this script the page is complete, and reloads by hand.
(() => {
  const EVERY = 10000, PATIENCE = 30000, OLD = 25000;
  const OLD_MARK = "(old) ", SELECTED = "text is selected", COPY = "Copy";
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

  const copy = (button) => {
    // The clipboard API needs https; this works with plain http, too.
    const selection = getSelection();
    selection.selectAllChildren(button.previousElementSibling);
    button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
    if (button.textContent === "Copied") selection.removeAllRanges();
    announcer.textContent = button.textContent;
    setTimeout(() => (button.textContent = COPY), 2000);
  };

  // Shows a bar of a strip of probes in words.
  const show = (bar) => {
    const strip = bar.closest(".strip");
    strip.querySelector(".at")?.classList.remove("at");
    bar.classList.add("at");
    strip.parentElement.querySelector(".value").textContent = bar.querySelector("title").textContent;
  };

  const step = (event) => {
    const bars = [...event.target.querySelectorAll("g")], at = bars.findIndex((bar) => bar.matches(".at"));
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    show(bars[Math.min(Math.max(next, 0), bars.length - 1)]);
  };

  // What needs this script is added by it.
  const enhance = () => {
    main.querySelectorAll(".strip").forEach((strip) => {
      strip.tabIndex = 0;
      strip.setAttribute("role", "group");
      strip.setAttribute("aria-label", "Single probes: use the left and right arrow keys");
    });
    main.querySelectorAll("dd[data-copy]").forEach((place, number) => {
      const value = document.createElement("span"), button = document.createElement("button");
      value.append(...place.childNodes);
      button.textContent = COPY;
      button.id = `copy${number}`;
      button.className = "copy";
      button.setAttribute("aria-label", `Copy ${place.dataset.copy}`);
      place.append(value, button);
    });
  };

  const swap = (page) => {
    const next = page.querySelector("main");
    const before = sentence(main), focus = selectorOf(document.activeElement), { scrollX, scrollY } = window;
    for (const { id } of main.querySelectorAll("details[open][id]")) {
      next.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
    }
    main.replaceChildren(...next.childNodes);
    enhance();
    document.title = page.title;
    document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").getAttribute("href");
    if (focus) main.querySelector(focus)?.focus({ preventScroll: true });
    scrollTo(scrollX, scrollY);
    if (sentence(main) !== before) announcer.textContent = sentence(main);
  };

  // Shows the current page, or returns why not.
  const ask = async () => {
    const address = location.pathname + location.search;
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
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

  main.addEventListener("click", ({ target }) => target.matches("button.copy") && copy(target));
  main.addEventListener("pointerover", ({ target }) => {
    const time = target.closest("time"), bar = target.closest(".strip g");
    if (time) time.title = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "long" });
    if (bar) show(bar);
  });
  main.addEventListener("focusin", ({ target }) => {
    const bars = target.matches(".strip") ? target.querySelectorAll("g") : [];
    if (bars.length && !target.querySelector(".at")) show(bars[bars.length - 1]);
  });
  main.addEventListener("keydown", (event) => event.target.matches(".strip") && step(event));
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  enhance();
  plan();
})();
