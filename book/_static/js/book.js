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

  function startSearch() {
    const dialog = document.getElementById("pst-search-dialog");
    const field = document.querySelector(".bd-search-container input");
    const open = () => {
      if (field) { field.focus(); field.select(); } else if (dialog.open) dialog.close();
      else dialog.showModal();
    };
    all(".search-button__button").forEach((button) => button.addEventListener("click", open));
    closeBeside(dialog);
    const mac = /Mac|iPhone|iPad/.test(navigator.platform);
    if (mac) all("kbd.kbd-shortcut__modifier").forEach((key) => { key.textContent = "⌘"; });
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
      dialog.showModal();
    });
    dialog.addEventListener("close", () => { move(dialog, bar); toggle.focus(); });
    dialog.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#']");
      if (link) dialog.close();
    });
    closeBeside(dialog);
  }

  // --- The contents at the side show where the reader is.
  function followReader() {
    const links = new Map();
    for (const link of all("#pst-page-toc-nav a[href^='#']")) {
      const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      const heading = section && (section.querySelector("h1, h2, h3, h4") || section);
      if (heading) links.set(heading, link);
    }
    if (!links.size) return;
    const watch = new IntersectionObserver((entries) => {
      const reached = entries.filter((entry) => entry.isIntersecting).pop();
      if (!reached) return;
      for (const link of links.values()) {
        link.classList.remove("active");
        link.removeAttribute("aria-current");
      }
      all("#pst-page-toc-nav .toc-entry.active").forEach((e) => e.classList.remove("active"));
      const here = links.get(reached.target);
      here.classList.add("active");
      here.setAttribute("aria-current", "true");
      for (let e = here.closest(".toc-entry"); e; e = e.parentElement.closest(".toc-entry")) {
        e.classList.add("active");
      }
    }, { rootMargin: "0px 0px -70% 0px" });
    links.forEach((link, heading) => watch.observe(heading));
  }

  function watchTop() {
    const top = document.querySelector(".sbt-scroll-pixel-helper");
    if (!top) return;
    new IntersectionObserver(([entry]) => {
      document.body.classList.toggle("scrolled", entry.boundingClientRect.y < 0);
    }).observe(top);
  }

  // --- A box wider than the column scrolls and takes the focus; one that fits need not.
  function tendScrollers() {
    const watch = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
      }
    }, { rootMargin: "200px" });
    all("[tabindex='0']:is(pre, .math, .pst-scrollable-table-container)")
      .forEach((box) => watch.observe(box));
  }

  // --- Folded cells open for printing and when a link leads into them.
  function openFor(hash) {
    if (hash.length < 2) return;
    let node = document.getElementById(decodeURIComponent(hash.slice(1)));
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
    tendScrollers();
    openFor(location.hash);
  }
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
