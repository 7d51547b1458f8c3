// What the explorers share: their look, and what each does in a page without a kernel.

const BASE = `
.ae-explorer {
  --ae-text: var(--pst-color-text-base, var(--jp-content-font-color1, currentColor));
  --ae-muted: var(--pst-color-text-muted, var(--ae-text));
  --ae-paper: var(--pst-color-background, var(--jp-layout-color0, transparent));
  --ae-surface: var(--pst-color-surface, var(--jp-layout-color2, transparent));
  --ae-border: var(--pst-color-border, var(--jp-border-color1, currentColor));
  color: var(--ae-text); background: var(--ae-paper);
  container-type: inline-size; margin: 1rem 0; max-width: 54rem; line-height: 1.4; text-align: left;
  font-family: var(--pst-font-family-base, var(--jp-content-font-family, system-ui, sans-serif));
  font-size: 0.9375rem;
}
html .text_html:has(> .ae-explorer-mount) { background: none !important; padding: 0 !important; }
.ae-explorer *, .ae-explorer *::before, .ae-explorer *::after { box-sizing: border-box; }
.ae-explorer p { margin: 0; }
`;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Says words, or what a function says then, to who listens to the page, once all is still.
function makeAnnouncer(live) {
  let timer = 0;
  return (words) => {
    clearTimeout(timer);
    if (words === undefined) return;
    timer = setTimeout(() => (live.textContent = typeof words === "function" ? words() : words), 500);
  };
}

// Put an explorer into each of its places that has data and none yet; `first` makes the widget's
// state of them.
function mountAll(kind, render, first) {
  for (const mount of document.querySelectorAll(`[data-ae-mount="${kind}"]:not([data-ae-ready]):has(> script:not(:empty))`)) {
    mount.setAttribute("data-ae-ready", "");
    try {
      const payload = mount.querySelector('script[type="application/json"]').textContent;
      const state = { ...first(JSON.parse(payload)), payload };
      const model = {
        get: (key) => state[key],
        set: (key, value) => (state[key] = value),
        save_changes: () => {},
        on: () => {},
        off: () => {},
      };
      render({ model, el: mount });
      mount.querySelector(".ae-explorer-fallback").remove();
    } catch (error) {
      mount.querySelector(".ae-explorer-fallback").textContent = `The explorer could not start: ${error.message}`;
      console.error(error);
    }
  }
}
