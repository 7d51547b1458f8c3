"""The class names on the latent map: each can be read, and stands by its class.

What is drawn is asked of the canvas, not of the explorer. The book's map is that of the
stored chapter under today's JavaScript.
"""

import json
import re
from itertools import combinations
from pathlib import Path

import keras
import numpy as np
import pytest

from ae_lib.widgets import LatentMap, latent_map
from ae_lib.widgets._static import fragment

CHAPTER = Path(__file__).parents[2] / "chapters/02_dense.ipynb"
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
    cells = json.loads(CHAPTER.read_text("utf8"))["cells"]
    data = [o.get("data", {}) for cell in cells for o in cell.get("outputs", [])]
    html = "".join("".join(one.get("text/html", "")) for one in data)
    payload = re.search(r'<script type="application/json">(\{"name".*?)</script>', html, re.DOTALL)
    module = latent_map._MODULE.read_text("utf8")
    return fragment("latent-map", "book", payload[1], module, "")


def crowded_map():
    """Ten long names whose classes lie in one place."""
    rng = np.random.default_rng(0)
    names = [f"Class number {k}" for k in range(10)]
    codes = np.concatenate([rng.normal(0, 0.01, (200, 2)), [[-9, -9], [9, 9]]])
    layers = [keras.Input((2,)), keras.layers.Dense(784), keras.layers.Reshape((28, 28))]
    decoder = keras.Sequential(layers)
    return LatentMap(decoder, codes, np.arange(202) % 10, names, start=[8, -8]).html()


@pytest.fixture
def drawn(open_page, blank_page, tmp_path):
    """Names drawn: ``drawn(html, width)`` gives all, and those of one class at a time."""

    def drawn(html, width):
        path = tmp_path / "names.html"
        path.write_text(blank_page % html, encoding="utf-8")
        page = open_page(path.as_uri(), viewport={"width": width, "height": 900})
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


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
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
