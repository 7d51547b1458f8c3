// The book's own script, in place of the theme's: colours, search, side bars, contents.
// It never measures the page while it loads, so that what is far below need not be laid out.
(function () {
  "use strict";
  const root = document.documentElement;
  const all = (selector) => document.querySelectorAll(selector);
  const remember = (key, value) => {
    try { localStorage.setItem(key, value); } catch (error) { /* private reading */ }
  };

  // --- Colours: light, dark, or as the system has them.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function setMode(mode) {
    root.dataset.mode = mode;
    root.dataset.theme = mode === "auto" ? (dark.matches ? "dark" : "light") : mode;
    remember("mode", mode);
    remember("theme", root.dataset.theme);
  }
  dark.addEventListener("change", () => setMode(root.dataset.mode));
  function nextMode() {
    const order = dark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
    setMode(order[(order.indexOf(root.dataset.mode) + 1) % order.length]);
  }

  // --- Dialogs close when the reader clicks beside them.
  function closeBeside(dialog) {
    dialog.addEventListener("click", (event) => {
      const box = dialog.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX > box.right
        || event.clientY < box.top || event.clientY > box.bottom) dialog.close();
    });
  }

  // --- The search: in a dialog on every page, or on its own page. What finds is a large file,
  // loaded when a reader first asks; a script, so that it comes from a stick too.
  function startSearch() {
    const dialog = document.getElementById("pst-search-dialog");
    const ownField = document.querySelector(".bd-search-container input");
    const field = ownField || dialog.querySelector("input");
    const box = document.getElementById("search-results") || document.createElement("div");
    let asked = false;
    const load = () => {
      if (asked) return;
      asked = true;
      const script = document.createElement("script");
      script.src = `${root.dataset.content_root}_static/search.js`;
      script.addEventListener("load", () => AE_SEARCH(field, box, ownField ? 200 : 12));
      script.addEventListener("error", () => {
        asked = false;
        box.textContent = "The search could not be loaded. Are you offline? Close it and open it again.";
      });
      document.head.append(script);
    };
    const open = () => {
      load();
      if (ownField) { field.focus(); field.select(); } else if (dialog.open) dialog.close();
      else dialog.showModal();
    };
    if (ownField) {
      field.value ||= new URLSearchParams(location.search).get("q") || "";
      open();
    } else {
      box.className = "ae-found";
      dialog.append(box);
    }
    all(".search-button__button").forEach((button) => button.addEventListener("click", open));
    dialog.addEventListener("click", (event) => { if (event.target.closest("a")) dialog.close(); });
    closeBeside(dialog);
    const mac = /Mac|iPhone|iPad/.test(navigator.platform);
    if (mac) all(".search-button__kbd-shortcut kbd:first-of-type").forEach((key) => { key.textContent = "⌘"; });
    addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "k" && (mac ? event.metaKey : event.ctrlKey)) {
        event.preventDefault();
        open();
      }
    });
  }

  // --- Side bars: on a wide screen they stand beside the text, on a narrow one in a dialog.
  function startSidebar(toggle, bar, dialog, wide) {
    if (!toggle || !bar || !dialog) return;
    const leave = document.createElement("button");
    leave.className = "btn btn-sm ae-close";
    leave.textContent = "Close";
    leave.addEventListener("click", () => dialog.close());
    const move = (from, to) => {
      to.append(...from.childNodes);
      to.classList.add(...from.classList);
      from.removeAttribute("class");
    };
    toggle.addEventListener("click", () => {
      if (wide && matchMedia(wide).matches) {
        bar.classList.toggle("pst-sidebar-hidden");
        return;
      }
      move(bar, dialog);
      dialog.prepend(leave);
      dialog.showModal();
    });
    dialog.addEventListener("close", () => {
      leave.remove();
      move(dialog, bar);
      toggle.focus({ preventScroll: true });
    });
    dialog.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#']");
      if (link) dialog.close();
    });
    closeBeside(dialog);
  }

  // --- The contents at the side show where the reader is: in the last section that begins above
  // the upper third of the window, or in the one just jumped to, though it be short or the page's
  // last. What is inside the other sections is not measured: it need not be laid out.
  function followReader() {
    const bar = document.getElementById("pst-secondary-sidebar");
    const links = new Map();
    for (const link of all("#pst-page-toc-nav a[href^='#']")) {
      const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (section) links.set(section, link);
    }
    if (!links.size) return;
    const reached = (inside) => [...links.keys()].findLast((section) => {
      const outer = section.parentElement.closest("section");
      return (inside ? outer === inside : !links.has(outer))
        && section.getBoundingClientRect().top < innerHeight / 3;
    });
    let shown;
    let waiting = false;
    const show = () => {
      waiting = false;
      let here;
      for (let next = reached(); next; next = reached(next)) here = next;
      const aim = document.querySelector(":target");
      const top = links.has(aim) ? aim.getBoundingClientRect().top : -1;
      const ended = scrollY + innerHeight > root.scrollHeight - 2;
      if (top >= 0 && top < (ended ? innerHeight : 120)) here = aim;
      if (here === shown) return;
      shown = here;
      all("#pst-page-toc-nav .active").forEach((e) => {
        e.classList.remove("active");
        e.removeAttribute("aria-current");
      });
      const link = links.get(here);
      if (!link) return;
      link.classList.add("active");
      link.setAttribute("aria-current", "true");
      for (let e = link.closest(".toc-entry"); e; e = e.parentElement.closest(".toc-entry")) {
        e.classList.add("active");
      }
      const [box, place] = [bar, link].map((e) => e.getBoundingClientRect());
      if (place.top < box.top || place.bottom > box.bottom) {
        bar.scrollTop += place.top - box.top - box.height / 3;
      }
    };
    addEventListener("scroll", () => {
      if (!waiting) requestAnimationFrame(show);
      waiting = true;
    }, { passive: true });
  }

  // --- What a reader meets later is made when it is a screen away: a page loads as fast without.
  window.AE_NEAR = (nodes, act) => {
    const watch = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        watch.unobserve(target);
        try { act(target); } catch (error) { console.error(error); } // the others are made
      }
    }, { rootMargin: "100% 0px" });
    nodes.forEach((node) => watch.observe(node));
  };
  function startExplorers() {
    const mounts = [...all("[data-ae-script]")].map((place) => place.previousElementSibling);
    AE_NEAR(mounts, (mount) => {
      const script = document.createElement("script");
      script.src = mount.nextElementSibling.dataset.aeScript;
      mount.nextElementSibling.replaceWith(script);
    });
  }

  function watchTop() {
    const top = document.querySelector(".sbt-scroll-pixel-helper");
    if (!top) return;
    new IntersectionObserver(([entry]) => {
      document.body.classList.toggle("scrolled", entry.boundingClientRect.y < 0);
    }).observe(top);
  }

  // --- A box wider than the column scrolls, shows it, and takes the focus; one that fits need not.
  function tendScrollers() {
    const watch = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        if (target.matches(".highlight > pre") && isLong(target)) offerWrap(target.parentElement);
        const scrolls = target.scrollWidth > target.clientWidth;
        target.tabIndex = scrolls ? 0 : -1;
        target.classList.toggle("ae-scrolls", scrolls);
      }
    }, { rootMargin: "200px" });
    const boxes = all("[tabindex='0']:is(pre, .math, .ae-drawing, .pst-scrollable-table-container)");
    const tend = () => boxes.forEach((box) => { watch.unobserve(box); watch.observe(box); });
    tend();
    let width = innerWidth;
    addEventListener("resize", () => {
      if (width === innerWidth) return;
      width = innerWidth;
      boxes.forEach((box) => { box.tabIndex = 0; });
      tend();
    });

    // One switch for the long lines of all listings, at each that has some.
    const isLong = (pre) => {
      pre.style.whiteSpace = "pre";
      const long = pre.scrollWidth > pre.clientWidth;
      pre.style.whiteSpace = "";
      return long;
    };
    const offerWrap = (listing) => {
      if (listing.querySelector(".ae-wrap")) return;
      const button = document.createElement("button");
      button.className = "ae-wrap";
      button.title = button.ariaLabel = "Wrap long lines";
      button.ariaPressed = root.classList.contains("ae-wrapped");
      button.append(document.createElement("i"));
      button.firstChild.className = "fa-solid ae-icon-wrap";
      button.addEventListener("click", () => {
        const before = button.getBoundingClientRect().top;
        const wrapped = root.classList.toggle("ae-wrapped");
        remember("wrap", wrapped ? "yes" : "no");
        all(".ae-wrap").forEach((other) => { other.ariaPressed = wrapped; });
        tend();
        scrollBy({ top: button.getBoundingClientRect().top - before, behavior: "instant" });
      });
      listing.append(button);
    };
  }

  // --- Folded cells open for printing and when a link leads into them.
  function openFor(hash) {
    if (hash.length < 2) return;
    let node;
    try { node = document.getElementById(decodeURIComponent(hash.slice(1))); } catch (error) { return; } // "#50%"
    const target = node;
    let folded = false;
    for (; node; node = node.parentElement) {
      if (node.tagName === "DETAILS" && !node.open) { node.open = true; folded = true; }
    }
    if (folded) target.scrollIntoView();
  }
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...all("details:not([open])")];
    folded.forEach((node) => { node.open = true; });
    root.dataset.theme = "light";  // dark ink on paper, whatever the screen shows
    root.getBoundingClientRect();  // what was folded or far below is laid out now
  });
  addEventListener("afterprint", () => {
    folded.forEach((node) => { node.open = false; });
    setMode(root.dataset.mode);
  });
  addEventListener("hashchange", () => openFor(location.hash));

  function start() {
    all(".theme-switch-button").forEach((b) => b.addEventListener("click", nextMode));
    startSearch();
    startSidebar(
      document.querySelector(".primary-toggle"),
      document.getElementById("pst-primary-sidebar"),
      document.getElementById("pst-primary-sidebar-modal"), "(min-width: 992px)");
    startSidebar(
      document.querySelector(".secondary-toggle"),
      document.getElementById("pst-secondary-sidebar"),
      document.getElementById("pst-secondary-sidebar-modal"), "");
    followReader();
    watchTop();
    startExplorers();
    tendScrollers();
    openFor(location.hash);
  }
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
