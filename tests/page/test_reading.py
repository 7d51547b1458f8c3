"""Getting about in the published book: drawers, colours, the way on, phones, contents."""

import pytest

from tests.page.test_pages import CHAPTERS, SITE

# Where a point of the page's own colours shows; what a dark page must not be.
COLOURS = """() => [...document.querySelectorAll(
  "body, .bd-sidebar-primary, h1, .bd-sidebar-primary li a, .admonition, .cell_input, pre .k, pre .s2"
)].map(e => e.className + getComputedStyle(e).color + getComputedStyle(e).backgroundColor)"""


def uri(name):
    return (SITE / name).as_uri()


@pytest.mark.parametrize("which", ["primary", "secondary"])
@pytest.mark.parametrize("way", ["Escape", "Close"])
def test_a_drawer_is_left_by_keyboard_and_gives_the_focus_back(open_page, which, way):
    page = open_page(uri(CHAPTERS[0]), 820)
    toggle = page.locator(f".{which}-toggle")
    drawer = page.locator(f"#pst-{which}-sidebar-modal")
    for _ in range(2):  # what it holds must come back whole
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
    for scheme in ("light", "dark"):
        with_script = open_page(uri(CHAPTERS[1]), color_scheme=scheme)
        without = open_page(uri(CHAPTERS[1]), color_scheme=scheme, java_script_enabled=False)
        assert without.evaluate(COLOURS) == with_script.evaluate(COLOURS), scheme
        assert not without.locator(".primary-toggle").is_visible()


def test_on_a_phone_the_ways_on_stand_below_each_other(open_page):
    page = open_page(uri(CHAPTERS[1]), 390, 844)
    back, on = (page.locator(f".prev-next-area .{side}") for side in ("left-prev", "right-next"))
    back, on = back.bounding_box(), on.bounding_box()
    assert on["y"] >= back["y"] + back["height"]
    assert back["width"] > 300 and on["width"] > 300
