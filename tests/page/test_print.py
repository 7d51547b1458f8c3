"""The book on paper: pages that are printed, the PDF, the EPUB."""

import json
import os
import posixpath
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import lxml.etree
import lxml.html
import pypdf
import pytest

import offline

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build" / "html"))
PAGES = offline.in_order(SITE) if (SITE / "index.html").exists() else []
PARSER = lxml.etree.XMLParser(huge_tree=True)
A4_COLUMN = 658  # px between the margins of A4
# What reaches beyond the column, and listings whose lines would be cut.
CUT = """(width) => [...document.querySelectorAll("article *")].filter(e => {
  if (e.closest("mjx-assistive-mml, defs, .ae-explorer, svg, .aex-live")) return false;
  return e.getBoundingClientRect().right > width + 1
    || (e.matches("pre") && e.scrollWidth > e.clientWidth);
}).map(e => e.outerHTML.slice(0, 120))"""


def assert_prints_unfolded_uncut_and_in_dark_ink(page):
    """Of an open page in the dark theme. test_pages.py calls it on its visit to each page."""
    page.set_viewport_size({"width": A4_COLUMN, "height": 900})
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("article h1").first.is_visible()
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate(CUT, A4_COLUMN) == []
    ink = page.evaluate("getComputedStyle(document.querySelector('article p')).color")
    assert max(map(int, ink.removeprefix("rgb(").removesuffix(")").split(","))) < 80
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("details.ae-solution[open]").count() == 0
    page.emulate_media(media="screen", color_scheme="dark")


# ---- one PDF ----


@pytest.fixture(scope="module")
def book(chromium, site, tmp_path_factory):
    """The book as a PDF, read."""
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    offline.make_pdf(site, path, chromium)
    return pypdf.PdfReader(path)


def test_the_front_page_offers_what_is_there(tmp_path):
    front = tmp_path / "index.html"
    front.write_text(f"<p>{offline.MARK}</p>", "utf8")
    for files in ([], ["autoencoders.pdf"], ["autoencoders.pdf", "autoencoders.epub"]):
        for name in files:
            (tmp_path / name).write_bytes(bytes(1_400_000))
        offline.offer(tmp_path)
        assert lxml.html.parse(front).xpath("//a/@href") == files
    assert offline.MARK in (SITE / "index.html").read_text("utf8") or any(
        (SITE / name).exists() for name in offline.FILES
    )


@pytest.fixture(scope="module")
def begins(book):
    """``{bookmark: number of its sheet}``, in order."""
    marks = [mark for mark in book.outline if not isinstance(mark, list)]
    return {mark.title: book.get_destination_page_number(mark) for mark in marks}


def test_the_pdf_has_a_bookmark_for_each_page_and_section(book, begins):
    titles = []
    for name in offline.in_order(SITE):
        (heading,) = lxml.html.parse(SITE / name).xpath("//article//h1")
        titles.append(" ".join(heading.text_content().removesuffix("#").split()))
    assert list(begins) == titles
    sections = [len(marks) for marks in book.outline if isinstance(marks, list)]
    assert sum(sections) > 3 * len(PAGES)
    sheets = list(begins.values())
    assert sheets == sorted(set(sheets)) and sheets[0] == 0


def test_the_pdf_keeps_its_links_and_numbers_its_pages(book, begins):
    inside = 0
    for page in book.pages:
        for note in page.get("/Annots") or []:
            note = note.get_object()
            inside += "/Dest" in note
            address = str(note.get("/A", {}).get("/URI", "https:"))
            assert address.startswith(("https:", "http://www.")), address
    assert inside > 1000
    for number in list(begins.values())[1:4]:
        assert str(number + 1) in book.pages[number].extract_text().split()


def test_the_pdf_has_every_solution_and_whole_lines(book, begins):
    """Of one chapter: each line of its folded solutions and its longest lines of all."""
    start, end = (next(n for title, n in begins.items() if title.startswith(c)) for c in "23")
    text = "".join("".join(book.pages[n].extract_text().split()) for n in range(start, end))
    cells = json.loads((ROOT / "chapters" / "02_dense.ipynb").read_text("utf8"))["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    solutions = [
        "".join(c["source"]) for c in cells if "solution" in c["metadata"].get("tags", ())
    ]
    lines = [line for source in solutions for line in source.splitlines()[1:]]
    every = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
    lines += sorted((line for line in every if "#" not in line), key=len)[-20:]
    assert len(lines) > 40
    assert [line for line in lines if "".join(line.split()) not in text] == []


# ---- one EPUB ----


@pytest.fixture(scope="module")
def epub(tmp_path_factory):
    """The files of the EPUB: ``{name: bytes}``."""
    path = offline.make_epub(tmp_path_factory.mktemp("epub"))
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].filename == "mimetype"
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sheets(epub):
    """The pages of the EPUB as XML, which they must be."""
    return {name: lxml.etree.fromstring(epub[name]) for name in epub if name.endswith("xhtml")}


def test_the_epub_shows_without_scripts_what_the_pages_show(epub, sheets):
    assert {name.replace(".html", ".xhtml") for name in PAGES[1:]} < set(sheets)
    for name, page in sheets.items():
        found = {lxml.etree.QName(element).localname for element in page.iter("{*}*")}
        assert not found & {"svg", "script", "canvas", "button", "form"}, name
        for image in page.iterfind(".//{*}img"):
            assert image.get("alt")
            drawing = posixpath.normpath(posixpath.join(name, "..", image.get("src")))
            assert lxml.etree.fromstring(epub[drawing], PARSER).tag.endswith("}svg")
    chapters = [name for name in sheets if name.startswith("chapters/")]
    for name in chapters:
        assert sheets[name].find(".//{*}math/{*}*") is not None
        figures = sheets[name].findall(".//{*}figure")
        assert len(figures) > 2
        assert all(figure.find(".//{*}img") is not None for figure in figures)
        for fold in sheets[name].iterfind(".//{*}details"):
            assert len("".join(fold.itertext()).split()) > 3, "an empty fold"


def test_the_links_of_the_epub_lead_somewhere(sheets):
    ids = {name: set(page.xpath("//@id")) for name, page in sheets.items()}
    for name, page in sheets.items():
        for link in page.iterfind(".//{*}a[@href]"):
            parts = urlsplit(link.get("href"))
            if parts.scheme:
                continue
            path = posixpath.normpath(posixpath.join(name, "..", parts.path))
            there = path if parts.path else name
            assert there in ids, f"{name}: {link.get('href')}"
            assert not parts.fragment or parts.fragment in ids[there], (
                f"{name}: {link.get('href')}"
            )
