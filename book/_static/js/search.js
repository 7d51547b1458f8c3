// Finds and shows. Loaded when a reader opens the search, after MiniSearch and AE_BOOK, which is
// what can be found: book/_ext/ae_search.py writes all three into one file.
(function () {
  "use strict";
  const WORD = /\d+(?:\.\d+)*|[\p{L}\p{M}\p{N}_]+/gu;
  const WEIGHT = { chapter: 1.5, term: 1.4, section: 1.2, box: 1, figure: 0.9, claim: 0.9, source: 0.7 };
  const home = document.documentElement.dataset.content_root;
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const words = (text) => fold(text).match(WORD) || [];
  const make = (tag, name, ...inside) => {
    const node = document.createElement(tag);
    node.className = name;
    node.append(...inside);
    return node;
  };

  const things = AE_BOOK.records.map(([kind, page, anchor, title, text, code], id) => {
    const [address, where] = AE_BOOK.pages[page];
    const whole = kind === "chapter";
    const label = title.match(/^(?:\p{L}+ )?[\d.]*\d/u)?.[0] || ""; // Claim 2.3, 2.3
    const names = [label, title.slice(label.length)].map((name) => words(name).join(" "));
    return { id, kind, title, text, code, names, where: whole ? "" : where,
      href: home + address + (whole ? "" : `#${anchor}`) };
  });
  const index = new MiniSearch({ fields: ["title", "text", "code"],
    tokenize: (text) => text.match(WORD) || [], processTerm: fold });
  index.addAll(things);

  function find(query) {
    const asked = words(query);
    const options = {
      boost: { title: 5, code: 0.3 },
      prefix: (term) => term.length > 2,
      fuzzy: (term) => (term.length > 4 && !/\d/.test(term) ? 0.2 : false), // one slip in five letters
      boostDocument: (id) => WEIGHT[things[id].kind] * (things[id].names.includes(asked.join(" ")) ? 5 : 1),
    };
    const all = index.search(query, { ...options, combineWith: "AND" });
    return all.length || asked.length < 2 ? all : index.search(query, options);
  }

  // --- The text with the words that were found marked.
  function marked(text, terms) {
    const parts = [];
    let done = 0;
    for (const word of text.matchAll(WORD)) {
      if (!terms.has(fold(word[0]))) continue;
      parts.push(text.slice(done, word.index), make("mark", "", word[0]));
      done = word.index + word[0].length;
    }
    return [...parts, text.slice(done)];
  }
  // --- Some 150 letters around the first word that was found.
  function excerpt(text, terms) {
    const first = [...text.matchAll(WORD)].find((word) => terms.has(fold(word[0])));
    const from = first && first.index > 60 ? text.indexOf(" ", first.index - 60) + 1 : 0;
    const to = from + 150 < text.length ? text.lastIndexOf(" ", from + 150) : text.length;
    return (from ? "… " : "") + text.slice(from, to > from ? to : from + 150) + (to < text.length ? " …" : "");
  }
  function entry(result) {
    const { title, where, href, text, code } = things[result.id];
    const terms = new Set(result.terms);
    const here = words(text).some((word) => terms.has(word)) || words(title).some((word) => terms.has(word));
    const shown = here ? text : `In the code: ${code.split(" ").filter((name) => terms.has(fold(name))).join(", ")}`;
    const link = make("a", "", make("span", "ae-found-title", ...marked(title, terms)));
    link.href = href;
    if (where) link.append(make("span", "ae-found-where", where));
    if (shown) link.append(make("span", "ae-found-text", ...marked(excerpt(shown, terms), terms)));
    return make("li", "", link);
  }

  // --- A field, and below it what it finds; arrows go from one to the next.
  window.AE_SEARCH = function (field, box, limit) {
    const count = make("p", "ae-found-count");
    const list = make("ol", "ae-found-list");
    count.setAttribute("role", "status");
    box.replaceChildren(count, list);
    const show = () => {
      const query = field.value.trim();
      const found = query ? find(query) : [];
      const more = found.length > limit ? `, the best ${limit} here; Enter shows all` : "";
      count.textContent = query && `${found.length || "Nothing"} found${more}`;
      list.replaceChildren(...found.slice(0, limit).map(entry));
    };
    const step = (event) => {
      const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
      const stops = [field, ...list.querySelectorAll("a")];
      const next = stops[stops.indexOf(document.activeElement) + way];
      if (next) { event.preventDefault(); next.focus(); }
    };
    field.addEventListener("input", show);
    field.addEventListener("keydown", step);
    list.addEventListener("keydown", step);
    show();
  };
})();
