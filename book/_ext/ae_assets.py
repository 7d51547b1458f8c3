"""One style sheet and one script for every page.

The theme and its extensions bring some twenty files, half a megabyte of style sheets among
them. This gathers the style sheets into ``_static/book.css`` without the rules that match
nothing in the built pages, and the scripts into ``_static/book.js``;
book/_templates/layout.html loads these two. The pictures in the figures and the data of the
explorers become files of their own too, so that a page's words come first.
"""

import base64
import hashlib
import json
import posixpath
import re
import shutil
from pathlib import Path

from ae_css import WORD, purge, without_script

from ae_lib import exercises

THEME_STYLES = ["basic.css", "styles/theme.css", "styles/pydata-sphinx-theme.css"]
SCRIPTS = [
    "documentation_options.js",
    "clipboard.min.js",
    "copybutton.js",
    "design-tabs.js",
    "js/book.js",
    "js/previews.js",
    "js/reading.js",
    "js/chapters.js",
    "js/exercises.js",
    "js/predict.js",
]
REPAIRS = [
    # Boxes that scroll sideways on a phone; js/book.js takes the focus from those that fit.
    ('<div class="highlight"><pre>', '<div class="highlight"><pre tabindex="0">'),
    ('<div class="pst-scrollable-table-container">',
     '<div class="pst-scrollable-table-container" tabindex="0">'),
    # A role that is not allowed here, in a list without items.
    ('role="doc-biblioentry"', 'role="listitem"'),
]  # fmt: skip
COMMENT = re.compile(r"^ *//[^\n]*\n?|(?<=[;{}),]) // [^\n]*|^ +", re.M)  # and indentation
PICTURE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
EXPLORER = re.compile(  # what ae_lib.widgets writes: its data, its script
    r'(?<=<script type="application/json">)([^<]+)(</script>\s*</div>\s*)'
    r"<script>(.*?)</script>",
    re.S,
)


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


def note_version(app, config):
    """Make pages out of date, and browsers load anew, when what the pages load has changed."""
    folder = Path(app.srcdir) / "book"
    sources = [*folder.glob("_static/css/*.css"), *folder.glob("_static/js/*.js")]
    sources += [*folder.glob("_ext/*.py"), *folder.glob("_vendor/*/*.*")]
    sources += Path(exercises.__file__).parent.glob("*.py")  # the pages judge by them
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    config.ae_version = digest.hexdigest()[:8]


def bundle(app, exception):
    """Repair the pages; write the two bundles."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    parts = [(static / name).read_text("utf8") for name in SCRIPTS]
    script = "\n;".join(COMMENT.sub("", part) for part in parts)
    (static / "book.js").write_text(script, "utf8")
    words = set(WORD.findall(script))
    for later in ("js/search.js", "editor.js"):
        words.update(WORD.findall((static / later).read_text("utf8")))
    pages = {app.builder.get_target_uri(name) for name in [*app.env.found_docs, "search"]}
    for page in out.rglob("*.html"):
        if page.relative_to(out).as_posix() not in pages:
            page.unlink()  # its source is gone
            continue
        text = finished = page.read_text("utf8")
        for wrong, right in REPAIRS:
            finished = finished.replace(wrong, right)
        finished = _lightened(finished, out, "../" * page.relative_to(out).as_posix().count("/"))
        if finished != text:
            page.write_text(finished, "utf8")
        words.update(WORD.findall(finished))
    own = [str(s.filename).removeprefix("_static/").split("?")[0] for s in app.builder._css_files]
    styles = [_styles(static, name) for name in dict.fromkeys(THEME_STYLES + own)]
    style = without_script(purge("\n".join(styles), words))
    (static / "book.css").write_text(style, "utf8")
    for unused in ("vendor", "scripts", "locales"):  # eight megabytes, most of them icons
        shutil.rmtree(static / unused, ignore_errors=True)


def _lightened(page, out, up):
    """The page with its pictures and explorers in files, which are written."""

    def picture(found):
        return up + _kept(out / "_images", base64.b64decode(found[1]), ".png")

    def explorer(found):
        data, between, script = found.groups()
        place = "document.currentScript.previousElementSibling.querySelector('script')"
        script = f"{place}.textContent = {json.dumps(data)};{script}"
        name = _kept(out / "_static", script.encode(), ".js")
        return f'{between}<template data-ae-script="{up}{name}"></template>'

    return EXPLORER.sub(explorer, PICTURE.sub(picture, page))


def _kept(folder, content, ending):
    """Write what is not there yet; its address from the root of the pages."""
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}{ending}"
    if not path.exists():
        path.write_bytes(content)
    return f"{folder.name}/{path.name}"


def _styles(static, name):
    """A style sheet whose addresses are right in ``_static`` too."""
    return re.sub(
        r"url\((['\"]?)(?!data:|#|https?:|/)([^)'\"]+)\1\)",
        lambda found: f"url({posixpath.normpath(posixpath.join(name, '..', found[2]))})",
        (static / name).read_text("utf8"),
    )


def setup(app):
    app.add_config_value("ae_version", "", "html", types=[str])
    app.connect("config-inited", note_version)
    app.add_css_file("css/book.css", priority=900)
    app.connect("html-page-context", page_context, priority=700)
    app.connect("build-finished", bundle, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
