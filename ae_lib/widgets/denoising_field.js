// A noisy point in the plane, and what the best denoiser of a finite data set answers. One file
// for two worlds: a widget's view in Jupyter and Colab, and, as a classic script with mountAll()
// for its last line, a page without a kernel. Where this file is served, what it imports stands in
// the place of the import: see bundled() in _static.py. The data come as JSON text in the model's
// "payload"; see denoising_field.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";
import { CSS, MOUSE_REACH, TOUCH_REACH, niceStep, clamp, makeDraggable } from "./latent_map.js";
import { makeSvg } from "./training_loop.js";

const STYLE = `
.aed { --ink: #0072b2; --arrow: #b34700; }
html[data-theme="dark"] .aed, body[data-jp-theme-light="false"] .aed { --ink: #56b4e9; --arrow: #f0a860; }
.aed .aex-map svg { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; }
.aed .aed-box { fill: none; stroke: var(--ae-border); }
.aed text { font-size: 13px; fill: var(--ae-muted); }
.aed .aed-data { fill: var(--ink); stroke: var(--ae-paper); stroke-width: 0.5; }
.aed .aed-arrow { fill: none; stroke: var(--arrow); stroke-width: 3; stroke-linejoin: round; stroke-linecap: round; }
.aed .aed-walk { fill: none; stroke: var(--ae-text); stroke-width: 1.5; stroke-dasharray: 4 3; }
.aed .aed-answer { fill: var(--arrow); stroke: var(--ae-paper); stroke-width: 1.5; }
.aed .aed-facts { display: grid; gap: 0.5rem; margin: 0; font-variant-numeric: tabular-nums; }
.aed-facts span { display: block; color: var(--ae-muted); font-size: 0.875rem; }
.aed .aed-sigma { display: block; margin: 0; font-weight: 600; }
.aed .aed-sigma input { display: block; width: 100%; height: 28px; margin: 0;
  accent-color: var(--pst-color-primary, var(--jp-brand-color1, auto)); }
.aed-buttons { display: flex; flex-wrap: wrap; gap: 0.375rem; }
.ae-explorer .aed-buttons button { border-radius: 6px; }
.ae-explorer .aed-buttons button:disabled { opacity: 0.55; cursor: default; border-style: dashed; }
@container (max-width: 560px) { .aed .aex-side { display: flex; align-items: stretch; } .aed .aed-facts { grid-template-columns: 1fr 1fr; } }
`;

const SIDE = 400; // of the square that is drawn, in the units of the SVG
const [LEAST, UNIT, MOST] = [10, 60, 300]; // places of the slider: sigma is place / UNIT of the first
const SHARE = 0.9; // of all the weight

// Of a noisy point: the weights of the data points, their mean, the score, how many points have
// SHARE of the weight.
function denoise(points, [x, y], sigma) {
  const squared = points.map(([a, b]) => (a - x) ** 2 + (b - y) ** 2);
  const least = squared.reduce((a, b) => Math.min(a, b));
  const powers = squared.map((d) => Math.exp(-(d - least) / (2 * sigma ** 2)));
  const sum = powers.reduce((a, b) => a + b);
  const weights = powers.map((power) => power / sum);
  const answer = [0, 1].map((k) => points.reduce((mean, point, i) => mean + weights[i] * point[k], 0));
  const score = [(answer[0] - x) / sigma ** 2, (answer[1] - y) / sigma ** 2];
  let [few, part] = [0, 0];
  for (const weight of [...weights].sort((a, b) => b - a)) if (part < SHARE) [few, part] = [few + 1, part + weight];
  return { weights, answer, score, few };
}

// ---- elements ---------------------------------------------------------------------------

const round = (v, digits = 2) => v.toFixed(digits).replace("-", "\u2212");
const three = (v) => String(Number(v.toPrecision(3)));
const pair = (point) => `(${point.map((v) => round(v)).join(", ")})`;
const length = ([a, b]) => Math.hypot(a, b);

// The square of the plane that is shown: the data, and a margin around them.
function viewOf(points) {
  const ends = [0, 1].map((k) => points.map((point) => point[k])).map((v) => [Math.min(...v), Math.max(...v)]);
  const span = 1.3 * (Math.max(...ends.map(([low, high]) => high - low)) || 1);
  const low = ends.map(([a, b]) => (a + b - span) / 2);
  return { low, span, step: niceStep(span / 250), tick: niceStep(span / 6) };
}

function build(data, { low, span, tick }, toX, toY) {
  const label = (text, x, y, anchor) => makeSvg("text", { x, y, "text-anchor": anchor }, text);
  const ticks = low.map((from) => Array.from({ length: 9 }, (_, i) => (Math.ceil(from / tick) + i) * tick).filter((v) => v > from + span / 20 && v < from + span));
  const name = (v) => String(Number(v.toPrecision(6))).replace("-", "\u2212");
  const ui = {
    map: make("div", {
      class: "aex-map", tabindex: "0", role: "application", "data-lm-suppress-shortcuts": "true",
      "aria-label": "The plane: arrow keys move the noisy point, with Shift in larger steps",
    }),
    data: data.points.map(([x, y]) => makeSvg("circle", { class: "aed-data", cx: toX(x), cy: toY(y) })),
    walk: makeSvg("path", { class: "aed-walk" }),
    arrow: makeSvg("path", { class: "aed-arrow" }),
    answer: makeSvg("rect", { class: "aed-answer", width: 11, height: 11 }),
    handle: make("div", { class: "aex-handle" }),
    sigma: make("input", { type: "range", min: LEAST, max: MOST, step: 1, "data-lm-suppress-shortcuts": "true" }),
    sigmaSaid: make("span"),
    facts: make("div", { class: "aed-facts" }),
    once: make("button", { type: "button" }, "Apply once"),
    often: make("button", { type: "button" }, "Apply 10 times"),
    back: make("button", { type: "button" }, "Back to the start"),
    live: make("div", { class: "aex-live", "aria-live": "polite" }),
  };
  const picture = makeSvg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" });
  picture.append(makeSvg("rect", { class: "aed-box", x: 0.5, y: 0.5, width: SIDE - 1, height: SIDE - 1 }));
  picture.append(...ticks[0].map((v) => label(name(v), toX(v), SIDE - 6, "middle")), ...ticks[1].map((v) => label(name(v), 6, toY(v) + 4, "start")));
  picture.append(...ui.data, ui.walk, ui.arrow, ui.answer);
  ui.map.append(picture, ui.handle);
  const help = "Drag the ring, the noisy point, or press the arrow keys on the picture (with Shift, larger steps). The arrow ends at the square, the best denoiser\u2019s answer: the mean of the data points by their weights. A larger disc is a point of more weight.";
  const side = make("div", { class: "aex-side" }, make("label", { class: "aed-sigma" }, ui.sigmaSaid, ui.sigma), ui.facts, make("div", { class: "aed-buttons" }, ui.once, ui.often, ui.back));
  ui.root = make(
    "div",
    { class: "ae-explorer aed", "data-ae-explorer": "denoising-field", role: "group", "aria-label": "Explorer: the best denoiser of points in the plane" },
    make("style", {}, CSS + STYLE), make("p", { class: "aex-help" }, help), make("div", { class: "aex-body" }, ui.map, side), ui.live,
  );
  return ui;
}

// An arrow with its head, as a path from one place of the SVG to the square at the other; none
// where it is short.
function arrowPath([x, y], end) {
  const whole = Math.hypot(end[0] - x, end[1] - y);
  if (whole < 1) return "";
  const [u, v] = [(end[0] - x) / whole, (end[1] - y) / whole];
  const [a, b] = [end[0] - Math.min(8, whole / 3) * u, end[1] - Math.min(8, whole / 3) * v];
  const head = Math.min(10, whole / 2);
  const side = (turn) => `${a - head * (u + turn * 0.6 * v)} ${b - head * (v - turn * 0.6 * u)}`;
  return `M${x} ${y}L${a} ${b}M${side(1)}L${a} ${b}L${side(-1)}`;
}

// ---- the explorer -----------------------------------------------------------------------

function render({ model, el }) {
  const data = JSON.parse(model.get("payload"));
  const view = viewOf(data.points);
  const toX = (v) => ((v - view.low[0]) / view.span) * SIDE;
  const toY = (v) => SIDE - ((v - view.low[1]) / view.span) * SIDE;
  const ui = build(data, view, toX, toY);
  let walk = [[...model.get("point")]]; // the places of the noisy point since it was put there
  let sigma = model.get("sigma");
  let found; // what the denoiser makes of the last of them
  el.append(ui.root);

  const announce = makeAnnouncer(ui.live);

  function show() {
    const point = walk.at(-1);
    found = denoise(data.points, point, sigma);
    const [from, to] = [point, found.answer].map(([x, y]) => [toX(x), toY(y)]);
    ui.data.forEach((circle, i) => {
      circle.setAttribute("r", 3 + 9 * Math.sqrt(found.weights[i]));
      circle.setAttribute("opacity", Math.min(1, 0.45 + 8 * found.weights[i]));
    });
    ui.walk.setAttribute("d", `M${walk.map(([x, y]) => `${toX(x)} ${toY(y)}`).join("L")}`);
    ui.arrow.setAttribute("d", arrowPath(from, to));
    [ui.answer.x, ui.answer.y].forEach((place, k) => (place.baseVal.value = to[k] - 5.5));
    const [left, top] = from.map((v) => `${(100 * clamp(v, 0, SIDE)) / SIDE}%`);
    Object.assign(ui.handle.style, { left, top });
    ui.sigma.value = Math.round((sigma / data.sigma) * UNIT);
    ui.sigmaSaid.textContent = `Noise \u03c3 = ${round(sigma, 3)}`;
    ui.sigma.setAttribute("aria-valuetext", round(sigma, 3));
    const arrow = length(found.score) * sigma ** 2;
    const facts = [
      ["noisy point", pair(point)],
      ["best denoiser\u2019s answer", pair(found.answer)],
      ["arrow: \u03c3\u00b2 times the score", arrow < 0.001 ? "shorter than 0.001" : `${three(sigma ** 2)} \u00d7 ${three(length(found.score))} = ${three(arrow)}`],
      [`nearest points with ${100 * SHARE} % of the weight`, `${found.few} of ${data.points.length}`],
    ];
    ui.facts.replaceChildren(...facts.map(([name, value]) => make("p", {}, make("span", {}, name), value)));
    ui.back.disabled = walk.length === 1;
    const steps = walk.length > 1 ? `After ${walk.length - 1} step${walk.length > 2 ? "s" : ""}: ` : "";
    announce(`${steps}noise ${round(sigma, 3)}, noisy point ${pair(point)}, answer ${pair(found.answer)}, arrow ${round(arrow)} long. ${found.few} of ${data.points.length} points have ${100 * SHARE} % of the weight.`);
  }

  // The one door for another walk, of one place or of more, and another noise.
  function set(places, noise = sigma, fromModel = false) {
    if (!places.flat().every(Number.isFinite) || !(noise > 0)) return;
    [walk, sigma] = [places, noise];
    show();
    if (fromModel) return;
    model.set("point", [...walk.at(-1)]);
    model.set("sigma", sigma);
    model.save_changes();
  }
  const setInView = (point) => set([point.map((v, k) => clamp(v, view.low[k], view.low[k] + view.span))]);

  function apply(times) {
    const places = [...walk];
    for (let i = 0; i < times; i++) places.push(denoise(data.points, places.at(-1), sigma).answer);
    set(places);
  }

  const scale = () => SIDE / ui.map.getBoundingClientRect().width;
  const handle = () => [toX, toY].map((to, k) => clamp(to(walk.at(-1)[k]), 0, SIDE) / scale());
  makeDraggable(ui.map, handle, (place) => {
    const [x, y] = place.map((v) => (v * scale()) / SIDE);
    setInView([view.low[0] + x * view.span, view.low[1] + (1 - y) * view.span]);
  });

  const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  ui.map.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Home") set([data.point]);
    else if (keys[event.key]) {
      const by = view.step * (event.shiftKey ? 10 : 1);
      setInView(walk.at(-1).map((v, k) => v + keys[event.key][k] * by));
    } else return;
    event.preventDefault();
  });
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  ui.sigma.addEventListener("input", () => set([walk.at(-1)], (data.sigma * Number(ui.sigma.value)) / UNIT));
  ui.once.addEventListener("click", () => apply(1));
  ui.often.addEventListener("click", () => apply(10));
  ui.back.addEventListener("click", () => {
    ui.once.focus(); // the button under the finger is disabled then
    set([walk[0]]);
  });

  const follow = () => {
    const [point, noise] = [model.get("point"), model.get("sigma")];
    if (String(point) !== String(walk.at(-1)) || noise !== sigma) set([[...point]], noise, true);
  };
  for (const name of ["point", "sigma"]) model.on(`change:${name}`, follow);
  show();
  announce(); // nothing has happened yet
  ui.root.aeExplorer = {
    set: (point, noise) => set([point], noise),
    apply,
    state: () => ({ walk: walk.map((place) => [...place]), sigma, ...found }),
  };
  return () => {
    announce();
    for (const name of ["point", "sigma"]) model.off(`change:${name}`, follow);
  };
}

// ---- a page without a kernel ------------------------------------------------------------

const mountPage = () => mountAll("denoising-field", render, ({ point, sigma }) => ({ point, sigma }));

export default { render };
