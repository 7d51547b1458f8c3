// The line between the codes of two sentences, or from one sentence's code along an attribute.
// One file for two worlds: a widget's view in Jupyter and Colab, and, as a classic script with
// mountAll() for its last line, a page without a kernel. What stands there at first comes as
// JSON text in the model's "payload"; the weights come on request, from the kernel or from a
// script beside the page. See sentence_path.py, attribute_path.py and _int8.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { REPLACED, SPELLING, ALONE, normalise } from "./next_words.js";

const CSS = `${BASE}
.aes { --first: #0072b2; --second: #d55e00; --t: 0; --rail: 8.5rem;
  --line: linear-gradient(to right, #0072b2, #6a65c4 25%, #a850a6 50%, #cb4f6a 78%, #d55e00); position: relative;
  display: grid; gap: 1rem; }
.aes-help { color: var(--ae-muted); font-size: 0.875rem; }
.aes u { text-decoration: underline 0.14em; text-underline-offset: 0.2em; }
.aes u.aes-first { text-decoration-color: var(--first); }
.aes u.aes-second { text-decoration-style: dashed; text-decoration-color: var(--second); }
.aes-unk { font-style: normal; font-size: 0.875em; padding: 0 0.3em; border: 1px dashed currentColor;
  border-radius: 4px; color: inherit; background: none; }
.aes-ends { display: grid; gap: 0.75rem 1.5rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
.aes-end { display: flex; flex-direction: column; gap: 0.3125rem; min-width: 0; }
.aes-top { display: flex; align-items: center; justify-content: space-between; gap: 0.5rem; }
.aes-top label { display: flex; align-items: center; gap: 0.4375rem; font-weight: 600; margin: 0;
  white-space: nowrap; }
.aes-dot { width: 0.75rem; height: 0.75rem; flex: none; background: var(--first); border-radius: 50%; }
[data-ae-explorer="attribute-path"] .aes-dot { display: none; }
.aes-end + .aes-end .aes-dot, .aes-slide .aes-dot:last-of-type { background: var(--second); border-radius: 2px; transform: rotate(45deg) scale(0.85); }
.aes input[type="text"] { width: 100%; min-width: 0; min-height: 40px; margin: 0; padding: 0.375rem 0.625rem;
  font: inherit; font-size: 1rem; color: inherit; background: var(--ae-paper);
  border: 1px solid var(--ae-muted); border-radius: 6px; }
.aes select { min-width: 0; max-width: 9rem; min-height: 30px; margin: 0; padding: 0 0.25rem; font: inherit;
  font-size: 0.8125rem; color: inherit; background: var(--ae-surface);
  border: 1px solid var(--ae-border); border-radius: 6px; cursor: pointer; }
.aes option { color: var(--ae-text); background: var(--ae-paper); }
.aes-status { min-height: 1.4em; color: var(--ae-muted); font-size: 0.875rem; overflow-wrap: anywhere; }
.aes-status b { color: var(--ae-text); font-weight: 600; }
.aes-load { display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 0.75rem; padding: 0.625rem 0.75rem;
  border: 1px solid var(--ae-border); border-radius: 6px; background: var(--ae-surface); font-size: 0.875rem; }
.aes-load p { flex: 1 1 15rem; }
.aes [hidden] { display: none; }
.aes button { font: inherit; color: inherit; cursor: pointer; margin: 0; }
.aes-load button { min-height: 34px; padding: 0.25rem 0.875rem; border: 1px solid currentColor;
  border-radius: 999px; background: var(--ae-paper); font-weight: 600; }
.aes-load progress { flex: 1 1 8rem; height: 0.5rem; accent-color: currentColor; }
.aes-out { display: grid; gap: 0.5rem; padding: 0.875rem 1rem 0.75rem; border: 1px solid var(--ae-border);
  border-radius: 8px; }
.aes-sentence { min-height: 2.6em; display: flex; align-items: center; justify-content: center;
  text-align: center; font-size: 1.375rem; line-height: 1.3; overflow-wrap: anywhere; text-wrap: balance; }
.aes-slide { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; align-items: center; gap: 0.25rem 0.625rem; }
.aes-slide input { width: 100%; min-width: 0; height: 28px; margin: 0; cursor: pointer; background: none;
  appearance: none; -webkit-appearance: none; border-radius: 6px; }
${["-webkit-slider-runnable", "-moz-range"].map((kind) => `.aes-slide input::${kind}-track {
  height: 6px; border-radius: 3px; background: var(--line); }`).join("\n")}
${["-webkit-slider", "-moz-range"].map((kind) => `.aes-slide input::${kind}-thumb {
  -webkit-appearance: none; box-sizing: border-box; width: 24px; height: 24px; margin-top: -9px;
  border: 4px solid #fff; border-radius: 50%; background: #111; box-shadow: 0 0 0 2px #111; }`).join("\n")}
.aes-t { grid-column: 1 / -1; justify-self: center; font-variant-numeric: tabular-nums; color: var(--ae-muted);
  font-size: 0.875rem; }
.aes-title { font-weight: 600; padding-bottom: 0.375rem; }
.aes ol.aes-path { position: relative; list-style: none; margin: 0; padding: 0; display: grid; gap: 0.125rem; }
.aes ol.aes-path[aria-busy="true"] { opacity: 0.55; }
.aes ol.aes-path li { margin: 0; padding: 0; }
.aes ol.aes-path::after { content: ""; position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px;
  left: calc(0.5rem + var(--t) * var(--rail)); background: var(--ae-text); opacity: 0.55; pointer-events: none; }
.aes-path button { display: grid; grid-template-columns: var(--rail) minmax(0, 1fr); align-items: center;
  gap: 0.875rem; width: 100%; min-height: 34px; padding: 0.25rem 0.5rem; border: 0; border-radius: 6px;
  background: none; text-align: left; font-size: 0.9375rem; overflow-wrap: anywhere; }
.aes-path button:hover { background: var(--ae-surface); }
.aes-path button[aria-current="true"] { background: var(--ae-surface); font-weight: 600;
  box-shadow: inset 3px 0 0 currentColor; }
.aes-rail { position: relative; height: 10px; border-radius: 5px; background: var(--ae-surface);
  box-shadow: inset 0 0 0 1px var(--ae-border); }
.aes-rail i { position: absolute; inset: 0; background: var(--line); }
.aes :is(button, input, select):focus-visible {
  outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 2px; }
.aes-live, .aes-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
@container (max-width: 560px) {
  .aes-ends { grid-template-columns: minmax(0, 1fr); }
  .aes-path button { gap: 0.625rem; }
  .aes ol.aes-path { --rail: 4.25rem; }
  .aes-sentence { font-size: 1.25rem; min-height: 3.9em; }
  .aes-out { padding-inline: 0.75rem; }
}
`;

// The two explorers: between which places the line runs, and at how many of them sentences are
// met; "ends" are the sentences that the reader gives, by their names in the model.
const LINE = {
  kind: "sentence-path", ends: ["first", "second"], calledEnds: ["first sentence", "second sentence"],
  place: "t", low: 0, high: 1, positions: 11, fine: 0.01, edges: ["", ""], still: "The line still ends at",
  title: "Explorer: the line between the codes of two sentences",
  slider: "Place t on the line from the first sentence to the second",
};
const ATTRIBUTE = {
  kind: "attribute-path", ends: ["sentence"], calledEnds: ["sentence"],
  place: "strength", low: -1, high: 2, positions: 13, fine: 0.05, edges: ["\u22121", "2"], still: "The sentence is still",
  title: "Explorer: the code of a sentence, moved along an attribute",
  slider: "Strength of the move along the attribute",
};
const LONGEST = 100; // words and marks that are read
const MAX_LENGTH = 48; // words and marks that are written
const [PAD, UNK, BOS, EOS] = [0, 1, 2, 3];

// ---- words: the rules of ae_lib/text/_words.py ----------------------------------------

const [LOWER, NO_SPACE, SPACE] = ["<lower>", "<glue>", "<space>"];
const REST = "[\\p{L}\\p{N}\\p{M}\\u200c\\u200d]*";
const LETTERS = `[\\p{L}\\p{N}]${REST}`;
const TOKEN = new RegExp(
  "(?:[\\p{L}\\p{Nl}\\p{No}]\\.){2,}" + // p.m.  U.S.
    "|(?:Mr|Mrs|Ms|Dr|St|Jr)\\." +
    `|\\p{Nd}+(?:[.,:]\\p{Nd}+)+${REST}` + // 2:30  10,000  7.5km
    `|${LETTERS}(?:'${LETTERS})*|\\.{2,}|[^ ]`,
  "gu",
);
const SUFFIX = /n't|'(?:s|m|re|ve|ll|d)/giu;
const SUFFIXES = /^(.+?)((?:n't|'(?:s|m|re|ve|ll|d))*)$/iu;
const NO_SPACE_BEFORE = new Set(".,?!;:%)]}'-/");
const NO_SPACE_AFTER = new Set("-/([{$\u20ac\u00a3#");

const firstOf = (token) => String.fromCodePoint(token.codePointAt(0));
const restOf = (token) => token.slice(firstOf(token).length);
const capital = (token) => firstOf(token).toUpperCase() + restOf(token);

function contraction(word) {
  const match = word.includes("'") && SUFFIXES.exec(word);
  return match ? [match[1], ...(match[2].match(SUFFIX) ?? [])] : [word];
}

// Follows the tokens of a text: is a space usual before the next, does a sentence begin?
function follower() {
  let [before, start, quoted] = [null, true, false];
  return (token) => {
    let space;
    if (before === null || NO_SPACE_AFTER.has(before) || (before === '"' && quoted)) space = false;
    else if (token === '"') space = !quoted;
    else space = !NO_SPACE_BEFORE.has(firstOf(token)) && token.toLowerCase() !== "n't";
    const result = [space, start];
    before = token;
    quoted = quoted !== (token === '"');
    if (token === "." || token === "?" || token === "!") start = true;
    else if (/^[\p{L}\p{N}]/u.test(token) || (token[0] === "<" && token.length > 1)) start = false;
    return result;
  };
}

function piecesOf(text) {
  const step = follower();
  return text.split(" ").flatMap((chunk, i) => {
    let spaced = i > 0;
    return [...chunk.matchAll(TOKEN)].flatMap(([word]) =>
      contraction(word).map((token) => {
        const [usual, start] = step(token);
        const piece = { token, spaced, usual, start };
        spaced = false;
        return piece;
      }),
    );
  });
}

// Tokens, each with the word it stands for as it was written.
function splitWords(text, names) {
  const result = [];
  for (const { token, spaced, usual, start } of piecesOf(normalise(text))) {
    const add = (t) => result.push({ token: t, written: token });
    if (spaced !== usual) add(spaced ? SPACE : NO_SPACE);
    if (start) {
      const small = firstOf(token).toLowerCase() + restOf(token);
      const kept = token === "I" || names.has(token) || restOf(token) !== restOf(token).toLowerCase();
      if (/^\p{L}/u.test(token) && !kept && !token.endsWith(".") && capital(small) === token) {
        add(small);
        continue;
      }
      if (capital(token) !== token) add(LOWER);
    }
    add(token);
  }
  return result;
}

function joinWords(tokens) {
  const step = follower();
  let [text, space, lower] = ["", null, false];
  for (const token of tokens) {
    if (token === SPACE || token === NO_SPACE) space = token === SPACE;
    else if (token === LOWER) lower = true;
    else if (token) {
      const [usual, start] = step(token);
      if (text && (space ?? usual)) text += " ";
      text += start && !lower ? capital(token) : token;
      [space, lower] = [null, false];
    }
  }
  return text;
}

// ---- attributes: the rules of ae_lib/text/_attributes.py, whose patterns the payload has ----

const called = (name) => ({ past: "past tense", words: "number of words" })[name] ?? name;
const shown = (value) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value));

// A pattern of Python's, where letters are those of all scripts.
function pythonPattern(source) {
  const letter = "[\\p{L}\\p{N}_]";
  const edge = `(?:(?<=${letter})(?!${letter})|(?<!${letter})(?=${letter}))`;
  return new RegExp(source.replaceAll("[^\\We]", `(?!e)${letter}`).replaceAll("\\b", edge), "iu");
}

function attributesOf(text, patterns) {
  const sentence = normalise(text);
  const found = Object.entries(patterns).map(([name, source]) => [name, pythonPattern(source).test(sentence)]);
  const words = sentence ? sentence.split(" ").length : 0;
  return { question: sentence.endsWith("?"), words, ...Object.fromEntries(found) };
}

// ---- the model: see ae_lib/models/seq2seq.py ------------------------------------------

// Bytes of _int8.py: a header, and arrays and matrices by name.
function openModel(buffer, format) {
  const size = buffer.byteLength > 4 ? 4 + new DataView(buffer).getUint32(0, true) : 0;
  const header = size && size <= buffer.byteLength ? JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size - 4))) : {};
  if (header.format !== `ae-lib ${format} int8 1` || buffer.byteLength !== size + header.bytes) {
    throw new Error("the model's data are damaged; load them again");
  }
  const KINDS = { int8: Int8Array, uint16: Uint16Array, float32: Float32Array };
  const take = (name) => {
    const { kind, shape, at } = header.arrays[name];
    return new KINDS[kind](buffer, size + at, shape.reduce((a, b) => a * b, 1));
  };
  const matrix = (name, scale = take(name + ".scale")) => {
    const [rows, columns] = header.arrays[name].shape;
    return { rows, columns, values: take(name), scale };
  };
  const dense = (part) => ({ kernel: matrix(part + ".kernel"), bias: take(part + ".bias") });
  const lstm = (part) => ({ ...dense(part), recurrent: matrix(part + ".recurrent_kernel") });
  return { header, take, matrix, dense, lstm };
}

// The matrices stay 8-bit: a row is multiplied first, then scaled.
function readModel(buffer) {
  const { header, take, matrix, dense, lstm } = openModel(buffer, "text autoencoder");
  const weights = {
    encoder: lstm("encoder"), decoder: lstm("decoder"),
    embedding: matrix("embedding"), wordBias: take("word_bias"), toWord: dense("to_word"),
    toCode: dense("to_code"), toH: dense("to_h"), toC: dense("to_c"), toGates: matrix("to_gates.kernel"),
  };
  const ids = new Map(header.tokens.map((token, id) => [token, id]));
  const names = new Set(header.names);
  const read = (text) => splitWords(text, names).map((word) => ({ ...word, id: ids.get(word.token) ?? UNK }));
  // As a reader may write: a word that is not there in its case is taken in another.
  const recased = (word) => {
    const { token } = word;
    const small = token.toLowerCase();
    const other = [small, capital(small), token.toUpperCase()].find((t) => ids.has(t));
    return word.id === UNK && lettersIn(token) && other ? { ...word, id: ids.get(other), as: other } : word;
  };
  return {
    read,
    readAnyCase: (text) => read(text).map(recased),
    tokens: (text) => read(text).map(({ token }) => token),
    write: (row) => joinWords(row.map((id) => header.tokens[id])),
    encode: (row) => encode(weights, row),
    decode: (code) => decode(weights, code),
  };
}

// y += scale * (values · x). Four rows at a time: twice as fast as one.
function multiply({ values, scale, rows, columns }, x, y) {
  let row = 0;
  for (; row + 3 < rows; row += 4) {
    let a = 0, b = 0, c = 0, d = 0;
    const at = row * columns, [p, q, r] = [at + columns, at + 2 * columns, at + 3 * columns];
    for (let i = 0; i < columns; i++) {
      const v = x[i];
      a += values[at + i] * v;
      b += values[p + i] * v;
      c += values[q + i] * v;
      d += values[r + i] * v;
    }
    y[row] += scale[row] * a;
    y[row + 1] += scale[row + 1] * b;
    y[row + 2] += scale[row + 2] * c;
    y[row + 3] += scale[row + 3] * d;
  }
  for (; row < rows; row++) {
    let a = 0;
    for (let i = 0, at = row * columns; i < columns; i++) a += values[at + i] * x[i];
    y[row] += scale[row] * a;
  }
  return y;
}

const affine = ({ kernel, bias }, x) => multiply(kernel, x, new Float64Array(bias));

function wordVector({ values, scale, columns }, id) {
  const vector = new Float64Array(columns);
  for (let i = 0; i < columns; i++) vector[i] = scale[id] * values[id * columns + i];
  return vector;
}

const sigmoid = (v) => 1 / (1 + Math.exp(-v));

// One LSTM step; h and c are changed in place.
function step({ kernel, recurrent, bias }, x, h, c, extra) {
  const s = multiply(recurrent, h, multiply(kernel, x, new Float64Array(extra ?? bias)));
  const n = c.length;
  for (let j = 0; j < n; j++) {
    c[j] = sigmoid(s[n + j]) * c[j] + sigmoid(s[j]) * Math.tanh(s[2 * n + j]);
    h[j] = sigmoid(s[3 * n + j]) * Math.tanh(c[j]);
  }
}

function encode({ encoder, embedding, toCode }, row) {
  const units = encoder.recurrent.columns;
  const both = new Float64Array(2 * units);
  const [h, c] = [both.subarray(0, units), both.subarray(units)];
  for (let k = row.length - 1; k >= 0; k--) step(encoder, wordVector(embedding, row[k]), h, c);
  return affine(toCode, both);
}

function decode({ decoder, embedding, toH, toC, toGates, toWord, wordBias }, code) {
  const h = affine(toH, code).map(Math.tanh);
  const c = affine(toC, code);
  const gates = multiply(toGates, code, new Float64Array(decoder.bias));
  const row = [];
  for (let word = BOS; row.length < MAX_LENGTH; row.push(word)) {
    step(decoder, wordVector(embedding, word), h, c, gates);
    const scores = multiply(embedding, affine(toWord, h), new Float64Array(wordBias));
    word = UNK;
    for (let id = UNK; id < scores.length; id++) if (id !== BOS && scores[id] > scores[word]) word = id;
    if (word === EOS) break;
  }
  return row;
}

function bufferOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

// ---- where the weights come from ------------------------------------------------------

// A server's file is fetched, so that progress shows and a cancel stops it. A page opened from
// a file may not fetch, but it may take a script from beside it.
async function loadFromPage({ name, file, version }, size, report, signal) {
  const found = () => window.aeWeights && window.aeWeights[name];
  if (found()) return bufferOf(found());
  const top = document.documentElement.dataset.content_root || "";
  const address = new URL(`${top}_static/${file}?v=${version}`, document.baseURI);
  const lost = new Error(`${file} could not be loaded`);
  if (address.protocol.startsWith("http")) {
    const answer = await fetch(address, { signal }).catch(() => null);
    if (!answer || !answer.ok) throw lost;
    const parts = [];
    let received = 0;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      received += value.length;
      report(received / size);
    }
    const text = await new Blob(parts).text();
    const [, base64] = /= "([^"]*)";\s*$/.exec(text) ?? [];
    if (base64) (window.aeWeights ??= {})[name] = base64;
  } else {
    const script = make("script", { src: address });
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = () => {
        script.remove();
        reject(lost);
      };
      document.head.append(script);
    });
  }
  if (!found()) throw new Error(`${file} holds no model`);
  return bufferOf(found());
}

function loadFromKernel(model) {
  return new Promise((resolve) => {
    const receive = (message, buffers) => {
      if (!message || message.kind !== "weights") return;
      model.off("msg:custom", receive);
      const { buffer, byteOffset, byteLength } = buffers[0];
      resolve(buffer ? buffer.slice(byteOffset, byteOffset + byteLength) : buffers[0]);
    };
    model.on("msg:custom", receive);
    model.send({ kind: "weights" });
  });
}

// The model's bytes, from the kernel or the page; `told` says in words how far it is.
async function fetchModel(model, data, { bar, button }, told, announce, signal) {
  const live = typeof model.send === "function";
  const cancelled = new Promise((_, reject) => (signal.onabort = () => reject(new Error("cancelled"))));
  const report = (share) => {
    const percent = Math.min(99, Math.floor(100 * share));
    bar.value = percent / 100;
    told.textContent = `Loading the model: ${percent} %`;
  };
  told.textContent = "Loading the model \u2026";
  bar.removeAttribute("value");
  bar.hidden = false;
  button.textContent = "Cancel";
  announce("Loading the model.");
  const late = setTimeout(() => {
    if (live) told.textContent = "The kernel has not answered yet: it is busy, or has stopped; then run the cell again.";
  }, 8000);
  try {
    const coming = live ? loadFromKernel(model) : loadFromPage(data.weights, (data.bytes * 4) / 3, report, signal);
    return await Promise.race([coming, cancelled]);
  } finally {
    clearTimeout(late);
    bar.hidden = true;
  }
}

// What fetches the model, once, and gives its bytes to `took`. `start` gives whether the model is
// here; `press`, for the button, starts or cancels. Once cancelled, only the button starts.
function modelLoader(model, data, ui, told, announce, took) {
  // What comes over the line: compressed, the page's script is as large as its bytes.
  const megabytes = Math.max(0.1, data.bytes / 1e6);
  const label = `Load the model (${megabytes < 10 ? megabytes.toFixed(1) : Math.round(megabytes)} MB)`;
  let loading = null;
  let stop = null; // cancels what is loading
  const loader = { declined: false, label, start, press };

  function start() {
    loading ??= load().catch((error) => {
      loading = null;
      ui.button.textContent = loader.declined ? label : "Try again";
      told.textContent = loader.declined ? "Cancelled; nothing was loaded." : `The model is not here: ${error.message}.`;
      announce(told.textContent);
      return false;
    });
    return loading;
  }

  async function load() {
    if (typeof model.send !== "function" && !data.weights) return false;
    loader.declined = false;
    stop = new AbortController();
    return took(await fetchModel(model, data, ui, told, announce, stop.signal));
  }

  async function press() {
    if (!loading) return start();
    loader.declined = true;
    stop.abort();
    return false;
  }

  return loader;
}

// ---- elements -------------------------------------------------------------------------

function buildEnd(name, k, examples, id) {
  const input = make("input", {
    type: "text", id: `${id}-${k}`, "aria-describedby": `${id}-${k}-status`,
    autocomplete: "off", autocapitalize: "sentences", spellcheck: "false", enterkeyhint: "done",
    "data-lm-suppress-shortcuts": "true",
  });
  const pick = make("select", { "aria-label": `Pick the ${name} from a list` });
  pick.append(make("option", { value: "" }, "or pick one"));
  for (const text of examples) pick.append(make("option", { value: text }, text));
  const label = make("label", { for: input.id }, make("span", { class: "aes-dot", "aria-hidden": "true" }), capital(name));
  const status = make("p", { class: "aes-status", id: `${id}-${k}-status` });
  const top = make("div", { class: "aes-top" }, label, pick);
  return { input, pick, status, box: make("div", { class: "aes-end" }, top, input, status) };
}

// What attribute is set, and to which value.
function buildTarget(id) {
  const ui = {};
  const rows = ["attribute", "value"].map((key) => {
    ui[key] = make("select", { id: `${id}-${key}` });
    return make("div", { class: "aes-top" }, make("label", { for: ui[key].id }, capital(key)), ui[key]);
  });
  return { ...ui, box: make("div", { class: "aes-end" }, ...rows) };
}

const fill = (select, options) => select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));

function build(data, mode) {
  const id = `aes-${Math.random().toString(36).slice(2)}`;
  const edge = (k) => make("span", mode === LINE ? { class: "aes-dot", "aria-hidden": "true" } : { "aria-hidden": "true" }, mode.edges[k]);
  const ui = {
    ends: mode.calledEnds.map((name, k) => buildEnd(name, k, data.examples, id)),
    target: data.target && buildTarget(id),
    note: make("p"),
    button: make("button", { type: "button" }),
    bar: make("progress", { max: 1, "aria-label": "Loading the model", hidden: "" }),
    sentence: make("p", { class: "aes-sentence" }),
    slider: make("input", {
      type: "range", min: mode.low, max: mode.high, step: (mode.high - mode.low) / (mode.positions - 1),
      "data-lm-suppress-shortcuts": "true", "aria-label": mode.slider,
    }),
    t: make("p", { class: "aes-t", "aria-hidden": "true" }),
    path: make("ol", { class: "aes-path", "aria-labelledby": `${id}-path` }),
    live: make("div", { class: "aes-live", "aria-live": "polite" }),
  };
  ui.load = make("div", { class: "aes-load" }, ui.note, ui.bar, ui.button);
  const help = mode === LINE ? make(
    "p", { class: "aes-help" },
    "Each sentence is one point in the space of codes; a straight line runs between the two. Move along it and read what the decoder makes of each place. Words of the ",
    make("u", { class: "aes-first" }, "first sentence alone"), " and of the ",
    make("u", { class: "aes-second" }, "second alone"), " are underlined.",
  ) : make(
    "p", { class: "aes-help" },
    "Pick an attribute and a value. Your sentence\u2019s code moves by a difference: the mean code of sentences with that value, less the mean code of those with its own value. At strength 0 it has not moved; at 1 it has moved by the whole difference. ",
    make("u", { class: "aes-second" }, "What is not in your sentence"), " is underlined.",
  );
  const slide = make("div", { class: "aes-slide" }, edge(0), ui.slider, edge(1), ui.t);
  const way = make("div", {}, make("p", { class: "aes-title", id: `${id}-path` }, "Sentences on the way"), ui.path);
  const body = make(
    "div", { class: "aes" },
    help, make("div", { class: "aes-ends" }, ...[...ui.ends, ui.target].flatMap((part) => part?.box ?? [])), ui.load,
    make("div", { class: "aes-out" }, ui.sentence, slide), way, ui.live,
  );
  ui.body = body;
  ui.root = make(
    "div",
    { class: "ae-explorer", "data-ae-explorer": mode.kind, role: "group", "aria-label": mode.title },
    make("style", {}, CSS), body,
  );
  return ui;
}

const marked = (word) => make("mark", { class: "aes-unk" }, word);
const lettersIn = (token) => /[\p{L}\p{N}]/u.test(token);
const tokensOf = (text) => new Set(piecesOf(normalise(text)).map(({ token }) => token.toLowerCase()));
const wordsOf = (text) => new Set([...tokensOf(text)].filter(lettersIn));

// What painted() underlines in either way: words of one end alone, or what a sentence has not.
function wordsToMark(texts) {
  if (texts.length > 1) return texts.map(wordsOf);
  const own = tokensOf(texts[0]);
  return [new Set(), { has: (token) => !own.has(token) }];
}

// A sentence whose words show which end they come from; <unk> as a box.
function painted(sentence, [first, second]) {
  const box = "\ue000"; // stands for <unk>, so that it stays in one piece
  const nodes = piecesOf(sentence.replaceAll("<unk>", box)).flatMap(({ token, spaced }) => {
    const [a, b] = [first, second].map((words) => words.has(token.toLowerCase()));
    const kind = { class: a ? "aes-first" : "aes-second" };
    const node = token === box ? marked("<unk>") : a === b ? token : make("u", kind, token);
    return spaced ? [" ", node] : [node];
  });
  return make("span", { class: "aes-words" }, ...(sentence ? nodes : [make("i", {}, "nothing")]));
}

// ---- the explorer ---------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const live = typeof model.send === "function";
  const mode = data.attributes ? ATTRIBUTE : LINE;
  const ui = build(data, mode);
  const texts = mode.ends.map((end) => data[end]);
  const unknown = data.unknown.map((words) => [...words]);
  const recased = texts.map(() => []); // words that were read in another case
  const notes = texts.map(() => ""); // what is wrong with what stands in an input
  const codes = [null, null]; // at places 0 and 1
  let path = [...data.path];
  let words = wordsToMark(texts);
  let t = model.get(mode.place);
  let target = data.target; // an attribute and a value
  let network = null; // the model, once it is here
  let seen = new Map(); // sentences by t
  let runs = 0;
  let gone = false;
  el.append(ui.root);

  const at = (i) => mode.low + ((mode.high - mode.low) * i) / (mode.positions - 1);
  const shareOf = (place) => (place - mode.low) / (mode.high - mode.low);
  const backs = texts.map((_, k) => decodeAt(k)); // the sentences from the ends' own codes
  const pause = () => new Promise((resolve) => setTimeout(resolve));
  const announce = makeAnnouncer(ui.live);
  const loader = modelLoader(model, data, ui, ui.note, announce, took);

  function decodeAt(place) {
    if (!network) return path[Math.round(shareOf(place) * (mode.positions - 1))];
    if (!seen.has(place)) {
      const code = codes[0].map((v, i) => (1 - place) * v + place * codes[1][i]);
      seen.set(place, network.write(network.decode(code)));
    }
    return seen.get(place);
  }

  function showStatus(k) {
    const { input, status } = ui.ends[k];
    input.setAttribute("aria-invalid", String(Boolean(notes[k])));
    if (notes[k]) {
      status.replaceChildren(`${notes[k]} ${mode.still} \u201c${texts[k]}\u201d`);
      return;
    }
    const exact = backs[k] === normalise(texts[k]);
    const said = make("b", {}, exact ? "\u2713 comes back exactly" : "\u2260 comes back as ");
    status.replaceChildren(said, exact ? "" : painted(backs[k], words));
    if (recased[k].length) status.append(make("br"), `read in another case: ${recased[k].join(", ")}`);
    if (unknown[k].length) status.append(make("br"), "not in the vocabulary: ", ...unknown[k].flatMap((word, i) => [i ? ", " : "", marked(word)]));
    if (target) status.append(make("br"), aboutMove());
  }

  const ownValue = (name = target[0]) => attributesOf(texts[0], data.patterns)[name];
  const meanOf = (value) => data.attributes[target[0]].find(([kind]) => kind === value)?.[1];

  function aboutMove() {
    const own = ownValue();
    const why = !meanOf(own) ? ", of which the model knows no mean code" : own === target[1] ? ", as picked" : "";
    return `own value: ${shown(own)}${why}${why && "; so nothing moves"}`;
  }

  // An attribute, and of its values the last that the sentence does not have.
  const away = (name) => [name, data.attributes[name].map(([kind]) => kind).findLast((kind) => kind !== ownValue(name))];

  function showTarget() {
    fill(ui.target.value, data.attributes[target[0]].map(([kind]) => [JSON.stringify(kind), shown(kind)]));
    ui.target.attribute.value = target[0];
    ui.target.value.value = JSON.stringify(target[1]);
  }

  function showPlace() {
    ui.body.style.setProperty("--t", shareOf(t));
    ui.t.textContent = `${mode.place} = ${t.toFixed(2)}`;
    ui.slider.value = t;
    ui.slider.setAttribute("aria-valuetext", `${mode.place} = ${t.toFixed(2)}`);
  }

  function showSentence() {
    const sentence = decodeAt(t);
    ui.sentence.replaceChildren(painted(sentence, words));
    for (const button of ui.path.querySelectorAll("button")) {
      const { from, to } = button.dataset;
      button.setAttribute("aria-current", String(button.dataset.sentence === sentence && t >= Number(from) && t <= Number(to)));
    }
  }

  function showPath() {
    const focused = [...ui.path.querySelectorAll("button")].indexOf(document.activeElement);
    const groups = [];
    path.forEach((sentence, i) => {
      const last = groups.at(-1);
      if (last && last.sentence === sentence) last.to = i;
      else groups.push({ sentence, from: i, to: i });
    });
    ui.path.replaceChildren(
      ...groups.map(({ sentence, from, to }, g) => {
        const [low, high] = [Math.max(mode.low, at(from - 0.5)), Math.min(mode.high, at(to + 0.5))];
        const place = g === 0 ? mode.low : g === groups.length - 1 ? mode.high : at(Math.round((from + to) / 2));
        const bar = make("i", { style: `clip-path: inset(0 ${100 * (1 - shareOf(high))}% 0 ${100 * shareOf(low)}% round 5px)` });
        const span = from === to ? `${mode.place} = ${at(from)}: ` : `${mode.place} = ${at(from)} to ${at(to)}: `;
        const button = make("button", { type: "button", "data-sentence": sentence, "data-from": low, "data-to": high });
        button.append(make("span", { class: "aes-rail", "aria-hidden": "true" }, bar));
        button.append(make("span", {}, make("span", { class: "aes-unseen" }, span), painted(sentence, words)));
        button.addEventListener("click", () => setPlace(place));
        return make("li", {}, button);
      }),
    );
    const buttons = ui.path.querySelectorAll("button");
    if (focused >= 0 && buttons.length) buttons[Math.min(focused, buttons.length - 1)].focus();
  }

  const inWords = () => `${mode.place} = ${t.toFixed(2)}: ${decodeAt(t) || "nothing"}`;

  function tell(key, value) {
    model.set(key, value);
    model.save_changes();
  }

  // The one door for a new place; what it decodes to is shown with the next frame.
  let frame = 0;
  function setPlace(next, fromModel = false) {
    const value = Math.min(mode.high, Math.max(mode.low, Number(next)));
    if (!Number.isFinite(value) || value === t) return;
    t = value;
    showPlace();
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(showSentence);
    announce(inWords);
    if (!fromModel) tell(mode.place, t);
  }

  // The one door for a new sentence. What cannot be read is said, and the old end stays.
  async function setEnd(k, text, fromModel = false) {
    if (!network && (loader.declined || !(await loader.start()))) {
      notes[k] = "The model is not here.";
      return showStatus(k);
    }
    const wanted = normalise(text);
    const read = network.read(text);
    const long = `Too long: ${read.length} words and marks, at most ${LONGEST} are read.`;
    notes[k] = !wanted ? "Write a sentence." : read.length > LONGEST ? long : "";
    if (notes[k]) {
      showStatus(k);
      return announce(notes[k]);
    }
    if (wanted === normalise(texts[k]) && codes[k]) return showStatus(k);
    texts[k] = text;
    codes[k] = null;
    if (!fromModel) tell(mode.ends[k], text);
    if (target && !fromModel && target[1] === ownValue()) aim(away(target[0]));
    if (!(await compute())) return;
    const said = backs[k] === wanted ? "comes back exactly" : `comes back as: ${backs[k] || "nothing"}`;
    announce(`The ${mode.calledEnds[k]} ${said}${unknown[k].length ? `. Not in the vocabulary: ${unknown[k].join(", ")}` : ""}.${target ? ` ${called(target[0])}: ${shown(target[1])}.` : ""}`);
  }

  function aim(next, fromModel = false) {
    target = next;
    showTarget();
    if (!fromModel) tell("target", target);
  }

  // The one door for another attribute or value.
  async function setTarget(next, fromModel = false) {
    if (JSON.stringify(next) === JSON.stringify(target)) return;
    if (!network && (loader.declined || !(await loader.start()))) {
      showTarget();
      return announce("The model is not here.");
    }
    aim(next, fromModel);
    if (await compute()) announce(`${called(target[0])}: ${shown(target[1])}. ${aboutMove()}.`);
  }

  // Codes, the sentences at both ends and here, then those on the way, in slices of time.
  async function compute() {
    const run = ++runs;
    words = wordsToMark(texts);
    seen = new Map();
    ui.path.setAttribute("aria-busy", "true");
    texts.forEach((text, k) => {
      const read = network.readAnyCase(text);
      recased[k] = [...new Set(read.filter((word) => word.as).map(({ written, as }) => `${written} as ${as}`))];
      codes[k] ??= network.encode(read.map(({ id }) => id));
      unknown[k] = [...new Set(read.filter(({ id }) => id === UNK).map(({ written }) => written))];
    });
    if (target) {
      const [from, to] = [ownValue(), target[1]].map(meanOf);
      codes[1] = codes[0].map((v, i) => (from ? v + to[i] - from[i] : v));
    }
    for (const k of texts.keys()) {
      backs[k] = decodeAt(k);
      showStatus(k);
      await pause();
      if (run !== runs || gone) return false;
    }
    showSentence();
    const found = [];
    for (let i = 0; i < mode.positions; i++) {
      await pause();
      if (run !== runs || gone) return false;
      found.push(decodeAt(at(i)));
    }
    path = found;
    ui.path.removeAttribute("aria-busy");
    showPath();
    showSentence();
    return true;
  }

  // The model's bytes have come. Gives whether there is still somebody here.
  async function took(buffer) {
    network = readModel(buffer);
    if (gone) return false;
    const moveFocus = document.activeElement === ui.button;
    ui.load.hidden = true;
    if (moveFocus) ui.ends[0].input.focus();
    ui.slider.step = mode.fine;
    showPlace();
    announce("The model is loaded: write or pick sentences.");
    await compute();
    ui.ends.forEach(({ input }, k) => input.value !== texts[k] && setEnd(k, input.value));
    return true;
  }

  if (live || data.weights) {
    ui.note.textContent = "This line was computed beforehand. For other sentences, and the places between, load the model into this page.";
    ui.button.textContent = loader.label;
  } else {
    ui.note.textContent = "This line was computed beforehand. Its model does not travel with the page: run the chapter to try other sentences.";
    ui.button.hidden = true;
    for (const { input, pick } of ui.ends) [input.readOnly, pick.disabled] = [true, true];
    if (target) ui.target.attribute.disabled = ui.target.value.disabled = true;
  }
  ui.button.addEventListener("click", loader.press);
  ui.ends.forEach(({ input, pick }, k) => {
    let typing = 0;
    const take = () => {
      clearTimeout(typing);
      pick.value = data.examples.includes(input.value) ? input.value : "";
      return setEnd(k, input.value);
    };
    input.value = texts[k];
    input.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(take, 350);
    });
    input.addEventListener("change", take);
    input.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && take());
    pick.addEventListener("change", () => {
      if (!pick.value) return;
      input.value = pick.value;
      take();
    });
    showStatus(k);
  });
  if (target) {
    fill(ui.target.attribute, Object.keys(data.attributes).map((name) => [name, called(name)]));
    showTarget();
    ui.target.attribute.addEventListener("change", () => setTarget(away(ui.target.attribute.value)));
    ui.target.value.addEventListener("change", () => setTarget([target[0], JSON.parse(ui.target.value.value)]));
  }
  ui.slider.addEventListener("input", () => setPlace(ui.slider.value));
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());

  const follow = {
    [`change:${mode.place}`]: () => setPlace(model.get(mode.place), true),
    ...Object.fromEntries(mode.ends.map((end, k) => [`change:${end}`, () => followEnd(k)])),
    ...(target && { "change:target": () => setTarget(model.get("target"), true) }),
  };
  function followEnd(k) {
    const text = model.get(mode.ends[k]);
    if (text === texts[k]) return;
    ui.ends[k].input.value = text;
    setEnd(k, text, true);
  }
  for (const [event, handler] of Object.entries(follow)) model.on(event, handler);

  showPlace();
  showPath();
  showSentence();
  texts.forEach((_, k) => followEnd(k));
  if (target) setTarget(model.get("target"), true);
  ui.root.aeExplorer = {
    load: loader.start,
    setEnd: (k, text) => ((ui.ends[k].input.value = text), setEnd(k, text)),
    setPlace: (next) => setPlace(next),
    setTarget: (name, value) => setTarget([name, value]),
    state: () => ({ texts: [...texts], t, target, path: [...path], sentence: decodeAt(t), loaded: Boolean(network) }),
    model: () => network,
    attributes: (text) => attributesOf(text, data.patterns),
    normalise,
    joinWords,
    splitWords: (text, names = []) => splitWords(text, new Set(names)).map(({ token }) => token),
  };
  return () => {
    gone = true;
    announce();
    cancelAnimationFrame(frame);
    for (const [event, handler] of Object.entries(follow)) model.off(event, handler);
  };
}

// ---- a page without a kernel ----------------------------------------------------------

const mountPage = () => mountAll("sentence-path", render, (data) => data);

export default { render };
