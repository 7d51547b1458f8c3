// One sentence in four kinds of tokens. One file for two worlds: a widget's view in Jupyter and
// Colab, and, as a classic script with mountAll() for its last line, a page without a kernel.
// Where this file is served, what it imports stands in the place of the import: see bundled() in
// _static.py. The vocabularies come as JSON text in the model's "payload"; see tokenisers.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { CSS, SPECIALS, REPLACED, SPELLING, ALONE, WORD, normalise, readMerges, bytesOf } from "./next_words.js";
import { REST, LETTERS, TOKEN, SUFFIX, SUFFIXES, NO_SPACE_BEFORE, NO_SPACE_AFTER, firstOf, restOf, capital, contraction, follower, piecesOf, splitWords } from "./sentence_path.js";

const STYLE = `
.aek { --box: #0072b2; --lost: #b34700; }
html[data-theme="dark"] .aek, body[data-jp-theme-light="false"] .aek { --box: #56b4e9; --lost: #f0a860; }
.aek-top { display: flex; align-items: center; justify-content: space-between; gap: 0.5rem; padding-bottom: 0.25rem; }
.aek .aek-top label { padding: 0; }
.aek select { min-width: 0; max-width: 11rem; min-height: 30px; margin: 0; padding: 0 0.25rem; font: inherit;
  font-size: 0.8125rem; color: inherit; background: var(--ae-surface);
  border: 1px solid var(--ae-border); border-radius: 6px; cursor: pointer; }
.aek option { color: var(--ae-text); background: var(--ae-paper); }
.aek .aek-way { padding: 0; line-height: 1.35; }
.aek .aek-way span { font-weight: 400; color: var(--ae-muted); font-size: 0.875rem; }
.aek p.aek-sum { padding-bottom: 0.25rem; font-size: 0.875rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.aek ol { display: flex; flex-wrap: wrap; gap: 0.25rem; max-height: 12rem; overflow-y: auto; padding: 2px; }
.aek li { display: grid; justify-items: center; min-width: 1.75rem; max-width: 100%; padding: 0.0625rem 0.3125rem;
  border: 1px solid var(--ae-border); border-radius: 4px; background: color-mix(in srgb, var(--box) 10%, transparent); }
.aek li.aek-lost { border: 2px dashed var(--lost); background: none; }
.aek li b { min-height: 1.3em; font-weight: 500; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.aek li small { font-size: 0.75rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.aek :is(select, ol):focus-visible {
  outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 1px; }
`;

const UNK = 1;
const LONG = 40; // from so many tokens on a row may scroll, and takes the focus
const [LOWER, NO_SPACE, SPACE] = ["<lower>", "<glue>", "<space>"];

// ---- the four ways: each gives a text's tokens with their ids, as ae_lib/text does ---------

const codeOf = (sign) => `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const hexOf = (bytes) => bytes.map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");

// How a token is shown: a space as U+2423, a mark on a ring, and by its code what is invisible.
function visible(token) {
  if (/^[\p{Cf}\p{Cc}\p{DI}]+$/u.test(token)) return [...token].map(codeOf).join(" ");
  return (/^\p{M}/u.test(token) ? "\u25cc" : "") + token.replaceAll(" ", "\u2423");
}

// The same of bytes: those of no whole character in hexadecimal.
function visibleBytes(bytes) {
  try {
    return visible(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes)));
  } catch {
    return hexOf(bytes);
  }
}

function readWays(data) {
  const listed = (tokens) => new Map(tokens.map((token, id) => [token, id]));
  const [characters, words, names] = [listed(data.characters), listed(data.words), new Set(data.names)];
  const { bytes, split } = readMerges(new Uint16Array(bytesOf(data.merges)));
  const one = (ids, token, written = token) => ({ id: ids.get(token) ?? UNK, shown: visible(token), written });
  const pieces = (text) => (normalise(text).match(WORD) ?? []).flatMap(split);
  return [
    { name: "Characters", size: `${data.characters.length.toLocaleString("en")} in the vocabulary`, read: (text) => [...normalise(text)].map((c) => one(characters, c)) },
    { name: "Bytes", size: "256 values; an id is the value", read: (text) => [...new TextEncoder().encode(normalise(text))].map((byte) => ({ id: byte, shown: byte < 127 ? visibleBytes([byte]) : hexOf([byte]) })), all: true },
    { name: "Words", size: `${data.words.length.toLocaleString("en")} in the vocabulary`, read: (text) => splitWords(text, names).map(({ token }) => one(words, token)) },
    { name: "Pieces", size: `${(bytes.length + SPECIALS).toLocaleString("en")} in the vocabulary`, read: (text) => pieces(text).map((id) => ({ id, shown: visibleBytes(bytes[id - SPECIALS]) })), all: true },
  ];
}

// ---- the explorer -----------------------------------------------------------------------

function build(data, ways) {
  const id = `aek-${Math.random().toString(36).slice(2)}`;
  const ui = {
    input: make("input", {
      type: "text", id: `${id}-input`, "aria-describedby": `${id}-note`, autocomplete: "off",
      autocapitalize: "sentences", spellcheck: "false", "data-lm-suppress-shortcuts": "true",
    }),
    pick: make("select", { "aria-label": "Pick a sentence" }, make("option", { value: "" }, "pick a sentence")),
    note: make("p", { class: "aew-note", id: `${id}-note` }),
    live: make("div", { class: "aew-unseen", "aria-live": "polite" }),
    rows: ways.map((_, k) => ({ sum: make("p", { class: "aek-sum" }), list: make("ol", { "aria-labelledby": `${id}-${k}` }) })),
  };
  ui.pick.append(...data.sentences.map((text) => make("option", { value: text }, text)));
  const help = "Write a sentence, or pick one. Each box is a token, with its id below. \u2423 stands for a space; two hexadecimal digits stand for a byte that is no character by itself. Words are in small letters; <space> and <glue> keep the spacing. A dashed box is a token that the vocabulary does not have.";
  const top = make("div", { class: "aek-top" }, make("label", { for: ui.input.id }, "Sentence"), ui.pick);
  const rows = ways.map(({ name, size }, k) => {
    const title = make("p", { class: "aew-title aek-way", id: `${id}-${k}` }, name, " ", make("span", {}, `(${size})`));
    return make("div", {}, title, ui.rows[k].sum, ui.rows[k].list);
  });
  const body = make("div", { class: "aew aek" }, make("p", { class: "aew-help" }, help), make("div", {}, top, ui.input, ui.note), ...rows, ui.live);
  ui.root = make(
    "div",
    { class: "ae-explorer", "data-ae-explorer": "tokenisers", role: "group", "aria-label": "Explorer: a sentence in four kinds of tokens" },
    make("style", {}, CSS + STYLE), body,
  );
  return ui;
}

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const ways = readWays(data);
  const ui = build(data, ways);
  let shown; // the sentence
  el.append(ui.root);

  const announce = makeAnnouncer(ui.live);

  // One way's row; gives what is said of it.
  function showRow({ name, read, all }, { sum, list }, text) {
    const tokens = read(text);
    const lost = (token) => !all && token.id === UNK;
    const unknown = [...new Set(tokens.filter(lost).map((token) => `\u201c${token.shown}\u201d`))];
    const count = `${tokens.length} token${tokens.length === 1 ? "" : "s"}`;
    const each = ([...normalise(text)].length / tokens.length).toFixed(2);
    const missing = unknown.length ? `${tokens.filter(lost).length} unknown: ${unknown.join(", ")}` : "none unknown";
    sum.textContent = `${count}, ${each} characters per token, ${missing}`;
    list.replaceChildren(
      ...tokens.map((token) => {
        const id = lost(token) ? `<unk> ${token.id}` : `${token.id}`;
        return make("li", lost(token) ? { class: "aek-lost" } : {}, make("b", {}, token.shown), make("small", {}, id));
      }),
    );
    if (tokens.length >= LONG) list.tabIndex = 0;
    else list.removeAttribute("tabindex");
    list.scrollTop = 0;
    return `${name}: ${count}, ${missing}.`;
  }

  // The one door for another sentence. What cannot be read is said, and the old one stays.
  function take(text, fromModel = false) {
    const count = [...text].length;
    const long = `Too long: ${count} characters, at most ${data.most} are read.`;
    const wrong = !normalise(text) ? "Write a sentence." : count > data.most ? long : "";
    ui.input.setAttribute("aria-invalid", String(Boolean(wrong)));
    ui.note.textContent = wrong && `${wrong} Below is still \u201c${shown}\u201d.`;
    ui.pick.value = data.sentences.includes(text) ? text : "";
    if (wrong) return announce(wrong);
    shown = text;
    announce(ways.map((way, k) => showRow(way, ui.rows[k], text)).join(" "));
    if (fromModel || model.get("sentence") === text) return;
    model.set("sentence", text);
    model.save_changes();
  }

  ui.input.addEventListener("input", () => take(ui.input.value));
  ui.pick.addEventListener("change", () => {
    if (!ui.pick.value) return;
    ui.input.value = ui.pick.value;
    take(ui.input.value);
  });
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  const follow = () => model.get("sentence") !== ui.input.value && take((ui.input.value = model.get("sentence")), true);
  model.on("change:sentence", follow);
  follow();
  announce(); // nothing has happened yet
  ui.root.aeExplorer = {
    write: (text) => take((ui.input.value = text)),
    read: (text) => ways.map((way) => way.read(text)),
    state: () => ({ sentence: shown }),
  };
  return () => {
    announce();
    model.off("change:sentence", follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("tokenisers", render, ({ sentences }) => ({ sentence: sentences[0] }));

export default { render };
