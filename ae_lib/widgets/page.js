// What every explorer does in a page without a kernel.

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
