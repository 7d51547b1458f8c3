// A matrix product on a machine's roofline. One file for two worlds: a widget's view in Jupyter and
// Colab, and, as a classic script with mountPage() for its last line, a page without a kernel. The
// machines' limits come as JSON text in the model's "payload"; see product_roofline.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { CSS } from "./next_words.js";
import { PLOTS, makeSvg, makeSlider } from "./training_loop.js";

const STYLE = `
.aeo .aeo-sliders { grid-template-columns: repeat(auto-fit, minmax(min(11rem, 100%), 1fr)); }
.aeo select { margin-top: 0.1875rem; width: 100%; min-height: 36px; padding: 0 0.375rem; font: inherit; color: inherit;
  background: var(--ae-surface); border: 1px solid var(--ae-muted); border-radius: 6px; cursor: pointer; }
.aeo option { color: var(--ae-text); background: var(--ae-paper); }
.aeo select:focus-visible { outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 1px; }
.aeo-times { display: grid; gap: 0.25rem 0.625rem; grid-template-columns: auto minmax(0, 1fr) 5rem; align-items: center; font-variant-numeric: tabular-nums; }
.aeo-times i { height: 0.875rem; min-width: 1px; background: var(--faint); border-radius: 2px; }
.aeo-times .aeo-longer { font-weight: 700; }
.aeo-times i.aeo-longer { background: var(--ink); }
.aeo .aeo-facts { padding-top: 0.75rem; min-height: 11em; }
`;

// ---- the counts: see product_cost() and floor() in chapter 12 ------------------------------

function costOf(m, n, width, [operations, bandwidth]) {
  const [work, bytes] = [2 * m * n * n, width * (m * n + n * n + m * n)];
  const [arithmetic, moving] = [work / operations, bytes / bandwidth];
  const seconds = Math.max(arithmetic, moving);
  return {
    operations: work, bytes, intensity: work / bytes, ridge: operations / bandwidth, arithmetic, moving, seconds,
    speed: work / seconds, bound: arithmetic > moving ? "arithmetic" : "bytes",
  };
}

// ---- words ------------------------------------------------------------------------------

const FORMATS = { 4: "4 (float32)", 2: "2 (16 bits)", 1: "1 (float8)" };
const three = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });

function scaled(value, units) {
  const [size, unit] = units.find(([size]) => value >= size) ?? units.at(-1);
  return `${three(value / size)}${unit}`;
}

const countOf = (value) => scaled(value, [[1e12, "\u00a0\u00b7\u00a010\u00b9\u00b2"], [1e9, " billion"], [1e6, " million"], [1, ""]]);
const timeOf = (seconds) => scaled(seconds, [[1, " s"], [1e-3, " ms"], [1e-6, " \u00b5s"], [1e-9, " ns"]]);

// ---- elements ---------------------------------------------------------------------------

const [MOST_M, LEAST_N, MOST_N] = [16, 4, 14]; // powers of two, of rows from 1
const SIZE = { left: 52, top: 10, width: 300, height: 230 };

function build(data) {
  const id = `aeo-${Math.random().toString(36).slice(2)}`;
  const chosen = (part, words) => {
    const select = make("select", { id: `${id}-${part}` });
    return { select, root: make("div", {}, make("label", { for: select.id }, words), select) };
  };
  const ui = {
    id,
    machine: chosen("machine", "Machine"), width: chosen("width", "Bytes of a number"),
    sliders: make("div", { class: "aeo-sliders" }),
    roof: makeSvg("svg", { viewBox: `0 0 ${SIZE.left + SIZE.width + 10} ${SIZE.top + SIZE.height + 44}`, role: "img", "aria-label": "The roofline and the product on it, both axes logarithmic. Its values are said in words beside it." }),
    times: make("div", { class: "aeo-times" }),
    facts: make("p", { class: "aeo-facts" }),
    live: make("div", { class: "aew-unseen", "aria-live": "polite" }),
  };
  ui.machine.select.append(...data.machines.map(({ name }) => make("option", { value: name }, name)));
  const help = "A batch of m rows is multiplied by a matrix of n \u00d7 n weights. The large dot is this product, at the most operations a second that it can reach; the small dots are the other batch sizes with the same n.";
  const body = make(
    "div", { class: "aew aeo" }, make("p", { class: "aew-help" }, help), ui.sliders,
    make("div", { class: "aeo-plots" }, make("div", {}, make("p", { class: "aew-title" }, "Operations a second"), ui.roof), make("div", {}, make("p", { class: "aew-title" }, "Least time"), ui.times, ui.facts)),
    ui.live,
  );
  ui.root = make(
    "div", { class: "ae-explorer", "data-ae-explorer": "product-roofline", role: "group", "aria-label": "Explorer: a matrix product on a roofline" },
    make("style", {}, CSS + PLOTS + STYLE), body,
  );
  return ui;
}

// The roof, its ridge, the product and those of the other batch sizes.
function drawRoof(svg, data, limits, here, others) {
  const { left, top, width, height } = SIZE;
  const all = data.machines.flatMap((one) => one.operations.map(([, operations]) => [operations, one.bandwidth]));
  const [low, high] = [Math.log10(0.25), Math.log10(3e4)];
  const floor = Math.log10(0.25 * Math.min(...all.map(([, bandwidth]) => bandwidth)));
  const ceiling = Math.log10(2.5 * Math.max(...all.map(([operations]) => operations)));
  const X = (value) => left + (Math.max(0, Math.log10(value) - low) / (high - low)) * width;
  const Y = (value) => top + height - ((Math.log10(value) - floor) / (ceiling - floor)) * height;
  const [operations, bandwidth] = limits;
  const ridge = operations / bandwidth;
  const word = (x, y, anchor, ...words) => makeSvg("text", { x, y, "text-anchor": anchor }, ...words);
  const line = (x1, y1, x2, y2, kind, more = {}) => makeSvg("line", { x1, y1, x2, y2, class: kind, ...more });
  const powers = [];
  for (let power = Math.ceil(floor); power <= ceiling; power++) powers.push(power);
  const [bottom, right] = [top + height, left + width];
  svg.replaceChildren(
    makeSvg("path", { d: `M${left} ${top}V${bottom}H${right}`, class: "aeo-faint" }),
    ...powers.flatMap((power) => {
      const small = makeSvg("tspan", { dy: -5, "font-size": 10 }, String(power));
      return [line(left - 3, Y(10 ** power), left, Y(10 ** power), ""), word(left - 6, Y(10 ** power) + 4, "end", "10", small)];
    }),
    ...[1, 10, 100, 1000, 10000].flatMap((value) => [line(X(value), bottom, X(value), bottom + 3, ""), word(X(value), bottom + 17, "middle", value.toLocaleString("en"))]),
    word(left + width / 2, bottom + 36, "middle", "operations a byte"),
    line(X(ridge), Y(operations), X(ridge), bottom, "aeo-faint", { "stroke-dasharray": "5 4" }),
    word(X(ridge) + 5, bottom - 6, "start", "ridge"),
    makeSvg("polyline", { points: `${X(10 ** low)},${Y(bandwidth * 10 ** low)} ${X(ridge)},${Y(operations)} ${right},${Y(operations)}`, "stroke-width": 2 }),
    ...others.map((one) => makeSvg("circle", { cx: X(one.intensity), cy: Y(one.speed), r: 2.5, class: "aeo-other" })),
    makeSvg("circle", { cx: X(here.intensity), cy: Y(here.speed), r: 7, class: "aeo-ink" }),
  );
}

// ---- the explorer -----------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const ui = build(data);
  const announce = makeAnnouncer(ui.live);
  const state = {};
  const names = ["m", "n", "machine", "width"];
  el.append(ui.root);

  const rows = makeSlider(`${ui.id}-m`, "Batch size m", MOST_M, (power) => change({ m: 2 ** power }));
  const sides = makeSlider(`${ui.id}-n`, "Width n", MOST_N - LEAST_N, (power) => change({ n: 2 ** (LEAST_N + power) }));
  ui.sliders.append(rows.root, sides.root, ui.machine.root, ui.width.root);

  const machineOf = () => data.machines.find(({ name }) => name === state.machine);
  const limits = () => {
    const { operations, bandwidth } = machineOf();
    return [operations.find(([width]) => width === state.width)[1], bandwidth];
  };
  const cost = (m = state.m) => costOf(m, state.n, state.width, limits());

  function inWords() {
    const { operations, bytes, intensity, ridge, seconds, speed, bound } = cost();
    const share = (100 * speed) / limits()[0];
    const counts = `${countOf(operations)} operations, ${countOf(bytes)} bytes: ${three(intensity)} operations a byte. The ridge is at ${three(ridge)}.`;
    const why = bound === "bytes" ? "Memory is the limit: moving the bytes takes longer." : "Arithmetic is the limit: the operations take longer.";
    return `${counts} ${why} The product takes at least ${timeOf(seconds)}. So it reaches at most ${countOf(speed)} operations a second, ${three(share)} % of what the arithmetic of this machine can do.`;
  }

  function show() {
    const here = cost();
    rows.set(Math.round(Math.log2(state.m)), state.m.toLocaleString("en"));
    sides.set(Math.round(Math.log2(state.n)) - LEAST_N, state.n.toLocaleString("en"));
    ui.machine.select.value = state.machine;
    ui.width.select.replaceChildren(...machineOf().operations.map(([width]) => make("option", { value: width }, FORMATS[width] ?? String(width))));
    ui.width.select.value = String(state.width);
    drawRoof(ui.roof, data, limits(), here, Array.from({ length: MOST_M + 1 }, (_, power) => cost(2 ** power)));
    const bar = (words, seconds, longer) => {
      const kind = longer ? "aeo-longer" : "aeo-shorter";
      return [make("span", { class: kind }, words), make("i", { class: kind, style: `width: ${(100 * seconds) / here.seconds}%` }), make("span", { class: kind }, timeOf(seconds))];
    };
    ui.times.replaceChildren(...bar("operations", here.arithmetic, here.bound === "arithmetic"), ...bar("bytes", here.moving, here.bound === "bytes"));
    ui.facts.textContent = inWords();
  }

  // The one door for new sizes or another machine, whoever brings them.
  function change(next, fromModel = false) {
    const before = names.map((name) => state[name]).join();
    Object.assign(state, next);
    const widths = machineOf().operations.map(([width]) => width);
    if (!widths.includes(state.width)) state.width = widths[0];
    if (names.map((name) => state[name]).join() === before) return;
    show();
    if (before !== ",,,") announce(inWords());
    if (fromModel) return;
    for (const name of names) model.set(name, state[name]);
    model.save_changes();
  }

  ui.machine.select.addEventListener("change", () => change({ machine: ui.machine.select.value }));
  ui.width.select.addEventListener("change", () => change({ width: Number(ui.width.select.value) }));
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  const follow = () => change(Object.fromEntries(names.map((name) => [name, model.get(name)])), true);
  const changes = names.map((name) => `change:${name}`);
  for (const one of changes) model.on(one, follow);
  follow();
  ui.root.aeExplorer = { change: (next) => change(next), state: () => ({ ...state, ...cost() }) };
  return () => {
    announce();
    for (const one of changes) model.off(one, follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("product-roofline", render, ({ first }) => ({ ...first }));

export default { render };
