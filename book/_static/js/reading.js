// Aids for the reader: all code or prose alone, where one stopped, keys of one letter.
(function () {
  "use strict";
  const root = document.documentElement;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const recall = (key) => {
    try { return localStorage.getItem(key); } catch (error) { return null; }
  };
  const remember = (key, value) => {
    try { localStorage.setItem(key, value); } catch (error) { /* private reading */ }
  };
  const make = (tag, name, ...inside) => {
    const node = document.createElement(tag);
    node.className = name;
    node.append(...inside);
    return node;
  };

  // --- The switch that opens or folds all listings but solutions.
  const FOLDS = "details.hide:not(.ae-solution)";
  // What stands first below the bar, or the title of the listing that it belongs to.
  function firstInSight(line) {
    const article = document.querySelector("article");
    const { left, width } = article.getBoundingClientRect();
    for (let y = line + 4; y < innerHeight; y += 10) {
      const hit = document.elementFromPoint(left + width / 2, y);
      const node = hit?.closest(FOLDS)?.firstElementChild || hit;
      if (node && article.contains(node) && !node.querySelector(FOLDS)) return node;
    }
    return null;
  }
  function keepPlace(change) {
    const bar = document.querySelector(".bd-header-article");
    const line = Math.max(bar ? bar.getBoundingClientRect().bottom : 0, 0);
    const node = firstInSight(line);
    const before = node && node.getBoundingClientRect().top;
    root.style.overflowAnchor = "none"; // the browser would move the page too
    change();
    if (node) {
      // Of a listing that is folded while it is read, the title stays.
      const wanted = node.matches(`${FOLDS} > summary`) ? Math.max(before, line) : before;
      scrollBy({ top: node.getBoundingClientRect().top - wanted, behavior: "instant" });
    }
    requestAnimationFrame(() => requestAnimationFrame(() => { root.style.overflowAnchor = ""; }));
  }
  function startSwitch() {
    const button = document.querySelector(".ae-code-switch");
    if (!button) return;
    const set = (open) => {
      button.setAttribute("aria-pressed", open);
      button.title = open ? "Fold all code again" : "Show all folded code";
      all(FOLDS).forEach((fold) => { fold.open = open; });
    };
    if (recall("code") === "all") set(true);
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-pressed") !== "true";
      keepPlace(() => set(open));
      remember("code", open ? "all" : "prose");
    });
  }

  // --- Where one stopped: of each chapter the section last reached, until its end is reached.
  const home = new URL(root.dataset.content_root || "./", location.href);
  const page = location.pathname.slice(home.pathname.length);
  const CHAPTER = /^chapters\/\w+\.html$/;
  function places() {
    let kept;
    try { kept = JSON.parse(recall("places")); } catch (error) { /* not ours */ }
    const right = ([name, place]) => CHAPTER.test(name) && typeof place?.id === "string"
      && typeof place.title === "string" && typeof place.when === "number";
    return Object.fromEntries(Object.entries(Object(kept)).filter(right));
  }
  // Who came by a link to a place in the page may only look something up: not noted until the
  // reader has gone on by a screen.
  let landed;
  function note() {
    if (landed !== null) {
      landed ??= scrollY;
      if (Math.abs(scrollY - landed) < innerHeight) return;
      landed = null;
    }
    const link = document.querySelector("#pst-page-toc-nav a[aria-current]");
    if (!link) return;
    const kept = places();
    const ended = scrollY + innerHeight > root.scrollHeight - 2
      || link === all("#pst-page-toc-nav a").at(-1);
    if (ended) delete kept[page];
    else {
      const id = decodeURIComponent(link.hash.slice(1));
      kept[page] = { id, title: link.textContent.trim(), when: Date.now() };
    }
    remember("places", JSON.stringify(kept));
  }
  function offer(address, { id, title }) {
    const words = title.replace(/^([\d.]*\d)\.?\s+/, "$1, ");
    const link = make("a", "", `Continue at section ${words}`);
    link.href = `${address}#${encodeURIComponent(id)}`;
    return make("p", "ae-continue", link);
  }
  function startPlaces() {
    const kept = places();
    const door = document.querySelector(".ae-door");
    if (door) {
      const latest = Object.entries(kept).sort(([, a], [, b]) => b.when - a.when).slice(0, 3);
      door.after(...latest.map(([name, place]) => offer(home.href + name, place)));
    }
    if (!CHAPTER.test(page)) return;
    if (!location.hash) landed = null;
    const place = kept[page];
    if (place && !location.hash && document.getElementById(place.id)) {
      document.querySelector("article h1").after(offer("", place));
    }
    let timer;
    addEventListener("scroll", () => {
      clearTimeout(timer);
      timer = setTimeout(note, 400);
    }, { passive: true });
    addEventListener("pagehide", note);
  }

  // --- Keys of one letter, which can be switched off: some readers speak, or strike by chance.
  const mac = /Mac|iPhone|iPad/.test(navigator.platform);
  const KEYS = [
    [["n"], "next page"], [["p"], "previous page"], [["/"], "search"],
    [[mac ? "⌘" : "Ctrl", "K"], "search"], [["?"], "this list"],
    [[mac ? "⌥" : "Alt", "↓"], "into the preview of a link"], [["Esc"], "close a preview or a list"],
  ];
  let help;
  function showKeys() {
    if (!help) {
      const list = make("dl", "", ...KEYS.flatMap(([keys, does]) => [
        make("dt", "", ...keys.flatMap((key, i) => [i ? " + " : "", make("kbd", "", key)])),
        make("dd", "", does)]));
      const choice = document.createElement("input");
      choice.type = "checkbox";
      choice.checked = recall("keys") !== "off";
      choice.addEventListener("change", () => remember("keys", choice.checked ? "on" : "off"));
      const heading = make("h2", "", "Keys");
      heading.id = "ae-keys-title";
      const close = make("button", "ae-link", "Close");
      close.addEventListener("click", () => help.close());
      help = make("dialog", "ae-keys", heading, list,
        make("label", "", choice, " Keys of a single character (n, p, /, ?) are on"), close);
      help.setAttribute("aria-labelledby", heading.id);
      help.choice = choice;
      document.body.append(help);
    }
    help.showModal();
  }
  const follow = (side) => document.querySelector(`.prev-next-area a.${side}`)?.click();
  const DOES = {
    n: () => follow("right-next"),
    p: () => follow("left-prev"),
    "/": () => document.querySelector(".search-button__button")?.click(),
    "?": showKeys,
  };
  const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable='false']), .cm-editor, [aria-disabled='true']";
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.defaultPrevented || !Object.hasOwn(DOES, event.key)) return;
    if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
    if (help ? !help.choice.checked : recall("keys") === "off") return;
    event.preventDefault();
    DOES[event.key]();
  });

  function start() {
    startSwitch();
    startPlaces();
    all(".ae-keys-open").forEach((button) => button.addEventListener("click", showKeys));
  }
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
