"""The latent map in a browser: the hand moves, the picture follows.

After every movement the grey levels of the canvas are compared with what Keras decodes from
the same code: within one level in 255. The same is done on the book's own page, with a Keras
model rebuilt from the weights that the page carries.
"""

import re

import keras
import numpy as np
import pytest

from ae_lib.widgets import LatentMap
from tests.page.explorers import PHONE, MapExplorer, book_page, decoder_of, write_page

NAMES = ["Coat", "Bag", "Boot"]


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
            keras.layers.Reshape((28, 28)),
        ]
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory, decoder):
    """A page with two explorers of one name, as when a cell is shown twice."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    codes = rng.normal(0, 1, (300, 2)) + np.array([[-3, 0], [3, 1], [0, 4]])[labels]
    html = LatentMap(decoder, codes, labels, NAMES, start=[0.5, 1.0]).html()
    return write_page(tmp_path_factory.mktemp("page"), html + html)


@pytest.fixture
def explorer(open_page, address, decoder):
    return MapExplorer(open_page(address, reduced_motion="reduce"), decoder)


# ---- it decodes what Keras decodes ----

SHAPE = (6, 5)
CODES = np.random.default_rng(0).normal(0, 2, (60, 2))
SPREADS = {"none": 0 * CODES, "tiny": CODES * 1e-6, "huge": CODES * 1e4, "wide": CODES * [1, 50]}
ACTIVATIONS = ["linear", "relu", "leaky_relu", "elu", "selu", "silu", "gelu", "tanh", "sigmoid"]


def chain(activation):
    keras.utils.set_random_seed(7)
    dense = [keras.layers.Dense(w, activation, bias_initializer="normal") for w in (8, 16)]
    last = keras.layers.Dense(30, "sigmoid", bias_initializer="normal")
    return keras.Sequential([keras.Input((2,)), *dense, last, keras.layers.Reshape(SHAPE)])


def separate_and_nested_layers():
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(12, use_bias=False),
            layers.LeakyReLU(negative_slope=0.4),
            layers.Dense(12),
            layers.ELU(alpha=0.5),
            layers.Dropout(0.5),
        ]
    )
    code = keras.Input((2,))
    x = layers.Activation("tanh")(layers.Dense(8)(code))
    x = layers.ReLU(negative_slope=0.1)(inner(x))
    x = layers.Rescaling(0.25, offset=0.5)(layers.Dense(30)(x))
    return keras.Model(code, layers.Reshape(SHAPE)(x))


def faint():
    """Weights so small that codes in the ten thousands decode to something."""
    decoder = chain("elu")
    decoder.layers[0].set_weights([np.full((2, 8), 1e-4), np.ones(8)])
    return decoder


def small_map(decoder, codes):
    return LatentMap(decoder, codes, np.arange(60) % 3, NAMES, shape=SHAPE).html()


def test_every_decoder_and_every_spread_of_codes(open_page, tmp_path):
    cases = [(chain(name), CODES) for name in ACTIVATIONS]
    chain("elu").save(tmp_path / "decoder.keras")
    cases.append((keras.models.load_model(tmp_path / "decoder.keras"), CODES))
    cases.append((separate_and_nested_layers(), CODES))
    cases += [(faint(), codes) for codes in SPREADS.values()]
    page = open_page(write_page(tmp_path, "".join(small_map(*case) for case in cases)))
    for index, (decoder, codes) in enumerate(cases):
        explorer = MapExplorer(page, decoder, index)
        for code in codes[:4].tolist():
            explorer.set_code(code)
            explorer.assert_agrees_with_keras()
        pixels = explorer.run("explorer => [...explorer.pixels()]")
        assert np.abs(np.array(pixels) * 255 - explorer.canvas()[:, 0]).max() <= 0.51
        assert explorer.canvas()[:, 0].std() > 2
        for k, slider in enumerate(explorer.root.get_by_role("slider").all()):
            low, high = (float(slider.get_attribute(end)) for end in ("min", "max"))
            assert low < codes[:, k].min() <= codes[:, k].max() < high


def test_damaged_data_are_said(browser, tmp_path):
    html = re.sub('"weights":"[^"]{8}', '"weights":"', small_map(chain("elu"), CODES))
    page = browser.new_page()
    page.goto(write_page(tmp_path, html))
    assert "could not start: expected" in page.locator("main").inner_text()
    page.close()


# ---- under the reader's hand ----


def drag(explorer):
    mouse, before = explorer.page.mouse, explorer.code()
    x, y = explorer.handle()
    mouse.move(x, y)
    mouse.down()
    for dx, dy in [(10, 5), (30, 20), (-60, 45)]:
        mouse.move(x + dx, y + dy)
        explorer.assert_agrees_with_keras()
    mouse.up()
    after = explorer.code()
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert np.allclose(explorer.handle(), (x - 60, y + 45), atol=1)
    mouse.move(x, y)
    assert explorer.code() == after  # the button is up


def press_keys(explorer):
    press, start = explorer.page.keyboard.press, explorer.code()
    explorer.map.focus()
    step = [float(s.get_attribute("step")) for s in explorer.root.get_by_role("slider").all()]
    press("ArrowRight")
    press("ArrowUp")
    assert np.allclose(explorer.code(), np.add(start, step))
    press("Shift+ArrowLeft")
    press("Shift+ArrowDown")
    assert np.allclose(explorer.code(), np.subtract(start, np.multiply(9, step)))
    explorer.assert_agrees_with_keras()
    press("Home")
    explorer.assert_agrees_with_keras()


@pytest.mark.parametrize("chapter", ["02_*", "05_*"])
def test_the_books_explorer(open_page, chapter):
    address, payload = book_page("latent-map", chapter)
    explorer = MapExplorer(open_page(address), decoder_of(payload))
    explorer.assert_agrees_with_keras()
    assert explorer.canvas()[:, 0].std() > 5
    drag(explorer)
    press_keys(explorer)


def test_a_prior_is_drawn_and_drawn_from(open_page, decoder, tmp_path):
    codes, labels = np.random.default_rng(1).normal(0, 0.3, (300, 2)), np.arange(300) % 3
    pictures, views = [], []
    for prior in (False, True):
        html = LatentMap(decoder, codes, labels, NAMES, prior=prior).html()
        (tmp_path / str(prior)).mkdir()
        page = open_page(write_page(tmp_path / str(prior), html), reduced_motion="reduce")
        explorer = MapExplorer(page, decoder)
        pictures.append(explorer.map_picture())
        views.append(float(explorer.root.get_by_role("slider").first.get_attribute("min")))
        button = explorer.root.get_by_role("button", name="Sample the prior")
        assert button.count() == prior
    assert pictures[0] != pictures[1]
    assert views[0] > -2 and views[1] <= -3  # the circles fit on the map
    assert "three standard deviations" in explorer.root.inner_text()
    drawn = []
    for _ in range(60):
        button.click()
        drawn.append(explorer.code())
    explorer.assert_agrees_with_keras()
    assert np.abs(np.mean(drawn, axis=0)).max() < 0.65  # five standard errors
    assert np.abs(np.std(drawn, axis=0) - 1).max() < 0.46


def test_move_by_pointer_keyboard_and_sliders(explorer):
    explorer.assert_agrees_with_keras()
    drag(explorer)
    box = explorer.map.bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"]
    explorer.page.mouse.click(x, y)
    assert np.allclose(explorer.handle(), (x, y), atol=1)
    explorer.assert_agrees_with_keras()
    explorer.page.mouse.down()
    explorer.page.mouse.move(box["x"] - 500, box["y"] - 50)  # beyond the edge
    explorer.page.mouse.up()
    low = explorer.root.get_by_role("slider").first.get_attribute("min")
    assert explorer.code()[0] == float(low)
    explorer.assert_agrees_with_keras()

    explorer.set_code([0.5, 1])
    press_keys(explorer)
    reached = []
    for _ in range(3):
        explorer.page.keyboard.press("Tab")
        reached.append(
            explorer.page.evaluate(
                "() => document.activeElement.ariaLabel || document.activeElement.textContent"
            )
        )
    assert [name[:2] for name in reached[:2]] == ["z1", "z2"]
    assert reached[2] == "Map of images"

    first, second = explorer.root.get_by_role("slider").all()
    before = explorer.code()
    first.focus()
    explorer.page.keyboard.press("ArrowRight")
    explorer.page.keyboard.press("PageUp")
    assert explorer.code()[0] > before[0]
    assert explorer.code()[1] == before[1]
    explorer.assert_agrees_with_keras()
    second.fill(second.get_attribute("min"))
    assert explorer.code()[1] == float(second.get_attribute("min"))
    explorer.assert_agrees_with_keras()


def test_toggle_a_class(explorer):
    button = explorer.root.get_by_role("button", name=explorer.nearest.inner_text(), exact=True)
    before = explorer.map_picture()
    button.focus()
    explorer.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert explorer.map_picture() != before
    explorer.root.get_by_role("button", name="none").click()
    explorer.page.mouse.move(0, 0)
    empty = explorer.map_picture()
    explorer.page.keyboard.press("Shift+Tab")
    explorer.set_code([0.25, 0.25])
    assert explorer.nearest.inner_text() == "none is shown"
    explorer.root.get_by_role("button", name="all").click()
    explorer.set_code([0.5, 0.25])
    assert explorer.nearest.inner_text() != "none is shown"
    assert explorer.map_picture() != empty
    explorer.assert_agrees_with_keras()


def test_says_code_nearest_class_and_where_there_are_no_data(explorer):
    live = explorer.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    explorer.set_code([0.5, -0.25])
    live.get_by_text("Code 0.50, −0.25. Nearest point: ").wait_for(timeout=3000)
    assert live.inner_text().endswith(f"{explorer.nearest.inner_text()}.")
    words = explorer.root.locator(".aex-nearest")
    explorer.set_code([-3, 0])
    assert "no data near here" not in words.inner_text()
    explorer.set_code([-9, 9])
    assert "no data near here" in words.inner_text()
    live.get_by_text("No data near here. Nearest point: ").wait_for(timeout=5000)


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


def test_both_themes(explorer):
    light = explorer.map_picture()
    explorer.assert_the_theme_is_followed(explorer.root.locator(".aex-nearest"))
    explorer.wait(
        """(_, light, root) =>
             [...root.querySelectorAll(".aex-map > canvas")].at(-1).toDataURL() !== light""",
        light,
    )
    explorer.assert_agrees_with_keras()
    explorer.root.get_by_role("button").first.click()
    explorer.assert_axe_finds_nothing()
    moving = "() => getComputedStyle(document.querySelector('.aex-handle'), '::before').transition"
    assert "0.12s" not in explorer.page.evaluate(moving)  # reduced motion was asked for


def test_two_explorers_are_independent(explorer, decoder):
    second = MapExplorer(explorer.page, decoder, 1)
    explorer.set_code([2, -1])
    assert explorer.code() == [2, -1]
    assert second.code() == [0.5, 1]
    explorer.assert_agrees_with_keras()
    second.assert_agrees_with_keras()
    for wrong in ["[NaN, 0]", "[1]", "[1, 2, 3]", "['a', 1]"]:
        second.run(f"explorer => explorer.setCode({wrong})")
    assert second.code() == [0.5, 1]
    second.set_code([8, -6])  # far outside the map
    second.assert_agrees_with_keras()


def test_phone(open_page, address, decoder):
    page = open_page(address, device_scale_factor=2, **PHONE)
    explorer = MapExplorer(page, decoder)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = explorer.map.bounding_box()
    image = explorer.root.locator("canvas[role=img]").bounding_box()
    assert image["y"] >= box["y"] + box["height"]
    client = page.context.new_cdp_session(page)

    def touch(kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        client.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    x, y = explorer.handle()  # a finger takes the handle, in any direction
    touch("Start", (x, y))
    touch("Move", (x + 5, y + 40))
    touch("Move", (x + 30, y + 60))
    touch("End")
    assert np.allclose(explorer.handle(), (x + 30, y + 60), atol=1)
    explorer.assert_agrees_with_keras()

    box = explorer.map.bounding_box()  # a tap sets it down
    x, y = box["x"] + 100, box["y"] + 80
    page.touchscreen.tap(x, y)
    assert np.allclose(explorer.handle(), (x, y), atol=1)
    explorer.assert_agrees_with_keras()

    before = explorer.code()  # a finger that scrolls past the map leaves the handle alone
    scrolled = page.evaluate("scrollY")
    x, y = box["x"] + 60, box["y"] + 250
    touch("Start", (x, y))
    for moved in range(10, 200, 10):
        touch("Move", (x, y - moved))
    touch("End")
    page.wait_for_function("before => scrollY > before + 50", arg=scrolled)
    assert explorer.code() == before


def test_without_javascript_a_sentence_stands_there(open_page, address):
    page = open_page(address, java_script_enabled=False)
    assert "needs JavaScript" in page.locator(".ae-explorer-fallback").first.inner_text()
