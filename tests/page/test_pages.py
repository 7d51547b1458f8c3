"""The published pages: complete, legible, reachable by keyboard, and asking no one."""

import functools
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build" / "html"))
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html"))
# index.html only leads on to the first page.
READ = [name for name in PAGES if name != "index.html"]
CHAPTERS = [name for name in READ if name.startswith("chapters/")]


# Elements that reach beyond the right edge and in no box that scrolls.
STICKING_OUT = """() => [...document.querySelectorAll("main *")].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1 || e.closest("mjx-assistive-mml, defs"))
    return false;
  for (let box = e; box; box = box.parentElement)
    if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return false;
  return true;
}).map(e => e.outerHTML.slice(0, 120))"""


class Outline(HTMLParser):
    """Ids, links, pictures and figures of a page."""

    VOID = {"img", "br", "hr", "input", "meta", "link", "path", "use", "col", "source"}

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources = [], [], []
        self.pictures, self.figures, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("id"):
            self.ids.append(attrs["id"])
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("script", "img", "link", "iframe", "source") and not (
            tag == "link" and attrs.get("rel") in ("canonical", "next", "prev")
        ):
            self.sources.append(attrs.get("src") or attrs.get("href") or "")
        if tag in ("img", "svg", "canvas"):
            hidden = attrs.get("aria-hidden") == "true" or any(h for _, h in self.open)
            name = attrs.get("alt", attrs.get("aria-label", attrs.get("aria-labelledby")))
            self.pictures.append((tag, name, hidden))
        if tag == "figure":
            self.figures.append(False)
        if tag == "figcaption" and self.figures:
            self.figures[-1] = True
        if tag not in self.VOID:
            self.open.append((tag, attrs.get("aria-hidden") == "true"))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        while self.open:
            if self.open.pop()[0] == tag:
                break


@functools.cache
def outline(name):
    return Outline((SITE / name).read_text("utf8"))


def resolve(name, link):
    """The file and the fragment that a link on page ``name`` leads to."""
    parts = urlsplit(link)
    target = (SITE / name).parent / unquote(parts.path) if parts.path else SITE / name
    return Path(os.path.normpath(target)), unquote(parts.fragment)


def test_the_book_is_built(site):
    assert CHAPTERS, f"no chapter in {site}"


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_book_lead_somewhere(name):
    for link in outline(name).links:
        if urlsplit(link).scheme:
            continue
        path, fragment = resolve(name, link)
        assert path.exists(), f"{link}: no such file"
        if fragment and path.suffix == ".html":
            there = outline(path.relative_to(SITE).as_posix()).ids
            assert fragment in there, f"{link}: no such place in that page"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_from_elsewhere(name):
    for source in outline(name).sources:
        assert not urlsplit(source).netloc, f"{source} is a third party's"
        if source and not source.startswith("data:"):
            assert resolve(name, source)[0].exists(), f"{source}: no such file"


@pytest.mark.parametrize("name", READ)
def test_ids_are_unique(name):
    ids = outline(name).ids
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})


@pytest.mark.parametrize("name", READ)
def test_pictures_have_words_and_figures_captions(name):
    found = outline(name)
    for tag, words, hidden in found.pictures:
        assert hidden or words is not None, f"a {tag} without alternative text"
        assert hidden or tag == "img" or words.strip(), f"a {tag} with an empty text"
    assert all(found.figures), "a figure without a caption"


@pytest.mark.parametrize("name", READ)
def test_axe_finds_nothing_and_a_phone_scrolls_one_way(page, name):
    """One visit: both themes, then the width of a phone."""
    from axe_playwright_python.sync_playwright import Axe

    watched = page(scheme="light")
    opened = watched.open(name)
    watched.settle()
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        opened.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        found = Axe().run(opened).response["violations"]
        told = [(v["id"], v["help"], [n["html"][:150] for n in v["nodes"][:3]]) for v in found]
        assert not told, f"{scheme}: {json.dumps(told, indent=1)}"
    opened.set_viewport_size({"width": 390, "height": 844})
    wide = opened.evaluate(STICKING_OUT)
    assert not wide, f"beyond the edge of a 390 px screen: {wide[:3]}"
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390
    watched.assert_clean()


@pytest.mark.parametrize("name", READ)
def test_formulas_are_set(name):
    text = (SITE / name).read_text("utf8")
    formulas = re.findall(r'<(?:span|div) class="math[^>]*>(.*?)</mjx-container>', text, re.S)
    assert formulas or name not in CHAPTERS
    assert len(formulas) == len(re.findall(r'<(?:span|div) class="math', text))
    assert "data-mjx-error" not in text and "<!-- glyphs -->" not in text
    outlines = set(re.findall(r'<path id="(g-[^"]+)"', text))
    for formula in formulas:
        assert "<mjx-assistive-mml" in formula, "no MathML beside it"
        assert set(re.findall(r'href="#(g-[^"]+)"', formula)) <= outlines


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_opens_from_a_stick(page, name):
    watched = page(home=SITE.as_uri() + "/")
    opened = watched.open(name)
    watched.settle()
    assert opened.locator("article h1").is_visible()
    assert opened.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Source')
    watched.assert_clean()


@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_unfold(page, name):
    opened = page().open(name)
    solutions = opened.locator("details.ae-solution")
    if not solutions.count():
        pytest.skip("a chapter without exercises")
    first = solutions.first
    assert not first.locator("pre").first.is_visible()
    first.locator("summary").focus()
    opened.keyboard.press("Enter")
    assert first.locator("pre").first.is_visible()
    assert "@title" not in first.inner_text()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_its_doors(name):
    text = (SITE / name).read_text("utf8")
    stem = Path(name).with_suffix(".ipynb").as_posix()
    doors = [link for link in outline(name).links if "colab.research.google.com" in link]
    assert doors and all(link.endswith(f"/blob/main/{stem}") for link in doors)
    assert "thebe" not in text and "require.min.js" not in text and "unpkg.com" not in text
    assert (SITE / "_sources" / stem).exists()


def test_colab_leads_to_the_project_address():
    import tomllib

    address = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]["urls"]
    wanted = urlsplit(address["Repository"]).path
    for name in CHAPTERS:
        for link in outline(name).links:
            if "colab.research.google.com" in link:
                assert link.startswith(f"https://colab.research.google.com/github{wanted}/blob/")
    assert "github.com" not in (ROOT / "book" / "_config.yml").read_text("utf8")


def test_every_claim_stands_in_the_ledger():
    links = outline("book/claims.html").links
    for name in CHAPTERS:
        claims = re.findall(r'<div class="ae-claim" id="([^"]+)"', (SITE / name).read_text("utf8"))
        for claim in claims:
            assert f"../{name}#{claim}" in links, f"{claim} is not in the ledger"


def test_search_finds_a_word_and_its_result_opens(page):
    watched = page()
    opened = watched.open("book/intro.html")
    opened.keyboard.press("Control+k")
    opened.locator("#pst-search-dialog input").fill("bottleneck")
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/search.html?q=bottleneck*")
    result = opened.locator("#search-results ul.search li a").first
    result.wait_for()
    result.click()
    opened.wait_for_load_state()
    assert "bottleneck" in opened.locator("article").inner_text().lower()
    watched.assert_clean()


def test_the_theme_switch_switches_and_is_remembered(page):
    watched = page(scheme="light")
    opened = watched.open("book/intro.html")
    theme = "document.documentElement.dataset.theme"
    assert opened.evaluate(theme) == "light"
    opened.locator(".theme-switch-button").click()
    assert opened.evaluate(theme) == "dark"
    opened.goto(watched.home + "book/glossary.html")
    assert opened.evaluate(theme) == "dark"


@pytest.mark.parametrize("name", CHAPTERS[:1])
def test_code_can_be_copied(page, name):
    watched = page(permissions=["clipboard-read", "clipboard-write"])
    opened = watched.open(name)
    button = opened.locator("div.cell:not(:has(details)) .cell_input button.copybtn").first
    button.focus()
    opened.keyboard.press("Enter")
    opened.wait_for_function("navigator.clipboard.readText().then(text => text.length > 10)")


def test_the_phone_has_a_menu(page):
    watched = page(width=390, height=844, is_mobile=True, has_touch=True)
    opened = watched.open(CHAPTERS[0])
    opened.locator(".primary-toggle").click()
    entry = opened.get_by_role("link", name="Glossary").first
    entry.wait_for()
    entry.click()
    opened.wait_for_url("**/book/glossary.html")
    watched.assert_clean()


@pytest.mark.parametrize("name", READ)
def test_pages_describe_themselves(name):
    text = (SITE / name).read_text("utf8")
    assert re.search(r'<meta[^>]*name="description"', text) or "noindex" in text
    assert re.search(r'<html[^>]*lang="en"', text)
    assert len(re.findall(r"<h1[ >]", re.sub(r'(?s)<div id="jb-print.*?</div>', "", text))) >= 1


@pytest.mark.parametrize("name", READ)
def test_every_icon_is_drawn(name):
    css = (SITE / "_static" / "book.css").read_text("utf8")
    icons = set(
        re.findall(r"\b(?:fa-(?!solid|lg)|ae-icon-)[\w-]+", (SITE / name).read_text("utf8"))
    )
    assert {icon for icon in icons if f".{icon}{{" not in css} == set()


@pytest.mark.parametrize("name", CHAPTERS)
def test_claims_are_numbered_as_their_page_and_stand_in_the_ledger(site, name):
    text = (site / name).read_text("utf8")
    chapter = re.search(r'<h1>\s*<span class="section-number">(\d+)\.', text)[1]
    numbers = re.findall(r'claims\.html#ledger-(\d+)\.(\d+)"[^>]*>Claim (\d+)\.(\d+)<', text)
    wanted = [(chapter, str(i), chapter, str(i)) for i in range(1, len(numbers) + 1)]
    assert numbers == wanted
    assert numbers
    ledger = (site / "book/claims.html").read_text("utf8")
    assert all(f'id="ledger-{chapter}.{count}"' in ledger for _, count, _, _ in numbers)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_has_the_number_of_its_file(site, name):
    text = (site / name).read_text("utf8")
    number = str(int(re.search(r"/(\d\d)_", name)[1]))
    found = {
        "headings": re.findall(r'<h[1-6]>\s*<span class="section-number">(\d+)\.', text),
        "captions": re.findall(r'class="caption-number">\w+ (\d+)\.\d', text),
        "equations": re.findall(r'class="eqno">\((\d+)\.\d', text),
        "contents": re.findall(r'nav-link" href="#[^"]*">(\d+)\.\d', text),
    }
    assert {kind: set(numbers) for kind, numbers in found.items()} == dict.fromkeys(
        found, {number}
    )
    front = (site / "book/intro.html").read_text("utf8")
    assert re.findall(rf'href="\.\./{name}">(\d+)\. ', front) == [number]
