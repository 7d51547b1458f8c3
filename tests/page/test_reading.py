"""Getting about in the published book: drawers, colours, the way on, phones, contents."""

import pytest

from tests.page.axe import assert_axe_finds_nothing, in_both_schemes
from tests.page.test_pages import CHAPTERS, SITE, read

# Where a point of the page's own colours shows; what a dark page must not be.
COLOURS = """() => [...document.querySelectorAll(
  "body, .bd-sidebar-primary, h1, nav li a, .admonition, .cell_input, pre .k, pre .s2"
)].map(e => e.className + getComputedStyle(e).color + getComputedStyle(e).backgroundColor)"""


def uri(name):
    return (SITE / name).as_uri()


@pytest.mark.parametrize("which", ["primary", "secondary"])
def test_a_drawer_is_left_by_keyboard_and_gives_the_focus_back(open_page, which):
    page = open_page(uri(CHAPTERS[0]), 820)
    toggle = page.locator(f".{which}-toggle")
    drawer = page.locator(f"#pst-{which}-sidebar-modal")
    for way in ("Escape", "Close") * 2:  # what it holds must come back whole
        toggle.focus()
        page.keyboard.press("Enter")
        close = drawer.get_by_role("button", name="Close")
        assert close.is_visible()
        assert drawer.get_by_role("link").count() > 5
        if way == "Close":
            close.focus()
        page.keyboard.press("Enter" if way == "Close" else "Escape")
        drawer.wait_for(state="hidden")
        page.wait_for_function(f"document.activeElement.matches('.{which}-toggle')")
    assert page.locator(f"#pst-{which}-sidebar a").count() > 5


def test_the_system_s_colours_hold_without_a_script(open_page):
    with_script = open_page(uri(CHAPTERS[1]))
    for scheme in in_both_schemes(with_script):
        without = open_page(uri(CHAPTERS[1]), color_scheme=scheme, java_script_enabled=False)
        assert without.evaluate(COLOURS) == with_script.evaluate(COLOURS), scheme
        without.set_viewport_size({"width": 390, "height": 844})
        assert not without.locator(".primary-toggle").is_visible()
        chapter = without.locator(".bd-sidebar-primary a", has_text="Glossary")
        assert 0 <= chapter.bounding_box()["x"] < 100


def test_on_a_phone_the_ways_on_stand_below_each_other(open_page):
    page = open_page(uri(CHAPTERS[1]), 390, 844)
    back, on = (page.locator(f".prev-next-area .{side}") for side in ("left-prev", "right-next"))
    back, on = back.bounding_box(), on.bounding_box()
    assert on["y"] >= back["y"] + back["height"]
    assert back["width"] > 300 and on["width"] > 300


# What is asked, and where the first answer leads: each kind of thing is found itself.
ANSWERS = {
    "LSTM": "book/glossary.html#term-LSTM",
    "boottleneck": "book/glossary.html#term-bottleneck",
    "teacher forcing against": "chapters/07_text_autoencoder.html#teacher-forcing-",
    "claim 2.3": "chapters/02_dense.html#claim-",
    "exercise 2.1": "chapters/02_dense.html#ex-",
    "figure 7.2": "chapters/07_text_autoencoder.html#fig-",
    "Rumelhart representations": "book/bibliography.html#",
    "Conv2DTrans": "chapters/03_beyond_dense.html#",
}


def test_search_finds_sections_claims_exercises_figures_terms(open_page):
    page = open_page(uri("book/notation.html"))
    page.keyboard.press("Control+k")
    field = page.locator("#pst-search-dialog input")
    first = page.locator(".ae-found a").first
    for question, answer in ANSWERS.items():
        field.fill("")
        first.wait_for(state="detached")
        field.press_sequentially(question)
        first.wait_for()
        assert answer in page.evaluate("e => e.href", first.element_handle()), question
    field.fill("zzzqqq")
    assert page.get_by_text("Nothing found").is_visible()
    field.fill("LSTM text autoencoder")
    assert "07_text" in first.get_attribute("href")  # and not 12, which only uses it


def test_search_is_worked_by_keyboard_and_leads_to_the_place(open_page):
    page = open_page(uri("book/notation.html"))
    page.locator(".search-button__button:visible").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("claim 7.3")
    page.locator(".ae-found a").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/07_text_autoencoder.html#claim-*")
    place = page.locator(".ae-claim:target")
    page.wait_for_function("document.querySelector(':target').getBoundingClientRect().top < 400")
    assert "Claim 7.3" in place.inner_text()
    page.go_back()
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    page.locator("#pst-search-dialog").wait_for(state="hidden")


def test_the_page_of_the_search_answers_what_was_asked_in_the_dialog(open_page):
    page = open_page(uri("book/notation.html"))
    page.keyboard.press("Control+k")
    page.keyboard.type("gradient")
    page.locator(".ae-found a").first.wait_for()
    assert page.locator(".ae-found a").count() == 12
    assert_axe_finds_nothing(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=gradient")
    page.locator("#search-results a").nth(20).wait_for()
    assert_axe_finds_nothing(page)


def test_without_a_script_the_page_of_the_search_says_so(open_page):
    page = open_page(uri("search.html"), java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert not page.locator(".bd-search-container input").is_visible()


def test_the_search_is_loaded_only_when_it_is_opened(open_page, serve):
    page = open_page(serve + CHAPTERS[0])
    page.wait_for_load_state("networkidle")
    loaded = "performance.getEntriesByType('resource').filter(e => /search/.test(e.name)).length"
    assert page.evaluate(loaded) == 0
    page.keyboard.press("Control+k")
    page.locator(".ae-found-count").wait_for(state="attached")
    assert page.evaluate(loaded) == 1
    page.keyboard.type("boottleneck")  # by a server, too, it finds
    first = page.locator(".ae-found a").first
    first.wait_for()
    assert first.get_attribute("href").endswith(ANSWERS["boottleneck"])


# Of the listings and figures that go on beyond the edge: those without a cue, by what is missing.
UNCUED = """() => [...document.querySelectorAll(".highlight > pre, .ae-drawing")]
  .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth)
  .filter(box => !getComputedStyle(box).backgroundImage.includes("gradient")
    || box.tabIndex !== 0
    || box.matches("pre") && !box.parentElement.querySelector(".ae-wrap"))
  .map(box => box.outerHTML.slice(0, 100))"""
# Labels that are too small; still smaller in the drawing are only powers and numbers in cells.
SMALL = """() => [...document.querySelectorAll(".ae-drawing > svg")].flatMap(svg => {
  const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  return [...svg.querySelectorAll("text")].map(text => [
    parseFloat(getComputedStyle(text).fontSize), scale, text.textContent]);
}).filter(([size, scale]) => size >= 9 && size * scale < 11)"""
WIDE = """() => [...document.querySelectorAll("pre")].filter(
  box => box.checkVisibility() && box.scrollWidth > box.clientWidth).length"""


def scroll_through(page):
    """Come by everything, as a reader does."""
    page.evaluate("""async () => {
      for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
        scrollTo(0, y);
        // A browser that draws nothing for long would never answer.
        const late = new Promise(go => setTimeout(go, 1000));
        await Promise.race([new Promise(requestAnimationFrame), late]);
      }
    }""")


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_phone_all_is_large_and_what_goes_on_beyond_the_edge_says_so(open_page, name):
    """What one touches is large and free also in sections that are not drawn yet."""
    page = open_page(uri(name), 390, 844, near_alone=True, is_mobile=True, has_touch=True)
    page.wait_for_load_state("networkidle")
    assert_axe_finds_nothing(page, rule="target-size")
    page.add_style_tag(content="* { content-visibility: visible !important }")
    scroll_through(page)
    assert page.evaluate(UNCUED) == []
    assert page.evaluate(SMALL) == []


def test_long_lines_are_wrapped_by_touch_and_stay_so(open_page):
    page = open_page(uri(CHAPTERS[1]), 390, 844, is_mobile=True, has_touch=True)
    copy = "getComputedStyle(document.querySelector('.cell_input .copybtn')).opacity"
    assert page.evaluate(copy) == "1"
    assert page.evaluate(WIDE) > 0
    scroll_through(page)
    page.locator(".ae-wrap:visible").first.tap()
    assert page.evaluate(WIDE) == 0
    page.reload()
    scroll_through(page)
    assert page.evaluate(WIDE) == 0
    page.locator(".ae-wrap[aria-pressed=true]:visible").first.tap()
    page.wait_for_function(f"({WIDE})() > 0")


def test_the_contents_show_where_the_reader_is(open_page):
    page = open_page(uri(CHAPTERS[1]), 1400)
    links = page.locator("#pst-page-toc-nav a").evaluate_all(
        "all => all.map(a => a.hash.slice(1))"
    )
    # A reader jumps ahead and back, and scrolls back up and down.
    jumps = [(place, "location.hash = id") for place in (links[2], links[-1], links[-4], links[5])]
    walk = [(links[i], "document.getElementById(id).scrollIntoView(); scrollBy(0, -90)")
            for i in (6, 4, 3, 1, 7)]  # fmt: skip
    for place, go in jumps + walk:
        page.evaluate(f"id => {{ {go} }}", place)
        page.wait_for_function(
            """id => [...document.querySelectorAll("#pst-page-toc-nav [aria-current]")]
              .map(a => a.hash.slice(1)).join() === id""",
            arg=place,
            timeout=5000,
        )
        active = page.locator("#pst-page-toc-nav a.active")
        assert active.count() == 1
        box, bar = active.bounding_box(), page.locator("#pst-secondary-sidebar").bounding_box()
        assert bar["y"] <= box["y"] <= bar["y"] + bar["height"], "its entry is out of sight"
    page.evaluate("scrollTo(0, 0)")
    active.wait_for(state="detached")


def test_boxes_and_icons_are_the_book_s_own(open_page):
    titles = "[...document.querySelectorAll('.admonition-title')]"
    for kind in ("proof", "warning"):
        name = next(name for name in CHAPTERS if f'class="{kind} admonition' in read(name))
        page = open_page(uri(name), forced_colors="active")
        page.locator(".search-button__button:visible i").first.wait_for()
        icons = page.evaluate("""[...document.querySelectorAll("button i, a i")]
          .filter(i => i.checkVisibility()).map(i => getComputedStyle(i).backgroundColor)""")
        assert "rgb(255, 255, 255)" not in icons and len(icons) > 3
        page.emulate_media(forced_colors="none")
        washes = page.evaluate(f"{titles}.map(t => getComputedStyle(t).backgroundColor)")
        assert set(washes) <= {"rgba(0, 0, 0, 0)"}
        glyphs = page.evaluate(f"{titles}.map(t => getComputedStyle(t, '::after').content)")
        assert set(glyphs) <= {"none", "normal"}
        paddings = page.evaluate("""[...document.querySelectorAll(".bd-article .admonition")]
          .map(box => getComputedStyle(box).paddingLeft)""")
        assert len(set(paddings)) <= 1


def test_a_mac_s_shortcut_is_named_once(open_page):
    page = open_page(uri(CHAPTERS[0]), user_agent="Mozilla/5.0 (Macintosh)")
    page.add_init_script("Object.defineProperty(navigator, 'platform', {value: 'MacIntel'})")
    page.reload()
    keys = page.locator(".bd-sidebar-primary kbd")
    assert keys.all_inner_texts() == ["⌘", "K"]
