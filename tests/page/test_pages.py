"""The published pages: complete, legible, reachable by keyboard, and asking no one."""

import functools
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import lxml.html
import pytest

import repository

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build" / "html"))
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html"))
# index.html only leads on to the first page.
READ = [name for name in PAGES if name != "index.html"]
CHAPTERS = [name for name in READ if name.startswith("chapters/")]

# The whole page laid out, at rest, and with everything unfolded.
SETTLE = "*, ::before, ::after { transition: none !important; animation: none !important }"
UNFOLD = """() => {
  document.querySelectorAll("details").forEach(d => { d.open = true });
  return document.fonts.ready.then(() => new Promise(requestAnimationFrame));
}"""
# One span of each kind stands for all the coloured words of the listings.
THIN_OUT = """() => {
  const seen = new Set();
  for (const span of document.querySelectorAll("pre span")) {
    const kind = span.className + span.closest("div").parentElement.className;
    if (seen.has(kind)) span.replaceWith(...span.childNodes);
    seen.add(kind);
  }
}"""
# Elements that reach beyond the right edge and in no box that scrolls.
STICKING_OUT = """() => [...document.querySelectorAll("main *")].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1 || e.closest("mjx-assistive-mml, defs"))
    return false;
  for (let box = e; box; box = box.parentElement)
    if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return false;
  return true;
}).map(e => e.outerHTML.slice(0, 120))"""


@functools.cache
def read(name):
    return (SITE / name).read_text("utf8")


@functools.cache
def find(name, path):
    """What an XPath finds on a page."""
    return lxml.html.fromstring(read(name).encode()).xpath(path)


def resolve(name, link):
    """The file and the fragment that a link on page ``name`` leads to."""
    parts = urlsplit(link)
    target = (SITE / name).parent / unquote(parts.path) if parts.path else SITE / name
    return Path(os.path.normpath(target)), unquote(parts.fragment)


def test_the_book_is_built(site):
    assert CHAPTERS, f"no chapter in {site}"


@pytest.mark.parametrize("name", PAGES)
def test_links_inside_the_book_lead_somewhere(name):
    for link in find(name, "//a/@href"):
        if urlsplit(link).scheme:
            continue
        path, fragment = resolve(name, link)
        assert path.exists(), f"{link}: no such file"
        if fragment and path.suffix == ".html":
            there = find(path.relative_to(SITE).as_posix(), "//@id")
            assert fragment in there, f"{link}: no such place in that page"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_loaded_from_elsewhere(name):
    sources = find(name, "//script/@src | //img/@src | //iframe/@src | //source/@src")
    links = find(name, "//link[not(@rel='canonical' or @rel='next' or @rel='prev')]/@href")
    assert links or name == "index.html"
    for source in sources + links:
        assert not urlsplit(source).netloc, f"{source} is a third party's"
        assert source.startswith("data:") or resolve(name, source)[0].exists(), source


@pytest.mark.parametrize("name", READ)
def test_a_page_is_whole(name):
    ids = find(name, "//@id")
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})
    for picture in find(name, "//*[self::img or self::svg or self::canvas]"):
        if not picture.xpath("ancestor-or-self::*[@aria-hidden='true']"):
            words = [picture.get(key) for key in ("alt", "aria-label", "aria-labelledby")]
            assert any(words) or (picture.tag, words[0]) == ("img", ""), picture.attrib
    assert not find(name, "//figure[not(.//figcaption)]"), "a figure without a caption"
    assert find(name, "//meta[@name='description' or @content='noindex']")
    assert find(name, "//html[@lang='en']//main//h1")
    icons = set(re.findall(r"\b(?:fa-(?!solid|lg)|ae-icon-)[\w-]+", read(name)))
    css = re.sub(r"\s+\{", "{", read("_static/book.css"))
    assert {icon for icon in icons if f".{icon}{{" not in css} == set()


@pytest.mark.parametrize("name", READ)
def test_a_page_opens_from_a_stick_for_everyone(open_page, name):
    """One visit, without a server: both themes, then the width of a phone."""
    from axe_playwright_python.sync_playwright import Axe

    page = open_page((SITE / name).as_uri())
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Source')
    assert page.locator("main h1:visible").count()
    page.add_style_tag(content=SETTLE)
    if (solution := page.locator("details.ae-solution").first).count():
        code = solution.locator("pre").first
        assert not code.is_visible()
        solution.locator("summary").focus()
        page.keyboard.press("Enter")
        assert code.is_visible()
        assert "@title" not in solution.inner_text()
    page.evaluate(UNFOLD)
    page.evaluate(THIN_OUT)
    for width, height in ((1400, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        options = {"resultTypes": ["violations"], "preload": False}
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
            found = Axe().run(page, options=options).response["violations"]
            told = [(v["id"], v["help"], [n["html"][:150] for n in v["nodes"][:3]]) for v in found]
            assert not told, f"{scheme}, {width} px: {json.dumps(told, indent=1)}"
            options["runOnly"] = ["color-contrast"]  # nothing else differs between the themes
    wide = page.evaluate(STICKING_OUT)
    assert not wide, f"beyond the edge of a 390 px screen: {wide[:3]}"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", READ)
def test_formulas_are_set(name):
    text = read(name)
    formulas = re.findall(r'<(?:span|div) class="math[^>]*>(.*?)</mjx-container>', text, re.S)
    assert formulas or name not in CHAPTERS
    assert len(formulas) == len(re.findall(r'<(?:span|div) class="math', text))
    assert "<!-- glyphs -->" not in text
    outlines = set(re.findall(r'<path id="(g-[^"]+)"', text))
    for formula in formulas:
        assert "<mjx-assistive-mml" in formula, "no MathML beside it"
        assert set(re.findall(r'href="#(g-[^"]+)"', formula)) <= outlines


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_leads_to_its_notebook(name):
    notebook = Path(name).with_suffix(".ipynb").as_posix()
    on_colab = {link for link in find(name, "//a/@href") if "colab.research" in link}
    assert on_colab == {repository.colab(repository.address(), notebook)}
    assert f"../_sources/{notebook}" in find(name, "//a/@href")


@pytest.mark.parametrize("name", CHAPTERS)
def test_claims_are_numbered_as_their_page_and_stand_in_the_ledger(name):
    text = read(name)
    chapter = re.search(r'<h1>\s*<span class="section-number">(\d+)\.', text)[1]
    numbers = re.findall(r'claims\.html#ledger-(\d+)\.(\d+)"[^>]*>Claim (\d+)\.(\d+)<', text)
    wanted = [(chapter, str(i), chapter, str(i)) for i in range(1, len(numbers) + 1)]
    assert numbers == wanted
    claims = re.findall(r'<div class="ae-claim" id="([^"]+)"', text)
    assert len(claims) == len(numbers) > 0
    links = find("book/claims.html", "//a/@href")
    assert {f"../{name}#{claim}" for claim in claims} <= set(links)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_has_the_number_of_its_file(name):
    text = read(name)
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
    assert re.findall(rf'href="\.\./{name}">(\d+)\. ', read("book/intro.html")) == [number]


# ---- what only a server shows ----


def test_the_theme_switch_switches_and_is_remembered(open_page, serve):
    page = open_page(serve + "book/intro.html", color_scheme="light")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "light"
    page.locator(".theme-switch-button").click()
    assert page.evaluate(theme) == "dark"
    page.goto(serve + "book/glossary.html")
    assert page.evaluate(theme) == "dark"


def test_code_can_be_copied(open_page, serve):
    page = open_page(serve + CHAPTERS[0], permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("div.cell:not(:has(details)) .cell_input button.copybtn").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("navigator.clipboard.readText().then(text => text.length > 10)")


def test_the_phone_has_a_menu(open_page, serve):
    page = open_page(serve + CHAPTERS[0], 390, 844, is_mobile=True, has_touch=True)
    page.locator(".primary-toggle").click()
    entry = page.get_by_role("link", name="Glossary").first
    entry.wait_for()
    entry.click()
    page.wait_for_url("**/book/glossary.html")
