"""The class names on the latent map: each can be read, and stands by its class.

What is drawn is asked of the canvas, not of the explorer. The book's map is that of the built
chapter under today's JavaScript.
"""

from itertools import combinations

import keras
import numpy as np
import pytest

from ae_lib.widgets import LatentMap, latent_map
from ae_lib.widgets._static import fragment, payload_text
from tests.page.explorers import book_page, write_page

FAR = 64  # pixels from a name's own place
DRAW = """([root, index]) => {
  const names = [];
  const prototype = CanvasRenderingContext2D.prototype;
  const fillText = prototype.fillText;
  prototype.fillText = function (text, x, y) {
    const ink = this.measureText(text);
    if (/^600 /.test(this.font)) {
      names.push([text, x - ink.actualBoundingBoxLeft, y - ink.actualBoundingBoxAscent,
        x + ink.actualBoundingBoxRight, y + ink.actualBoundingBoxDescent]);
    }
    return fillText.call(this, text, x, y);
  };
  const buttons = root.querySelectorAll(".aex-legend > button");
  if (index < 0) root.querySelector(".aex-plain").click();
  else buttons[index].dispatchEvent(new PointerEvent("pointerenter", { pointerType: "mouse" }));
  prototype.fillText = fillText;
  return names;
}"""


@pytest.fixture(scope="module")
def book_map():
    """The book's explorer as the widget's JavaScript is now."""
    _, payload = book_page("latent-map")
    module = latent_map.LatentMap._module
    return fragment("latent-map", "book", payload_text(payload), module, "")


def crowded_map():
    """Ten long names whose classes lie in one place."""
    rng = np.random.default_rng(0)
    names = [f"Class number {k}" for k in range(10)]
    codes = np.concatenate([rng.normal(0, 0.01, (200, 2)), [[-9, -9], [9, 9]]])
    layers = [keras.Input((2,)), keras.layers.Dense(784), keras.layers.Reshape((28, 28))]
    decoder = keras.Sequential(layers)
    return LatentMap(decoder, codes, np.arange(202) % 10, names, start=[8, -8]).html()


@pytest.fixture
def drawn(open_page, tmp_path):
    """Names drawn: ``drawn(html, width)`` gives all, and those of one class at a time."""

    def drawn(html, width):
        page = open_page(write_page(tmp_path, html), width)
        root = page.locator('[data-ae-explorer="latent-map"]')
        handle = root.element_handle()
        buttons = root.locator(".aex-legend > button").count()
        together = page.evaluate(DRAW, [handle, -1])
        alone = [page.evaluate(DRAW, [handle, k]) for k in range(buttons)]
        map_box = root.locator(".aex-map").bounding_box()
        ring = root.locator(".aex-handle").bounding_box()
        middle = [ring[k] - map_box[k] + 22 for k in "xy"]
        return Names(together), Names(sum(alone, [])), map_box, middle

    return drawn


class Names(dict):
    """By name, the ink's box: left, top, right, bottom, in pixels from the map's corner."""

    def __init__(self, rows):
        super().__init__((name, np.array(box)) for name, *box in rows)
        assert len(self) == len(rows)

    def assert_apart(self):
        for (one, a), (other, b) in combinations(self.items(), 2):
            gap = np.maximum(a[:2] - b[2:], b[:2] - a[2:]).max()
            assert gap >= 2, f"{one} and {other}: {gap:.1f} pixels apart"

    def assert_inside(self, map_box):
        for name, box in self.items():
            assert (box >= 0).all(), name
            assert (box[2:] <= [map_box["width"], map_box["height"]]).all(), name


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_every_name_of_the_books_map_can_be_read(book_map, drawn, width):
    together, alone, map_box, handle = drawn(book_map, width)
    assert len(alone) == 10
    assert together.keys() == alone.keys()
    together.assert_apart()
    together.assert_inside(map_box)
    for name, box in together.items():
        gap = np.maximum(box[:2] - handle, handle - box[2:]).max()
        assert gap >= 11, f"{name} lies under the handle"
        moved = np.hypot(*(box - alone[name])[:2])
        assert moved <= FAR, f"{name} is {moved:.0f} pixels from its own place"


@pytest.mark.parametrize("width", [390, 1280])
def test_names_without_a_place_are_left_to_the_legend(drawn, width):
    together, alone, map_box, _ = drawn(crowded_map(), width)
    assert len(alone) == 10
    assert 3 <= len(together) < 10
    together.assert_apart()
    together.assert_inside(map_box)
