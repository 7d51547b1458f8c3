// The map of a two-dimensional code. One file for two worlds: a widget's view in Jupyter
// and Colab, and, as a classic script with mountPage() for its last line, a page without a
// kernel. The data come as JSON text in the model's "payload"; see latent_map.py.

import { BASE, make, makeAnnouncer, mountAll } from "./page.js";

const CSS = `${BASE}
.aex-help { color: var(--ae-muted); font-size: 0.875rem; padding-bottom: 0.625rem; }
.aex-body { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 13rem);
  grid-template-areas: "map side" "legend legend"; gap: 0.875rem 1.5rem; }
.aex-map { grid-area: map; position: relative; aspect-ratio: 1; cursor: crosshair;
  touch-action: pan-y pinch-zoom; user-select: none; -webkit-user-select: none;
  overflow: hidden; border-radius: 4px; }
.aex-map > canvas { position: absolute; left: 0; top: 0; width: 100%; height: 100%; display: block; }
.aex-map > canvas[hidden] { display: none; }
.aex-map:focus { outline: none; }
.aex-map:focus-visible, .ae-explorer button:focus-visible, .ae-explorer input:focus-visible {
  outline: 3px solid var(--pst-color-primary, var(--jp-brand-color1, currentColor));
  outline-offset: 2px; }
.aex-map:focus-visible { outline-offset: -3px; }
.aex-line { position: absolute; background: var(--ae-text); opacity: 0.35; pointer-events: none; }
.aex-near { position: absolute; left: 0; top: 0; width: 16px; height: 16px; margin: -8px;
  border: 2px solid var(--ae-text); border-radius: 50%; pointer-events: none; }
.aex-handle { position: absolute; left: 0; top: 0; width: 44px; height: 44px; margin: -22px;
  border-radius: 50%; cursor: grab; touch-action: none; }
.aex-handle::before { content: ""; position: absolute; inset: 9px; border-radius: 50%;
  border: 4px solid #fff; background: rgb(255 255 255 / 0.25); transition: inset 120ms;
  box-shadow: 0 0 0 2px #111, inset 0 0 0 2px #111; }
.aex-dragging, .aex-dragging .aex-handle { cursor: grabbing; }
.aex-dragging .aex-handle::before { inset: 5px; }
@media (prefers-reduced-motion: reduce) { .aex-handle::before { transition: none; } }
.aex-side { grid-area: side; display: flex; flex-direction: column; gap: 0.75rem; min-width: 0; }
.aex-image { display: block; width: 100%; image-rendering: pixelated;
  border: 1px solid var(--ae-border); border-radius: 4px; }
.aex-words { display: flex; flex-direction: column; gap: 0.5rem; min-width: 0; }
.aex-code { font-variant-numeric: tabular-nums; font-weight: 600; font-size: 1.0625rem; }
.aex-nearest { color: var(--ae-muted); font-size: 0.875rem; min-height: 4.3em; }
.aex-nearest b { color: var(--ae-text); display: block; font-size: 0.9375rem; }
.ae-explorer svg { width: 1em; height: 1em; vertical-align: -0.125em; margin-right: 0.375em;
  flex: none; overflow: visible; }
.aex-slider { display: flex; align-items: center; gap: 0.5rem; min-height: 28px; margin: 0; }
.aex-slider input { flex: 1; min-width: 0; width: 100%; height: 24px; margin: 0;
  accent-color: var(--pst-color-primary, var(--jp-brand-color1, auto)); }
.aex-slider sub { line-height: 0; }
.aex-legend { grid-area: legend; display: flex; flex-wrap: wrap; gap: 0.375rem; }
.ae-explorer button { display: inline-flex; align-items: center; min-height: 30px; margin: 0;
  padding: 0.1875rem 0.625rem; border: 1px solid var(--ae-border); border-radius: 999px;
  font: inherit; font-size: 0.875rem; color: inherit; background: var(--ae-surface);
  cursor: pointer; }
.ae-explorer button:hover { border-color: currentColor; }
.aex-legend button[aria-pressed="false"] { background: none; border-style: dashed;
  color: var(--ae-muted); text-decoration: line-through; }
.aex-legend button[aria-pressed="false"] path { fill: none; stroke-width: 0.35; }
.aex-legend button.aex-plain { background: none; border-color: transparent;
  text-decoration: underline; }
.ae-explorer button.aex-mosaic { border-radius: 6px; justify-content: center; }
.ae-explorer button.aex-mosaic[aria-pressed="true"] { border-color: currentColor;
  box-shadow: inset 0 0 0 1px currentColor; font-weight: 600; }
.aex-live { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
@container (max-width: 560px) {
  .aex-body { grid-template-columns: minmax(0, 1fr); gap: 0.75rem;
    grid-template-areas: "map" "side" "legend"; }
  .aex-side { display: grid; grid-template-columns: minmax(0, 8.5rem) minmax(0, 1fr);
    gap: 0.25rem 1rem; align-items: start; }
  .aex-image { grid-row: span 2; }
}
`;

// One shape a class, in a box from -1 to 1, so that colour is never alone.
const MARKERS = [
  "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
  "M-.85-.85H.85V.85H-.85Z",
  "M0-1.15L1.05 .75H-1.05Z",
  "M0-.55L.55-1.1L1.1-.55L.55 0L1.1 .55L.55 1.1L0 .55L-.55 1.1L-1.1 .55L-.55 0L-1.1-.55L-.55-1.1Z",
  "M0-1.25L1 0L0 1.25L-1 0Z",
  "M1.1 0A1.1 1.1 0 1 1-1.1 0A1.1 1.1 0 1 1 1.1 0ZM.5 0A.5 .5 0 1 0-.5 0A.5 .5 0 1 0 .5 0Z",
  "M0 1.15L1.05-.75H-1.05Z",
  "M-.4-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
  "M0-1.3L.35-.45L1.24-.4L.54 .17L.76 1.05L0 .55L-.76 1.05L-.54 .17L-1.24-.4L-.35-.45Z",
  "M-1.05-1.05L1.05 1.05V-1.05L-1.05 1.05Z",
];
const MARGIN = { left: 34, right: 8, top: 8, bottom: 24 };
// Where a name goes, the best first: right of the median in half widths, down in pixels.
const NAME_PLACES = [
  [0, -24], [0, 24], [0, -6], [0, 6], [-1.2, -12], [1.2, -12], [-1.2, 12], [1.2, 12],
  [-1.2, -30], [1.2, -30], [-1.2, 30], [1.2, 30], [0, -42], [0, 38], [-1.2, -48], [1.2, -48],
  [0, -60], [0, -78], [-1, -66], [1, -66], [-1.5, -24], [1.5, -24], [-1.5, -6], [1.5, -6],
  [-1.5, -42], [1.5, -42], [-1.4, 4], [1.4, 4], [-0.7, -72], [0.7, -72], [-0.7, 30], [0.7, 30],
  [-2.1, -24], [2.1, -24], [-2.1, -6], [2.1, -6],
];
const HANDLE = 15; // its radius as drawn
const MOUSE_REACH = 16;
const TOUCH_REACH = 26;

// ---- numbers -------------------------------------------------------------------------

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function uint16Of(bytes) {
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i] | (bytes[2 * i + 1] << 8));
}

function float16Of(bytes) {
  const powers = Float64Array.from({ length: 32 }, (_, e) => 2 ** (Math.max(e, 1) - 25));
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const half = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    const exponent = (half >> 10) & 31;
    const mantissa = (half & 1023) | (exponent ? 1024 : 0);
    values[i] = (half & 32768 ? -mantissa : mantissa) * powers[exponent];
  }
  return values;
}

// Abramowitz and Stegun 7.1.26: within 1.5e-7 of the error function.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

const ACTIVATIONS = {
  relu: (v) => Math.max(v, 0),
  leaky_relu: (v, alpha) => (v > 0 ? v : alpha * v),
  elu: (v, alpha) => (v > 0 ? v : alpha * Math.expm1(v)),
  selu: (v) => 1.0507009873554805 * (v > 0 ? v : 1.6732632423543772 * Math.expm1(v)),
  silu: (v) => v / (1 + Math.exp(-v)),
  gelu: (v) => 0.5 * v * (1 + erf(v * Math.SQRT1_2)),
  tanh: Math.tanh,
  sigmoid: (v) => 1 / (1 + Math.exp(-v)),
};

// Returns a function from a code to the decoder's values, clipped to [0, 1].
function makeDecoder(steps, weights) {
  let at = 0;
  const take = (count) => weights.subarray(at, (at += count));
  const layers = steps.map((step) =>
    step.op === "dense" ? { ...step, kernel: take(step.in * step.out), bias: take(step.out) } : step,
  );
  if (at !== weights.length) throw new Error(`expected ${at} weights, got ${weights.length}`);
  return (code) => {
    let x = Float32Array.from(code);
    for (const layer of layers) {
      if (layer.op === "dense") x = dense(layer, x);
      else if (layer.op === "scale") x = x.map((v) => v * layer.scale + layer.offset);
      else x = x.map((v) => ACTIVATIONS[layer.name](v, layer.alpha));
    }
    return x.map((v) => (v > 0 ? Math.min(v, 1) : 0));
  };
}

function dense({ kernel, bias, out }, x) {
  const y = Float32Array.from(bias);
  for (let i = 0, row = 0; i < x.length; i++, row += out) {
    const v = x[i];
    if (v !== 0) for (let j = 0; j < out; j++) y[j] += v * kernel[row + j];
  }
  return y;
}

function unpack(text) {
  const data = JSON.parse(text);
  const fractions = uint16Of(bytesOf(data.codes));
  const codes = Float32Array.from(fractions, (f, i) => data.low[i % 2] + (f / 65535) * data.span[i % 2]);
  const labels = bytesOf(data.labels);
  if (codes.length !== 2 * labels.length) throw new Error("codes and labels differ in number");
  const decode = makeDecoder(data.steps, float16Of(bytesOf(data.weights)));
  return { ...data, codes, labels, decode };
}

// 1, 2 or 5 times a power of ten, at least the given length.
function niceStep(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return power * [1, 2, 5, 10].find((m) => m * power >= length * 0.999);
}

// The part of the plane that is shown: the same unit on both axes unless the codes are
// more than twice as wide in one direction; limits on whole steps of the sliders.
function viewOf(low, span) {
  const lengths = span.map((s) => s * 1.12);
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  return low.map((l, k) => {
    const length = most <= 2 * least ? most : lengths[k];
    const step = niceStep(length / 250);
    const middle = l + span[k] / 2;
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    return {
      low: Number((Math.floor((middle - length / 2) / step) * step).toFixed(digits)),
      high: Number((Math.ceil((middle + length / 2) / step) * step).toFixed(digits)),
      step: Number(step.toFixed(digits)),
      digits,
    };
  });
}

// Two numbers from a standard normal distribution (Box and Muller 1958).
function standardNormal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  const angle = 2 * Math.PI * Math.random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

// ---- elements ------------------------------------------------------------------------

function swatch(index, colours) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-1.3 -1.3 2.6 2.6");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", MARKERS[index]);
  path.setAttribute("fill", colours[index]);
  path.setAttribute("stroke", colours[index]);
  path.setAttribute("stroke-width", "0");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

function slider(k, axis) {
  const input = make("input", {
    type: "range", min: axis.low, max: axis.high, step: axis.step,
    "aria-label": `z${k + 1}, ${["first", "second"][k]} number of the code`,
    "data-lm-suppress-shortcuts": "true",
  });
  const name = make("span", { "aria-hidden": "true" }, "z", make("sub", {}, String(k + 1)));
  return { input, label: make("label", { class: "aex-slider" }, name, input) };
}

function build(data, view) {
  const map = make("div", {
    class: "aex-map", tabindex: "0", role: "application",
    "aria-label": "Map of the codes: arrow keys move the point, with Shift in larger steps",
    "data-lm-suppress-shortcuts": "true",
  });
  const ui = {
    map,
    tiles: make("canvas", { "aria-hidden": "true", hidden: "" }),
    canvas: make("canvas", { "aria-hidden": "true" }),
    lines: [make("div", { class: "aex-line" }), make("div", { class: "aex-line" })],
    near: make("div", { class: "aex-near" }),
    handle: make("div", { class: "aex-handle" }),
    image: make("canvas", {
      class: "aex-image", width: data.shape[1], height: data.shape[0], role: "img",
      "aria-label": "The image that the code decodes to",
    }),
    code: make("p", { class: "aex-code" }),
    nearest: make("p", { class: "aex-nearest" }),
    sliders: [slider(0, view[0]), slider(1, view[1])],
    mosaic: make("button", { type: "button", class: "aex-mosaic", "aria-pressed": "false" }, "Map of images"),
    classes: data.classes.map((name, c) =>
      make("button", { type: "button", "aria-pressed": "true" }, swatch(c, data.colours), name),
    ),
    all: make("button", { type: "button", class: "aex-plain" }, "all"),
    none: make("button", { type: "button", class: "aex-plain" }, "none"),
    live: make("div", { class: "aex-live", "aria-live": "polite" }),
  };
  if (data.prior) ui.sample = make("button", { type: "button", class: "aex-mosaic" }, "Sample the prior");
  map.append(ui.tiles, ui.canvas, ...ui.lines, ui.near, ui.handle);
  const words = make("div", { class: "aex-words" }, ui.code, ui.nearest);
  const controls = make("div", { class: "aex-words" }, ...ui.sliders.map((s) => s.label), ui.mosaic, ...(data.prior ? [ui.sample] : []));
  const legend = make("div", { class: "aex-legend", role: "group", "aria-label": "Classes shown" });
  legend.append(...ui.classes, make("span", {}, ui.all, ui.none));
  const side = make("div", { class: "aex-side" }, ui.image, words, controls);
  const circles = data.prior ? " Circles: one, two and three standard deviations of the prior." : "";
  const help = make("p", { class: "aex-help" }, "Drag the ring, or press the arrow keys on the map (with Shift, larger steps)." + circles);
  ui.root = make(
    "div",
    { class: "ae-explorer", "data-ae-explorer": "latent-map", role: "group", "aria-label": "Explorer: map of a two-dimensional code" },
    make("style", {}, CSS), help, make("div", { class: "aex-body" }, map, side, legend), ui.live,
  );
  return ui;
}

// ---- drawing -------------------------------------------------------------------------

// Ink and paper of the page as it is now, whatever theme it wears.
function coloursOf(root) {
  const ink = getComputedStyle(root).color;
  for (let node = root; node; node = node.parentElement) {
    const paper = getComputedStyle(node).backgroundColor;
    if (paper !== "transparent" && !/, 0\)$/.test(paper)) return { ink, paper };
  }
  const [r, g, b] = (ink.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
  return { ink, paper: r + g + b > 384 ? "#111" : "#fff" };
}

function sprite(marker, colour, paper, radius, ratio) {
  const half = radius * 1.3 + 1;
  const canvas = make("canvas", { width: Math.ceil(2 * half * ratio), height: Math.ceil(2 * half * ratio) });
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio * radius, 0, 0, ratio * radius, half * ratio, half * ratio);
  const path = new Path2D(MARKERS[marker]);
  ctx.lineWidth = 0.9 / radius;
  ctx.strokeStyle = paper;
  ctx.stroke(path);
  ctx.fillStyle = colour;
  ctx.fill(path, "evenodd");
  return { canvas, half };
}

function paintGrey(canvas, pixels, x, y, width, height) {
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) words[i] = 0xff000000 + 0x010101 * Math.round(255 * pixels[i]);
  canvas.getContext("2d").putImageData(image, x, y);
}

function drawAxes(ctx, box, view, toX, toY, ink) {
  ctx.strokeStyle = ctx.fillStyle = ink;
  ctx.lineWidth = 1;
  ctx.font = "12px system-ui, sans-serif";
  view.forEach((axis, k) => {
    const gap = niceStep((axis.high - axis.low) / 6);
    const digits = Math.max(0, -Math.floor(Math.log10(gap)));
    ctx.textAlign = k ? "right" : "center";
    ctx.textBaseline = k ? "middle" : "top";
    for (let i = Math.ceil(axis.low / gap); i * gap <= axis.high; i++) {
      const at = k ? toY(i * gap) : toX(i * gap);
      const text = (i * gap).toFixed(digits).replace("-", "\u2212");
      const end = k ? box.bottom : box.right;
      const start = k ? box.top : box.left;
      if (at < start + (k ? 24 : 10) || at > end - (k ? 8 : 32)) continue;
      ctx.globalAlpha = 0.12;
      ctx.beginPath();
      if (k) (ctx.moveTo(box.left, at), ctx.lineTo(box.right, at));
      else (ctx.moveTo(at, box.top), ctx.lineTo(at, box.bottom));
      ctx.stroke();
      ctx.globalAlpha = 0.85;
      if (k) ctx.fillText(text, box.left - 5, at);
      else ctx.fillText(text, at, box.bottom + 6);
    }
  });
  ctx.globalAlpha = 0.85;
  ctx.font = "italic 13px system-ui, sans-serif";
  ctx.textAlign = "right";
  ctx.textBaseline = "top";
  ctx.fillText("z\u2081", box.right, box.bottom + 5);
  ctx.fillText("z\u2082", box.left - 5, box.top);
  ctx.globalAlpha = 0.35;
  ctx.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
  ctx.globalAlpha = 1;
}

// The circles that one, two and three standard deviations of the prior reach.
function drawPrior(ctx, box, toX, toY, ink) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top, box.width, box.height);
  ctx.clip();
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1.5;
  ctx.globalAlpha = 0.6;
  for (const radius of [1, 2, 3]) {
    ctx.beginPath();
    ctx.ellipse(toX(0), toY(0), toX(radius) - toX(0), toY(0) - toY(radius), 0, 0, 2 * Math.PI);
    ctx.stroke();
  }
  ctx.restore();
}

// Class names by their classes' medians, each at the first place around its own that neither
// another name nor the handle has. One that finds none is left out: the legend has it.
function placeNames(ctx, names, box, handle) {
  ctx.font = "600 12px system-ui, sans-serif";
  const taken = [{ ...handle, w: HANDLE, h: HANDLE }];
  const tags = [];
  const longFirst = [...names].sort((a, b) => b.name.length - a.name.length);
  for (const { name, x, y } of longFirst) {
    const [w, h] = [ctx.measureText(name).width / 2 + 4, 9];
    const places = NAME_PLACES.map(([right, down]) => ({
      name, w, h,
      x: clamp(x + right * w, box.left + w, box.right - w),
      y: clamp(y + down, box.top + h, box.bottom - h),
    }));
    const free = (a) => taken.every((b) => Math.abs(a.x - b.x) >= a.w + b.w || Math.abs(a.y - b.y) >= a.h + b.h);
    const away = (place) => Math.hypot(place.x - x, place.y - y);
    const place = places.filter(free).sort((a, b) => away(a) - away(b))[0];
    if (!place) continue;
    tags.push(place);
    taken.push(place);
  }
  return tags;
}

function drawNames(ctx, tags, colours) {
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 5;
  ctx.strokeStyle = colours.paper;
  ctx.fillStyle = colours.ink;
  ctx.globalAlpha = 1;
  for (const { name, x, y } of tags) {
    ctx.strokeText(name, x, y + 0.5);
    ctx.fillText(name, x, y + 0.5);
  }
}

function medianOf(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

// A handle on a map follows the pointer. A mouse jumps to where it is pressed. A finger may want to
// scroll: it moves the handle on a tap, on a sideways drag, or when it takes the handle itself.
// `handle` returns the handle's place and `moveTo` takes its next one, in pixels of the map.
function makeDraggable(map, handle, moveTo) {
  let grip = null;
  const placeOf = (event) => {
    const frame = map.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const follow = (event) => moveTo(placeOf(event).map((v, k) => v - grip.offset[k]));
  map.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || grip) return;
    const [from, at] = [placeOf(event), handle()];
    const offset = from.map((v, k) => v - at[k]);
    const touch = event.pointerType === "touch";
    const onHandle = Math.hypot(...offset) <= (touch ? TOUCH_REACH : MOUSE_REACH);
    grip = { id: event.pointerId, offset: onHandle ? offset : [0, 0], from, waits: touch && !onHandle };
    try {
      map.setPointerCapture(event.pointerId);
    } catch {
      // a pointer that has already gone
    }
    map.focus({ preventScroll: true });
    map.classList.add("aex-dragging");
    if (!onHandle && !touch) follow(event);
    event.preventDefault();
  });
  map.addEventListener("pointermove", (event) => {
    if (!grip || grip.id !== event.pointerId) return;
    const [dx, dy] = placeOf(event).map((v, k) => Math.abs(v - grip.from[k]));
    if (dx > 8 && dx > dy) grip.waits = false;
    if (!grip.waits && dx + dy > 0) follow(event);
  });
  const release = (event) => {
    if (!grip || grip.id !== event.pointerId) return;
    if (event.type === "pointerup" && grip.waits) follow(event);
    grip = null;
    map.classList.remove("aex-dragging");
  };
  for (const type of ["pointerup", "pointercancel"]) map.addEventListener(type, release);
}

// ---- the explorer --------------------------------------------------------------------

function render({ model, el }) {
  const data = unpack(model.get("payload"));
  const least = data.low.map((v) => (data.prior ? Math.min(v, -3) : v));
  const most = data.low.map((v, k) => (data.prior ? Math.max(v + data.span[k], 3) : v + data.span[k]));
  const view = viewOf(least, most.map((v, k) => v - least[k]));
  const ui = build(data, view);
  const count = data.labels.length;
  const shown = data.classes.map(() => true);
  const centres = data.classes.map((_, c) => {
    const own = Array.from(data.labels.keys()).filter((i) => data.labels[i] === c);
    return own.length ? [0, 1].map((k) => medianOf(own.map((i) => data.codes[2 * i + k]))) : null;
  });
  let code = [...model.get("code")];
  let pixels = data.decode(code);
  let box = { left: 0, top: 0, width: 1, height: 1, right: 1, bottom: 1 };
  let emphasised = -1;
  let tiled = false;
  let tilesDrawn = 0;
  el.append(ui.root);

  const toX = (v) => box.left + ((v - view[0].low) / (view[0].high - view[0].low)) * box.width;
  const toY = (v) => box.bottom - ((v - view[1].low) / (view[1].high - view[1].low)) * box.height;
  const round = (v, k) => v.toFixed(Math.max(2, view[k].digits)).replace("-", "\u2212");

  function nearest() {
    let best = -1;
    for (let i = 0, least = Infinity; i < count; i++) {
      const distance = (data.codes[2 * i] - code[0]) ** 2 + (data.codes[2 * i + 1] - code[1]) ** 2;
      if (distance < least && shown[data.labels[i]]) (best = i), (least = distance);
    }
    return best;
  }

  // Far is over three times as far as nearly all points have to their own nearest.
  const squared = (i, x, y) => (data.codes[2 * i] - x) ** 2 + (data.codes[2 * i + 1] - y) ** 2;
  let reach = 0;
  function isFar(near) {
    if (!reach) {
      const gaps = Array.from({ length: count }, (_, i) => {
        let least = Infinity;
        for (let j = 0; j < count; j++) {
          if (j !== i) least = Math.min(least, squared(j, data.codes[2 * i], data.codes[2 * i + 1]));
        }
        return least;
      }).sort((a, b) => a - b);
      reach = 3 * Math.sqrt(gaps[Math.floor(0.95 * (count - 1))]) || Infinity;
    }
    return Math.sqrt(squared(near, ...code)) > reach;
  }

  // The map: images, axes, points, names. Only on a change of size, theme or classes.
  function drawMap() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = ui.map;
    if (!width) return;
    box = { left: MARGIN.left, top: MARGIN.top, right: width - MARGIN.right, bottom: height - MARGIN.bottom };
    Object.assign(box, { width: box.right - box.left, height: box.bottom - box.top });
    ui.canvas.width = Math.round(width * ratio);
    ui.canvas.height = Math.round(height * ratio);
    const ctx = ui.canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    const colours = coloursOf(ui.root);
    drawAxes(ctx, box, view, toX, toY, colours.ink);
    drawTiles();
    const radius = clamp(1.9 + 60 / Math.sqrt(count), 2, 5) * clamp(width / 440, 0.8, 1.1);
    const sprites = data.colours.map((colour, c) => sprite(c, colour, colours.paper, radius, ratio));
    for (let i = 0; i < count; i++) {
      const c = data.labels[i];
      if (!shown[c]) continue;
      const { canvas, half } = sprites[c];
      ctx.globalAlpha = emphasised >= 0 && emphasised !== c ? 0.08 : tiled ? 0.75 : 0.85;
      const [x, y] = [toX(data.codes[2 * i]), toY(data.codes[2 * i + 1])];
      ctx.drawImage(canvas, x - half, y - half, canvas.width / ratio, canvas.height / ratio);
    }
    if (data.prior) drawPrior(ctx, box, toX, toY, colours.ink);
    const names = data.classes.flatMap((name, c) =>
      shown[c] && centres[c] && (emphasised < 0 || emphasised === c)
        ? [{ name, x: toX(centres[c][0]), y: toY(centres[c][1]) }]
        : [],
    );
    const start = { x: toX(data.start[0]), y: toY(data.start[1]) };
    drawNames(ctx, placeNames(ctx, names, box, start), colours);
    placeHandle();
  }

  // Behind the map, a grid of decoded images about as large as they are.
  function drawTiles() {
    ui.tiles.hidden = !tiled;
    if (!tiled) return;
    ui.tiles.style.cssText = `left:${box.left}px;top:${box.top}px;width:${box.width}px;height:${box.height}px`;
    const columns = clamp(Math.round(box.width / 30), 5, 20);
    if (columns === tilesDrawn) return;
    tilesDrawn = columns;
    const [height, width] = data.shape;
    ui.tiles.width = columns * width;
    ui.tiles.height = columns * height;
    let cell = 0;
    const work = () => {
      const until = performance.now() + 12; // leave the rest of a frame to the reader's hand
      while (cell < columns * columns && performance.now() < until && columns === tilesDrawn) {
        const [row, column] = [Math.floor(cell / columns), cell % columns];
        const fractions = [(column + 0.5) / columns, 1 - (row + 0.5) / columns];
        const here = view.map((axis, k) => axis.low + fractions[k] * (axis.high - axis.low));
        paintGrey(ui.tiles, data.decode(here), column * width, row * height, width, height);
        cell++;
      }
      if (cell < columns * columns && columns === tilesDrawn) requestAnimationFrame(work);
    };
    work();
  }

  function placeHandle() {
    const x = clamp(toX(code[0]), box.left, box.right);
    const y = clamp(toY(code[1]), box.top, box.bottom);
    ui.handle.style.transform = `translate(${x}px, ${y}px)`;
    ui.lines[0].style.cssText = `left:${x - 0.5}px;top:${box.top}px;width:1px;height:${box.height}px`;
    ui.lines[1].style.cssText = `left:${box.left}px;top:${y - 0.5}px;width:${box.width}px;height:1px`;
    const near = nearest();
    ui.near.hidden = near < 0;
    if (near >= 0) {
      ui.near.style.transform = `translate(${toX(data.codes[2 * near])}px, ${toY(data.codes[2 * near + 1])}px)`;
    }
    const c = near < 0 ? -1 : data.labels[near];
    ui.nearest.replaceChildren(near >= 0 && isFar(near) ? "no data near here; nearest point" : "nearest point on the map");
    ui.nearest.append(near < 0 ? make("b", {}, "none is shown") : make("b", {}, swatch(c, data.colours), data.classes[c]));
    ui.code.textContent = `z = (${round(code[0], 0)}, ${round(code[1], 1)})`;
    ui.sliders.forEach(({ input }, k) => (input.value = code[k]));
  }

  const announce = makeAnnouncer(ui.live);
  function inWords() {
    const near = nearest();
    const far = near >= 0 && isFar(near) ? "No data near here. " : "";
    const name = near < 0 ? "none is shown" : data.classes[data.labels[near]];
    return `Code ${round(code[0], 0)}, ${round(code[1], 1)}. ${far}Nearest point: ${name}.`;
  }

  // The one door for a new code, whoever brings it.
  function setCode(next, fromModel = false) {
    const values = Array.from(next, Number);
    if (values.length !== 2 || !values.every(Number.isFinite)) return;
    if (values[0] === code[0] && values[1] === code[1]) return;
    code = values;
    pixels = data.decode(code);
    paintGrey(ui.image, pixels, 0, 0, data.shape[1], data.shape[0]);
    placeHandle();
    announce(inWords);
    if (fromModel) return;
    model.set("code", [...code]);
    model.save_changes();
  }
  const setInView = (values) => setCode(values.map((v, k) => clamp(v, view[k].low, view[k].high)));

  function toggleClasses(change) {
    data.classes.forEach((_, c) => (shown[c] = change(shown[c], c)));
    ui.classes.forEach((button, c) => button.setAttribute("aria-pressed", String(shown[c])));
    emphasised = -1;
    drawMap();
    announce(inWords);
  }

  const clampToBox = (v, k) => clamp(v, ...(k ? [box.top, box.bottom] : [box.left, box.right]));
  makeDraggable(ui.map, () => [toX(code[0]), toY(code[1])].map(clampToBox), ([x, y]) => {
    const fractions = [(x - box.left) / box.width, (box.bottom - y) / box.height];
    setInView(view.map((axis, k) => axis.low + fractions[k] * (axis.high - axis.low)));
  });

  const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  ui.map.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Home") setCode(data.start);
    else if (keys[event.key]) {
      const times = event.shiftKey ? 10 : 1;
      setInView(code.map((v, k) => Number((v + keys[event.key][k] * times * view[k].step).toPrecision(12))));
    } else return;
    event.preventDefault();
  });
  ui.root.addEventListener("keydown", (event) => event.stopPropagation());
  ui.sliders.forEach(({ input }, k) =>
    input.addEventListener("input", () => setCode(code.map((v, i) => (i === k ? Number(input.value) : v)))),
  );
  ui.classes.forEach((button, c) => {
    const emphasise = (on) => () => {
      emphasised = on && shown[c] ? c : -1;
      drawMap();
    };
    button.addEventListener("click", () => toggleClasses((was, i) => (i === c ? !was : was)));
    button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && emphasise(true)());
    button.addEventListener("pointerleave", emphasise(false));
  });
  ui.all.addEventListener("click", () => toggleClasses(() => true));
  ui.none.addEventListener("click", () => toggleClasses(() => false));
  ui.sample?.addEventListener("click", () => setCode(standardNormal()));
  ui.mosaic.addEventListener("click", () => {
    tiled = !tiled;
    ui.mosaic.setAttribute("aria-pressed", String(tiled));
    drawMap();
  });

  // Redrawn when the map's size or the page's theme changes; some themes load late.
  const resized = new ResizeObserver(drawMap);
  resized.observe(ui.map);
  const repaint = () => {
    requestAnimationFrame(drawMap);
    setTimeout(drawMap, 400);
  };
  const themed = new MutationObserver(repaint);
  const watched = { attributes: true, attributeFilter: ["data-theme", "data-mode", "class", "theme", "data-jp-theme-light"] };
  for (const node of [document.documentElement, document.body]) themed.observe(node, watched);
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", repaint);
  const follow = () => setCode(model.get("code"), true);
  model.on("change:code", follow);

  paintGrey(ui.image, pixels, 0, 0, data.shape[1], data.shape[0]);
  drawMap();
  ui.root.aeExplorer = {
    setCode: (next) => setCode(next),
    getCode: () => [...code],
    pixels: () => Float32Array.from(pixels),
  };
  return () => {
    resized.disconnect();
    themed.disconnect();
    scheme.removeEventListener("change", repaint);
    model.off("change:code", follow);
    announce();
  };
}

// ---- a page without a kernel ---------------------------------------------------------

const mountPage = () => mountAll("latent-map", render, ({ start }) => ({ code: start }));

export default { render };
