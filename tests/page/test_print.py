"""The book on paper: pages that are printed, the PDF, the EPUB."""

from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "_build" / "html"
PAGES = sorted(p.relative_to(SITE).as_posix() for p in SITE.glob("*/*.html"))
A4_COLUMN = 658  # px between the margins of A4
# What reaches beyond the column, and listings whose lines would be cut.
CUT = """(width) => [...document.querySelectorAll("article *")].filter(e => {
  if (e.closest("mjx-assistive-mml, defs, .ae-explorer, svg, .aex-live")) return false;
  return e.getBoundingClientRect().right > width + 1
    || (e.matches("pre") && e.scrollWidth > e.clientWidth);
}).map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints_unfolded_uncut_and_in_dark_ink(open_page, name):
    page = open_page((SITE / name).as_uri(), width=A4_COLUMN, color_scheme="dark")
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
