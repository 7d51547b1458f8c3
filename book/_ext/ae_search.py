"""The search: what a reader can look for, each with its own place, gathered from the pages.

Sections, claims, exercises and other boxes, figures, glossary terms and sources are found
themselves. ``_static/search.js`` holds them, MiniSearch (book/_vendor/minisearch) and
book/_static/js/search.js, which finds and shows. js/book.js loads it when a reader opens the
search: a script, since a page that is opened from a stick may fetch nothing else. Sphinx's
own index, half as fine and without forgiveness, is not made.
"""

import json
import re
from pathlib import Path

import lxml.html

VENDORED = Path(__file__).parents[1] / "_vendor" / "minisearch"
SPHINX_OWN = ("searchtools.js", "language_data.js", "doctools.js", "sphinx_highlight.js")
# Folds, solutions among them, and what stands elsewhere too.
LEFT_OUT = {"headerlink", "hide", "ae-check", "ae-facts", "ae-ledger", "label", "backrefs"}
NAME = re.compile(r"[^\W\d]\w{2,}")


def _has(node, *names):
    return not set(names).isdisjoint((node.get("class") or "").split())


def _text(*nodes):
    """What the nodes say, on one line."""
    text = " ".join(" ".join(node.itertext()) if node is not None else "" for node in nodes)
    return re.sub(r"\s+([.,;:)])", r"\1", " ".join(text.split()))


def _heading(section):
    """The heading of a section; empty spans with its other names stand before it."""
    return next((node for node in section if re.fullmatch("h[1-6]", str(node.tag))), None)


def _kind(node):
    """The kind of thing that a reader could look for at this node, or None."""
    if node.get("id") is None:
        return None
    if node.tag == "section" and (heading := _heading(node)) is not None:
        return "chapter" if heading.tag == "h1" else "section"
    if node.tag == "figure":
        return "figure"
    if node.tag == "dt" and _has(node.getparent(), "glossary"):
        return "term"
    if node.tag == "div":
        for kind, name in (("claim", "ae-claim"), ("source", "citation"), ("box", "admonition")):
            if _has(node, name):
                return kind
    return None


def _parts(kind, node):
    """The title and the text of a thing."""
    if kind == "claim":
        label, said, rows = (
            next((part for part in node.iter() if _has(part, f"ae-claim-{name}")), None)
            for name in ("label", "text", "rows")
        )
        return f"{_text(label)}: {_text(said)}", _text(rows)
    if kind == "term":
        return _text(node), _text(node.getnext())
    if kind in ("figure", "source"):
        return _text(node), ""
    heading = node[0] if kind == "box" else _heading(node)
    node.remove(heading)
    return _text(heading), _text(node)


def things(page):
    """Yield ``(kind, id, title, text, names in code)`` of what a page holds, in its order."""
    page = re.sub(r"<svg\b.*?</svg>", "", page, flags=re.S)
    (article,) = lxml.html.fromstring(page.encode()).xpath("//article")
    for node in list(article.iter()):
        if not isinstance(node.tag, str) or node.tag in ("script", "style", "noscript"):
            node.clear(keep_tail=True)
        elif _has(node, *LEFT_OUT):
            node.drop_tree()
    found = []
    for node in reversed(list(article.iter())):  # what is inside before what is around it
        kind = _kind(node)
        if kind is None:
            continue
        names = set()
        for cell in [part for part in node.iter() if _has(part, "cell")]:
            names.update(NAME.findall(_text(cell)))
            cell.drop_tree()
        found.append((kind, node.get("id"), *_parts(kind, node), " ".join(sorted(names))))
        if kind == "term":
            node.getnext().drop_tree()
        node.drop_tree()
    return reversed(found)


def write(app, exception):
    """Write ``_static/search.js``."""
    if exception or app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    records, pages = [], []
    for docname in sorted(app.env.found_docs):
        address = app.builder.get_target_uri(docname)
        held = list(things((Path(app.outdir) / address).read_text("utf8")))
        pages.append([address, next(title for kind, _, title, *_ in held if kind == "chapter")])
        records += [[kind, len(pages) - 1, *more] for kind, *more in held]
    data = json.dumps({"pages": pages, "records": records}, ensure_ascii=False)
    library = (VENDORED / "minisearch.js").read_text("utf8")
    library = re.sub(r"^ *//[^\n]*\n|^ */\*\*.*?\*/\n", "", library, flags=re.S | re.M)
    parts = [
        f"/*\nMiniSearch\n{(VENDORED / 'LICENSE').read_text('utf8')}*/\n{library}",
        f"const AE_BOOK = {data};",
        (static / "js/search.js").read_text("utf8"),
    ]
    (static / "search.js").write_text("\n".join(parts), "utf8")
    for name in SPHINX_OWN:
        (static / name).unlink(missing_ok=True)


def switch_off(app):
    """Sphinx makes no index; the page search.html is one of ours."""
    app.builder.search = False


def setup(app):
    app.connect("builder-inited", switch_off)
    app.connect("build-finished", write, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
