// Run by ae_math.py in an embedded V8: MathJax without a browser, from SOURCES.
var global = globalThis;
var told = [];
var console = {
  log: (...words) => told.push(words.join(" ")),
  warn: (...words) => told.push(words.join(" ")),
  error: (...words) => told.push(words.join(" ")),
  info() {},
};
var MathJax = {
  loader: {
    load: ["input/tex", "output/svg", "adaptors/liteDOM", "a11y/assistive-mml",
      ...["boldsymbol", "bbox", "braket", "mathtools"].map((name) => `[tex]/${name}`)],
    paths: { mathjax: "mathjax" },
    require(name) {
      const path = name.replace(/^mathjax\//, "");
      if (!(path in SOURCES)) throw Error(`not vendored: ${path}`);
      return (0, eval)(SOURCES[path]) || {};
    },
  },
  tex: {
    // A name that MathJax does not know is an error, not red letters in the page.
    packages: {
      "[+]": ["boldsymbol", "bbox", "braket", "mathtools"],
      "[-]": ["noundefined", "autoload", "require"],
    },
  },
  // Each glyph is drawn once in a page and used wherever it stands.
  svg: { fontCache: "global" },
  startup: { typeset: false },
};

function setFormula(tex, display) {
  const adaptor = MathJax.startup.adaptor;
  return adaptor.outerHTML(MathJax.tex2svg(tex, { display }));
}

function glyphs() {
  const cache = MathJax.startup.document.outputJax.fontCache.getCache();
  return MathJax.startup.adaptor.innerHTML(cache);
}
