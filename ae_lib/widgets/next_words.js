// What a small GPT expects next, and where its heads look. One file for two worlds: a widget's
// view in Jupyter and Colab, and, as a classic script with mountPage() for its last line, a page
// without a kernel. Weights and beginning come as JSON text in the model's "payload"; see
// next_words.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";

const CSS = `${BASE}
.aew { --ink: #0072b2; position: relative; display: grid; gap: 0.875rem; }
html[data-theme="dark"] .aew, body[data-jp-theme-light="false"] .aew { --ink: #56b4e9; }
.aew-help, .aew-note { color: var(--ae-muted); font-size: 0.875rem; }
.aew-note { min-height: 1.4em; overflow-wrap: anywhere; }
.aew-title { font-weight: 600; padding-bottom: 0.375rem; }
.aew label { display: block; margin: 0; font-weight: 600; padding-bottom: 0.25rem; }
.aew input { width: 100%; min-width: 0; min-height: 40px; margin: 0; padding: 0.375rem 0.625rem;
  font: inherit; font-size: 1rem; color: inherit; background: var(--ae-paper);
  border: 1px solid var(--ae-muted); border-radius: 6px; }
.aew button { font: inherit; color: inherit; cursor: pointer; margin: 0; background: none;
  border: 1px solid var(--ae-border); border-radius: 6px; }
.aew ol { list-style: none; margin: 0; padding: 0; }
.aew li { margin: 0; padding: 0; }
.aew ol.aew-pieces { display: flex; flex-wrap: wrap; gap: 0.25rem; }
.aew-pieces button { min-height: 30px; padding: 0.125rem 0.4375rem; font-size: 0.9375rem; white-space: pre; }
.aew-pieces button[aria-pressed="true"] { border-color: currentColor; background: var(--ae-surface);
  box-shadow: inset 0 -3px 0 var(--ink); font-weight: 600; }
.aew-two { display: grid; gap: 1rem 1.75rem; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); }
.aew ol.aew-bars { display: grid; gap: 0.125rem; }
.aew-bars button { display: grid; grid-template-columns: 6rem minmax(0, 1fr) 3.75rem; align-items: center;
  gap: 0.5rem; width: 100%; min-height: 30px; padding: 0 0.375rem; border-color: transparent; text-align: left; }
.aew-bars button:hover:not(:disabled) { background: var(--ae-surface); }
.aew-bars button:disabled { cursor: default; }
.aew-bars b { font-weight: 500; white-space: pre; overflow: hidden; text-overflow: ellipsis; }
.aew-bars i { height: 0.75rem; min-width: 1px; background: var(--ink); border-radius: 2px; }
.aew-bars span { text-align: right; font-variant-numeric: tabular-nums; font-size: 0.875rem; }
.aew-draw { min-height: 34px; padding: 0.25rem 0.875rem; margin-top: 0.5rem !important; font-weight: 600; }
.aew-heat { overflow-x: auto; padding: 2px; }
.aew table { border-collapse: separate; border-spacing: 2px; margin: 0; width: auto; display: table; }
.aew th, .aew td { padding: 0; border: 0; background: none; font-weight: 400; font-size: 0.8125rem; line-height: 1.2; }
.aew thead th { vertical-align: bottom; height: 4.5rem; }
.aew thead th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: pre; }
.aew tbody th { text-align: right; white-space: nowrap; padding-right: 0.375rem; }
.aew td { position: relative; width: 24px; min-width: 24px; height: 24px; box-shadow: inset 0 0 0 1px var(--ae-border);
  border-radius: 3px; cursor: default; }
.aew td i { position: absolute; inset: 0; background: var(--ink); border-radius: 3px; }
.aew :is(button, input, td, .aew-heat):focus-visible {
  outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 1px; }
.aew-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@container (max-width: 600px) { .aew-two { grid-template-columns: minmax(0, 1fr); } }
`;

const [PAD, UNK, BOS, EOS] = [0, 1, 2, 3];
const SPECIALS = 4;

// ---- pieces: the rules of ae_lib/text ---------------------------------------------------

const REPLACED = {
  "'": "\u2018\u2019\u201a\u201b\u02bc\uff07",
  '"': "\u201c\u201d\u201e\u201f\uff02",
  "-": "\u2010\u2011\ufe63\uff0d",
  "...": "\u2026",
};
const SPELLING = new Map(Object.entries(REPLACED).flatMap(([to, all]) => [...all].map((from) => [from, to])));
const ALONE = new RegExp(
  "(?<![^ ])[\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200c\\u200d\\u2065\\u2800\\u3164" +
    "\\ufe00-\\ufe0f\\uffa0\\ufff0-\\ufff8\\u{e0000}-\\u{e0fff}]+(?![^ ])",
  "gu",
);
const WORD = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu; // GPT-2's

function normalise(text) {
  const visible = text
    .replace(/[\p{Zs}\t-\r\x1c-\x1f\x85\u2028\u2029]/gu, " ")
    .replace(/\p{Cs}/gu, "\ufffd")
    .replace(/[\p{Cc}\p{Cf}]/gu, (c) => (c === "\u200c" || c === "\u200d" ? c : ""));
  const spelled = visible.replace(/[^\x00-\x7f]/gu, (c) => SPELLING.get(c) ?? c).normalize("NFC");
  return spelled.replace(ALONE, "").split(" ").filter(Boolean).join(" ");
}

// The vocabulary: of each piece its bytes, and how a word splits into pieces. The first 256
// pieces are the bytes, in the order of the signs that stand for them in GPT-2.
function readMerges(merges) {
  const printed = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  const all = [...Array(256).keys()];
  const bytes = [...all.filter(printed), ...all.filter((b) => !printed(b))].map((b) => [b]);
  const ids = new Map(bytes.map((piece, id) => [piece.join(), id]));
  const joins = new Map(); // of each pair that is joined its rank and piece
  for (let k = 0; k < merges.length; k += 2) {
    const piece = [...bytes[merges[k]], ...bytes[merges[k + 1]]];
    const key = piece.join();
    if (!ids.has(key)) ids.set(key, bytes.push(piece) - 1);
    joins.set(merges[k] * 65536 + merges[k + 1], [k, ids.get(key)]);
  }
  const split = (word) => {
    const row = [...new TextEncoder().encode(word)].map((b) => ids.get(String(b)));
    for (;;) {
      let [best, at] = [[Infinity], -1];
      for (let i = 0; i + 1 < row.length; i++) {
        const found = joins.get(row[i] * 65536 + row[i + 1]);
        if (found && found[0] < best[0]) [best, at] = [found, i];
      }
      if (at < 0) return row.map((id) => id + SPECIALS);
      row.splice(at, 2, best[1]);
    }
  };
  return { bytes, split };
}

function readPieces(merges) {
  const { bytes, split } = readMerges(merges);
  return {
    encode: (text) => (normalise(text).match(WORD) ?? []).flatMap(split),
    decode: (row) => new TextDecoder().decode(new Uint8Array(row.flatMap((id) => bytes[id - SPECIALS]))),
  };
}

// ---- the model: see ae_lib/models/transformer.py ----------------------------------------

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;

// The 8-bit matrices become float32, each column times its step.
function readModel({ sizes, matrices, steps, vectors }) {
  const { vocabulary, width, layers, heads, length } = sizes;
  const [whole, exponents, reals] = [new Int8Array(bytesOf(matrices)), new Int8Array(bytesOf(steps)), new Float32Array(bytesOf(vectors))];
  let [m, s, v] = [0, 0, 0];
  const matrix = (rows, columns) => {
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < values.length; i++) values[i] = whole[m + i] * 2 ** exponents[s + (i % columns)];
    [m, s] = [m + values.length, s + columns];
    return { rows, columns, values };
  };
  const vector = (size) => reals.subarray(v, (v += size));
  const norm = () => ({ scale: vector(width), shift: vector(width) });
  const dense = (rows, columns) => ({ kernel: matrix(rows, columns), bias: vector(columns) });
  const [table, places] = [matrix(vocabulary, width), matrix(length, width)];
  const blocks = Array.from({ length: layers }, () => ({
    norm1: norm(), qkv: dense(width, 3 * width), out: dense(width, width),
    norm2: norm(), widen: dense(width, 4 * width), narrow: dense(4 * width, width),
  }));
  const last = norm();
  if (m !== whole.length || s !== exponents.length || v !== reals.length) throw new Error("the model's data are damaged");

  // States after <bos> and the pieces, and of each head the attention [head][query * T + key].
  function run(row) {
    const seen = [BOS, ...row];
    const attention = [];
    let x = seen.map((id, t) => {
      const a = new Float64Array(width);
      for (let j = 0; j < width; j++) a[j] = table.values[id * width + j] + places.values[t * width + j];
      return a;
    });
    for (const { norm1, qkv, out, norm2, widen, narrow } of blocks) {
      const parts = x.map((a) => affine(qkv, normed(norm1, a)));
      const mixed = attend(parts, width, heads);
      attention.push(...mixed.weights);
      x = x.map((a, t) => plus(a, affine(out, mixed.sums[t])));
      x = x.map((a) => plus(a, affine(narrow, affine(widen, normed(norm2, a)).map(gelu))));
    }
    return { states: x.map((a) => normed(last, a)), attention };
  }

  // Probabilities of all pieces after a state; no text has <pad>, <unk> and <bos>.
  function probabilities(state) {
    const p = new Float64Array(vocabulary);
    for (let id = EOS; id < vocabulary; id++) {
      for (let j = 0, at = id * width; j < width; j++) p[id] += table.values[at + j] * state[j];
    }
    const top = p.subarray(EOS).reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (let id = EOS; id < vocabulary; id++) sum += p[id] = Math.exp(p[id] - top);
    p[PAD] = p[UNK] = p[BOS] = 0;
    return p.map((one) => one / sum);
  }
  return { run, probabilities, context: length - 1 };
}

function affine({ kernel: { rows, columns, values }, bias }, x) {
  const y = new Float64Array(bias);
  for (let i = 0; i < rows; i++) for (let j = 0, at = i * columns; j < columns; j++) y[j] += x[i] * values[at + j];
  return y;
}

const plus = (a, b) => a.map((one, j) => one + b[j]);
const gelu = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function normed({ scale, shift }, x) {
  const mean = x.reduce((a, b) => a + b) / x.length;
  const spread = Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length + 1e-5);
  return x.map((one, j) => ((one - mean) / spread) * scale[j] + shift[j]);
}

// Each position's sums over itself and those before; parts are query, key and value side by side.
function attend(parts, width, heads) {
  const [count, size] = [parts.length, width / heads];
  const sums = parts.map(() => new Float64Array(width));
  const weights = Array.from({ length: heads }, (_, h) => {
    const found = new Float64Array(count * count);
    for (let q = 0; q < count; q++) {
      const row = found.subarray(q * count, q * count + q + 1);
      for (let k = 0; k <= q; k++) {
        for (let j = h * size; j < (h + 1) * size; j++) row[k] += parts[q][j] * parts[k][width + j];
        row[k] /= Math.sqrt(size);
      }
      const top = row.reduce((a, b) => Math.max(a, b));
      const sum = row.reduce((a, b) => a + Math.exp(b - top), 0);
      for (let k = 0; k <= q; k++) {
        row[k] = Math.exp(row[k] - top) / sum;
        for (let j = h * size; j < (h + 1) * size; j++) sums[q][j] += row[k] * parts[k][2 * width + j];
      }
    }
    return found;
  });
  return { sums, weights };
}

// ---- elements ---------------------------------------------------------------------------

// Arrow keys move among a table's cells, whose data-<row> and data-<column> number them; the one
// in focus or under the mouse is told.
function walkCells(table, row, column, tell) {
  const cellOf = (target) => target.closest(`td[data-${column}]`);
  for (const event of ["focusin", "mouseover"]) {
    table.addEventListener(event, ({ target }) => cellOf(target) && tell(cellOf(target), event === "focusin"));
  }
  const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  table.addEventListener("keydown", (event) => {
    const cell = cellOf(event.target);
    if (!cell || !MOVES[event.key]) return;
    event.preventDefault();
    const [r, c] = [row, column].map((name, i) => Number(cell.dataset[name]) + MOVES[event.key][i]);
    const next = table.querySelector(`td[data-${row}="${r}"][data-${column}="${c}"]`);
    if (!next) return;
    [cell.tabIndex, next.tabIndex] = [-1, 0];
    next.focus();
  });
}

function build() {
  const id = `aew-${Math.random().toString(36).slice(2)}`;
  const titled = (part, words, ...children) => {
    const title = make("p", { class: "aew-title", id: `${id}-${part}` }, words);
    return make("div", {}, title, ...children);
  };
  const ui = {
    input: make("input", {
      type: "text", id: `${id}-input`, "aria-describedby": `${id}-note`, autocomplete: "off",
      autocapitalize: "sentences", spellcheck: "false", "data-lm-suppress-shortcuts": "true",
    }),
    note: make("p", { class: "aew-note", id: `${id}-note` }),
    pieces: make("ol", { class: "aew-pieces", "aria-labelledby": `${id}-pieces` }),
    bars: make("ol", { class: "aew-bars", "aria-labelledby": `${id}-bars` }),
    draw: make("button", { type: "button", class: "aew-draw" }, "Draw the next piece"),
    table: make("table", { role: "grid", "aria-labelledby": `${id}-heat` }),
    said: make("p", { class: "aew-note" }),
    live: make("div", { class: "aew-unseen", "aria-live": "polite" }),
  };
  const body = make(
    "div", { class: "aew" },
    make(
      "p", { class: "aew-help" },
      "Write how a sentence begins. A click on a next piece appends it; a click on a piece of the beginning shows what the model expected there, and where its heads look from it. \u2423 stands for a space.",
    ),
    make("div", {}, make("label", { for: ui.input.id }, "Beginning"), ui.input, ui.note),
    titled("pieces", "What the model reads", ui.pieces),
    make(
      "div", { class: "aew-two" },
      titled("bars", "Next piece", ui.bars, ui.draw),
      titled("heat", "Attention", make("div", { class: "aew-heat" }, ui.table), ui.said),
    ),
    ui.live,
  );
  [ui.barsTitle, ui.heatTitle] = ["bars", "heat"].map((part) => body.querySelector(`#${id}-${part}`));
  ui.root = make(
    "div",
    { class: "ae-explorer", "data-ae-explorer": "next-words", role: "group", "aria-label": "Explorer: what a small GPT expects next" },
    make("style", {}, CSS), body,
  );
  return ui;
}

// ---- the explorer -----------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const { encode, decode } = readPieces(new Uint16Array(bytesOf(data.merges)));
  const network = readModel(data);
  const { heads } = data.sizes;
  const ui = build();
  let ids = []; // the pieces that the model reads
  let place = 0; // after how many of them it is asked; <bos> is always read
  let found; // what it makes of them
  let p; // probabilities of all pieces there
  el.append(ui.root);

  const written = (id) => (id === EOS ? "<eos>" : decode([id]));
  const shown = (id) => (id === EOS ? "\u25a0 end" : decode([id]).replaceAll(" ", "\u2423"));
  const spoken = (id) => (id === EOS ? "the end of the sentence" : decode([id]).replace(/^ /, "space ").trim());
  const names = () => ["<bos>", ...ids.map(shown)];
  const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;

  const announce = makeAnnouncer(ui.live);

  function best() {
    return [...p.keys()].sort((a, b) => p[b] - p[a] || a - b).slice(0, data.shown);
  }

  function showPieces() {
    ui.pieces.replaceChildren(
      ...names().map((name, i) => {
        const button = make("button", { type: "button", "aria-pressed": String(i === place) }, name);
        button.addEventListener("click", () => select(i));
        return make("li", {}, button);
      }),
    );
  }

  function showBars() {
    const [name, top] = [names()[place], best()];
    const came = ids[place];
    ui.barsTitle.textContent = `Next piece after \u201c${name}\u201d`;
    ui.bars.replaceChildren(
      ...top.map((id) => {
        const button = make("button", { type: "button", "data-id": id });
        button.setAttribute("aria-label", `${spoken(id)}, ${percent(p[id])}${id === EOS ? "" : ", append"}`);
        button.disabled = id === EOS;
        button.append(make("b", {}, shown(id)), make("i", { style: `width: ${(100 * p[id]) / p[top[0]]}%` }), make("span", {}, percent(p[id])));
        button.addEventListener("click", () => append(id));
        return make("li", {}, button);
      }),
    );
    ui.draw.textContent = came === undefined ? "Draw the next piece" : "Draw another here";
    ui.note.textContent = came === undefined ? "" : `The piece that came next, \u201c${names()[place + 1]}\u201d, had ${percent(p[came])}: rank ${1 + p.reduce((n, one) => n + (one > p[came]), 0)}.`;
  }

  function describe(cell) {
    const [h, k] = [Number(cell.dataset.head), Number(cell.dataset.key)];
    const [layer, head] = [1 + Math.floor(h / heads), 1 + (h % heads)];
    return `Layer ${layer}, head ${head}: \u201c${names()[place]}\u201d attends to \u201c${names()[k]}\u201d with weight ${weight(h, k).toFixed(2)}.`;
  }

  const weight = (h, k) => found.attention[h][place * (ids.length + 1) + k];

  function showHeat() {
    const seen = names().slice(0, place + 1);
    ui.heatTitle.textContent = `Attention from \u201c${seen[place]}\u201d, a row a head`;
    const head = make("tr", {}, make("td", { style: "box-shadow: none" }), ...seen.map((name) => make("th", { scope: "col" }, make("span", {}, name))));
    const rows = found.attention.map((_, h) => {
      const cells = seen.map((_, k) => {
        const cell = make("td", { "data-head": h, "data-key": k, tabindex: h + k ? -1 : 0 });
        cell.setAttribute("aria-label", weight(h, k).toFixed(2));
        cell.append(make("i", { style: `opacity: ${weight(h, k).toFixed(3)}` }));
        return cell;
      });
      return make("tr", {}, make("th", { scope: "row" }, `layer ${1 + Math.floor(h / heads)}, head ${1 + (h % heads)}`), ...cells);
    });
    ui.table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
    ui.said.textContent = "Empty is 0, full colour 1. Point at a cell, or move with the arrow keys, to read its weight.";
  }

  function showAll() {
    p = network.probabilities(found.states[place]);
    showPieces();
    showBars();
    showHeat();
  }

  // The one door for other pieces.
  function take(row, words, from = null) {
    if (row.length > network.context) {
      ui.note.textContent = `Too long: ${row.length} pieces, at most ${network.context} are read.`;
      ui.input.setAttribute("aria-invalid", "true");
      return announce(ui.note.textContent);
    }
    ui.input.setAttribute("aria-invalid", "false");
    [ids, place, found] = [row, row.length, network.run(row)];
    showAll();
    const [first] = best();
    announce(`Most probable next: ${spoken(first)}, ${percent(p[first])}.`);
    if (ui.input.value !== words && from !== "input") ui.input.value = words;
    if (from === "model") return;
    model.set("prompt", words);
    model.save_changes();
  }

  const write = (words, from) => take(encode(words), words, from);

  function append(id) {
    const row = [...ids.slice(0, place), id];
    const focused = ui.bars.contains(document.activeElement);
    take(row, decode(row));
    if (focused) ui.bars.querySelector("button:not(:disabled)")?.focus();
  }

  function select(i) {
    place = Math.max(0, Math.min(ids.length, i));
    showAll();
    ui.pieces.querySelectorAll("button")[place].focus();
    announce(ui.note.textContent || ui.barsTitle.textContent);
  }

  ui.draw.addEventListener("click", () => {
    let [left, id] = [Math.random(), EOS];
    while (id + 1 < p.length && left >= p[id]) left -= p[id++];
    if (id !== EOS) return append(id);
    ui.note.textContent = `It drew the end (${percent(p[EOS])}): the sentence is finished.`;
    announce(ui.note.textContent);
  });
  ui.input.addEventListener("input", () => write(ui.input.value, "input"));
  walkCells(ui.table, "head", "key", (cell, focused) => {
    ui.said.textContent = describe(cell);
    if (focused) announce(ui.said.textContent);
  });
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());

  const follow = () => model.get("prompt") !== ui.input.value && write(model.get("prompt"), "model");
  model.on("change:prompt", follow);
  ui.input.value = model.get("prompt");
  write(ui.input.value, "model");
  announce(); // nothing has happened yet
  ui.root.aeExplorer = {
    write: (words) => write(words),
    append,
    select,
    encode,
    decode,
    normalise,
    context: network.context,
    next: (words) => {
      const row = encode(words);
      return [...network.probabilities(network.run(row).states[row.length])];
    },
    attention: (words) => network.run(encode(words)).attention.map((one) => [...one]),
    state: () => ({ ids: [...ids], place, best: best().map((id) => [written(id), p[id]]) }),
  };
  return () => {
    announce();
    model.off("change:prompt", follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("next-words", render, ({ prompt }) => ({ prompt }));

export default { render };
