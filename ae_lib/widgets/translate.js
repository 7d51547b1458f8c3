// A sentence, its French translation and the attention between their pieces. One file for two
// worlds: a widget's view in Jupyter and Colab, and, as a classic script with mountAll() for its
// last line, a page without a kernel. Where this file is served, what it imports stands in the
// place of the import: see bundled() in _static.py. Some sentences and their translations come as
// JSON text in the model's "payload"; the weights come on request, from the kernel or from a
// script beside the page. See translate.py and _int8.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { CSS, SPECIALS, REPLACED, SPELLING, ALONE, WORD, normalise, readMerges, readPieces, walkCells } from "./next_words.js";
import { openModel, multiply, affine, sigmoid, step, bufferOf, loadFromPage, loadFromKernel, fetchModel, modelLoader } from "./sentence_path.js";

const MORE = `
.aet [hidden] { display: none; }
.aet-top { display: flex; align-items: center; justify-content: space-between; gap: 0.5rem; padding-bottom: 0.25rem; }
.aet .aet-top label { padding: 0; }
.aet select { min-width: 0; max-width: 11rem; min-height: 30px; margin: 0; padding: 0 0.25rem; font: inherit;
  font-size: 0.8125rem; color: inherit; background: var(--ae-surface);
  border: 1px solid var(--ae-border); border-radius: 6px; cursor: pointer; }
.aet option { color: var(--ae-text); background: var(--ae-paper); }
.aet-load { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.75rem; padding: 0.625rem 0.75rem;
  border: 1px solid var(--ae-border); border-radius: 6px; background: var(--ae-surface); font-size: 0.875rem; }
.aet-load p { flex: 1 1 15rem; }
.aet .aet-load button { min-height: 34px; padding: 0.25rem 0.875rem; border: 1px solid currentColor;
  border-radius: 999px; background: var(--ae-paper); font-weight: 600; }
.aet-load progress { flex: 1 1 8rem; height: 0.5rem; accent-color: currentColor; }
.aet-out { display: grid; gap: 0.875rem; min-width: 0; }
.aet-out[aria-busy="true"] { opacity: 0.55; }
.aet p.aet-french { font-size: 1.375rem; line-height: 1.3; min-height: 1.3em; overflow-wrap: anywhere; }
.aet-out > div { min-width: 0; }
.ae-explorer .aet table { min-width: 0; margin: 0; border: 0; border-collapse: separate; }
.ae-explorer .aet table :is(th, td) { padding: 0; border: 0; text-align: center; vertical-align: middle; }
.ae-explorer .aet thead th { vertical-align: bottom; }
.ae-explorer .aet tbody th { position: sticky; left: 0; z-index: 1; padding-right: 0.375rem; background: var(--ae-paper); text-align: right; }
.aet select:focus-visible {
  outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 1px; }
`;

const [UNK, BOS, EOS] = [1, 2, 3];

// ---- the model: see ae_lib/models/attention.py ------------------------------------------

// The matrices stay 8-bit: a row is multiplied first, then scaled; of the
// table of word vectors the columns have scales.
function readModel(buffer) {
  const { header, take, matrix, dense, lstm } = openModel(buffer, "translator");
  const [forwards, backwards, asker, writer] = ["forwards", "backwards", "asker", "writer"].map(lstm);
  const [toH, toC, toWord] = ["to_h", "to_c", "to_word"].map(dense);
  const additive = header.attention === "additive";
  const toKey = header.attention !== "dot" && matrix("to_key.kernel");
  const [toQuery, toScore] = additive ? [matrix("to_query.kernel"), take("to_score")] : [];
  const [table, wordBias] = [matrix("embedding"), take("word_bias")];
  const rows = { ...table, scale: new Float32Array(table.rows).fill(1) };
  const units = asker.recurrent.columns;
  const half = units / 2;
  const zeros = () => new Float64Array(units);

  const wordVector = (id) => Float64Array.from(table.scale, (s, j) => s * table.values[id * table.columns + j]);
  const dot = (a, b) => {
    let sum = 0;
    for (let j = 0; j < a.length; j++) sum += a[j] * b[j];
    return sum;
  };

  // Of the pieces read: a vector and a key each; and the decoder's state before it writes.
  function read(row) {
    const values = row.map(zeros);
    const ends = zeros();
    const places = [...row.keys()];
    for (const [part, from, order] of [[forwards, 0, places], [backwards, half, [...places].reverse()]]) {
      const [h, c] = [ends.subarray(from, from + half), new Float64Array(half)];
      for (const t of order) {
        step(part, wordVector(row[t]), h, c);
        values[t].set(h, from);
      }
    }
    const keys = toKey ? values.map((value) => multiply(toKey, value, zeros())) : values;
    const state = [affine(toH, ends).map(Math.tanh), affine(toC, ends), zeros(), zeros()];
    return { memory: { values, keys }, state };
  }

  function weightsOf(question, keys) {
    const asked = additive && multiply(toQuery, question, zeros());
    const scores = keys.map((key) => dot(additive ? toScore : question, additive ? key.map((v, j) => Math.tanh(v + asked[j])) : key));
    const top = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - top));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  }

  // From a state and the piece before: log probabilities, the attention, the next state.
  function write({ values, keys }, state, id) {
    const [asking, cell, h, c] = state.map((part) => part.slice());
    step(asker, wordVector(id), asking, cell);
    const weights = weightsOf(asking, keys);
    const both = new Float64Array(2 * units);
    both.set(asking);
    weights.forEach((weight, t) => {
      for (let j = 0; j < units; j++) both[units + j] += weight * values[t][j];
    });
    step(writer, both, h, c);
    const logp = multiply(rows, affine(toWord, h).map((v, j) => v * table.scale[j]), new Float64Array(wordBias));
    logp[0] = logp[BOS] = -Infinity; // never written
    const top = logp.reduce((a, b) => Math.max(a, b));
    const all = top + Math.log(logp.reduce((sum, v) => sum + Math.exp(v - top), 0));
    return { logp: logp.map((v) => v - all), weights, state: [asking, cell, h, c] };
  }
  const pieces = readPieces(take("merges"));
  const decode = (row) => {
    const parts = [[]];
    for (const id of row) id === UNK ? parts.push([]) : parts.at(-1).push(id);
    return parts.map(pieces.decode).join("<unk>");
  };
  return { read, write, encode: pieces.encode, decode };
}

// The ids of the most probable words, best first.
function best(logp, count) {
  const found = [];
  for (let id = 0; id < logp.length; id++) {
    if (found.length === count && logp[id] <= logp[found[count - 1]]) continue;
    let at = Math.min(found.length, count - 1);
    for (; at && logp[id] > logp[found[at - 1]]; at--) found[at] = found[at - 1];
    found[at] = id;
  }
  return found;
}

// As ae_lib.decoding.beam: ids, <eos> included, and the attention at each. Between steps it
// pauses; null when the pause says that nobody waits any more.
async function beam(network, row, { width, penalty, limits }, pause) {
  const { memory, state } = network.read(row);
  const [, most] = limits.find(([edge]) => row.length <= edge);
  const norm = (t) => ((5 + t) / 6) ** penalty;
  let alive = [{ score: 0, ids: [], weights: [], state }];
  let top = { value: -Infinity };
  for (let t = 1; t <= most; t++) {
    const found = [];
    for (const one of alive) {
      if (!(await pause())) return null;
      const next = network.write(memory, one.state, one.ids.at(-1) ?? BOS);
      for (const id of best(next.logp, 2 * width)) {
        const score = one.score + next.logp[id];
        found.push({ score, id, ids: [...one.ids, id], weights: [...one.weights, next.weights], state: next.state });
      }
    }
    found.sort((a, b) => b.score - a.score);
    for (const one of found.slice(0, width)) {
      const value = one.score / norm(t);
      if ((one.id === EOS || t === most) && value > top.value) top = { ...one, value };
    }
    alive = found.slice(0, 2 * width).filter(({ id }) => id !== EOS).slice(0, width);
    if (alive[0].score / norm(most) <= top.value) break;
  }
  return top;
}

// ---- elements ---------------------------------------------------------------------------

function build(data) {
  const id = `aet-${Math.random().toString(36).slice(2)}`;
  const ui = {
    input: make("input", {
      type: "text", id: `${id}-input`, lang: "en", "aria-describedby": `${id}-note`, autocomplete: "off",
      autocapitalize: "sentences", spellcheck: "false", enterkeyhint: "done", "data-lm-suppress-shortcuts": "true",
    }),
    pick: make("select", { "aria-label": "Pick a sentence from a list" }),
    note: make("p", { class: "aew-note", id: `${id}-note` }),
    told: make("p"),
    bar: make("progress", { max: 1, "aria-label": "Loading the model", hidden: "" }),
    button: make("button", { type: "button" }),
    french: make("p", { class: "aet-french", lang: "fr" }),
    table: make("table", { role: "grid", "aria-labelledby": `${id}-heat` }),
    said: make("p", { class: "aew-note" }),
    live: make("div", { class: "aew-unseen", "aria-live": "polite" }),
  };
  ui.pick.append(make("option", { value: "" }, "or pick one"), ...data.stored.map(({ text }) => make("option", { value: text }, text)));
  ui.load = make("div", { class: "aet-load" }, ui.told, ui.bar, ui.button);
  const how = `A beam search found it, with ${data.width} hypotheses and a length penalty of ${data.penalty}.`;
  ui.out = make(
    "div", { class: "aet-out" },
    make("div", {}, make("p", { class: "aew-title" }, "French translation"), ui.french, make("p", { class: "aew-help" }, how)),
    make("div", {}, make("p", { class: "aew-title", id: `${id}-heat` }, "Attention: a row for each piece written, a column for each piece read"), make("div", { class: "aew-heat" }, ui.table), ui.said),
  );
  const top = make("div", { class: "aet-top" }, make("label", { for: ui.input.id }, "English sentence"), ui.pick);
  const help = "Write an English sentence, or pick one. The table shows how the model\u2019s attention weighs the pieces of your sentence when it writes each piece of the translation. \u2423 stands for a space.";
  const body = make("div", { class: "aew aet" }, make("p", { class: "aew-help" }, help), make("div", {}, top, ui.input, ui.note), ui.load, ui.out, ui.live);
  ui.root = make(
    "div",
    { class: "ae-explorer", "data-ae-explorer": "translate", role: "group", "aria-label": "Explorer: an English sentence, its French translation and the attention" },
    make("style", {}, CSS + MORE), body,
  );
  return ui;
}

// ---- the explorer -----------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const live = typeof model.send === "function";
  const longest = data.limits.at(-1)[0];
  const stored = new Map(data.stored.map((one) => [one.text, one]));
  const ui = build(data);
  let shown; // the sentence with its pieces, its translation and the attention
  let network = null; // the model, once it is here
  let runs = 0;
  let gone = false;
  el.append(ui.root);

  const announce = makeAnnouncer(ui.live);
  const loader = modelLoader(model, data, ui, ui.told, announce, took);
  const visible = (piece) => (piece === null ? "\u25a0 end" : piece.replaceAll(" ", "\u2423"));


  function describe({ dataset: { row, column } }) {
    const weight = shown.weights[row][column].toFixed(2);
    return `When \u201c${visible(shown.written[row])}\u201d is written, \u201c${visible(shown.read[column])}\u201d has the weight ${weight}.`;
  }

  function show(found) {
    shown = found;
    const { read, written, weights, translation, pieces } = found;
    const cut = `The sentence has ${pieces} pieces, and the model reads ${longest} at most: the rest was cut off.`;
    ui.note.textContent = pieces > read.length ? cut : `Read as ${pieces} piece${pieces > 1 ? "s" : ""}.`;
    ui.input.setAttribute("aria-invalid", "false");
    ui.french.replaceChildren(translation || make("i", { lang: "en" }, "nothing"));
    const head = read.map((piece) => make("th", { scope: "col", lang: "en" }, make("span", {}, visible(piece))));
    const body = written.map((piece, row) => {
      const cells = read.map((_, column) => {
        const cell = make("td", { "data-row": row, "data-column": column, tabindex: row + column ? -1 : 0 });
        cell.setAttribute("aria-label", weights[row][column].toFixed(2));
        cell.append(make("i", { style: `opacity: ${weights[row][column].toFixed(3)}` }));
        return cell;
      });
      return make("tr", {}, make("th", { scope: "row", lang: piece === null ? "en" : "fr" }, visible(piece)), ...cells);
    });
    ui.table.replaceChildren(make("thead", {}, make("tr", {}, make("td", { style: "box-shadow: none" }), ...head)), make("tbody", {}, ...body));
    ui.said.textContent = "Empty is 0, full colour 1; a row sums to 1. Point at a cell, or move with the arrow keys, to read its weight.";
  }

  async function translated(text, run) {
    const ids = network.encode(text);
    const row = ids.slice(0, longest);
    // Time is given back to the page now and then: a phone needs long for a step.
    let since = performance.now();
    const pause = async () => {
      if (performance.now() - since > 20) {
        await new Promise((resolve) => setTimeout(resolve));
        since = performance.now();
      }
      return run === runs && !gone;
    };
    const found = await beam(network, row, data, pause);
    if (!found) return null;
    const [read, written] = [row, found.ids].map((some) => some.map((id) => (id === EOS ? null : network.decode([id]))));
    const translation = network.decode(found.ids.filter((id) => id !== EOS));
    return { text, pieces: ids.length, read, written, weights: found.weights, translation };
  }

  // The one door for another sentence. What cannot be read is said, and the old one stays.
  async function take(text, fromModel = false) {
    const run = ++runs;
    const refuse = (why) => {
      ui.out.removeAttribute("aria-busy");
      ui.note.textContent = `${why} The translation below is still that of \u201c${shown.text}\u201d.`;
      ui.input.setAttribute("aria-invalid", "true");
      announce(why);
    };
    const count = [...text].length;
    if (!normalise(text)) return refuse("Write a sentence.");
    if (count > data.characters) return refuse(`Too long: ${count} characters, at most ${data.characters} are taken.`);
    if (!network && !stored.has(text) && (loader.declined || !(await loader.start()))) return run === runs && refuse("The model is not here.");
    if (run !== runs || gone) return;
    ui.out.setAttribute("aria-busy", "true");
    const found = network ? await translated(text, run) : stored.get(text);
    if (!found) return;
    ui.out.removeAttribute("aria-busy");
    show(found);
    ui.pick.value = stored.has(text) ? text : "";
    announce(`In French: ${found.translation || "nothing"}${found.pieces > found.read.length ? `. ${ui.note.textContent}` : ""}`);
    if (fromModel || model.get("sentence") === text) return;
    model.set("sentence", text);
    model.save_changes();
  }

  // The model's bytes have come. Gives whether there is still somebody here.
  function took(buffer) {
    network = readModel(buffer);
    if (gone) return false;
    const moveFocus = document.activeElement === ui.button;
    ui.load.hidden = true;
    if (moveFocus) ui.input.focus();
    announce("The model is loaded: write a sentence.");
    return true;
  }

  if (live || data.weights) {
    ui.told.textContent = "These translations were computed beforehand. For other sentences, load the model into this page.";
    ui.button.textContent = loader.label;
  } else {
    ui.told.textContent = "These translations were computed beforehand. Their model does not travel with the page: run the chapter to try other sentences.";
    ui.button.hidden = ui.input.readOnly = true;
  }
  ui.button.addEventListener("click", () => loader.press().then((here) => here && take(ui.input.value)));
  let typing = 0;
  const takeInput = () => {
    clearTimeout(typing);
    take(ui.input.value);
  };
  ui.input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(takeInput, 350);
  });
  ui.input.addEventListener("change", takeInput);
  ui.input.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && takeInput());
  ui.pick.addEventListener("change", () => {
    if (!ui.pick.value) return;
    ui.input.value = ui.pick.value;
    takeInput();
  });
  walkCells(ui.table, "row", "column", (cell, focused) => {
    ui.said.textContent = describe(cell);
    if (focused) announce(ui.said.textContent);
  });
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());

  const follow = () => {
    const text = model.get("sentence");
    if (text === shown.text && text === ui.input.value) return;
    ui.input.value = text;
    take(text, true);
  };
  model.on("change:sentence", follow);
  show(data.stored[0]);
  ui.input.value = ui.pick.value = shown.text;
  follow();
  ui.root.aeExplorer = {
    load: () => loader.start().then((here) => here && take(ui.input.value)).then(() => Boolean(network)),
    write: (text) => take((ui.input.value = text)),
    encode: (text) => network.encode(text),
    translate: (texts) => Promise.all(texts.map((text) => translated(text, runs))),
    state: () => ({ ...shown, loaded: Boolean(network) }),
  };
  return () => {
    gone = true;
    announce();
    clearTimeout(typing);
    model.off("change:sentence", follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("translate", render, ({ stored }) => ({ sentence: stored[0].text }));

export default { render };
