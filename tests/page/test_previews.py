"""Previews of what a link leads to: by mouse, keyboard and touch, from a server and a stick."""

import functools
import json
import re

import lxml.html
import pytest

from tests.page.axe import assert_axe_finds_nothing, in_both_schemes
from tests.page.test_pages import CHAPTERS, READ, ROOT, SITE, find, read, resolve

# Elements that have a preview when a link leads to them.
KINDS = (
    "self::dt[starts-with(@id, 'term-')] or self::figure or self::table"
    " or self::div[contains(@class, 'math') or contains(@class, 'ae-claim')"
    " or contains(@class, 'citation')] or self::tr"
)
# Of what the preview draws with glyphs: those that are not in the page.
LOST = """() => [...document.querySelectorAll(".ae-preview use")].map(e => e.getAttribute("href"))
  .filter(name => !document.getElementById(name.slice(1)))"""
# Whether the preview lies over one of the lines of a link; its place in the window.
COVERS = """link => {
  const box = document.querySelector(".ae-preview").getBoundingClientRect();
  const out = box.left < 0 || box.top < 0 || box.right > innerWidth + 1
    || box.bottom > innerHeight + 1;
  return out || [...link.getClientRects()].some(line => line.left < box.right
    && box.left < line.right && line.top < box.bottom && box.top < line.bottom);
}"""
SAME_IDS = """() => [...document.querySelectorAll("[id]")].map(e => e.id)
  .filter((id, i, all) => all.indexOf(id) !== i)"""
DECODER = "a[href*='glossary.html#term-decoder']"
ONE_OF_EACH = {  # pages, links on them, and what their previews say
    CHAPTERS[0]: [
        (DECODER, "decoder"),
        ("a[href*='bibliography.html#id']", "First article"),
        ("a[href*='02_dense.html#fig-']", "Figure 2."),
    ],
    CHAPTERS[1]: [
        ("a[href^='#equation-']:not(.headerlink)", "(2."),
        ("a[href^='#fig-']:not(.headerlink)", "Figure 2."),
        ("a.ae-claim-label", "2.1"),
    ],
    CHAPTERS[-1]: [("a[href*='.html#claim-']", "Claim ")],
    "book/claims.html": [("a[href*='.html#claim-']", "Claim 1.1")],
    "book/notation.html": [("a[href*='10_language_models.html#equation-']", "(10.")],
    "book/glossary.html": [("dd a[href^='#term-']", "On this page")],
}


def handed_over(page):
    """What the script of a page holds."""
    name = page.removesuffix(".html").replace("/", "-")
    text = (SITE / "_static" / "previews" / f"{name}.js").read_text("utf8")
    said = text.removeprefix("AE_PREVIEWS(").removesuffix(");\n")
    return json.loads(f"[{said}]")


@functools.cache
def targets(page):
    """The names of what has a preview on a page, each with its tag."""
    return {node.get("id"): node.tag for node in find(page, f"//*[@id][{KINDS}]")}


def test_each_link_to_a_thing_on_another_page_has_its_preview():
    kinds = set()
    for name in READ:
        for link in find(name, "//article//a[contains(@href, '#')]/@href"):
            if ":" in link or link.startswith("#"):
                continue
            path, fragment = resolve(name, link)
            page = path.relative_to(SITE).as_posix()
            tag = targets(page).get(fragment)
            if tag is None:
                continue
            assert fragment in things_of(page), f"{name}: {link}"
            assert things_of(page)[fragment].strip(), f"{link}: an empty preview"
            kinds.add(tag)
    assert kinds == {"dt", "div", "figure", "tr"}


@functools.cache
def things_of(page):
    """The words of what is handed over of a page; nothing but what is right may be in it."""
    name, things, glyphs = handed_over(page)
    assert name == page
    outlines = set(re.findall(r'<path id="(g-[^"]+)"', glyphs))
    words = {}
    for thing, (html, where) in things.items():
        assert where and "<" not in where
        assert set(re.findall(r'href="#(g-[^"]+)"', html)) <= outlines
        assert not re.search(r'\bid="(?!pv-)|(?:href|src)="(?!~/|#g-|#pv-|https?:)', html), thing
        words[thing] = lxml.html.fromstring(html).text_content()
    return words


def test_a_part_of_a_page_keeps_its_addresses_and_gets_names_of_its_own(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    from ae_previews import addressed, element, renamed

    figure = (
        '<div id="fig-a"><div><svg><defs><path id="m1"/></defs><use href="#m1"/>'
        '<use href="#g-1"/><g clip-path="url(#m1)"/></svg></div>'
        '<a href="#fig-a">1</a><a href="../book/data.html#b">2</a><img src="../_images/c.png"/>'
        '<a href="https://d.org/#e">3</a></div>'
    )
    assert element(f"<div>{figure}<div></div></div>", 5) == figure
    with pytest.raises(ValueError, match="not closed"):
        element("<div><div></div>", 0)
    part = renamed(addressed(figure, "chapters/01.html"))
    assert re.findall(r'(?:id|href|src|clip-path)="([^"]+)"', part) == [
        "pv-fig-a", "pv-m1", "#pv-m1", "#g-1", "url(#pv-m1)", "~/chapters/01.html#fig-a",
        "~/book/data.html#b", "~/_images/c.png", "https://d.org/#e",
    ]  # fmt: skip


def test_a_table_of_the_page_has_a_preview(open_page):
    page = open_page((SITE / "book/notation.html").as_uri())
    page.evaluate("""() => document.querySelector("article h1").insertAdjacentHTML("afterend",
      `<p><a class="probe" href="#tab-probe">Table 1</a></p>
       <table id="tab-probe"><caption>Sizes</caption><tbody><tr><td>784</td></tr></tbody></table>`
    )""")
    page.locator(".probe").hover()
    page.locator(".ae-preview table").filter(has_text="784").wait_for()


@pytest.mark.parametrize("where", ["file", "server"])
def test_the_mouse_shows_a_preview_that_does_not_cover_its_link(open_page, serve, where):
    base = SITE.as_uri() + "/" if where == "file" else serve
    for name in ONE_OF_EACH if where == "file" else (CHAPTERS[0], "book/notation.html"):
        page = open_page(base + name)
        for link, says in ONE_OF_EACH[name]:
            link = page.locator("article").locator(link).first
            link.scroll_into_view_if_needed()
            link.hover()
            preview = page.locator(".ae-preview")
            preview.wait_for()
            assert says in " ".join(preview.inner_text().split()), name
            assert not link.evaluate(COVERS)
            assert page.evaluate(LOST) == []
            assert page.evaluate(SAME_IDS) == []
            preview.hover()  # one may go into it
            page.wait_for_timeout(400)
            assert preview.is_visible()
            page.keyboard.press("Escape")
            preview.wait_for(state="detached")


def test_a_preview_waits_and_goes_with_the_mouse_and_other_links_have_none(open_page):
    page = open_page((SITE / CHAPTERS[1]).as_uri())
    link = page.locator("article a[href*='#term-']").first
    link.hover()
    assert page.locator(".ae-preview").count() == 0
    page.locator(".ae-preview").wait_for()
    page.mouse.move(3, 3)
    page.locator(".ae-preview").wait_for(state="detached")
    for other in ("article a[href='01_what_is_an_autoencoder.html']", "#pst-page-toc-nav a"):
        page.locator(other).first.hover()
        page.wait_for_timeout(600)
        assert page.locator(".ae-preview").count() == 0
    loaded = "performance.getEntriesByType('resource').filter(e => /previews/.test(e.name)).length"
    assert page.evaluate(loaded) <= 1, "only the glossary was asked for"


def test_the_keyboard_reaches_a_preview_and_comes_back(open_page):
    page = open_page((SITE / CHAPTERS[1]).as_uri())
    page.keyboard.press("Tab")
    preview = page.locator(".ae-preview")
    for link, says in ONE_OF_EACH[CHAPTERS[1]]:
        link = page.locator("article").locator(link).first
        link.focus()
        preview.filter(has_text=says).wait_for()
        assert preview.get_attribute("id") == link.get_attribute("aria-describedby")
        assert not link.evaluate(COVERS)
        for _ in in_both_schemes(page):
            assert_axe_finds_nothing(page, ".ae-preview")
        page.keyboard.press("Alt+ArrowDown")
        page.wait_for_function("document.activeElement.matches('.ae-preview')")
        page.keyboard.press("Escape")
        preview.wait_for(state="detached")
        page.wait_for_timeout(400)
        assert preview.count() == 0, "it came back with the focus"
        assert link.evaluate("e => e === document.activeElement")
        assert link.get_attribute("aria-describedby") is None


def test_tab_leaves_a_preview_after_its_link(open_page):
    page = open_page((SITE / CHAPTERS[0]).as_uri())
    links = page.locator("article a[href*='#term-']")
    page.keyboard.press("Tab")
    links.first.focus()
    page.locator(".ae-preview").wait_for()
    page.keyboard.press("Alt+ArrowDown")
    for _ in range(9):
        page.keyboard.press("Tab")
        if not page.evaluate("document.activeElement.closest('.ae-preview') !== null"):
            break
    after = page.evaluate("""() => {
      const stops = [...document.querySelectorAll("article a[href], article summary")];
      return stops.indexOf(document.activeElement)
        - stops.indexOf(document.querySelector("article a[href*='#term-']"));
    }""")
    assert after == 1


PHONE = {"width": 390, "height": 844, "is_mobile": True, "has_touch": True}


def test_the_first_tap_shows_and_the_second_follows(open_page):
    for name in ONE_OF_EACH:
        scheme = "dark" if name == CHAPTERS[-1] else "light"
        page = open_page((SITE / name).as_uri(), **PHONE, color_scheme=scheme)
        address = page.url
        for link, says in ONE_OF_EACH[name]:
            link = page.locator("article").locator(link).first
            link.scroll_into_view_if_needed()
            link.tap()
            preview = page.locator(".ae-preview").filter(has_text=says)
            preview.wait_for()
            assert page.url == address
            assert not link.evaluate(COVERS)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert_axe_finds_nothing(page, ".ae-preview")
        leads = link.evaluate("e => e.href")
        if name in CHAPTERS:
            link.tap()
        else:
            preview.get_by_role("link", name="Go there").tap()
        page.wait_for_url(leads)


def test_a_tap_beside_it_closes_a_preview(open_page):
    page = open_page((SITE / CHAPTERS[0]).as_uri(), **PHONE)
    page.locator("article a[href*='#term-']").first.tap()
    page.locator(".ae-preview").wait_for()
    page.locator("article h1").tap()
    page.locator(".ae-preview").wait_for(state="detached")


def test_a_preview_shows_in_a_drawer_and_escape_leaves_the_drawer_open(open_page):
    page = open_page((SITE / CHAPTERS[0]).as_uri(), 820)
    page.evaluate("""() => {
      const link = document.createElement("p");
      link.append(document.querySelector("article a[href*='#term-']").cloneNode(true));
      link.firstChild.className = "probe";
      document.getElementById("pst-secondary-sidebar").firstElementChild.prepend(link);
    }""")
    page.locator(".secondary-toggle").click()
    page.locator(".probe").hover()
    preview = page.locator("dialog[open] .ae-preview")
    preview.wait_for()
    assert preview.evaluate("""e => {
      const { left, top, width, height } = e.getBoundingClientRect();
      return e.contains(document.elementFromPoint(left + width / 2, top + height / 2));
    }"""), "the drawer lies over it"
    page.keyboard.press("Escape")
    preview.wait_for(state="detached")
    assert page.locator("#pst-secondary-sidebar-modal").is_visible()


def test_a_missing_script_leaves_a_link_a_link(open_page, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.route("**/previews/*", lambda route: route.abort())
    page.goto((SITE / CHAPTERS[0]).as_uri())
    page.locator("article a[href*='#term-']").first.tap()
    page.wait_for_url("**/glossary.html#term-*")
    context.close()


def test_without_a_script_a_page_holds_nothing_of_previews():
    for name in READ:
        assert "ae-preview" not in read(name)
        assert "_static/previews" not in read(name)
