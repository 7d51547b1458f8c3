"""Mathematics, set by MathJax while the book is built.

The pages carry finished drawings: no script sets them, nothing jumps when they appear, and
no font is fetched, so that they look the same from a server and from a stick. MathJax
(book/_vendor/mathjax, re-created by tools/vendor.sh) runs in the V8 that the Python package
``mini-racer`` brings. Beside each drawing stands its MathML, for screen readers.

A glyph's outline is stored once a page: ``place_glyphs`` puts the outlines that a page uses
where its template has ``MARK``. TeX that MathJax cannot read is a warning of the build.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parents[1] / "_vendor" / "mathjax"
MARK = "<!-- glyphs -->"
WIDE = 36  # ex: a wider formula may have to scroll on a phone
NUMBER = 8  # ex: what stands beside a numbered one


class Typesetter:
    """MathJax in V8, started by the first formula."""

    def __init__(self):
        self._engine = None
        self._kept = {}
        self._outlines = {}

    def __call__(self, tex, display):
        """The formula as HTML, and MathJax's complaint or None."""
        key = tex, display
        if key not in self._kept:
            html = self._start().call("setFormula", tex, display)
            complaint = re.search(r'data-mjx-error="([^"]*)"', html)
            self._kept[key] = _shorten(html), complaint and complaint[1]
        return self._kept[key]

    def outlines(self, html):
        """The ``<path>`` elements of the glyphs that ``html`` uses."""
        used = set(re.findall(r'href="#(g-[^"]+)"', html))
        if used - self._outlines.keys():
            self._outlines = {
                found[1]: f'<path id="{found[1]}" d="{found[2]}"/>'
                for found in re.finditer(
                    r'<path id="([^"]+)" d="([^"]*)"', _rename(self._start().eval("glyphs()"))
                )
            }
        return "".join(self._outlines[name] for name in sorted(used))

    def close(self):
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _start(self):
        if self._engine is None:
            try:
                from py_mini_racer import MiniRacer
            except ImportError as error:
                raise ExtensionError(
                    "The formulas are set with MathJax in mini-racer, which is not "
                    "installed: pip install -e '.[book]'"
                ) from error
            self._engine = MiniRacer()
            sources = {
                path.relative_to(FOLDER).as_posix(): path.read_text("utf8")
                for path in FOLDER.rglob("*.js")
            }
            self._engine.eval(f"var SOURCES = {json.dumps(sources)}; 0")
            self._engine.eval(Path(__file__).with_suffix(".js").read_text("utf8"))
            self._engine.eval("(0, eval)(SOURCES['startup.js']); 0")
            if self._engine.eval("typeof MathJax.tex2svg") != "function":
                raise ExtensionError(f"MathJax: {self._engine.eval('told.join(`; `)')}")
        return self._engine


def _rename(html):
    return re.sub(r"MJX-TEX-", "g-", html)


def _shorten(html):
    """Leave out what an inline SVG in HTML does not need."""
    html = _rename(html).replace("xlink:href", "href")
    html = re.sub(r' (?:data-mml-node|data-c|data-mjx-texclass)="[^"]*"', "", html)
    html = re.sub(r' (?:xmlns(?::xlink)?|role|focusable)="[^"]*"(?=[^<]*<g stroke)', "", html)
    html = html.replace(' style="position: relative;"', "").replace(
        ' xmlns="http://www.w3.org/1998/Math/MathML"', ""
    )
    html = re.sub(r"<(use|path|rect|line)([^>]*)></\1>", r"<\1\2/>", html)
    bare = re.compile(r"<g>((?:<(?:use|path|rect|line)[^>]*/>)*)</g>")
    while bare.search(html):
        html = bare.sub(r"\1", html)
    return html


def _typeset(self, node, tex, display):
    html, complaint = self.builder.app.ae_typeset(tex, display)
    if complaint:
        logger.warning("TeX: %s in %s", complaint, tex, location=node)
    return html


def _is_wide(html, beside=0):
    width = re.search(r'width="([\d.]+)ex"', html)
    return bool(width) and float(width[1]) + beside > WIDE


def visit_math(self, node):
    html = _typeset(self, node, node.astext(), False)
    wide = ' ae-wide" tabindex="0' if _is_wide(html) else ""
    self.body.append(f'<span class="math{wide}">{html}</span>')
    raise nodes.SkipNode


def visit_math_block(self, node):
    tex = node.astext().strip()
    if not node.get("nowrap", node.get("no-wrap")) and r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    html = _typeset(self, node, tex, True)
    ids = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    focus = ' tabindex="0"' if _is_wide(html, NUMBER if node["number"] else 0) else ""
    self.body.append(f'<div class="math"{ids}{focus}>')
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(html + "</div>")
    raise nodes.SkipNode


def place_glyphs(app, exception):
    """Give each new page the outlines of its glyphs."""
    if exception is None and app.builder.name == "html":
        for path in Path(app.outdir).rglob("*.html"):
            text = path.read_text("utf8")
            if MARK in text:
                paths = app.ae_typeset.outlines(text)
                svg = f'<svg class="ae-glyphs" aria-hidden="true"><defs>{paths}</defs></svg>'
                path.write_text(text.replace(MARK, svg if paths else ""), "utf8")
    app.ae_typeset.close()


def setup(app):
    app.ae_typeset = Typesetter()
    app.add_html_math_renderer("ae", (visit_math, None), (visit_math_block, None))
    app.connect("build-finished", place_glyphs, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
