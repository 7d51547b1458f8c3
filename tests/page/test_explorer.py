"""The latent map in a browser with the network off: the hand moves, the picture follows.

After every movement the grey levels of the canvas are compared with what Keras decodes from
the same code: within one level in 255. The same is done on the book's own page, with a Keras
model rebuilt from the weights that the page carries.
"""

import base64
import json
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from ae_lib.widgets import LatentMap

SITE = Path(os.environ.get("AE_SITE", Path(__file__).parents[2] / "_build/html"))
REAL_PAGE = SITE / "chapters/02_dense.html"
NAMES = ["Coat", "Bag", "Boot"]
SHAPE = (28, 28)


@pytest.fixture(scope="module")
def decoder():
    keras.utils.set_random_seed(3)
    wide = keras.initializers.RandomNormal(stddev=0.7)
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(24, "elu", kernel_initializer=wide),
            keras.layers.Dense(48, "elu"),
            keras.layers.Dense(784, "sigmoid", kernel_initializer=wide),
            keras.layers.Reshape(SHAPE),
        ]
    )


@pytest.fixture(scope="module")
def bare_page(tmp_path_factory, decoder, blank_page):
    """A file with two explorers of one name, as when a cell is shown twice."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    codes = rng.normal(0, 1, (300, 2)) + np.array([[-3, 0], [3, 1], [0, 4]])[labels]
    html = LatentMap(decoder, codes, labels, NAMES, start=[0.5, 1.0]).html()
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    path.write_text(blank_page % (html + html), encoding="utf-8")
    return path


class Explorer:
    """One explorer in an open page, and the Keras model it should agree with."""

    def __init__(self, page, decoder, index=0):
        self.page, self.decoder = page, decoder
        self.root = page.locator('[data-ae-explorer="latent-map"]').nth(index)
        self.map = self.root.get_by_role("application")
        self.root.scroll_into_view_if_needed()
        # What is far off the screen has no text until the page lays it out.
        page.wait_for_function(
            "root => root.querySelector('.aex-nearest').innerText.trim()",
            arg=self.root.element_handle(),
        )

    def code(self):
        return self.root.evaluate("root => root.aeExplorer.getCode()")

    def canvas(self):
        """Grey levels of the decoded image, read from the canvas as the reader sees it."""
        return np.array(
            self.root.locator("canvas[role=img]").evaluate(
                """canvas => {
                  const { width, height } = canvas;
                  return [...canvas.getContext("2d").getImageData(0, 0, width, height).data];
                }"""
            )
        ).reshape(-1, 4)

    def agrees_with_keras(self):
        code = keras.ops.convert_to_tensor([self.code()], "float32")
        values = keras.ops.convert_to_numpy(self.decoder(code)).ravel()
        seen = self.canvas()
        assert (seen[:, 3] == 255).all()
        assert (seen[:, :1] == seen[:, 1:3]).all()
        assert np.abs(seen[:, 0] - 255 * np.clip(values, 0, 1)).max() <= 1
        return True

    def handle(self):
        box = self.root.locator(".aex-handle").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def map_picture(self):
        return self.root.locator(".aex-map > canvas").last.evaluate("c => c.toDataURL()")


@pytest.fixture(params=["bare", "book"])
def explorer(request, open_page):
    if request.param == "bare":
        path = request.getfixturevalue("bare_page")
        return Explorer(open_page(path.as_uri()), request.getfixturevalue("decoder"))
    if not REAL_PAGE.exists() or "latent-map" not in (text := REAL_PAGE.read_text("utf-8")):
        pytest.skip("the book's page with the explorer is not built: make book")
    payload = re.search(r'<script type="application/json">(\{"name".*?)</script>', text, re.DOTALL)
    return Explorer(open_page(REAL_PAGE.as_uri()), rebuilt(json.loads(payload[1])))


def rebuilt(payload):
    """The Keras model of the weights in a page."""
    weights = np.frombuffer(base64.b64decode(payload["weights"]), "<f2").astype("float32")
    layers, at = [keras.Input((2,))], 0
    for step in payload["steps"]:
        if step["op"] == "dense":
            layers.append(keras.layers.Dense(step["out"]))
        elif step["op"] == "scale":
            layers.append(keras.layers.Rescaling(step["scale"], step["offset"]))
        elif step["name"] == "leaky_relu":
            layers.append(keras.layers.LeakyReLU(negative_slope=step["alpha"]))
        elif step["name"] == "elu":
            layers.append(keras.layers.ELU(alpha=step["alpha"]))
        else:
            layers.append(keras.layers.Activation(step["name"]))
    model = keras.Sequential(layers)
    arrays = []
    for old in model.get_weights():
        arrays.append(weights[at : at + old.size].reshape(old.shape))
        at += old.size
    assert at == len(weights)
    model.set_weights(arrays)
    return model


def test_first_image_is_keras_image(explorer):
    assert explorer.agrees_with_keras()
    assert explorer.canvas()[:, 0].std() > 5
    pixels = explorer.root.evaluate("root => [...root.aeExplorer.pixels()]")
    assert np.abs(np.array(pixels) * 255 - explorer.canvas()[:, 0]).max() <= 0.51


def test_drag_by_mouse(explorer):
    mouse, before = explorer.page.mouse, explorer.code()
    x, y = explorer.handle()
    mouse.move(x, y)
    mouse.down()
    for dx, dy in [(10, 5), (30, 20), (-60, 45)]:
        mouse.move(x + dx, y + dy)
        assert explorer.agrees_with_keras()
    mouse.up()
    after = explorer.code()
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert np.allclose(explorer.handle(), (x - 60, y + 45), atol=1)
    mouse.move(x, y)
    assert explorer.code() == after  # the button is up


def test_press_on_the_map_moves_the_handle_there(explorer):
    box = explorer.map.bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"]
    explorer.page.mouse.click(x, y)
    assert np.allclose(explorer.handle(), (x, y), atol=1)
    assert explorer.agrees_with_keras()


def test_drag_beyond_the_edge_stays_on_the_map(explorer):
    mouse, box = explorer.page.mouse, explorer.map.bounding_box()
    mouse.move(*explorer.handle())
    mouse.down()
    mouse.move(box["x"] - 500, box["y"] - 50)
    mouse.up()
    low = explorer.root.get_by_role("slider").first.get_attribute("min")
    assert explorer.code()[0] == float(low)
    assert explorer.agrees_with_keras()


def test_move_by_keyboard(explorer):
    press, start = explorer.page.keyboard.press, explorer.code()
    explorer.map.focus()
    step = [float(s.get_attribute("step")) for s in explorer.root.get_by_role("slider").all()]
    press("ArrowRight")
    press("ArrowUp")
    assert np.allclose(explorer.code(), np.add(start, step))
    press("Shift+ArrowLeft")
    press("Shift+ArrowDown")
    assert np.allclose(explorer.code(), np.subtract(start, np.multiply(9, step)))
    assert explorer.agrees_with_keras()
    press("Home")
    assert explorer.agrees_with_keras()


def test_everything_is_reached_by_tab(explorer):
    explorer.map.focus()
    reached = []
    for _ in range(4):
        explorer.page.keyboard.press("Tab")
        reached.append(
            explorer.page.evaluate(
                "() => document.activeElement.ariaLabel || document.activeElement.textContent"
            )
        )
    assert reached[0].startswith("z1")
    assert reached[1].startswith("z2")
    assert reached[2] == "Map of images"


def test_move_by_sliders(explorer):
    first, second = explorer.root.get_by_role("slider").all()
    before = explorer.code()
    first.focus()
    explorer.page.keyboard.press("ArrowRight")
    explorer.page.keyboard.press("PageUp")
    assert explorer.code()[0] > before[0]
    assert explorer.code()[1] == before[1]
    assert explorer.agrees_with_keras()
    second.fill(second.get_attribute("min"))
    assert explorer.code()[1] == float(second.get_attribute("min"))
    assert explorer.agrees_with_keras()


def test_toggle_a_class(explorer):
    nearest = explorer.root.locator(".aex-nearest b")
    name = nearest.inner_text()
    button = explorer.root.get_by_role("button", name=name, exact=True)
    before = explorer.map_picture()
    button.focus()
    explorer.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert explorer.map_picture() != before
    explorer.root.get_by_role("button", name="none").click()
    explorer.page.mouse.move(0, 0)
    empty = explorer.map_picture()
    explorer.page.keyboard.press("Shift+Tab")
    explorer.root.evaluate("root => root.aeExplorer.setCode([0.25, 0.25])")
    assert nearest.inner_text() == "none is shown"
    explorer.root.get_by_role("button", name="all").click()
    explorer.root.evaluate("root => root.aeExplorer.setCode([0.5, 0.25])")
    assert nearest.inner_text() != "none is shown"
    assert explorer.map_picture() != empty
    assert explorer.agrees_with_keras()


def test_says_code_and_nearest_class_to_screen_readers(explorer):
    live = explorer.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    explorer.root.evaluate("root => root.aeExplorer.setCode([0.5, -0.25])")
    live.get_by_text("Code 0.50, −0.25. Nearest point: ").wait_for(timeout=3000)
    nearest = explorer.root.locator(".aex-nearest b").inner_text()
    assert live.inner_text().endswith(f"{nearest}.")


def test_map_of_images(explorer):
    button = explorer.root.get_by_role("button", name="Map of images")
    tiles = explorer.root.locator(".aex-map > canvas").first
    assert tiles.is_hidden()
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    explorer.page.wait_for_function(
        """canvas => canvas.width > 28 && canvas.getContext("2d")
             .getImageData(canvas.width - 1, canvas.height - 1, 1, 1).data[3] === 255""",
        arg=tiles.element_handle(),
        timeout=20_000,
    )
    button.click()
    assert tiles.is_hidden()


def test_theme_is_followed(explorer):
    explorer.page.evaluate("document.documentElement.dataset.theme = 'light'")
    explorer.page.wait_for_timeout(600)
    light = explorer.map_picture()
    explorer.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    explorer.page.wait_for_timeout(600)
    assert explorer.map_picture() != light
    paper = explorer.root.evaluate("root => getComputedStyle(root).backgroundColor")
    assert max(map(int, re.findall(r"\d+", paper)[:3])) < 64
    assert explorer.agrees_with_keras()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(explorer, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    explorer.page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    explorer.root.get_by_role("button", name=re.compile(".")).first.click()
    explorer.page.mouse.move(0, 0)
    explorer.page.wait_for_timeout(300)
    root = '[data-ae-explorer="latent-map"]'
    found = axe.run(explorer.page, context=root, options={"preload": False})
    assert found.violations_count == 0, found.generate_report()


def test_two_explorers_are_independent(bare_page, open_page, decoder):
    page = open_page(bare_page.as_uri())
    first, second = Explorer(page, decoder, 0), Explorer(page, decoder, 1)
    first.root.evaluate("root => root.aeExplorer.setCode([2, -1])")
    assert first.code() == [2, -1]
    assert second.code() == [0.5, 1]
    assert first.agrees_with_keras()
    assert second.agrees_with_keras()


def test_a_code_that_is_no_code_changes_nothing(bare_page, open_page, decoder):
    explorer = Explorer(open_page(bare_page.as_uri()), decoder)
    for wrong in ["[NaN, 0]", "[1]", "[1, 2, 3]", "['a', 1]"]:
        explorer.root.evaluate(f"root => root.aeExplorer.setCode({wrong})")
    assert explorer.code() == [0.5, 1]
    explorer.root.evaluate("root => root.aeExplorer.setCode([8, -6])")  # far outside the map
    assert explorer.agrees_with_keras()


def finger(page):
    """A finger on the screen: ``finger("Start", (x, y))``, then "Move", then "End"."""
    client = page.context.new_cdp_session(page)

    def touch(kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        client.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    return touch


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_phone(bare_page, open_page, decoder):
    page = open_page(bare_page.as_uri(), device_scale_factor=2, **PHONE)
    explorer = Explorer(page, decoder)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    image = explorer.root.locator("canvas[role=img]").bounding_box()
    assert image["y"] >= explorer.map.bounding_box()["y"] + explorer.map.bounding_box()["height"]

    touch = finger(page)
    x, y = explorer.handle()  # a finger takes the handle, in any direction
    touch("Start", (x, y))
    touch("Move", (x + 5, y + 40))
    touch("Move", (x + 30, y + 60))
    touch("End")
    assert np.allclose(explorer.handle(), (x + 30, y + 60), atol=1)
    assert explorer.agrees_with_keras()

    box = explorer.map.bounding_box()  # a tap sets it down
    page.touchscreen.tap(box["x"] + 100, box["y"] + 80)
    assert np.allclose(explorer.handle(), (box["x"] + 100, box["y"] + 80), atol=1)
    assert explorer.agrees_with_keras()


def test_a_finger_that_scrolls_past_the_map_does_not_move_the_handle(
    bare_page, open_page, decoder
):
    page = open_page(bare_page.as_uri(), **PHONE)
    explorer = Explorer(page, decoder)
    touch = finger(page)
    before, box = explorer.code(), explorer.map.bounding_box()
    x, y = box["x"] + 60, box["y"] + 250
    touch("Start", (x, y))
    for moved in range(10, 200, 10):
        touch("Move", (x, y - moved))
    touch("End")
    page.wait_for_function("scrollY > 50")
    assert explorer.code() == before


def test_motion_is_reduced_on_request(bare_page, open_page):
    page = open_page(bare_page.as_uri(), reduced_motion="reduce")
    moving = "() => getComputedStyle(document.querySelector('.aex-handle'), '::before').transition"
    assert "0.12s" not in page.evaluate(moving)


def test_without_javascript_a_sentence_stands_there(bare_page, open_page):
    page = open_page(bare_page.as_uri(), java_script_enabled=False)
    assert "needs JavaScript" in page.locator(".ae-explorer-fallback").first.inner_text()
