// Exercises answered in the page. What is large comes when it is asked for: the editor when a
// reader begins an answer, Python at the first Check. Answers stay in this browser.
(function () {
  "use strict";
  const home = document.documentElement.dataset.content_root;
  const make = (tag, properties = {}, ...inside) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...inside);
    return node;
  };
  const known = new Map(AE_CHAPTERS.flatMap((chapter) => chapter.exercises.map((e) => [e.name, e])));

  // --- Answers: {code, values, solved} of each exercise; `values` are a prediction's fields, by
  // their keys. What was written here counts before what is kept, as a browser may refuse to keep.
  const KEY = "ae-answer:";
  const here = new Map();
  let kept = true;
  function read(name) {
    if (here.has(name)) return here.get(name);
    try { return sound(JSON.parse(localStorage.getItem(KEY + name))); } catch (error) { return {}; }
  }
  // What is of the right kind in an answer that was kept, or came in a file.
  function sound(found) {
    const answer = {};
    if (typeof found?.code === "string") answer.code = found.code;
    const texts = Object.entries(found?.values || {}).filter(([, text]) => typeof text === "string");
    if (texts.length) answer.values = Object.fromEntries(texts);
    if (found?.solved === true) answer.solved = true;
    return answer;
  }
  function write(name, change) {
    const before = read(name).solved;
    const answer = sound({ ...read(name), ...change });
    try {
      if (Object.keys(answer).length) localStorage.setItem(KEY + name, JSON.stringify(answer));
      else localStorage.removeItem(KEY + name);
      here.delete(name);
    } catch (error) { // it stays till the page is left
      here.set(name, answer);
      kept = false;
    }
    if (answer.solved !== before) showSolved();
  }
  addEventListener("storage", () => showSolved()); // another page of this book, in this browser
  addEventListener("pageshow", ({ persisted }) => { // it may have heard of no change while it was away
    if (persisted) dispatchEvent(new StorageEvent("storage"));
  });

  const loaded = {};
  const load = (file, brings) => (loaded[file] ||= new Promise((resolve, reject) => {
    const version = document.querySelector("script[src*='book.js']").src.split("?")[1] || "";
    const script = make("script", { src: `${home}_static/${file}?${version}` });
    script.onerror = () => {
      loaded[file] = undefined;
      reject(new Error("This part of the page could not be loaded. Are you offline? Try again."));
    };
    script.onload = () => (window[brings] ? resolve() : script.onerror()); // a sign-in page, say
    document.head.append(script);
  }));

  // --- One exercise, or one cell that may be changed and run.
  function enliven(box) {
    const record = JSON.parse(box.firstElementChild.textContent);
    const { name, fields } = record;
    const cell = box.parentElement;
    const label = known.get(name)?.label || "the code";
    const saved = name ? read(name) : {};
    const bar = make("div", { className: "ae-live-bar" });
    const bit = make("progress", { max: 1, ariaLabel: "Loading", hidden: true });
    const busy = make("span", { className: "ae-live-busy", role: "status" });
    const verdict = make("div", { className: "ae-live-verdict", role: "status" });
    const hint = make("div", { role: "status" });
    const printed = make("pre", { className: "ae-live-printed", hidden: true, tabIndex: 0, role: "region", ariaLabel: "Printed" });
    let editor;
    const form = fields ? fieldsOf(record, (values) => changed({ values }), check) : make("div");

    const button = (words, press, kind = "") => {
      const node = make("button", { type: "button", className: `ae-live-button ${kind}`, textContent: words });
      node.addEventListener("click", press);
      bar.append(node);
      return node;
    };
    const say = (state, text, place = verdict) => {
      place.replaceChildren();
      if (!text) return;
      const sign = make("span", { ariaHidden: "true", textContent: { right: "✓", wrong: "✗" }[state] || "○" });
      place.append(make("div", { className: `ae-check ae-check-${state || "todo"}` }, sign, ` ${text}`));
    };
    // What was said of an answer is not said of a changed one.
    let elsewhere = false; // another page has changed the answer, and kept it
    const changed = (change) => {
      if (name && !elsewhere) write(name, change);
      outdate();
    };
    const outdate = () => {
      const told = verdict.firstElementChild;
      if (!told || told.classList.contains("ae-stale")) return;
      told.classList.add("ae-stale");
      told.append(make("span", { textContent: " (Said before your last change.)" }));
    };
    const tell = (words, share, running) => {
      if (busy.textContent !== words) busy.textContent = words;
      bit.hidden = share === undefined;
      if (share !== undefined) bit.value = share;
      halt.hidden = !running;
    };

    const written = () => (fields ? fromFields(record, form.values) : editor.text);
    async function check() {
      if (go.ariaDisabled === "true") return;
      const two = fields && Object.values(form.values).find((value) => THOUSANDS.test(value.trim()));
      if (two) {
        say("todo", `${two}: write ${two.replaceAll(",", "")} or ${two.replace(",", ".")}; the comma can mean either.`);
        return;
      }
      const source = written();
      let ran = "";
      go.ariaDisabled = "true"; // and not disabled: it keeps the focus
      say();
      printed.hidden = true;
      tell("Loading Python …");
      try {
        await load("live.js", "AE_RUN");
        const asked = { source, name, answer: record.answer, given: record.given };
        const found = await AE_RUN(asked, tell);
        const chosen = fields?.some(({ options, letters }) => options.length || letters.length);
        const unread = fields && found.text.startsWith("Your code stopped");
        if (!name && !found.text) ran = found.printed ? "It ran." : "It ran, and printed nothing.";
        say(found.state, unread ? "Write a number, or a formula in Python such as 2 * np.log(3)."
          : found.state === "todo" && chosen ? "Not answered yet: choose first." : found.text);
        const at = document.activeElement?.closest(".ae-live"); // the reader may be at another one
        if (!at || at === box) verdict.scrollIntoView({ block: "nearest" });
        printed.textContent = found.printed;
        printed.hidden = !found.printed;
        if (written() !== source) outdate();
        else if (found.line && editor) editor.show(found.line);
        if (found.state === "right") write(name, { solved: true });
      } catch (error) { say("wrong", error.message); }
      if (document.activeElement === halt) go.focus();
      tell(kept ? ran : "This browser does not keep your answers. Copy this one before you leave the page.");
      go.ariaDisabled = "false";
    }

    async function open() {
      if (begin.ariaDisabled === "true") return;
      begin.ariaDisabled = "true"; // and not disabled: it keeps the focus
      begin.focus(); // where a click gives it none
      try {
        await load("editor.js", "AE_EDITOR");
        editor = AE_EDITOR(form, {
          text: (name && read(name).code) || record.code,
          label: `${name ? `Your answer to ${label}` : "Code to change"}. Escape, then Tab, leaves the editor.`,
          changed: (code) => changed({ code }),
          check,
        });
      } catch (error) {
        begin.ariaDisabled = "false";
        say("wrong", error.message);
        return;
      }
      say();
      answering();
      editor.focus();
    }
    function answering() {
      cell.classList.add("ae-answering");
      [begin.hidden, go.hidden, reset.hidden] = [true, false, false];
      if (editor) bar.append(make("span", { className: "ae-live-keys", textContent: "Escape, then Tab, leaves the editor." }));
    }

    function again() {
      say();
      hint.replaceChildren();
      printed.hidden = true;
      if (fields) form.values = {};
      else editor.text = record.code;
      if (name) write(name, { code: undefined, values: undefined });
    }

    function solution() {
      let next = cell.nextElementSibling;
      while (next && !next.querySelector(":scope > details.ae-solution")) next = next.nextElementSibling;
      const fold = next?.querySelector("details.ae-solution");
      if (!fold) return;
      fold.open = true;
      fold.querySelector("summary").focus();
    }

    const begin = button(name ? (saved.solved ? "Show your answer" : saved.code ? "Go on with your answer" : "Answer here") : "Change and run", open, "ae-live-first");
    const go = button(name ? "Check" : "Run", check, "ae-live-first");
    go.title = "Ctrl+Enter";
    const halt = button("Stop", () => AE_STOP());
    if (name) button("Hint", () => say("todo", `Hint: ${record.hint}`, hint));
    const reset = button("Reset", again);
    if (name) button("Show the solution", solution);
    [go.hidden, halt.hidden, reset.hidden] = [true, true, true];
    bar.append(busy, bit);
    box.append(form, bar, hint, verdict, printed);
    if (fields) {
      form.values = saved.values || {};
      answering();
    }
    box.hidden = false;

    addEventListener("storage", ({ key }) => {
      if (key !== null && key !== KEY + name) return;
      elsewhere = true;
      if (fields) {
        const before = written();
        form.values = read(name).values || {};
        if (written() !== before) changed();
      } else if (editor && name) editor.text = read(name).code || record.code;
      elsewhere = false;
    });
  }

  const THOUSANDS = /^-?[1-9]\d{0,2},\d{3}$/; // a comma for thousands, or for decimals

  // --- A prediction's fields, by their keys, and the code that they stand for. Letters of which
  // none is ticked are "none": an answer, too.
  function fieldsOf({ what, fields }, changed, check) {
    const form = make("div", { className: "ae-live-fields" });
    const values = {};
    const put = []; // what shows a value in its field
    for (const { key, options, letters } of fields) {
      const name = key ?? what[0].toUpperCase() + what.slice(1);
      const keep = (value) => { values[key ?? ""] = value; changed({ ...values }); };
      if (letters.length) {
        const boxes = letters.map((letter) => make("input", { type: "checkbox", value: letter }));
        const ticked = () => boxes.filter((one) => one.checked).map((one) => one.value).join("");
        boxes.forEach((one) => one.addEventListener("change", () => keep(ticked() || "none")));
        put.push(() => boxes.forEach((one) => {
          const value = values[key ?? ""] ?? "";
          one.checked = value !== "none" && value.includes(one.value);
        }));
        form.append(make("fieldset", {}, make("legend", { textContent: name }),
          ...boxes.map((one) => make("label", {}, one, ` ${one.value}`))));
      } else {
        const control = options.length
          ? make("select", {}, make("option", { value: "", textContent: "choose" }),
            ...options.map((option) => make("option", { value: option, textContent: option })))
          : make("input", { type: "text", autocomplete: "off", spellcheck: false, placeholder: "a number, or 2 * np.log(3)" });
        control.addEventListener("input", () => keep(control.value));
        put.push(() => { control.value = values[key ?? ""] ?? ""; });
        form.append(make("label", {}, make("span", { textContent: name }), control));
      }
    }
    Object.defineProperty(form, "values", {
      get: () => values,
      set: (found) => {
        for (const { key } of fields) values[key ?? ""] = found[key ?? ""] || "";
        put.forEach((one) => one());
      },
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.target.type === "text" || event.ctrlKey || event.metaKey)) check();
    });
    return form;
  }

  function fromFields({ answer, fields }, values) {
    const parts = fields.map(({ key, options, letters }) => {
      let value = values[key ?? ""].trim();
      if (!value) value = "...";
      else if (letters.length) value = JSON.stringify(value === "none" ? "" : value);
      else if (options.length) value = JSON.stringify(value);
      else value = value.replaceAll("−", "-").replace(/^(-?\d+),(\d+)$/, "$1.$2");
      return key === null ? value : `${JSON.stringify(key)}: ${value}`;
    });
    return `${answer} = ${fields[0].key === null ? parts[0] : `{${parts.join(", ")}}`}\n`;
  }

  // --- What is solved: at the exercise, and at each chapter in the contents.
  const solvedIn = (chapter) => chapter.exercises.filter(({ name }) => read(name).solved).length;
  const contents = document.querySelector("nav.bd-links")?.getElementsByTagName("a") || [];
  function showSolved() {
    for (const link of contents) {
      const file = new URL(link.href).pathname.split("/").pop();
      const chapter = AE_CHAPTERS.find(({ page }) => page.endsWith(`/${file}`));
      const solved = chapter && solvedIn(chapter);
      link.querySelector(".ae-solved")?.remove();
      if (solved) {
        link.append(make("span", { className: "ae-solved", textContent: `${solved}/${chapter.exercises.length}`,
          title: `${solved} of ${chapter.exercises.length} exercises solved` }));
      }
    }
    for (const box of document.querySelectorAll(".ae-live[data-ae-live]")) {
      const about = known.get(box.dataset.aeLive);
      document.getElementById(about?.at)?.classList.toggle("ae-is-solved", Boolean(read(about.name).solved));
    }
  }

  // --- The page of all answers: what is solved, and the answers as a file.
  const begun = ({ code, values = {} }) => code || Object.values(values).some(Boolean);
  function showAnswers(page) {
    const list = make("div");
    const said = make("p", { role: "status" });
    addEventListener("storage", () => draw());
    const draw = () => list.replaceChildren(...AE_CHAPTERS.map((chapter, i) => make("details", { open: Boolean(list.children[i]?.open) },
      make("summary", { textContent: `${chapter.number}. ${chapter.title} (${solvedIn(chapter)} of ${chapter.exercises.length} solved)` }),
      make("ul", {}, ...chapter.exercises.map(({ name, at, label, title }) => make("li", {},
        make("a", { href: `${home}${chapter.page}#${at}`, textContent: `${label} (${title})` }),
        read(name).solved ? " ✓ solved" : begun(read(name)) ? " begun" : ""))))));
    const button = (words, press) => {
      const node = make("button", { type: "button", className: "ae-live-button", textContent: words });
      node.addEventListener("click", press);
      return node;
    };
    const file = make("input", { type: "file", accept: ".json,application/json", ariaLabel: "A file of answers", hidden: true });
    file.addEventListener("change", async () => {
      try {
        const { answers } = JSON.parse(await file.files[0].text());
        const ours = Object.entries(answers).filter(([name]) => known.has(name));
        const other = ours.filter(([name, answer]) => begun(read(name))
          && JSON.stringify(sound({ ...answer, solved: 0 })) !== JSON.stringify({ ...read(name), solved: undefined }));
        if (!other.length || confirm(`Replace your answers to ${other.length} exercises by those of the file?`)) {
          for (const [name, answer] of ours) {
            const { code, values, solved } = sound(answer);
            write(name, { code, values, solved: solved || read(name).solved });
          }
          said.textContent = `${ours.length === 1 ? "1 answer was" : `${ours.length} answers were`} read from the file.${kept ? "" : " But this browser does not keep them."}`;
        }
      } catch (error) {
        said.textContent = "This is no file of answers of this book. Choose one that “Save to a file” has written.";
      }
      file.value = "";
      draw();
    });
    page.replaceChildren(list, make("p", { className: "ae-live-bar" },
      button("Save to a file", () => {
        const answers = Object.fromEntries([...known.keys()].map((name) => [name, read(name)]).filter(([, a]) => Object.keys(a).length));
        if (!Object.keys(answers).length) { said.textContent = "There is no answer to save."; return; }
        const address = URL.createObjectURL(new Blob([JSON.stringify({ answers }, null, 1)], { type: "application/json" }));
        make("a", { href: address, download: "answers.json" }).click();
        setTimeout(() => URL.revokeObjectURL(address), 60000);
        said.textContent = "The file was saved.";
      }),
      button("Read from a file", () => file.click()), file,
      button("Delete all answers", () => {
        if (!confirm("Delete all your answers and predictions in this browser?")) return;
        for (const name of known.keys()) write(name, { code: undefined, values: undefined, solved: undefined });
        dispatchEvent(new Event("ae-forget")); // js/predict.js
        draw();
        said.textContent = "All answers and predictions were deleted.";
      })), said);
    draw();
  }

  function start() {
    const boxes = [...document.querySelectorAll(".ae-live")];
    AE_NEAR(boxes.map((box) => box.parentElement), (cell) => enliven(cell.querySelector(".ae-live")));
    const page = document.getElementById("ae-answers");
    if (page) showAnswers(page);
    showSolved();
  }
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
