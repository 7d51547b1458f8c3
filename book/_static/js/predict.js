// Predictions: what a reader commits to before a result opens. They stay in this browser.
(function () {
  "use strict";
  const root = document.documentElement;
  const KEY = "ae-guess:", ALL = "ae-guess-all";
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  // --- Guesses: {said} or {seen: true}; where storage is refused, till the page is left.
  const unkept = new Map();
  const keep = (act) => { try { return act(localStorage); } catch (error) { return undefined; } };
  function read(name) {
    return unkept.get(name) ?? keep((store) => JSON.parse(store.getItem(KEY + name)));
  }
  function write(name, guess) {
    unkept.delete(name);
    try {
      if (guess) localStorage.setItem(KEY + name, JSON.stringify(guess));
      else localStorage.removeItem(KEY + name);
    } catch (error) { if (guess) unkept.set(name, guess); }
  }
  function showAll(yes) {
    root.classList.toggle("ae-show-all", yes);
    keep((store) => (yes ? store.setItem(ALL, "yes") : store.removeItem(ALL)));
  }

  // --- What the reader wrote, as a number: 1,500 and 0,5 and −3 are numbers, too.
  function number(text) {
    const plain = text.replace("−", "-").replace(/[%\s]/g, "");
    if (/^-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$/.test(plain)) return Number(plain.replaceAll(",", ""));
    const value = Number(plain.replace(",", "."));
    return plain && Number.isFinite(value) ? value : undefined;
  }
  function compared({ kind, right, unit }, said) {
    if (kind === "choice") return said === right ? `You said: ${said}. The run agrees.` : `You said: ${said}. The run says: ${right}.`;
    const [guess, measured] = [said, right].map(number);
    const near = Math.abs(guess - measured) <= Math.abs(measured) / 10 + 1e-12;
    const verdict = near ? "Within a tenth." : guess > measured ? "Too high." : "Too low.";
    const after = unit && ` ${unit}`;
    return `You said ${said}${after}. Measured: ${right}${after}. ${verdict}`;
  }

  const boxes = new Map(all("[data-ae-guess]").map((box) => [box.dataset.aeGuess, box]));

  // --- One state for the box and for all that it hides.
  function show(name, guess = read(name)) {
    const box = boxes.get(name);
    const form = box.querySelector(".ae-predict-form");
    const line = box.querySelector(".ae-predict-said");
    const open = Boolean(guess) || root.classList.contains("ae-show-all");
    for (const veil of all(`[data-ae-veil="${name}"]`)) {
      veil.classList.toggle("ae-open", open);
      if (open) veil.removeAttribute("hidden");
      else veil.setAttribute("hidden", "until-found"); // and a search in the page opens it
    }
    for (const note of all(`[data-ae-veil-note="${name}"]`)) note.hidden = open;
    form.hidden = open;
    const words = !guess ? "" : typeof guess.said !== "string" ? "Shown without a guess." : compared(form.dataset, guess.said);
    if (line.firstElementChild.textContent !== words) line.firstElementChild.textContent = words;
    line.querySelector("button")?.remove();
    if (!guess || root.classList.contains("ae-show-all")) return;
    const again = Object.assign(document.createElement("button"), {
      type: "button", className: "ae-live-button", textContent: typeof guess.said !== "string" ? "Guess" : "Guess again" });
    again.addEventListener("click", () => {
      write(name);
      show(name);
      (form.querySelector("input:checked") || form.querySelector("input")).focus();
    });
    line.append(again);
  }
  const showEach = () => boxes.forEach((box, name) => show(name));

  function enliven(box, name) {
    const form = box.querySelector(".ae-predict-form");
    const status = box.querySelector("[role='status']");
    form.replaceChildren(form.querySelector("template").content);
    const settle = (guess) => {
      write(name, guess);
      show(name);
      box.querySelector(".ae-predict-said button").focus();
    };
    const commit = () => {
      const field = form.querySelector("input:checked, input[type='text']");
      const fit = field && (form.dataset.kind === "choice" || number(field.value) !== undefined);
      const input = form.querySelector("input");
      input.setAttribute("aria-invalid", String(!fit));
      if (fit) settle({ said: field.value.replace(/[%\s]+$/, "").trim() });
      else {
        status.textContent = form.dataset.kind === "choice" ? "Choose one of them first." : "Write a number, such as 40 or 2.5.";
        input.focus();
      }
    };
    form.querySelector("[data-ae-do='commit']").addEventListener("click", commit);
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault(); // or the button that gets the focus is pressed by the same key
      commit();
    });
    form.querySelector("[data-ae-do='see']").addEventListener("click", () => settle({ seen: true }));
    form.querySelector("[data-ae-do='all']").addEventListener("click", () => {
      showAll(true);
      showEach();
      status.innerHTML = `All results are open from now on. <a href="${root.dataset.content_root}book/answers.html#ae-guesses">Change this</a>`;
      status.querySelector("a").focus();
    });
  }

  // --- A link into something closed opens it, and so does a search in the page.
  const openAround = (node) => {
    const name = node?.closest("[data-ae-veil]:not(.ae-open)")?.dataset.aeVeil;
    if (name) show(name, { seen: true });
    return name;
  };
  function follow() {
    let aim;
    try { aim = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch (error) { return; }
    if (openAround(aim)) aim.scrollIntoView();
  }
  addEventListener("hashchange", follow);
  document.addEventListener("beforematch", (event) => openAround(event.target));

  // --- The page of answers: ask again, forget all.
  function offer(place) {
    const draw = () => {
      const open = root.classList.contains("ae-show-all");
      place.textContent = open ? "All results are open from the start. " : "A result opens when you have answered its question. ";
      const button = Object.assign(document.createElement("button"), {
        type: "button", className: "ae-live-button", textContent: open ? "Ask me first" : "Show all results from now on" });
      button.addEventListener("click", () => { showAll(!open); draw(); place.querySelector("button").focus(); });
      place.append(button);
    };
    draw();
  }
  addEventListener("ae-forget", () => {
    unkept.clear();
    keep((store) => Object.keys(store).filter((key) => key.startsWith(KEY)).forEach((key) => store.removeItem(key)));
  });
  addEventListener("storage", (event) => { // another page of this book, in this browser
    const name = event.key?.startsWith(KEY) && event.key.slice(KEY.length);
    if (boxes.has(name)) show(name);
  });

  function start() {
    AE_NEAR([...boxes.values()], (box) => enliven(box, box.dataset.aeGuess));
    showEach();
    document.getElementById("ae-guessed")?.remove();
    const place = document.getElementById("ae-guesses");
    if (place) offer(place);
    follow();
  }
  start();
})();
