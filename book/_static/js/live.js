// Loaded when a reader first presses Check, after AE_PYTHON, which lists the parts of Python, and
// AE_WORKER, the worker's script. AE_RUN(asked, tell) answers what ae_lib.exercises._page.run does.
(function () {
  "use strict";
  const limit = 20; // seconds that an answer may run
  const home = document.documentElement.dataset.content_root;
  const came = new Map();
  let files; // a promise of all that the worker needs
  let worker; // a promise of a worker that is ready
  let waiting = Promise.resolve(); // one answer runs at a time
  let stop = () => {};

  window.AE_PART = (file, text) => came.set(file, text);

  function part(file) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${home}_static/${file}`;
      const failed = () => reject(new Error("Python could not be loaded. Are you offline? Try again."));
      script.onload = async () => {
        if (!came.has(file)) { failed(); return; } // a sign-in page of a hotel, say
        try {
          const response = await fetch(`data:application/octet-stream;base64,${came.get(file)}`);
          resolve(new Uint8Array(await response.arrayBuffer()));
        } catch (error) { reject(error); }
        came.delete(file);
      };
      script.onerror = failed;
      document.head.append(script);
      script.remove();
    });
  }

  async function unpacked(content) {
    const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  async function load(tell) {
    if (!window.DecompressionStream || !window.WebAssembly)
      throw new Error("This browser is too old to run Python. Use the notebook, or a newer browser.");
    const size = AE_PYTHON.parts.reduce((sum, { size }) => sum + size, 0);
    let loaded = 0;
    const parts = await Promise.all(AE_PYTHON.parts.map(async ({ file, size: own }) => {
      const content = await part(file);
      loaded += own;
      tell(`Loading Python, ${(size / 1e6).toFixed(0)} MB …`, loaded / size, true);
      return content;
    }));
    const whole = new Blob(parts);
    const found = {};
    let at = 0;
    for (const { name, size: own, gzip } of AE_PYTHON.files) {
      const content = new Uint8Array(await whole.slice(at, at += own).arrayBuffer());
      found[name] = gzip ? await unpacked(content) : content;
    }
    return found;
  }

  async function start(tell) {
    files ||= load(tell);
    files.catch(() => { files = undefined; });
    tell("Loading Python …", undefined, true);
    const held = await Promise.race([files, new Promise((resolve, reject) => {
      stop = () => { files = undefined; reject(new Error("Stopped.")); };
    })]);
    tell("Starting Python …", undefined, true);
    const address = URL.createObjectURL(new Blob([AE_WORKER], { type: "text/javascript" }));
    const begun = new Worker(address);
    try {
      await new Promise((resolve, reject) => {
        stop = () => reject(new Error("Stopped."));
        begun.onmessage = ({ data }) => {
          if (data.said) tell(data.said, undefined, true);
          if (data.ready) resolve();
          if (data.failed) reject(new Error(`Python could not start: ${data.failed}`));
        };
        begun.onerror = (event) => reject(new Error(`Python could not start: ${event.message}`));
        begun.postMessage({ files: held });
      });
    } catch (error) {
      begun.terminate();
      throw error;
    } finally { URL.revokeObjectURL(address); }
    return begun;
  }

  function end() {
    const ended = worker;
    worker = undefined;
    ended?.then((it) => it.terminate(), () => {});
  }

  async function answer(asked, tell) {
    worker ||= start(tell);
    let ready;
    try { ready = await worker; } catch (error) { worker = undefined; throw error; }
    tell("Running …", undefined, true);
    return new Promise((resolve) => {
      const give = (found) => {
        clearTimeout(clock);
        stop = () => {};
        resolve(found);
      };
      const broken = (text, state = "wrong") => {
        end(); // it would go on for ever; the next answer starts another
        give({ state, text, printed: "", line: null });
      };
      const clock = setTimeout(() => broken(
        `Your code was stopped after ${limit} s. Is there a loop that never ends?`), limit * 1000);
      stop = () => broken("Stopped.", "todo");
      ready.onmessage = ({ data }) => (data.found ? give(data.found)
        : broken(`Python stopped: ${data.failed.trim().split("\n").pop()}`));
      ready.onerror = (event) => broken(`Python stopped: ${event.message}`);
      ready.postMessage({ asked });
    });
  }

  window.AE_RUN = (asked, tell) => {
    let over = false; // parts of Python still come after one has failed
    const say = (...words) => { if (!over) tell(...words); };
    say("Waiting for the other answer …");
    const mine = waiting.then(() => answer(asked, say)).finally(() => { over = true; });
    waiting = mine.catch(() => {});
    return mine;
  };
  window.AE_STOP = () => stop();
})();
