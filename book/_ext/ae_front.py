"""The way in: the front page at the root of the site, and what stands beside the pages there.

The front page is written as ``index.html``. Search engines get ``sitemap.xml``, a reader with a
wrong address ``404.html``. The PDF and the EPUB of the book, made by ``make pdf`` and
``make epub``, are offered on the front page when they are there.
"""

import json
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import matplotlib
from ae_project import address, pages
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from ae_lib.claims import read_ledger
from offline import FRONT, MARK, offer

MAP = "chapters/02_dense"
FIRST = "chapters/01_what_is_an_autoencoder"
# It may be shown at any depth, so its addresses start from the root of the site.
NOT_FOUND = """<!DOCTYPE html>
<html lang="en" data-theme="light">
<head><meta charset="utf-8"><title>No such page: {title}</title>
<base href="{base}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" href="_static/favicon.svg">
<link rel="stylesheet" href="_static/book.css">
</head>
<body><main class="bd-article-container"><article class="bd-article">
<h1>There is no such page</h1>
<p>The address may be mistyped, or the page has another name now. You can go to
<a href="index.html">the front page</a> with all the chapters, to
<a href="search.html">the search</a>, or to <a href="book/glossary.html">the glossary</a>.</p>
</article></main></body>
</html>
"""


class FrontDoor(SphinxDirective):
    """Where to start, how much is proved, and chapter 2's map to touch: ``{front-door}``."""

    def run(self):
        env, link = self.env, self.env.app.builder.get_relative_uri
        chapters = sorted(name for name in env.found_docs if name.startswith("chapters/"))
        paths = [Path(env.doc2path(name)) for name in chapters]
        for path in paths:
            env.note_dependency(str(path))
        count = sum(map(len, read_ledger(paths).values()))
        start, ledger = (escape(link(env.docname, name)) for name in (FIRST, "book/claims"))
        ways = (
            f'<p class="ae-door"><a class="ae-link ae-link-colab" href="{start}">'
            f'<span>Start with chapter 1</span></a> <a class="ae-link" href="{ledger}">'
            f"<span>{count} claims, all hold</span></a>{MARK}</p>"
        )
        explorer = _stored_map(Path(env.doc2path(MAP)))
        return [
            nodes.raw("", ways, format="html"),
            nodes.raw("", f'<div class="ae-door-map">{explorer}</div>', format="html"),
        ]


def _stored_map(path):
    """The explorer that the notebook's last run stored."""
    for cell in json.loads(path.read_text("utf8"))["cells"]:
        for output in cell.get("outputs", ()):
            page = "".join(output.get("data", {}).get("text/html", ""))
            if 'data-ae-mount="latent-map"' in page:
                return page
    raise ExtensionError(f"{path.name}: no stored map of the codes; run: make chapters CHAPTER=02")


def at_the_root(app):
    """Give the first page the address of the site."""
    builder, root = app.builder, app.config.root_doc
    if builder.name != "html":
        return
    uri, file = builder.get_target_uri, builder.get_outfilename
    builder.get_target_uri = lambda name, typ=None: FRONT if name == root else uri(name, typ)
    builder.get_outfilename = lambda name: (
        str(Path(app.outdir) / FRONT) if name == root else file(name)
    )


def set_addresses(app, config):
    """The published book's address, for canonical links and preview cards."""
    config.html_baseurl = config.ogp_site_url = pages(address())
    matplotlib.rcParams["figure.constrained_layout.use"] = False  # a card places its own words


def page_context(app, pagename, templatename, context, doctree):
    """The first page's canonical address is that of the site, and its title stands once."""
    if pagename == app.config.root_doc:
        context["pageurl"] = app.config.html_baseurl
    elif doctree is None:
        context["pageurl"] = None  # the search


def finished(app, exception):
    """Write what stands beside the pages."""
    if exception or app.builder.name != "html":
        return
    out, base, title = Path(app.outdir), app.config.html_baseurl, escape(app.config.html_title)
    names = sorted(app.builder.get_target_uri(name) for name in app.env.found_docs)
    places = "".join(
        f"<url><loc>{escape(base + name.removesuffix(FRONT))}</loc></url>\n" for name in names
    )
    (out / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n',
        "utf8",
    )
    (out / "404.html").write_text(
        NOT_FOUND.format(title=title, base=escape(urlsplit(base).path)), "utf8"
    )
    offer(out)


def setup(app):
    app.add_directive("front-door", FrontDoor)
    app.connect("config-inited", set_addresses, priority=100)
    app.connect("builder-inited", at_the_root)
    app.connect("html-page-context", page_context, priority=600)
    app.connect("build-finished", finished, priority=920)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
