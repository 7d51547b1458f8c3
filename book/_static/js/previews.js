// Previews: a link to a term, a source, an equation, a figure, a table or a claim shows what it
// leads to. From this page it is copied; from another it comes in a script that
// book/_ext/ae_previews.py wrote, loaded when it is first asked for.
(function () {
  "use strict";
  const SHOWN = /bibliography\.html#id\d+$|#(?:term|equation|fig|tab|claim)-|#ledger-\d+\./;
  const WAIT = { mouse: 350, keys: 250 }; // ms until it shows
  const LEAVE = 250; // ms to get from the link into the preview
  const LEFT_OUT = ".headerlink, .copybtn, .ae-wrap, .label, .backrefs, .ae-used, script";
  const root = document.documentElement;
  const home = new URL(root.dataset.content_root || "./", location.href);
  const make = (tag, name, ...inside) => {
    const node = document.createElement(tag);
    node.className = name;
    node.append(...inside);
    return node;
  };

  // --- What a link leads to, as { node, where }, or null.
  const asked = new Map(); // page: the promise of its things
  const arrived = new Map();
  window.AE_PREVIEWS = (page, things, glyphs) => arrived.set(page, [things, glyphs]);
  function load(page) {
    if (!asked.has(page)) {
      asked.set(page, new Promise((resolve) => {
        const script = document.createElement("script");
        const name = page.replace(/\.html$/, "").replaceAll("/", "-");
        const version = document.querySelector("script[src*='book.js']").src.split("?")[1] || "";
        script.src = new URL(`_static/previews/${name}.js?${version}`, home);
        script.addEventListener("load", () => resolve(arrived.get(page)));
        script.addEventListener("error", () => { asked.delete(page); resolve(); });
        document.head.append(script);
      }));
    }
    return asked.get(page);
  }

  function fromHere(target) {
    if (!target) return null;
    let node = target.cloneNode(true);
    if (target.tagName === "DT") {
      let meaning = target.nextElementSibling;
      while (meaning && meaning.tagName !== "DD") meaning = meaning.nextElementSibling;
      node = make("dl", "glossary", node, meaning ? meaning.cloneNode(true) : "");
    }
    for (const part of [node, ...node.querySelectorAll("[id]")]) part.removeAttribute("id");
    return { node, where: "On this page" };
  }

  const parsed = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html.replaceAll('"~/', `"${home.href}`);
    return template.content.firstElementChild;
  };
  // A page has the outlines of the glyphs that its own formulas use, and no others.
  function addGlyphs(paths) {
    let svg = document.querySelector(".ae-glyphs");
    if (!svg) {
      document.body.insertAdjacentHTML(
        "beforeend", '<svg class="ae-glyphs" aria-hidden="true"><defs></defs></svg>');
      svg = document.body.lastElementChild;
    }
    const more = parsed(`<svg>${paths}</svg>`);
    for (const path of [...more.children]) {
      if (!document.getElementById(path.id)) svg.firstElementChild.append(path);
    }
  }
  async function fromThere(page, name) {
    const [things, glyphs] = (await load(page)) || [];
    if (!things || !Object.hasOwn(things, name)) return null;
    addGlyphs(glyphs);
    const [html, where] = things[name];
    if (!name.startsWith("ledger-")) return { node: parsed(html), where };
    // A row stands between its neighbours.
    const chapter = name.slice(0, name.indexOf(".") + 1);
    const rows = Object.keys(things).filter((other) => other.startsWith(chapter));
    const at = rows.indexOf(name);
    const shown = rows.slice(Math.max(at - 1, 0), at + 2).map((row) => things[row][0]);
    const node = parsed(`<table class="ae-ledger table"><tbody>${shown.join("")}</tbody></table>`);
    node.rows[Math.min(at, 1)].classList.add("ae-preview-row");
    return { node, where };
  }
  function find(link) {
    const { pathname, hash } = new URL(link.href);
    const name = decodeURIComponent(hash.slice(1));
    if (pathname === location.pathname) return fromHere(document.getElementById(name));
    return fromThere(pathname.slice(home.pathname.length), name);
  }

  // --- The box. It stands in the top layer, over drawers too.
  const body = make("div", "ae-preview-body");
  const where = make("span", "ae-preview-where");
  const go = make("a", "ae-preview-go", "Go there");
  const box = make("div", "ae-preview bd-article", body, make("p", "ae-preview-foot", where, go));
  box.id = "ae-preview";
  box.tabIndex = -1;
  box.setAttribute("role", "dialog");
  box.setAttribute("aria-label", "Preview");
  if (box.showPopover) box.popover = "manual";

  let link; // whose preview is shown or about to be
  let how; // "mouse", "keys" or "touch"
  let timer;
  let title;
  let pointer = "mouse";
  let returning = false;
  const open = () => box.isConnected;

  function place() {
    if (!open()) return;
    const lines = [...link.getClientRects()];
    const top = Math.min(...lines.map((line) => line.top));
    const bottom = Math.max(...lines.map((line) => line.bottom));
    if (!lines.length || bottom < 0 || top > innerHeight) { hide(); return; }
    const gap = 8;
    box.style.maxHeight = "";
    const [above, below] = [top - 2 * gap, innerHeight - bottom - 2 * gap];
    const under = box.offsetHeight <= below || below >= above;
    box.style.maxHeight = `${Math.min(box.offsetHeight, under ? below : above)}px`;
    const most = root.clientWidth - box.offsetWidth - gap;
    box.style.left = `${Math.max(gap, Math.min(lines[0].left, most))}px`;
    box.style.top = `${Math.max(gap, under ? bottom + gap : top - gap - box.offsetHeight)}px`;
  }

  async function show() {
    const mine = link;
    const [found, manner] = [await find(mine), how];
    if (mine !== link) return; // the reader has gone on
    if (!found) {
      hide();
      if (manner === "touch") location.assign(mine.href);
      return;
    }
    found.node.querySelectorAll(LEFT_OUT).forEach((part) => part.remove());
    for (const part of [found.node, ...found.node.querySelectorAll("[role], [tabindex]")]) {
      part.removeAttribute("tabindex");
      if (part.getAttribute("role") === "listitem") part.removeAttribute("role");
    }
    body.replaceChildren(found.node);
    where.textContent = found.where;
    go.href = mine.href;
    (mine.closest("dialog") || document.querySelector("main")).append(box);
    if (box.popover) box.showPopover();
    place();
    const row = body.querySelector(".ae-preview-row");
    const bottoms = [row, body].map((part) => part && part.getBoundingClientRect().bottom);
    body.scrollTop = row ? bottoms[0] - bottoms[1] + 12 : 0;
    for (const part of [body, ...body.querySelectorAll(".math, .ae-drawing")]) { // for the keyboard
      const more = part.scrollWidth > part.clientWidth
        || (part === body && part.scrollHeight > part.clientHeight);
      if (more) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
    if (manner === "touch") box.focus({ preventScroll: true });
    else mine.setAttribute("aria-describedby", "ae-preview");
  }
  function hide() {
    clearTimeout(timer);
    if (!link) return;
    const old = link;
    const inside = box.contains(document.activeElement);
    link = undefined;
    if (title) old.title = title;
    old.removeAttribute("aria-describedby");
    box.remove();
    returning = true; // the focus that comes back shows nothing
    if (inside) old.focus({ preventScroll: true });
    returning = false;
  }
  function arm(next, manner) {
    clearTimeout(timer);
    if (next === link) return;
    hide();
    [link, how, title] = [next, manner, next.title];
    next.removeAttribute("title"); // the browser's own would lie over it
    if (manner === "touch") show();
    else timer = setTimeout(show, WAIT[manner]);
  }

  const linkAt = (node) => {
    const found = node.closest?.("a[href*='#']");
    if (!found || found.matches(".headerlink") || !found.href.startsWith(home.href)) return null;
    if (found.closest(".ae-letters, .ae-found, .ae-preview, .toc-entry")) return null;
    return SHOWN.test(found.getAttribute("href")) ? found : null;
  };

  // --- Mouse: rest on a link; one may go into the preview.
  document.addEventListener("pointerover", ({ target, pointerType }) => {
    if (pointerType !== "mouse") return;
    const next = linkAt(target);
    if (next) {
      if (next === link && open()) clearTimeout(timer);
      else if (next !== link) arm(next, "mouse");
    } else if (link && how === "mouse") {
      clearTimeout(timer);
      if (!box.contains(target)) timer = setTimeout(hide, open() ? LEAVE : 0);
    }
  });
  document.addEventListener("pointerdown", (event) => {
    pointer = event.pointerType;
    if (open() && !box.contains(event.target) && linkAt(event.target) !== link) hide();
  });
  // --- Touch: the first tap shows, the second follows.
  document.addEventListener("click", (event) => {
    const next = linkAt(event.target);
    if (next && pointer === "touch" && event.detail && next !== link
      && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      arm(next, "touch");
    } else if (next || event.target === go) hide();
  });
  // --- Keyboard: on focus; Alt and the arrow down go into it, Tab goes on after its link.
  document.addEventListener("focusin", ({ target }) => {
    const next = linkAt(target);
    if (next && !returning && target.matches(":focus-visible")) arm(next, "keys");
  });
  document.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (!link || box.contains(relatedTarget) || relatedTarget === link) return;
    if (box.contains(target) ? relatedTarget : target === link && how === "keys") hide();
  });
  addEventListener("keydown", (event) => {
    pointer = "keys";
    if (!open()) return;
    if (event.key === "Escape") {
      event.preventDefault(); // a drawer beneath stays
      event.stopPropagation();
      hide();
    } else if (event.key === "ArrowDown" && event.altKey && document.activeElement === link) {
      event.preventDefault();
      box.focus();
    } else if (event.key === "Tab" && box.contains(document.activeElement)) {
      const stops = [...box.querySelectorAll("a[href], [tabindex='0']")];
      const at = stops.indexOf(document.activeElement);
      if (event.shiftKey ? at < 1 : at === stops.length - 1) link.focus({ preventScroll: true });
    }
  }, true);
  let waiting = false;
  const follow = ({ target }) => {
    if (!open() || waiting || box.contains(target)) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; place(); });
  };
  addEventListener("scroll", follow, { passive: true, capture: true });
  addEventListener("resize", follow);
  addEventListener("beforeprint", hide);
  addEventListener("pagehide", hide);
})();
