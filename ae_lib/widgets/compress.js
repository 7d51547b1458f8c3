// A text and its archive, compressed by a language model. One file for two worlds: a widget's view
// in Jupyter and Colab, and, as a classic script with mountAll() for its last line, a page without
// a kernel. Where this file is served, what it imports stands in the place of the import: see
// bundled() in _static.py. A first text and its archive come as JSON text in the model's
// "payload"; the weights come on request, from the kernel or from a script beside the page. The
// archives are those of ae_lib/compression, byte for byte. See compress.py and _int8.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { CSS, SPECIALS, WORD, readMerges } from "./next_words.js";
import { openModel, multiply, bufferOf, loadFromPage, loadFromKernel, fetchModel, modelLoader } from "./sentence_path.js";
import { MORE } from "./translate.js";

const STYLE = `
.aec textarea { display: block; width: 100%; min-width: 0; margin: 0; padding: 0.375rem 0.625rem; resize: vertical;
  font: inherit; font-size: 1rem; line-height: 1.4; color: inherit; background: var(--ae-paper);
  border: 1px solid var(--ae-muted); border-radius: 6px; }
.aec textarea.aec-hex { font-family: var(--pst-font-family-monospace, monospace); font-size: 0.8125rem; }
.aec textarea:focus-visible { outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 1px; }
.aec p.aec-sum { font-size: 1.125rem; line-height: 1.35; }
.aec-lines { display: grid; gap: 0.5rem; max-height: 24rem; overflow-y: auto; padding: 2px; }
.aec ol.aec-line { display: flex; flex-wrap: wrap; gap: 0.25rem; }
.aec ol.aec-line > li, .aec-legend > span { position: relative; display: grid; justify-items: center; min-width: 1.75rem;
  padding: 0.0625rem 0.3125rem; border: 1px solid var(--ae-border); border-radius: 4px;
  background: color-mix(in srgb, var(--ink) var(--share), transparent); }
.aec-line b { font-weight: 500; white-space: pre-wrap; overflow-wrap: anywhere; }
.aec-line small { font-size: 0.75rem; font-variant-numeric: tabular-nums; }
.aec-legend { display: flex; flex-wrap: wrap; align-items: center; gap: 0.375rem; padding-top: 0.375rem; font-size: 0.8125rem; }
.aec .aec-restore { min-height: 34px; padding: 0.25rem 0.875rem; margin: 0.5rem 0; font-weight: 600; }
.aec pre { margin: 0.375rem 0 0; padding: 0.375rem 0.625rem; max-height: 16rem; overflow: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; font: inherit; color: inherit; background: var(--ae-surface);
  border: 1px solid var(--ae-border); border-radius: 6px; }
`;

const [BOS, EOS] = [2, 3];

// ---- the model: see ae_lib/compression/_exact.py ------------------------------------------

// To the nearest whole number, the even one of two, as np.rint: beyond 2^52 are no fractions.
const rint = (x) => x + 1.5 * 2 ** 52 - 1.5 * 2 ** 52;
const rounded = (x) => rint(x * 4096) / 4096;
const SIGMOIDS = Float64Array.from({ length: 3073 }, (_, i) => rint(32768 / (1 + Math.exp((1536 - i) / 128))) / 32768);
const POWERS = Float64Array.from({ length: 2049 }, (_, i) => rint(2 ** 24 * Math.exp(-i / 128)));
const sigmoidOf = (x) => SIGMOIDS[rint(Math.max(-12, Math.min(12, x)) * 128) + 1536];
const tanhOf = (x) => 2 * sigmoidOf(2 * x) - 1;

// Every sum below is of whole numbers or of multiples of a power of two: exact.
function readModel(buffer) {
  const { header, take, matrix } = openModel(buffer, "language model");
  const scaled = (name, scale) => matrix(name, Float64Array.from({ length: header.arrays[name].shape[0] }, (_, i) => scale(i)));
  const [steps, kernelSteps, recurrentSteps, wordSteps] = ["embedding", "lstm.kernel", "lstm.recurrent_kernel", "to_word.kernel"].map((name) => take(`${name}.scale`));
  const table = scaled("embedding", () => 2 ** -12);
  const kernel = scaled("lstm.kernel", (i) => kernelSteps[i]);
  const recurrent = scaled("lstm.recurrent_kernel", (i) => recurrentSteps[i] / 128);
  const toWord = scaled("to_word.kernel", (i) => wordSteps[i] * steps[i] * 32);
  const bias = Float64Array.from(take("lstm.bias"));
  const vectorBias = Float64Array.from(take("to_word.bias"), (v, i) => rounded(v * steps[i] * 4096));
  const wordBias = Float64Array.from(take("word_bias"), rounded);
  const units = recurrent.columns;

  // From a state and the piece before it: the sizes of the next pieces, <eos> first, and the state.
  function step(state, id) {
    const [h, c] = state.map((part) => part.slice());
    const x = Float64Array.from(steps, (s, i) => s * table.values[id * table.columns + i]);
    const z = multiply(recurrent, h, multiply(kernel, x, bias.slice()).map((v) => Math.fround(rounded(v))));
    for (let j = 0; j < units; j++) {
      c[j] = rounded(sigmoidOf(z[units + j]) * c[j] + sigmoidOf(z[j]) * tanhOf(z[2 * units + j]));
      h[j] = rint(sigmoidOf(z[3 * units + j]) * tanhOf(c[j]) * 128);
    }
    const vector = multiply(toWord, h, vectorBias.slice()).map((v) => Math.max(-1023, Math.min(1023, rint(v))));
    return { sizes: sizesOf(multiply(table, vector, wordBias.slice()).subarray(EOS)), state: [h, c] };
  }
  const { bytes, split } = readMerges(take("merges"));
  // As encode_bytes: nothing is normalised; and spaces are those of Unicode alone.
  const word = new RegExp(WORD.source.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"), "gu");
  const encode = (line) => (line.match(word) ?? []).flatMap(split);
  const decode = (row) => row.flatMap((id) => bytes[id - SPECIALS]);
  const zeros = () => [new Float64Array(units), new Float64Array(units)];
  let first;
  return { start: () => (first ??= step(zeros(), BOS)), step, encode, decode };
}

// Whole numbers, at least 1, in proportion to exp(score), that add up to 2^24 at most.
function sizesOf(scores) {
  const top = scores.reduce((a, b) => Math.max(a, b));
  const powers = scores.map((score) => POWERS[Math.min(2048, rint((top - score) * 128))]);
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => 1 + Math.floor((power * (2 ** 24 - scores.length)) / sum));
}

// ---- the range coder: see ae_lib/compression/_coder.py ------------------------------------

function encoder() {
  let [low, range] = [0, 2 ** 48];
  const out = [];
  const carry = () => {
    let at = out.length - 1;
    for (; out[at] === 255; at--) out[at] = 0;
    out[at]++;
  };
  function write(start, size, bits) {
    const part = Math.floor(range / 2 ** bits);
    [low, range] = [low + part * start, part * size];
    if (low >= 2 ** 48) {
      low -= 2 ** 48;
      carry();
    }
    for (; range < 2 ** 40; range *= 256) {
      out.push(Math.floor(low / 2 ** 40));
      low = (low % 2 ** 40) * 256;
    }
  }
  function finish() {
    let number;
    for (let left = 40; left >= 0; left -= 8) {
      number = Math.ceil(low / 2 ** left) * 2 ** left;
      if (number < low + range) break;
    }
    if (number >= 2 ** 48) {
      number -= 2 ** 48;
      carry();
    }
    for (let left = 40; left >= 0; left -= 8) out.push(Math.floor(number / 2 ** left) % 256);
    while (out.at(-1) === 0) out.pop();
    return out;
  }
  return { write, finish };
}

function decoder(raw) {
  let [code, range, at] = [raw.slice(0, 6).reduce((sum, byte, i) => sum + byte * 2 ** (40 - 8 * i), 0), 2 ** 48, 6];
  const target = (bits) => Math.min(Math.floor(code / Math.floor(range / 2 ** bits)), 2 ** bits - 1);
  function advance(start, size, bits) {
    const part = Math.floor(range / 2 ** bits);
    [code, range] = [code - part * start, part * size];
    for (; range < 2 ** 40; range *= 256) code = code * 256 + (raw[at++] ?? 0);
  }
  return { target, advance };
}

// ---- archives: see ae_lib/compression/_pieces.py and __init__.py --------------------------

// As Pieces.code: write the rows of pieces, or read some; gives them with their bits. Between
// steps it pauses; null when the pause says that nobody waits any more.
async function codePieces(network, coder, length, rows, pause) {
  let count = rows?.length;
  if (rows) coder.write(count - 1, 1, 17);
  else coder.advance((count = coder.target(17) + 1) - 1, 1, 17);
  if (count > length + 1) throw new Error("it is damaged: it goes on behind its end");
  const found = Array.from({ length: count }, () => ({ ids: [], bits: [] }));
  const begin = (line) => ({ line, next: network.start() });
  let waiting = Math.min(count, 64);
  let slots = Array.from({ length: waiting }, (_, line) => begin(line));
  for (let room = length + count; slots.length; ) {
    for (const slot of slots) {
      if (!(await pause())) return null;
      slot.next ??= network.step(slot.state, slot.id);
      const { sizes, state } = slot.next;
      const { ids, bits } = found[slot.line];
      const target = rows ? null : coder.target(24);
      let [at, start] = [0, 0];
      const passed = () => (rows ? at < rows[slot.line][ids.length] - EOS : start + sizes[at] <= target);
      while (at < sizes.length && passed()) start += sizes[at++];
      if (at === sizes.length) throw new Error("it is damaged: it names a piece that there is not");
      (rows ? coder.write : coder.advance)(start, sizes[at], 24);
      ids.push(EOS + at);
      bits.push(24 - Math.log2(sizes[at]));
      Object.assign(slot, { id: EOS + at, state, next: null });
    }
    room -= slots.length;
    if (room < 0) throw new Error("it is damaged: it goes on behind its end");
    slots = slots.map((slot) => (slot.id !== EOS ? slot : waiting < count ? begin(waiting++) : null)).filter(Boolean);
  }
  return found;
}

// As zlib.crc32.
function crc32(bytes, check = 0) {
  let c = ~check;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (0xedb88320 & -(c & 1));
  }
  return ~c >>> 0;
}

const fourBytes = (number) => [0, 8, 16, 24].map((left) => (number >>> left) & 255);
const varint = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...varint(number >>> 7)]);
const hexOf = (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (hex) => (hex.match(/../g) ?? []).map((two) => parseInt(two, 16));
const bytesIn = (text) => [...new TextEncoder().encode(text)];
const textOf = (bytes, fatal = false) => new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(new Uint8Array(bytes));

// A text's archive; its bytes, how many of them the model's part has, the pieces and their bits.
async function compress(network, head, text, pause) {
  const raw = bytesIn(text);
  const rows = text.split("\n").map((line) => [...network.encode(line), EOS]);
  const coder = encoder();
  const found = await codePieces(network, coder, raw.length, rows, pause);
  if (!found) return null;
  const coded = coder.finish();
  const foreign = rows.reduce((sum, row) => sum + row.length, 0) / Math.max(1, raw.length) > 0.6;
  const byModel = !foreign && coded.length < raw.length;
  const payload = byModel ? coded : raw;
  const part = [...varint(raw.length), ...varint(3 * payload.length + (byModel ? 0 : 2)), ...payload];
  const check = crc32(raw, crc32(part, crc32(head)));
  const archive = [...head, ...(raw.length ? [...part, ...fourBytes(check)] : []), 0];
  const pieceOf = (id) => (id === EOS ? null : textOf(network.decode([id])));
  return { text, archive: hexOf(archive), lines: found.map(({ ids, bits }) => ids.map((id, i) => [pieceOf(id), bits[i]])) };
}

// The kind of an archive's chunk and the bytes that stand for it; an error says what is wrong.
function opened(head, most, archive) {
  const same = (from, to) => head.slice(from, to).every((byte, i) => byte === archive[from + i]);
  if (!same(0, 4)) throw new Error("it is no archive of ae_lib.compression: its first bytes are others");
  if (archive.length < head.length) throw new Error("it is cut short");
  if (!same(4)) throw new Error("it was written with another model than this page\u2019s, or damaged");
  let at = head.length;
  const number = () => {
    for (let [sum, place] = [0, 0]; place < 28; place += 7) {
      if (at === archive.length) throw new Error("it is cut short");
      const byte = archive[at++];
      sum += (byte & 127) << place;
      if (byte < 128) return sum;
    }
    throw new Error("it is damaged: a length that cannot be");
  };
  const length = number();
  if (!length && at < archive.length) throw new Error("it is damaged: there is more behind its end");
  if (!length) return { length, kind: 2, payload: [] };
  const both = number();
  const [size, kind] = [Math.floor(both / 3), both % 3];
  if (Math.max(length, size) > most) throw new Error(`it is damaged, or of more than ${most} bytes, which this page does not read; Python does`);
  const payload = archive.slice(at, at + size);
  const check = archive.slice(at + size, at + size + 4);
  const end = at + size + 4;
  if (end >= archive.length) throw new Error("it is cut short");
  if (archive[end] || end + 1 < archive.length) throw new Error("it is damaged: its end is not where it should be");
  return { length, kind, payload, check, before: crc32([...varint(length), ...varint(both), ...payload], crc32(head)) };
}

// The bytes of an archive, and whether its checksum fits them.
async function decompress(network, { length, kind, payload, check, before }, pause) {
  if (!length) return { raw: [], right: true };
  if (kind === 1) throw new Error("it is stored by LZMA, which this page does not read; Python does");
  let raw = payload;
  if (!kind) {
    const found = await codePieces(network, decoder(payload), length, null, pause);
    if (!found) return null;
    raw = found.flatMap(({ ids }, i) => [...(i ? [10] : []), ...network.decode(ids.slice(0, -1))]);
  }
  return { raw, right: String(fourBytes(crc32(raw, before))) === String(check) };
}

// ---- elements ---------------------------------------------------------------------------

const FULL = 12; // bits of the full colour
const shareOf = (bits) => `--share: ${Math.round((40 * Math.min(FULL, bits)) / FULL)}%`;

function build() {
  const id = `aec-${Math.random().toString(36).slice(2)}`;
  const area = (part, rows, more) => make("textarea", { id: `${id}-${part}`, rows, "aria-describedby": `${id}-${part}-note`, autocomplete: "off", spellcheck: "false", "data-lm-suppress-shortcuts": "true", ...more });
  const ui = {
    input: area("input", 4, { lang: "en" }),
    note: make("p", { class: "aew-note", id: `${id}-input-note` }),
    told: make("p"),
    bar: make("progress", { max: 1, "aria-label": "Loading the model", hidden: "" }),
    button: make("button", { type: "button" }),
    sum: make("p", { class: "aec-sum" }),
    shares: make("p", { class: "aew-help" }),
    lines: make("div", { class: "aec-lines", role: "group", tabindex: "0", "aria-labelledby": `${id}-pieces` }),
    hex: area("hex", 3, { class: "aec-hex", autocapitalize: "off" }),
    restore: make("button", { type: "button", class: "aec-restore" }, "Restore the text"),
    result: make("p", { class: "aew-note", id: `${id}-hex-note` }),
    restored: make("pre", { hidden: "", tabindex: "0", role: "group", "aria-label": "What was restored" }),
    live: make("div", { class: "aew-unseen", "aria-live": "polite" }),
  };
  ui.load = make("div", { class: "aet-load" }, ui.told, ui.bar, ui.button);
  const legend = [0, 4, 8, FULL].map((bits) => make("span", { style: shareOf(bits) }, bits === FULL ? `${bits} or more` : String(bits)));
  ui.out = make(
    "div", { class: "aet-out" },
    make("div", {}, make("p", { class: "aew-title" }, "Archive"), ui.sum, ui.shares),
    make(
      "div", {}, make("p", { class: "aew-title", id: `${id}-pieces` }, "Pieces of the text, each with its bits"), ui.lines,
      make("div", { class: "aec-legend" }, "Colours, in bits:", ...legend),
    ),
  );
  const way = make("div", {}, make("label", { for: ui.hex.id }, "The archive in hexadecimal"), ui.hex, ui.restore, ui.result, ui.restored);
  const help = "Write some English sentences, one a line. The page compresses them as Python does, and makes the text again from the archive alone. Change a digit of the archive, and see what comes out. Python tries LZMA, too, which makes a text that repeats itself shorter; the page does not. \u2423 stands for a space.";
  const body = make("div", { class: "aew aet aec" }, make("p", { class: "aew-help" }, help), make("div", {}, make("label", { for: ui.input.id }, "Text"), ui.input, ui.note), ui.load, ui.out, way, ui.live);
  ui.root = make(
    "div",
    { class: "ae-explorer", "data-ae-explorer": "compress", role: "group", "aria-label": "Explorer: a text, its archive, and the text restored from the archive" },
    make("style", {}, CSS + MORE + STYLE), body,
  );
  return ui;
}

// ---- the explorer -----------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const head = fromHex(data.head);
  const ui = build();
  let shown; // the text with its archive and the bits of its pieces
  let network = null; // the model, once it is here
  let [runs, reads] = [0, 0];
  let gone = false;
  el.append(ui.root);

  const announce = makeAnnouncer(ui.live);
  const loader = modelLoader(model, data, ui, ui.told, announce, took);
  const counted = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;


  // Gives time back to the page now and then, and says whether somebody still waits.
  function pauses(waits) {
    let since = performance.now();
    return async () => {
      if (performance.now() - since > 20) {
        await new Promise((resolve) => setTimeout(resolve));
        since = performance.now();
      }
      return waits() && !gone;
    };
  }

  function show(found) {
    shown = found;
    const { text, archive, lines } = found;
    const [before, after] = [bytesIn(text).length, archive.length / 2];
    const bits = lines.flat().reduce((sum, [, one]) => sum + one, 0);
    const rate = (some) => `${(some / before).toFixed(2)} bits per byte`;
    ui.note.textContent = `${counted(before, "byte")}, at most ${data.most.toLocaleString("en")}.`;
    ui.input.setAttribute("aria-invalid", "false");
    ui.sum.textContent = `The text has ${counted(before, "byte")}, its archive ${after.toLocaleString("en")}${before ? `: ${rate(8 * after)}` : ""}.`;
    const { kind, payload } = opened(head, data.most, fromHex(archive));
    const frame = `${counted(after - payload.length, "byte")} of the archive are its frame: the model\u2019s digest, the lengths and a checksum.`;
    const model = `The pieces need ${bits.toFixed(1)} bits${before ? `: ${rate(bits)}` : ""}. The number of lines needs 17 bits.`;
    ui.shares.textContent = `${frame} ${model}${kind === 2 && before ? " The archive holds the text as it is, because the model would not make it shorter." : ""}`;
    ui.lines.replaceChildren(
      ...lines.map((line, i) => {
        const items = line.map(([piece, one]) => {
          const words = piece === null ? "\u25a0\u00a0end" : piece.replaceAll(" ", "\u2423");
          return make("li", { style: shareOf(one) }, make("b", {}, words), make("small", {}, one.toFixed(1), make("span", { class: "aew-unseen" }, " bits")));
        });
        return make("ol", { class: "aec-line", "aria-label": `Line ${i + 1}` }, ...items);
      }),
    );
    ui.hex.value = archive.replace(/..(?=.)/g, "$& ");
    forget();
  }

  function forget() {
    reads++;
    ui.result.textContent = "";
    ui.restored.hidden = true;
    ui.hex.setAttribute("aria-invalid", "false");
  }

  // The one door for another text. What cannot be taken is said, and the old one stays.
  async function take(text, fromModel = false) {
    const run = ++runs;
    const refuse = (why) => {
      ui.out.removeAttribute("aria-busy");
      ui.note.textContent = `${why} What is below is still of the text before.`;
      ui.input.setAttribute("aria-invalid", "true");
      announce(why);
    };
    const count = bytesIn(text).length;
    if (count > data.most) return refuse(`Too long: ${counted(count, "byte")}, at most ${data.most.toLocaleString("en")} are taken.`);
    if (!network && text !== data.stored.text && (loader.declined || !(await loader.start()))) return run === runs && refuse("The model is not here.");
    if (run !== runs || gone) return;
    ui.out.setAttribute("aria-busy", "true");
    const found = network ? await compress(network, head, text, pauses(() => run === runs)) : data.stored;
    if (!found) return;
    ui.out.removeAttribute("aria-busy");
    show(found);
    announce(ui.sum.textContent);
    if (fromModel || model.get("text") === text) return;
    model.set("text", text);
    model.save_changes();
  }

  // Make the text again from the archive in the field.
  async function restore() {
    forget();
    const read = reads;
    const tell = (words, wrong = false) => {
      ui.result.textContent = words;
      ui.hex.setAttribute("aria-invalid", String(wrong));
      announce(words);
    };
    const hex = ui.hex.value.replace(/\s/g, "").toLowerCase();
    if (!/^([0-9a-f]{2})*$/.test(hex)) return tell("Not hexadecimal: each byte has two digits, from 0 to 9 or a to f.", true);
    try {
      const parts = opened(head, data.most, fromHex(hex));
      if (!parts.kind && !network && !(await loader.start())) return read === reads && tell("The model is not here.", true);
      if (read !== reads || gone) return;
      tell("Restoring \u2026");
      const found = await decompress(network, parts, pauses(() => read === reads));
      if (!found || read !== reads) return;
      const { raw, right } = found;
      ui.restored.textContent = textOf(raw);
      ui.restored.hidden = !raw.length;
      const same = String(raw) === String(bytesIn(shown.text)) ? ", the same as those of the text" : "";
      if (right) tell(`Restored: ${counted(raw.length, "byte")}${same}.`);
      else tell("Damaged: a checksum does not fit. This is what the changed archive would give.", true);
    } catch (error) {
      if (read === reads) tell(`This cannot be restored: ${error.message}.`, true);
    }
  }

  // The model's bytes have come. Gives whether there is still somebody here.
  function took(buffer) {
    network = readModel(buffer);
    if (gone) return false;
    const moveFocus = document.activeElement === ui.button;
    ui.load.hidden = true;
    if (moveFocus) ui.input.focus();
    announce("The model is loaded: write a text.");
    return true;
  }

  ui.told.textContent = "This archive was made beforehand. For other texts, and to restore a text, load the model into this page.";
  ui.button.textContent = loader.label;
  ui.button.addEventListener("click", () => loader.press().then((here) => here && take(ui.input.value)));
  ui.restore.addEventListener("click", restore);
  ui.hex.addEventListener("input", forget);
  let typing = 0;
  const takeInput = () => {
    clearTimeout(typing);
    if (ui.input.value !== shown.text) take(ui.input.value);
  };
  ui.input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(takeInput, 350);
  });
  ui.input.addEventListener("change", takeInput);
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());

  const follow = () => {
    const text = model.get("text");
    if (text === shown.text && text === ui.input.value) return;
    ui.input.value = text;
    take(text, true);
  };
  model.on("change:text", follow);
  show(data.stored);
  ui.input.value = shown.text;
  follow();
  const always = () => pauses(() => true);
  ui.root.aeExplorer = {
    load: () => loader.start().then((here) => here && take(ui.input.value)).then(() => Boolean(network)),
    encode: (line) => network.encode(line),
    compress: async (texts) => {
      const found = [];
      for (const text of texts) found.push(await compress(network, head, text, always()));
      return found;
    },
    decompress: async (hex) => hexOf((await decompress(network, opened(head, data.most, fromHex(hex)), always())).raw),
    tables: () => [[...SIGMOIDS], [...POWERS]],
    state: () => ({ ...shown, loaded: Boolean(network) }),
  };
  return () => {
    gone = true;
    announce();
    clearTimeout(typing);
    model.off("change:text", follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("compress", render, ({ stored }) => ({ text: stored.text }));

export default { render };
