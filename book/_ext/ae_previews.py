"""What a link's preview shows when its target is on another page.

js/previews.js shows it. What stands on the reader's own page it copies from there; for the rest
this writes a script for each page that others link to, ``_static/previews/NAME.js``: terms,
sources, equations, figures, tables, claims and rows of the ledger, each as it stands in its page
with the heading above it, and the outlines of the glyphs that its formulas use. A script, since a
page that is opened from a stick may fetch nothing else; loaded when a preview first needs it.
"""

import html
import json
import posixpath
import re
import shutil
from bisect import bisect
from pathlib import Path
from urllib.parse import unquote

from sphinx.util import logging

logger = logging.getLogger(__name__)

# The targets that have a preview: what js/previews.js shows.
_SCRIPT = Path(__file__).parent.with_name("_static") / "js" / "previews.js"
SHOWN = re.compile(re.search(r"const SHOWN = /(.*)/;", _SCRIPT.read_text("utf8"))[1])
LINK = re.compile(r'<a\b[^>]*?\bhref="([^"#:]+#[^"]+)"')
ADDRESS = re.compile(r'(<a\b[^>]*?\bhref=|\bsrc=|\bhref=)"([^"]*)"')
LEFT_OUT = re.compile(
    r'<a class="headerlink".*?</a>|<p class="ae-used">.*?</p>|<span class="(?:label|backrefs)">'
    r'(?:<span class="fn-bracket">.</span>|[^<]|<a [^>]*>.*?</a>)*</span>',
    re.S,
)
HEADING = re.compile(r"<h([1-4])>(.*?)</h\1>", re.S)
GLYPH = re.compile(r'<path id="(g-[^"]+)" d="[^"]*"/>')


def element(text, start):
    """The element whose tag opens at ``start``, from there to the end of its closing tag."""
    name = re.match(r"<([\w-]+)", text[start:])[1]
    depth = 0
    for tag in re.compile(rf"<(/?){name}\b[^>]*?(/?)>").finditer(text, start):
        depth += -1 if tag[1] else not tag[2]
        if depth == 0:
            return text[start : tag.end()]
    raise ValueError(f"<{name}> at {start} is not closed")


def addressed(part, page):
    """The part with its addresses written from the root, which js/previews.js puts for ``~``."""

    def put(found):
        before, address = found.groups()
        inside = address.startswith("#") and not before.startswith("<a")
        if inside or re.match(r"[a-z]+:|//", address):
            return found[0]
        path, mark, fragment = address.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        return f'{before}"~/{path}{mark}{fragment}"'

    return ADDRESS.sub(put, part)


def renamed(part):
    """The part with names of its own: the reader's page may hold the same ones."""
    for name in re.findall(r'\bid="([^"]+)"', part):
        part = re.sub(rf'(\bid="|href="#|url\(#){re.escape(name)}(?=["\)])', r"\1pv-" + name, part)
    return part


def headings(text):
    """``[(position, words)]``: from where on a page which headings stand above, two at most."""
    above, places = {}, []
    for found in HEADING.finditer(text, text.index("<article")):
        words = html.unescape(re.sub(r"<svg\b.*?</svg>|<[^>]+>", "", found[2], flags=re.S))
        above = {level: older for level, older in above.items() if level < found[1]}
        above[found[1]] = " ".join(words.split())
        places.append((found.end(), " · ".join([above[level] for level in sorted(above)][:2])))
    return places


def held(page, text, name):
    """``(position, HTML)`` of the thing ``name`` on a page, or None."""
    opening = re.search(rf'<[\w-]+\b[^>]*\bid="{re.escape(name)}"[^>]*>', text)
    if opening is None:
        return None
    start = opening.start()
    part = element(text, start)
    if part.startswith("<dt"):
        part += element(text, text.index("<dd", start))
        part = f'<dl class="glossary">{part}</dl>'
    return start, renamed(addressed(part, page))


def wanted(pages):
    """``{page: names}`` of what links of other pages lead to."""
    names = {}
    for page, text in pages.items():
        article = text[text.index("<article") :]
        for link in filter(SHOWN.search, LINK.findall(article)):
            path, _, name = html.unescape(link).partition("#")
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
            if path in pages and path != page:
                names.setdefault(path, set()).add(unquote(name))
    return names


def script(page, text, names):
    """The script that hands over what the names stand for, in the page's order."""
    text = LEFT_OUT.sub("", text)
    places, found = headings(text), {}
    for name in names:
        if (thing := held(page, text, name)) is None:
            logger.warning("a link leads to %s#%s, which is not there", page, name)
        else:
            found[name] = thing
    things = {}
    for name, (start, part) in sorted(found.items(), key=lambda item: item[1]):
        things[name] = part, places[bisect(places, (start,)) - 1][1]
    used = set(re.findall(r'href="#(g-[^"]+)"', "".join(part for part, _ in things.values())))
    glyphs = "".join(path[0] for path in GLYPH.finditer(text) if path[1] in used)
    said = (json.dumps(x, ensure_ascii=False) for x in (page, things, glyphs))
    return f"AE_PREVIEWS({', '.join(said)});\n"


def write(app, exception):
    """Write the scripts; those that nothing asks for any more go."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    folder = out / "_static" / "previews"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = [app.builder.get_target_uri(docname) for docname in sorted(app.env.found_docs)]
    pages = {name: (out / name).read_text("utf8") for name in names}
    for page, asked in wanted(pages).items():
        name = page.removesuffix(".html").replace("/", "-")
        (folder / f"{name}.js").write_text(script(page, pages[page], asked), "utf8")


def setup(app):
    app.add_css_file("css/reading.css", priority=910)
    app.connect("build-finished", write, priority=940)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
