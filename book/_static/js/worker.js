// Python in a worker of its own: book/_ext/ae_exercises.py puts this into live.js as a text, as a
// page from a stick may start a worker from a Blob only. All that Pyodide asks for is at hand.
"use strict";
let run;

async function start({ files }) {
  const script = (name) => {
    const address = URL.createObjectURL(new Blob([files[name]], { type: "text/javascript" }));
    importScripts(address);
    URL.revokeObjectURL(address);
  };
  script("pyodide.js");
  script("pyodide.asm.js");
  self.fetch = async (address) => {
    const name = String(address).split("/").pop();
    if (!files[name]) throw new TypeError(`nothing is fetched here, and not ${address}`);
    const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    return new Response(files[name], { headers: { "Content-Type": type } });
  };
  const python = await loadPyodide({ indexURL: "https://book.invalid/" });
  postMessage({ said: "Starting NumPy …" });
  python.unpackArchive(files["numpy.whl"], "wheel");
  python.unpackArchive(files["ae_lib.zip"], "zip", { extractDir: "/lib/python3.12/site-packages" });
  run = python.runPython(`
import json
from ae_lib.exercises import _page
lambda asked: json.dumps(_page.run(**json.loads(asked)))
`);
  files = undefined;
  // An answer has no way out, and cannot end the worker under the next one.
  for (const name of ["XMLHttpRequest", "WebSocket", "EventSource", "importScripts", "close"]) self[name] = undefined;
}

onmessage = async ({ data }) => {
  try {
    if (data.files) {
      await start(data);
      postMessage({ ready: true });
    } else {
      postMessage({ found: JSON.parse(run(JSON.stringify(data.asked))) });
    }
  } catch (error) {
    postMessage({ failed: String(error.message || error) });
  }
};
