// Gradient descent on two numbers and a code of one. One file for two worlds: a widget's view in
// Jupyter and Colab, and, as a classic script with mountPage() for its last line, a page without a
// kernel. The points and the weights at the start come as JSON text in the model's "payload"; see
// training_loop.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { CSS } from "./next_words.js";

// Also of product_roofline.js.
const PLOTS = `
.aeo { --other: #b54708; --faint: color-mix(in srgb, var(--ae-text) 45%, transparent); }
html[data-theme="dark"] .aeo, body[data-jp-theme-light="false"] .aeo { --other: #fdb022; }
.aeo [hidden] { display: none; }
.aeo svg { display: block; width: 100%; height: auto; font-size: 13px; fill: currentColor; }
.aeo svg :is(line, path, polyline) { fill: none; stroke: currentColor; }
.aeo svg .aeo-ink { fill: var(--ink); stroke: none; }
.aeo svg .aeo-other { fill: var(--other); stroke: var(--other); }
.aeo svg .aeo-curve { fill: none; stroke: var(--ink); stroke-width: 2.5; stroke-linejoin: round; }
.aeo svg .aeo-line { stroke: var(--other); stroke-width: 2; }
.aeo svg .aeo-faint { stroke: var(--faint); }
.aeo-plots { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); }
.aeo-plots > div { min-width: 0; }
.aeo-sliders { display: grid; gap: 0.5rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); }
.aew.aeo label { display: flex; justify-content: space-between; gap: 0.5rem; padding: 0; }
.aeo output { font-variant-numeric: tabular-nums; }
.aew.aeo input[type="range"] { min-height: 32px; height: 32px; padding: 0; border: 0; background: none;
  accent-color: var(--pst-color-primary, var(--jp-brand-color1, auto)); }
.aeo-buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.aeo-buttons button { min-height: 34px; padding: 0.25rem 0.875rem; font-weight: 600; background: var(--ae-surface); }
.aeo-buttons button[aria-disabled="true"] { color: var(--ae-muted); border-style: dashed; cursor: default; }
.aeo-buttons button:hover { border-color: currentColor; }
.aeo .aeo-words { font-variant-numeric: tabular-nums; min-height: 2.8em; }
.aeo summary { cursor: pointer; min-height: 28px; }
.aeo summary:focus-visible { outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor)); outline-offset: 1px; }
.aeo summary + p { padding-top: 0.25rem; }
`;

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function makeSlider(id, words, most, told) {
  const input = make("input", { type: "range", id, min: 0, max: most, step: 1, "data-lm-suppress-shortcuts": "true" });
  const output = make("output", { for: id });
  const set = (index, value) => {
    input.value = index;
    output.textContent = value;
    input.setAttribute("aria-valuetext", value);
  };
  input.addEventListener("input", () => told(Number(input.value)));
  return { root: make("div", {}, make("label", { for: id }, words, output), input), input, set };
}

// ---- the model: see losses() in training_loop.py ------------------------------------------

function lossAndGradient(points, [w, v]) {
  const size = 2 * points.length;
  let loss = 0;
  const [gw, gv] = [[0, 0], [0, 0]];
  for (const x of points) {
    const z = x[0] * w[0] + x[1] * w[1];
    const error = [z * v[0] - x[0], z * v[1] - x[1]];
    const back = (2 * (error[0] * v[0] + error[1] * v[1])) / size;
    for (const m of [0, 1]) {
      loss += error[m] ** 2 / size;
      gw[m] += x[m] * back;
      gv[m] += (2 * z * error[m]) / size;
    }
  }
  return { loss, gradient: [gw, gv] };
}

const stepAgainst = (weights, gradient, rate) => weights.map((part, k) => part.map((one, m) => one - rate * gradient[k][m]));

// ---- elements ---------------------------------------------------------------------------

const RUN = 100; // steps of one run
const MOST = 1000; // steps in all
const SIDE = 320;
const BOX = { left: 46, top: 8, width: SIDE - 54, height: SIDE - 46 };
const shortly = (value) => (!value || (value >= 1e-3 && value < 1e4) ? String(Number(value.toPrecision(3))) : value.toExponential(1).replace("-", "\u2212").replace("e+", "e"));

function build(data) {
  const id = `aeo-${Math.random().toString(36).slice(2)}`;
  const button = (words) => make("button", { type: "button" }, words);
  const plot = (words) => makeSvg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": words });
  const ui = {
    step: button("Step"), run: button(`Run ${RUN} steps`), again: button("Start again"),
    words: make("p", { class: "aeo-words" }),
    live: make("div", { class: "aew-unseen", "aria-live": "polite" }),
    plane: plot("The points, the line of the decoder, and the reconstructions on it."),
    curve: plot("The loss after each step, on a logarithmic scale. Its values are said in words below."),
    id,
  };
  const help = "Each point has two numbers, its code has one. Choose a step size, then take single steps or run. Another step size starts again; the losses before stay as a dashed line.";
  const titled = (title, drawing) => make("div", {}, make("p", { class: "aew-title" }, title), drawing);
  const top = make("div", { class: "aeo-sliders" });
  const limit = make(
    "details", {}, make("summary", {}, "Above which step size can the loss not come to rest at its least value?"),
    make("p", {}, `Above ${shortly(data.limit)}. Near its least value, the loss is almost a parabola in each direction. Let \u03bb be the largest of its second derivatives there (the largest eigenvalue of the Hessian, the matrix of second derivatives). A step size above 2/\u03bb overshoots by more at each step. Many weights have the least loss, and \u03bb is not the same at all of them. The limit is 2/\u03bb for the smallest \u03bb.`),
  );
  const body = make(
    "div", { class: "aew aeo" }, make("p", { class: "aew-help" }, help), top,
    make("div", { class: "aeo-buttons" }, ui.step, ui.run, ui.again),
    ui.words, make("div", { class: "aeo-plots" }, titled("Points (dots) and reconstructions (squares)", ui.plane), titled("Loss by step", ui.curve)),
    limit, ui.live,
  );
  ui.sliders = top;
  ui.root = make(
    "div", { class: "ae-explorer", "data-ae-explorer": "training-loop", role: "group", "aria-label": "Explorer: a training loop and its step size" },
    make("style", {}, CSS + PLOTS), body,
  );
  return ui;
}

// The plane: from each point a line to its reconstruction, which lies on the decoder's line.
function drawPlane(svg, points, [w, v]) {
  const most = 1.25 * Math.max(...points.flat().map(Math.abs));
  const at = (value) => SIDE / 2 + Math.max(-1e4, Math.min(1e4, (value / most) * (SIDE / 2))) || SIDE / 2;
  const [X, Y] = [(x) => at(x), (y) => SIDE - at(y)];
  const line = (a, b, kind, more = {}) => makeSvg("line", { x1: X(a[0]), y1: Y(a[1]), x2: X(b[0]), y2: Y(b[1]), class: kind, ...more });
  const length = Math.hypot(...v) || 1;
  const far = v.map((one) => (2 * most * one) / length);
  const copies = points.map((x) => v.map((one) => one * (x[0] * w[0] + x[1] * w[1])));
  svg.replaceChildren(
    line([-most, 0], [most, 0], "aeo-faint"),
    line([0, -most], [0, most], "aeo-faint"),
    line(far.map((one) => -one), far, "aeo-line"),
    ...points.map((x, i) => line(x, copies[i], "aeo-faint", { "stroke-dasharray": "3 2" })),
    ...points.map((x) => makeSvg("circle", { cx: X(x[0]), cy: Y(x[1]), r: 4.5, class: "aeo-ink" })),
    ...copies.map((x) => makeSvg("rect", { x: X(x[0]) - 3.5, y: Y(x[1]) - 3.5, width: 7, height: 7, class: "aeo-other" })),
  );
}

// The losses of this run, and dashed those of the run before.
function drawLosses(svg, losses, before, least) {
  const { left, top, width, height } = BOX;
  const [low, high] = [Math.max(least, 1e-4 * losses[0]) * 0.6, losses[0] * 30].map(Math.log10);
  const steps = [20, 50, 100, 200, 500, MOST].find((most) => most >= Math.max(losses.length, before.length) - 1) ?? MOST;
  const X = (k) => (k / steps) * width;
  const Y = (loss) => height - ((Math.max(low - 1, Math.min(high + 1, Math.log10(loss))) - low) / (high - low)) * height;
  const along = (values) => values.map((loss, k) => `${X(k).toFixed(1)},${(Number.isNaN(loss) ? -50 : Y(loss)).toFixed(1)}`).join(" ");
  const inside = makeSvg("svg", { x: left, y: top, width, height }); // cuts off what is outside
  if (least > 0) inside.append(makeSvg("line", { x1: 0, x2: width, y1: Y(least), y2: Y(least), "stroke-dasharray": "2 3" }));
  if (before.length > 1) inside.append(makeSvg("polyline", { points: along(before), class: "aeo-faint", "stroke-width": 1.5, "stroke-dasharray": "6 4" }));
  inside.append(makeSvg("polyline", { points: along(losses), class: "aeo-curve" }));
  const last = losses.at(-1);
  if (Y(last) > 0) inside.append(makeSvg("circle", { cx: X(losses.length - 1), cy: Y(last), r: 4, class: "aeo-ink" }));
  if (least > 0) inside.append(makeSvg("text", { x: width - 4, y: Y(least) + 15, "text-anchor": "end" }, "least loss"));
  const powers = [];
  for (let power = Math.ceil(low); power <= high; power++) powers.push(power);
  const word = (x, y, words, anchor) => makeSvg("text", { x, y, "text-anchor": anchor }, words);
  svg.replaceChildren(
    makeSvg("path", { d: `M${left} ${top}V${top + height}H${left + width}`, class: "aeo-faint" }),
    ...powers.flatMap((power) => {
      const y = top + Y(10 ** power);
      return [word(left - 6, y + 4, shortly(10 ** power), "end"), makeSvg("line", { x1: left - 3, x2: left, y1: y, y2: y })];
    }),
    ...[0, 0.5, 1].map((part) => word(left + part * width, top + height + 17, String(part * steps), part < 1 ? "middle" : "end")),
    word(left + width / 2, top + height + 34, "step", "middle"),
    inside,
  );
}

// ---- the explorer -----------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const ui = build(data);
  const announce = makeAnnouncer(ui.live);
  let rate, weights, losses;
  let before = [];
  let timer = 0;
  el.append(ui.root);

  const slider = makeSlider(`${ui.id}-rate`, "Step size", data.rates.length - 1, (index) => setRate(data.rates[index]));
  ui.sliders.append(slider.root);

  const diverged = () => !(losses.at(-1) < 1e6 * losses[0]);

  function inWords() {
    const [steps, loss] = [losses.length - 1, losses.at(-1)];
    const now = `Step size ${shortly(rate)}, step ${steps}: the loss is ${Number.isFinite(loss) ? shortly(loss) : "beyond all numbers"}.`;
    if (diverged()) return `${now} It has grown more than a million times: training diverges. Choose a smaller step size.`;
    if (!steps) return now;
    const close = losses.findLastIndex((one) => one > 1.01 * data.least) + 1;
    if (close <= steps) return `${now} Since step ${close} it is within 1 % of the least loss, ${shortly(data.least)}.`;
    const rises = losses.slice(-20).some((one, k, all) => k && one > all[k - 1]);
    const way = steps < 20 ? "" : rises ? " In the last 20 steps it rose and fell." : " It is still falling.";
    return `${now}${way} The least loss is ${shortly(data.least)}.`;
  }

  function show() {
    drawPlane(ui.plane, data.points, weights);
    drawLosses(ui.curve, losses, before, data.least);
    ui.words.textContent = inWords();
    const over = diverged() || losses.length > MOST;
    for (const button of [ui.step, ui.run]) button.setAttribute("aria-disabled", String(over));
    ui.run.textContent = timer ? "Stop" : `Run ${RUN} steps`;
  }

  function restart() {
    stop();
    if (losses?.length > 1) before = losses;
    weights = data.start;
    losses = [lossAndGradient(data.points, weights).loss];
    show();
  }

  function take(count) {
    for (let k = 0; k < count && !diverged() && losses.length <= MOST; k++) {
      weights = stepAgainst(weights, lossAndGradient(data.points, weights).gradient, rate);
      losses.push(lossAndGradient(data.points, weights).loss);
    }
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
  }

  function run() {
    let left = RUN;
    const some = (count) => {
      take(count);
      left -= count;
      if (left <= 0 || diverged()) stop();
      show();
      if (!timer) announce(inWords());
    };
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return some(RUN);
    timer = setInterval(() => some(1), 40);
    some(1);
  }

  // The one door for another step size, whoever brings it.
  function setRate(next, fromModel = false) {
    if (next === rate || !(next > 0)) return;
    rate = next;
    const away = data.rates.map((one) => Math.abs(Math.log(one / rate)));
    slider.set(away.indexOf(Math.min(...away)), shortly(rate));
    restart();
    if (fromModel) return;
    model.set("rate", rate);
    model.save_changes();
  }

  ui.step.addEventListener("click", () => {
    stop();
    take(1);
    show();
    announce(inWords());
  });
  ui.run.addEventListener("click", () => {
    if (!timer) return ui.run.getAttribute("aria-disabled") === "true" ? undefined : run();
    stop();
    show();
    announce(inWords());
  });
  ui.again.addEventListener("click", () => {
    restart();
    announce(inWords());
  });
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  const follow = () => setRate(model.get("rate"), true);
  model.on("change:rate", follow);
  follow();
  ui.root.aeExplorer = {
    setRate: (next) => setRate(next),
    take: (count) => (take(count), show()),
    state: () => ({ rate, weights, losses: [...losses], running: Boolean(timer) }),
  };
  return () => {
    stop();
    announce();
    model.off("change:rate", follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("training-loop", render, ({ rate }) => ({ rate }));

export default { render };
