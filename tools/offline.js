// The pages of the book as one document, for Chromium to print: see tools/offline.py.
// Ids get the number of their page before them; links between the pages become links inside.
(function () {
  "use strict";
  const { pages, base } = JSON.parse(document.getElementById("pages").textContent);
  const SITE = "https://site.invalid/";
  const names = pages.map(([name]) => name);
  const container = document.querySelector(".bd-article-container");
  const glyphs = new Map();
  const heads = [];
  container.replaceChildren(...pages.map(([name, text], at) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const article = page.querySelector("article.bd-article");
    for (const glyph of page.querySelectorAll(".ae-glyphs path")) glyphs.set(glyph.id, glyph);
    article.querySelectorAll(".ae-door, .headerlink, .ae-letters, nav.contents").forEach((e) => e.remove());
    const own = new Set([...article.querySelectorAll("[id]")].map((e) => e.id));
    const key = (id) => (own.has(id) ? `p${at}-${id}` : id);
    for (const element of article.querySelectorAll("*")) {
      for (const { name: attribute, value } of [...element.attributes]) {
        if (attribute === "id") element.id = key(value);
        else if (/^aria-(labelledby|describedby)$/.test(attribute)) {
          element.setAttribute(attribute, value.split(/\s+/).map(key).join(" "));
        } else if (value.includes("url(#")) {
          element.setAttribute(attribute, value.replace(/url\(#([^)]+)\)/g, (_, id) => `url(#${key(id)})`));
        } else if (/(^|:)href$/.test(attribute) && element.namespaceURI.endsWith("svg")) {
          element.setAttribute(attribute, value.replace(/^#(.*)/, (_, id) => `#${key(id)}`));
        }
      }
      if (element.localName === "details") element.open = true;
    }
    for (const link of article.querySelectorAll("a[href]")) {
      const to = new URL(link.getAttribute("href"), SITE + name);
      if (to.href.startsWith(SITE)) {
        const there = names.indexOf(to.pathname.slice(1) || "index.html");
        const id = decodeURIComponent(to.hash.slice(1));
        if (there < 0) link.href = base + to.href.slice(SITE.length);
        else link.setAttribute("href", id ? `#p${there}-${id}` : `#p${there}`);
      }
    }
    article.id = `p${at}`;
    const title = article.querySelector("h1").textContent.trim().replace(/\s+/g, " ");
    if (at) article.style.page = `p${at}`;  // a head of its own, and a new sheet
    if (at) heads.push(`@page p${at} { @top-center { content: ${JSON.stringify(title)}; font: 9pt "Source Serif 4", serif; color: #5a5d63; } }`);
    return document.adoptNode(article);
  }));
  document.querySelectorAll(".ae-glyphs defs").forEach((defs) => defs.replaceChildren(...glyphs.values()));
  document.querySelectorAll(".bd-footer-content, .bd-footer, dialog").forEach((e) => e.remove());
  // The bookmarks keep the space at a line's end only so.
  const style = document.createElement("style");
  style.textContent = heads.join("\n") + "\nh1, h2, h3, h4 { white-space: pre-wrap; }";
  document.head.append(style);
  // What a parser has read does not run: the explorers start anew.
  for (const old of container.querySelectorAll("script:not([type]), script[type='text/javascript']")) {
    const script = document.createElement("script");
    script.textContent = old.textContent;
    old.replaceWith(script);
  }
})();
