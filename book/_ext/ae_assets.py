"""One style sheet and one script for every page, with nothing in them that no page uses.

The theme and its extensions bring some twenty files, two megabytes of them icons. This
gathers the style sheets into ``_static/book.css`` without the rules that match nothing
in the built pages, and the scripts into ``_static/book.js``; book/_templates/layout.html
loads these two, and what they replace is deleted from the output.
"""

import hashlib
import re
import shutil
from pathlib import Path

from ae_css import Purger, minify_css

THEME_STYLES = ["basic.css", "styles/theme.css", "styles/pydata-sphinx-theme.css"]
SCRIPTS = [
    "documentation_options.js",
    "doctools.js",
    "sphinx_highlight.js",
    "clipboard.min.js",
    "copybutton.js",
    "design-tabs.js",
    "js/book.js",
]
SEARCH_SCRIPTS = ["searchtools.js", "language_data.js"]
# What stays of _static beside the two bundles; the model is ae_weights.py's.
KEEP = re.compile(
    r"^(book\.(css|js)|searchtools\.js|language_data\.js|text_autoencoder\.js|[^/]+\.svg|fonts/)"
)
REPAIRS = [
    # Boxes that scroll sideways on a phone; js/book.js takes the focus from those that fit.
    ('<div class="highlight"><pre>', '<div class="highlight"><pre tabindex="0">'),
    ('<div class="pst-scrollable-table-container">',
     '<div class="pst-scrollable-table-container" tabindex="0">'),
    # A role that is not allowed here, in a list without items.
    ('role="doc-biblioentry"', 'role="listitem"'),
]  # fmt: skip
REDIRECT = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="The first page of the book.">
<meta http-equiv="refresh" content="0; url={page}"></head>
<body><main><h1>{title}</h1><p><a href="{page}">Open the book</a></p></main></body>
</html>
"""


def page_context(app, pagename, templatename, context, doctree):
    """Tell the template what this page needs."""
    context["ae_version"] = app.config.ae_version
    context["description"] = _description(doctree) or context.get("docstitle", "")


def _description(doctree):
    """The first paragraph of the page, as search engines want it."""
    from docutils import nodes

    if doctree is None:
        return None
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section):
            text = " ".join(paragraph.astext().split())
            return text if len(text) <= 160 else text[:157].rsplit(" ", 1)[0] + " …"
    return None


def _source_version(app):
    """A short hash of our own sources, to make a changed style sheet load anew."""
    folder = Path(app.srcdir) / "book" / "_static"
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("css/*"), *folder.glob("js/*")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def note_version(app, config):
    """Make pages out of date when the style sheet or a script has changed."""
    config.ae_version = _source_version(app)


def bundle(app, exception):
    """Write the two bundles, then delete what they replace."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    if not (static / SCRIPTS[0]).exists() and (static / "book.js").exists():
        return  # no page was out of date, so Sphinx copied nothing: the bundles stand
    script = _bundle_scripts(static)
    names = THEME_STYLES + [
        name
        for sheet in app.builder._css_files
        if (name := str(sheet.filename).removeprefix("_static/").split("?")[0]) not in THEME_STYLES
    ]
    styles = _bundle_styles(static, list(dict.fromkeys(names)))
    purger = Purger()
    _delete_stale(app, out)
    for page in out.rglob("*.html"):
        text = finished = page.read_text("utf8")
        for wrong, right in REPAIRS:
            finished = finished.replace(wrong, right)
        if finished != text:
            page.write_text(finished, "utf8")
        purger.see_html(finished)
    for text in [script, *((static / s).read_text("utf8") for s in SEARCH_SCRIPTS)]:
        purger.see_script(text)
    (static / "book.css").write_text(minify_css(purger.purge(styles)), "utf8")
    (static / "book.js").write_text(script, "utf8")
    _delete_replaced(static)
    root = app.config.root_doc
    (out / "index.html").write_text(
        REDIRECT.format(title=app.config.html_title, page=f"{root}.html"), "utf8"
    )


def _bundle_scripts(static):
    parts = [(static / name).read_text("utf8") for name in SCRIPTS]
    return "\n;".join(re.sub(r"\n//# sourceMappingURL=\S+", "", part) for part in parts)


def _bundle_styles(static, names):
    parts = []
    for name in names:
        folder = Path(name).parent.as_posix()
        prefix = "" if folder == "." else folder + "/"
        text = (static / name).read_text("utf8")
        text = re.sub(r"@import\s[^;]*basic\.css[^;]*;", "", text)  # it stands first
        text = re.sub(
            r"url\((['\"]?)(?!data:|#|https?:|/)([^)'\"]+)\1\)",
            lambda found, at=prefix: f"url({_tidy(at + found[2])})",
            text,
        )
        parts.append(text)
    return "\n".join(parts)


def _tidy(path):
    """``css/../fonts/a.woff2`` is ``fonts/a.woff2``."""
    parts = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _delete_replaced(static):
    for path in sorted(static.rglob("*"), reverse=True):
        name = path.relative_to(static).as_posix()
        if path.is_file() and not KEEP.match(name):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    shutil.rmtree(static.parent / "_sphinx_design_static", ignore_errors=True)


def _delete_stale(app, out):
    """Delete pages whose source is gone."""
    pages = {f"{name}.html" for name in [*app.env.found_docs, "search", "index"]}
    for path in out.rglob("*.html"):
        if path.relative_to(out).as_posix() not in pages:
            path.unlink()


def setup(app):
    app.add_config_value("ae_version", "", "html", types=[str])
    app.connect("config-inited", note_version)
    app.add_css_file("css/book.css", priority=900)
    app.connect("html-page-context", page_context, priority=700)
    app.connect("build-finished", bundle, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
