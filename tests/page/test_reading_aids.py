"""All code or prose, where one stopped, keys of one letter."""

import pytest

from tests.page.axe import assert_axe_finds_nothing, in_both_schemes
from tests.page.test_pages import CHAPTERS, SITE
from tests.page.test_reading import uri

REFUSE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("no", "SecurityError"); } })"""
FOLDS = "details.hide:not(.ae-solution)"
OPEN = f"document.querySelectorAll('{FOLDS}[open]').length"
COUNT = f"document.querySelectorAll('{FOLDS}').length"
SOLVED = "document.querySelectorAll('.ae-solution[open]').length"
# Scroll so that a paragraph, and no listing, stands first below the bar; say where it is.
READ_ON = """share => {
  const all = [...document.querySelectorAll("article > section > section p + p")].filter(
    p => p.parentElement.tagName === "SECTION");
  window.read = all[Math.floor(share * all.length)];
  window.read.scrollIntoView();
  return window.read.getBoundingClientRect().top;
}"""
TOP = "window.read.getBoundingClientRect().top"


@pytest.mark.parametrize("width", [1280, 390])
def test_all_code_opens_and_folds_and_the_place_stays(open_page, width):
    page = open_page(uri(CHAPTERS[1]), width, 844)
    switch = page.get_by_role("button", name="Show all folded code")
    count = page.evaluate(COUNT)
    assert count > 10 and page.evaluate(OPEN) == 0
    for share in (0.2, 0.5, 0.7, 0.9):
        place = page.evaluate(READ_ON, share)
        assert 40 < place < 120
        scrolled = page.evaluate("scrollY")
        for pressed, opened in (("true", count), ("false", 0)):
            box = switch.bounding_box()  # Playwright's own click would scroll
            page.mouse.click(box["x"] + 20, box["y"] + 20)
            page.wait_for_timeout(100)
            assert switch.get_attribute("aria-pressed") == pressed
            assert page.evaluate(OPEN) == opened
            assert abs(page.evaluate(TOP) - place) <= 2, share
            assert (page.evaluate("scrollY") > scrolled + 200) == (opened > 0)
    assert page.evaluate(SOLVED) == 0


def test_a_listing_that_is_folded_while_it_is_read_stays_in_sight(open_page):
    page = open_page(uri(CHAPTERS[1]), 390, 500)
    page.locator(".ae-code-switch").click()
    place = page.evaluate(f"""() => {{
      const [fold] = [...document.querySelectorAll("{FOLDS}")].sort(
        (a, b) => b.offsetHeight - a.offsetHeight);
      window.fold = fold;
      fold.scrollIntoView();
      scrollBy(0, 200);
      return window.fold.getBoundingClientRect().top;
    }}""")
    assert place < 0
    page.evaluate("document.querySelector('.ae-code-switch').click()")
    assert 0 <= page.evaluate("window.fold.getBoundingClientRect().top") < 150


@pytest.mark.parametrize("where", ["file", "server"])
def test_all_code_is_remembered_on_the_next_page(open_page, serve, where):
    base = SITE.as_uri() + "/" if where == "file" else serve
    page = open_page(base + CHAPTERS[1])
    page.locator(".ae-code-switch").click()
    page.goto(base + CHAPTERS[2] + "#summary")
    assert page.evaluate(OPEN) == page.evaluate(COUNT) > 0
    page.wait_for_function(
        "Math.abs(document.querySelector('#summary').getBoundingClientRect().top - 80) < 60"
    )
    page.locator(".ae-code-switch").click()
    page.reload()
    assert page.evaluate(OPEN) == 0


def test_where_storage_is_refused_all_aids_still_work(open_page):
    page = open_page("about:blank")
    page.add_init_script(REFUSE)
    page.goto(uri(CHAPTERS[1]))
    page.locator(".ae-code-switch").click()
    assert page.evaluate(OPEN) == page.evaluate(COUNT)
    page.evaluate("document.querySelectorAll('article h2')[3].scrollIntoView()")
    page.wait_for_timeout(600)
    page.locator("article a[href*='#term-']").first.hover()
    page.locator(".ae-preview").wait_for()
    page.keyboard.press("n")
    page.wait_for_url(f"**/{CHAPTERS[2]}")
    assert page.locator(".ae-continue").count() == 0


def stop_at(page, number):
    """Read to a section of the chapter, whose name is returned."""
    link = page.locator("#pst-page-toc-nav > ul > li > a").nth(number)
    place = link.get_attribute("href")
    page.evaluate("id => document.getElementById(id).scrollIntoView()", place[1:])
    page.wait_for_function(
        "id => JSON.parse(localStorage.places || '{}')"
        "[location.pathname.slice(-id[0].length)]?.id === id[1]",
        arg=[CHAPTERS[1], place[1:]],
    )
    return place


@pytest.mark.parametrize("where", ["file", "server"])
def test_where_one_stopped_is_offered_in_the_chapter_and_on_the_front_page(
    open_page, serve, where
):
    base = SITE.as_uri() + "/" if where == "file" else serve
    page = open_page(base + "index.html")
    assert page.locator(".ae-continue").count() == 0
    page.goto(base + CHAPTERS[1])
    assert page.locator(".ae-continue").count() == 0
    place = stop_at(page, 3)
    for name in ("index.html", CHAPTERS[1]):
        page.goto(base + name)
        offer = page.locator(".ae-continue a")
        assert offer.inner_text().startswith("Continue at section 2.4, ")
        assert page.evaluate("scrollY") == 0
        page.emulate_media(media="print")
        assert not offer.is_visible()
        page.emulate_media(media="screen")
    offer.click()
    assert page.url.endswith(CHAPTERS[1] + place)
    page.goto(base + "index.html")
    page.goto(base + CHAPTERS[1] + "#summary")
    assert page.locator(".ae-continue").count() == 0, "the reader knows where to go"
    page.wait_for_timeout(600)
    page.goto(base + "index.html")
    assert "2.4, " in page.locator(".ae-continue a").inner_text(), "a look elsewhere counts"
    page.goto(base + CHAPTERS[1])
    for _ in range(20):  # what is laid out on the way makes the page longer
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(50)
    page.wait_for_function("localStorage.places === '{}'")
    page.reload()
    assert page.locator(".ae-continue").count() == 0, "the chapter was read to its end"


NOT_OURS = [
    "",
    "no JSON",
    "null",
    "[1]",
    '{"chapters/02_dense.html": {"id": 1}}',
    '{"javascript:alert(1)": {"id": "a", "title": "b", "when": 1}}',
]


def test_what_others_stored_is_not_offered(open_page):
    page = open_page(uri("index.html"))
    for kept in NOT_OURS:
        page.evaluate("kept => localStorage.setItem('places', kept)", kept)
        page.reload()
        page.locator(".ae-keys-line").wait_for()
        assert page.locator(".ae-continue").count() == 0


def test_keys_of_one_letter_lead_on_back_and_to_the_search(open_page):
    page = open_page(uri(CHAPTERS[1]))
    page.keyboard.press("Control+n")
    page.keyboard.press("Alt+p")
    page.keyboard.press("/")
    field = page.locator("#pst-search-dialog input")
    field.wait_for()
    page.keyboard.type("npn/?")
    assert field.input_value() == "npn/?"
    field.fill("")
    page.keyboard.press("Escape")
    page.evaluate("""() => {
      const make = (tag, name) => document.querySelector("article").prepend(
        Object.assign(document.createElement(tag), { className: name, tabIndex: 0 }));
      ["input", "textarea", "select"].forEach(tag => make(tag, "probe"));
      make("div", "cm-editor probe");
      make("div", "probe editable");
      document.querySelector(".editable").contentEditable = "true";
    }""")
    for probe in page.locator(".probe").all():
        probe.focus()
        for key in ("n", "/", "?"):
            page.keyboard.press(key)
        assert page.locator("dialog[open]").count() == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("n")
    page.wait_for_url(f"**/{CHAPTERS[2]}")
    page.keyboard.press("p")
    page.wait_for_url(f"**/{CHAPTERS[1]}")


def test_the_list_of_keys_says_them_and_switches_them_off(open_page):
    page = open_page(uri("book/notation.html"))
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    keys.wait_for()
    for key in ("n", "p", "/", "?", "K"):
        assert key in keys.locator("kbd").all_inner_texts()
    page.keyboard.press("n")
    assert page.url.endswith("notation.html")
    for _ in in_both_schemes(page):
        assert_axe_finds_nothing(page)
    keys.get_by_role("checkbox").uncheck()
    keys.get_by_role("button", name="Close").click()
    page.reload()
    for key in ("n", "/", "?"):
        page.keyboard.press(key)
    assert page.url.endswith("notation.html")
    assert page.locator("dialog[open]").count() == 0
    page.get_by_role("button", name="All keys").click()
    keys.get_by_role("checkbox").check()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    keys.wait_for()


def test_without_a_script_there_are_no_aids(open_page):
    page = open_page(uri(CHAPTERS[1]), java_script_enabled=False)
    assert not page.locator(".ae-code-switch").is_visible()
    assert not page.locator(".ae-keys-line").is_visible()
    assert page.locator(".ae-continue").count() == 0
