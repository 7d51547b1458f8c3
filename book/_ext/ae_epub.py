"""The book as an EPUB, by Sphinx's builder, whose pages are made what readers can show.

Drawings and figures become image files, formulas MathML; explorers, which need a script, are
named. A page's links to what is not in the EPUB lead to the published book.
"""

import hashlib
import posixpath
import re
import shutil
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ae_numbers import chapter_number
from ae_project import address, pages
from bs4 import BeautifulSoup
from sphinx.builders.epub3 import Epub3Builder

STYLE = Path(__file__).with_suffix(".css")
SVG = re.compile(r"<svg\b.*?</svg>", re.S)
FORMULA = re.compile(
    r"<mjx-container[^>]*>.*?(<math\b.*?</math>)</mjx-assistive-mml></mjx-container>"
)
EXPLORER = "An explorer that answers to your hand stands here on the page of the published book."


class BookEpub(Epub3Builder):
    """Sphinx's builder, which tidies the pages before it packs them."""

    def init(self):
        shutil.rmtree(self.outdir, ignore_errors=True)
        Path(self.outdir).mkdir(parents=True)
        self.config.html_additional_pages = {}  # the search, which is a script
        super().init()

    def get_toc(self):
        """The contents with plain paths, and with the numbers of the chapters."""
        super().get_toc()
        for entry in self.refnodes:
            entry["refuri"] = posixpath.normpath(entry["refuri"])
            if re.fullmatch(r"chapters/[^#]+", entry["refuri"]):
                entry["text"] = f"{chapter_number(entry['refuri'])}. {entry['text']}"

    def build_content(self):
        """Tidy each page, list the files, and say which pages hold formulas."""
        out = Path(self.outdir)
        shutil.rmtree(out / "_static", ignore_errors=True)
        (out / "_static").mkdir()
        shutil.copy(STYLE, out / "_static" / "epub.css")
        (out / "_images").mkdir(exist_ok=True)
        formulas = set()
        for page in sorted(out.rglob("*.xhtml")):
            name = page.relative_to(out).as_posix()
            text = self.tidy(page.read_text("utf8"), name)
            page.write_text(text, "utf8")
            if "<math" in text:
                formulas.add(name)
        super().build_content()
        listing = out / "content.opf"
        text = listing.read_text("utf8")
        for name in formulas:
            text = text.replace(f'href="{name}"', f'href="{name}" properties="mathml"')
        listing.write_text(text, "utf8")

    def toc_metadata(self, level, navpoints):
        """Both lists of contents name the book alike."""
        return super().toc_metadata(level, navpoints) | {"uid": self.config.epub_identifier}

    def tidy(self, text, name):
        """The page ``name`` as XHTML that a reader without scripts can show."""
        up = "../" * name.count("/")
        text = FORMULA.sub(self.formula, text)
        text = SVG.sub(lambda found: self.image(found[0], up), text)
        page = BeautifulSoup(text, "html.parser")
        for mount in page.select(".ae-explorer-mount"):
            mount.clear()
            mount.append(page.new_tag("p"))
            mount.p.string = EXPLORER
        for unwanted in page.select("script, noscript, .headerlink, .ae-facts-links, .ae-door"):
            unwanted.decompose()
        for link in page.select("a[href]"):
            link["href"] = self.target(link["href"], name)
        for element in page.find_all(True):
            for key in ("tabindex", "download", "role", "unselectable", "display"):
                if key != "display" or element.name != "math":
                    element.attrs.pop(key, None)
        head = page.new_tag("head")
        title = page.new_tag("title")
        title.string = page.title.get_text() if page.title else name
        style = page.new_tag(
            "link", rel="stylesheet", type="text/css", href=f"{up}_static/epub.css"
        )
        head.extend([title, style])
        page.head.replace_with(head)
        page.html["lang"] = page.html["xml:lang"] = "en"
        return page.decode(formatter="minimal")

    def formula(self, found):
        """The MathML beside a drawn formula, in place of both."""
        display = 'display="block" ' if 'display="true"' in found[0][:80] else ""
        return found[1].replace(
            "<math", f'<math {display}xmlns="http://www.w3.org/1998/Math/MathML"', 1
        )

    def image(self, svg, up):
        """A drawing in a file of its own, dark on white; what is hidden is left out."""
        opening = svg[: svg.index(">")]
        if 'aria-hidden="true"' in opening:
            return ""
        label = re.search(r'aria-label="([^"]*)"', opening)
        svg = re.sub(r"var\(--[\w-]+,\s*((?:[^()]|\([^()]*\))*)\)", r"\1", svg)
        svg = svg.replace("currentColor", "#22252a").replace("currentcolor", "#22252a")
        if "xmlns=" not in opening:
            svg = svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        if "xlink:" in svg and "xmlns:xlink" not in opening:
            svg = svg.replace("<svg", '<svg xmlns:xlink="http://www.w3.org/1999/xlink"', 1)
        svg = re.sub(r"\s(?:class|tabindex)=\"[^\"]*\"", "", svg)
        name = hashlib.sha256(svg.encode()).hexdigest()[:16] + ".svg"
        (Path(self.outdir) / "_images" / name).write_text(svg, "utf8")
        return f'<img src="{up}_images/{name}" alt="{label[1] if label else ""}"/>'

    def target(self, link, name):
        """A link of the page ``name``: to a page of the EPUB, or to the published book."""
        parts = urlsplit(link)
        if parts.scheme or not parts.path:
            return link
        page = re.sub(r"\.html$", ".xhtml", parts.path)
        if (Path(self.outdir) / name).parent.joinpath(page).exists():
            return page + (f"#{parts.fragment}" if parts.fragment else "")
        return urljoin(pages(address()) + name, link)


def describe(app):
    """What the EPUB says of itself."""
    if app.builder.name != "epub":
        return
    config = app.config
    config.epub_title = config.html_title or config.project
    config.epub_basename = "autoencoders"
    config.epub_author = config.epub_publisher = config.author
    config.epub_contributor = config.author
    config.epub_description = "An executable book on autoencoders; every result comes from a run."
    config.epub_identifier, config.epub_uid = pages(address()), "book"
    config.epub_scheme = "URL"
    config.epub_tocscope, config.epub_tocdup, config.epub_tocdepth = "includehidden", False, 2
    config.epub_show_urls = "no"
    config.epub_use_index = False
    config.version = config.ae_commit[:10] or "0"


def setup(app):
    app.add_builder(BookEpub, override=True)
    app.connect("builder-inited", describe, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
