"""The published pages: complete, legible, reachable by keyboard, and asking no one."""

import functools
import gzip
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import lxml.html
import pytest

import repository
from ae_lib.claims import inline_parts, read_ledger, rows_of, typeset
from ae_lib.widgets._static import classic_script
from tests.page.axe import SETTLE, assert_axe_finds_nothing
from tests.page.explorers import come_near
from tests.page.test_print import PAGES as PRINTED
from tests.page.test_print import assert_prints_unfolded_uncut_and_in_dark_ink

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("AE_SITE", ROOT / "_build" / "html"))
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html"))
READ = [name for name in PAGES if name != "404.html"]  # which stands alone
CHAPTERS = [name for name in READ if name.startswith("chapters/")]

# The whole page laid out, and with everything unfolded.
UNFOLD = """() => {
  document.querySelectorAll("details").forEach(d => { d.open = true });
  return document.fonts.ready.then(() => new Promise(requestAnimationFrame));
}"""
# Elements that reach beyond the right edge and in no box that scrolls.
STICKING_OUT = """() => [...document.querySelectorAll("main *")].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1 || e.closest("mjx-assistive-mml, defs"))
    return false;
  for (let box = e; box; box = box.parentElement)
    if (/auto|scroll/.test(getComputedStyle(box).overflowX)) return false;
  return true;
}).map(e => e.outerHTML.slice(0, 120))"""

# Words of a drawing that reach out of it, and those of too little contrast with the page.
# Those on an image do not stand on paper; of a formula's words the box is larger than the ink.
WORDS_OUT = """() => [...document.querySelectorAll("figure svg")].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text:not(:has(tspan))")].filter(text => {
    const words = text.getBoundingClientRect();
    return words.left < box.left - 2 || words.right > box.right + 2;
  }).map(text => text.textContent);
})"""
OUTPUTS_OUT = """() => [...document.querySelectorAll(".cell_output pre")]
  .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"""
FAINT_WORDS = """() => {
  const light = ([r, g, b]) => [r, g, b].map(v => v <= .03928 ? v / 12.92
    : ((v + .055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], .05);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d");
  const parts = colour => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255);
  };
  const paper = light(parts(getComputedStyle(document.body).backgroundColor));
  return [...document.querySelectorAll("figure svg text")].filter(text => {
    const at = text.getBoundingClientRect();
    const on = image => (box => box.left < at.left && at.right < box.right && box.top < at.top
      && at.bottom < box.bottom)(image.getBoundingClientRect());
    if (!text.textContent.trim() || [...text.closest("svg").querySelectorAll("image")].some(on))
      return false;
    const words = light(parts(getComputedStyle(text).fill));
    return Math.max(words, paper) / Math.min(words, paper) < 4.5;
  }).map(text => text.textContent.trim() + getComputedStyle(text).fill);
}"""


@functools.cache
def read(name):
    return (SITE / name).read_text("utf8")


@functools.cache
def parsed(name):
    return lxml.html.fromstring(read(name).encode())


@functools.cache
def find(name, path):
    """What an XPath finds on a page."""
    return parsed(name).xpath(path)


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
    assert links or name not in READ
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
    """One visit, without a server: on paper, on a wide screen in one theme, a phone in the other.

    Which one changes from page to page, so that what all pages share is seen in all four ways.
    """
    page = open_page((SITE / name).as_uri(), color_scheme="dark")
    if name in PRINTED:
        assert_prints_unfolded_uncut_and_in_dark_ink(page)
    wide, phone = ({"width": 1400, "height": 900}, {"width": 390, "height": 844})
    page.set_viewport_size(wide)
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith('"Source')
    assert page.locator("main h1:visible").count()
    page.add_style_tag(content=SETTLE)
    assert page.evaluate(WORDS_OUT) == []
    assert page.evaluate(OUTPUTS_OUT) == [], "wider than the column of a wide screen"
    if (solution := page.locator("details.ae-solution").first).count():
        code = solution.locator("pre").first
        assert not code.is_visible()
        solution.locator("summary").focus()
        page.keyboard.press("Enter")
        assert code.is_visible()
        assert "@title" not in solution.inner_text()
    page.evaluate(UNFOLD)
    schemes = ("light", "dark") if READ.index(name) % 2 else ("dark", "light")
    for scheme, size in zip(schemes, (wide, phone), strict=True):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(f"document.documentElement.dataset.theme === '{scheme}'")
        assert_axe_finds_nothing(page)
        assert page.evaluate(FAINT_WORDS) == [], scheme
    beyond = page.evaluate(STICKING_OUT)
    assert not beyond, f"beyond the edge of a 390 px screen: {beyond[:3]}"
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
    assert re.findall(rf'href="{name}">(\d+)\. ', read("index.html")) == [number]


# ---- claims as rows, machinery out of sight ----


@pytest.mark.parametrize("name", PAGES)
def test_no_text_became_a_tag(name):
    """A "<unk>" that is not escaped is an element that HTML does not have."""
    drawings = "ancestor-or-self::svg or ancestor-or-self::*[starts-with(name(), 'mjx-')]"
    tags = {e.tag for e in find(name, f"//*[not({drawings})]")}
    assert tags - lxml.html.defs.tags <= {"main", "dialog", "search", "template", "time"}


def bare(text):
    """A text without its spaces, the quotation marks as they are typed."""
    return "".join(text.translate(str.maketrans("‘’“”", "''\"\"")).split())


def test_claims_are_shown_whole_on_their_page_and_in_the_ledger():
    ledger = find("book/claims.html", "//table//tr[td]")
    shown = []
    for name in CHAPTERS:
        (records,) = read_ledger([ROOT / Path(name).with_suffix(".ipynb")]).values()
        boxes = find(name, "//div[@class='ae-claim']")
        rows, ledger = ledger[: len(records)], ledger[len(records) :]
        for record, box, row in zip(records, boxes, rows, strict=True):
            text = "".join(part for _, part in inline_parts(record["text"]))
            (sentence,) = box.xpath("span[@class='ae-claim-text']")
            for place in (sentence, row.find("td[2]")):
                assert bare(place.text_content()) == bare(typeset(text))
            for place in (box, row.find("td[3]")):
                cells = place.xpath(".//dl/div")
                assert len(cells) == len(rows_of(record))
                shown += [" ".join(cell.itertext()) for cell in cells]
    assert not ledger
    assert "change −0.177\u202f%" in shown
    assert "measured about 10⁻⁸ bound 10⁻⁶" in shown
    assert not [row for row in shown if re.search(r"\de[-+]?\d|(?<!\w)-\d", row)]


def test_the_label_of_a_claim_is_large_enough_to_touch(open_page):
    for name, path in [(CHAPTERS[0], ".ae-claim-label"), ("book/claims.html", ".ae-ledger td a")]:
        page = open_page((SITE / name).as_uri())
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            boxes = page.locator(path).evaluate_all(
                "all => all.map(e => e.getBoundingClientRect()).map(b => [b.width, b.height])"
            )
            assert len(boxes) > 10
            assert min(min(box) for box in boxes) >= 44


@pytest.mark.parametrize("name", PAGES)
def test_words_come_before_pictures_and_data(name):
    """On a phone's line 160 kB take a second; pictures and explorers are files of their own."""
    assert len(gzip.compress(read(name).encode())) < 160_000
    assert "data:image/png" not in read(name)


def test_fields_and_explorers_wait_until_a_reader_is_near(open_page, serve):
    """Browsers lay out each field of a page, however far below, and explorers take their time."""
    made = "article :is(input, select, textarea, [data-ae-explorer])"
    fields = "//article//*[self::input or self::select or self::textarea]"
    for name in CHAPTERS:
        assert not find(name, f"{fields}[not(ancestor::template)] | //article//script[@src]")
    page = open_page(serve + "chapters/06_text_as_numbers.html")
    assert page.locator(made).count() == 0
    for box in (".ae-predict", "[data-ae-mount]"):
        before = page.locator(made).count()
        come_near(page.locator(box).first, lambda last=before: page.locator(made).count() > last)
        assert page.locator(made).count() > before


def test_an_explorer_on_a_page_runs_the_script_of_today():
    mounts = [mount for name in CHAPTERS for mount in find(name, "//*[@data-ae-mount]")]
    kinds = {mount.get("data-ae-mount") for mount in mounts}
    assert kinds == {
        "compress",
        "denoising-field",
        "latent-map",
        "next-words",
        "product-roofline",
        "sentence-path",
        "tokenisers",
        "training-loop",
        "translate",
    }
    for mount in mounts:
        kind = mount.get("data-ae-mount").replace("-", "_")
        module = ROOT / "ae_lib" / "widgets" / f"{kind}.js"
        address = mount.xpath("following-sibling::template/@data-ae-script")[0]
        script = (SITE / "chapters" / address).read_text("utf8")
        assert script.endswith(f"\n{classic_script(module.read_text('utf8'))}\n")


@pytest.mark.parametrize("name", CHAPTERS)
def test_machinery_is_out_of_sight(name):
    """Code that draws is folded and named; what the tools read is not on the page."""
    cells = find(name, "//div[contains(@class, 'cell ') and .//figure[contains(@class, 'ae-fi')]]")
    assert cells
    for cell in cells:
        numbers = [n.text.split()[1] for n in cell.xpath(".//*[@class='caption-number']")]
        (title,) = cell.xpath("details[.//pre]/summary/text()")
        assert title.startswith("Code of figure")
        assert re.findall(r"[\d.]*\d", title.partition("claim")[0]) == numbers
    listings = "".join(pre.text_content() for pre in find(name, "//pre"))
    assert "NBVAL_" not in listings
    assert "Not answered yet" not in listings
    assert "Not answered yet" not in "".join(
        box.text_content() for box in find(name, "//*[contains(@class, 'cell_output')]")
    )
    assert not find(name, "//article//details[not(.//div[@class and .//*[text()]])]")


# ---- what only a server shows ----


def test_the_theme_switch_switches_and_is_remembered(open_page, serve):
    page = open_page(serve + "index.html", color_scheme="light")
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


# ---- the front page, and what stands beside the pages ----


def test_the_front_page_offers_a_start_a_proof_and_something_to_touch(open_page, serve):
    page = open_page(serve, 1280, 800)
    ways = page.locator(".ae-door a")
    claims = len(find("book/claims.html", "//*[@id and starts-with(@id, 'ledger-')]//td/.."))
    assert f"{claims} claims, all hold" in ways.all_inner_texts()
    handle = page.locator(".ae-door-map .aex-handle")
    box = handle.bounding_box()
    assert box["y"] + box["height"] < 800, "below the fold"
    code = page.locator(".ae-door-map .aex-code")
    before = code.inner_text()
    handle.hover()
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 60)
    page.mouse.up()
    assert code.inner_text() != before
    ways.first.click()
    page.wait_for_url("**/" + CHAPTERS[0])


def test_other_sites_are_told_the_address_of_each_page():
    base = repository.pages(repository.address())
    places = re.findall("<loc>(.*?)</loc>", read("sitemap.xml"))
    wanted = [name for name in READ if name != "search.html"]
    assert sorted(places) == sorted(base + name.removesuffix("index.html") for name in wanted)
    for name in wanted:
        assert find(name, "//link[@rel='canonical']/@href") == [
            base + name.removesuffix("index.html")
        ]
        (image,) = find(name, "//meta[@property='og:image']/@content")
        assert (SITE / image.removeprefix(base)).read_bytes().startswith(b"\x89PNG")
        (icon,) = find(name, "//link[@rel='apple-touch-icon']/@href")
        assert resolve(name, icon)[0].exists()
        title, site = find(name, "string(//title)"), "Autoencoders, Run and Proved"
        assert title.lower().count(site.lower()) == 1


def test_a_wrong_address_is_told_where_to_go(open_page, serve):
    base = urlsplit(repository.pages(repository.address())).path
    assert find("404.html", "//base/@href") == [base]
    assert {"index.html", "search.html"} <= set(find("404.html", "//a/@href"))


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_foot_of_a_chapter_takes_a_report_and_gives_a_citation(name):
    number = str(int(re.search(r"/(\d\d)_", name)[1]))
    url = repository.pages(repository.address()) + name
    (form,) = find(name, "//footer//form")
    assert form.get("action") == repository.address() + "/issues/new"
    assert f"Page: {url}" in form.xpath("string(.//input[@name='body']/@value)")
    offered = form.xpath(".//option/text()")[1:]
    assert offered == find(name, "//a[@class='ae-claim-label']/text()")
    titles = form.xpath(".//option/@value")[1:]
    assert all(title.startswith(claim) for title, claim in zip(titles, offered, strict=True))
    cited = find(name, "string(//footer//pre)")
    assert url in cited and f"chapter = {{{number}}}" in cited
    notebook = Path(name).with_suffix(".ipynb").as_posix()
    source = f"{repository.address()}/blob/main/{notebook}"
    assert source in find(name, "//footer//a/@href")


def test_the_foot_names_the_commit_or_nothing():
    ran = subprocess.run(["git", "log", "-1", "--format=%H %cs"], cwd=ROOT, capture_output=True)
    foot = find("index.html", "string(//footer[.//form])")
    if ran.returncode:
        assert "Built from" not in foot
    else:
        assert re.search(r"Built from [0-9a-f]{10} of \d{4}-\d\d-\d\d", foot)
    assert str(ROOT) not in read("index.html")


def test_the_glossary_leads_by_letters_to_its_terms_and_to_their_chapters():
    name = "book/glossary.html"
    letters = find(name, "//nav[@class='ae-letters']/a")
    assert len(letters) > 12
    for link in letters:
        (term,) = find(name, f"//*[@id='{link.get('href')[1:]}']")
        assert term.text_content().strip()[0].upper() == link.text
    places = find(name, "//p[@class='ae-used']/a")
    assert len(places) > 50
    for place in places:
        terms = place.xpath("ancestor::dd[1]/preceding-sibling::dt[1]/@id")
        page = resolve(name, place.get("href"))[0].relative_to(SITE).as_posix()
        assert set(terms) & {link.partition("#")[2] for link in find(page, "//a/@href")}, terms
