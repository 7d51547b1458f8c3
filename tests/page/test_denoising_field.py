"""The explorer of the best denoiser under the reader's hand: its numbers are NumPy's."""

from itertools import pairwise

import numpy as np
import pytest

from ae_lib.widgets import DenoisingField
from tests.page.explorers import PHONE, Explorer, book_page, write_page

ANGLES = np.random.default_rng(1).uniform(0, 2 * np.pi, 60)
RING = np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)


class Field(Explorer):
    """The picture, its controls, and the data points."""

    name = "denoising-field"

    def __init__(self, page, points=RING):
        super().__init__(page)
        self.points = np.array(points)
        self.map = self.root.get_by_role("application")
        self.slider = self.root.get_by_role("slider")
        self.facts = self.root.locator(".aed-facts")

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def assert_agrees_with_numpy(self):
        """Weights, answer, score; what is drawn and said follows them."""
        state = self.state()
        point, sigma = np.array(state["walk"][-1]), state["sigma"]
        weights, answer = best(self.points, point, sigma)
        np.testing.assert_allclose(state["weights"], weights, rtol=1e-9, atol=1e-300)
        np.testing.assert_allclose(state["answer"], answer, rtol=1e-9, atol=1e-12)
        score = (answer - point) / sigma**2
        np.testing.assert_allclose(state["score"], score, rtol=1e-9, atol=1e-9)
        parts = np.sort(weights)[::-1].cumsum()
        few = int((parts < 0.9).sum()) + 1
        said = self.facts.inner_text().replace("\u2212", "-")
        assert f"{few} of {len(weights)}" in said
        assert f"({answer[0]:.2f}, {answer[1]:.2f})".replace("-0.00", "0.00") in said.replace(
            "-0.00", "0.00"
        )
        arrow = np.hypot(*(answer - point))
        assert ("shorter than 0.001" if arrow < 0.001 else f"= {arrow:.3g}") in said
        radii = self.root.locator("circle").evaluate_all("c => c.map(one => one.r.baseVal.value)")
        np.testing.assert_allclose(radii, 3 + 9 * np.sqrt(weights), atol=1e-4)
        return state

    def ring(self):
        """The ring's middle, on the page."""
        box = self.root.locator(".aex-handle").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def best(points, point, sigma):
    """Weights of the clean points, and their mean: the conditional mean, in NumPy."""
    squared = ((points - point) ** 2).sum(axis=1)
    weights = np.exp((squared.min() - squared) / (2 * sigma**2))
    weights /= weights.sum()
    return weights, weights @ points


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    html = DenoisingField(RING, sigma=0.3, start=[1.2, 0.9]).html()
    return write_page(tmp_path_factory.mktemp("field"), html)


@pytest.fixture
def field(open_page, address):
    return Field(open_page(address))


def test_the_same_numbers_as_numpy(field):
    draw = np.random.default_rng(2)
    for sigma in (0.05, 0.1, 0.3, 0.7, 1.5):
        for point in [*draw.uniform(-1.4, 1.4, (12, 2)).tolist(), [50.0, -3.0], RING[0].tolist()]:
            field.run("(explorer, [point, sigma]) => explorer.set(point, sigma)", [point, sigma])
            state = field.assert_agrees_with_numpy()
            assert (state["walk"], state["sigma"]) == ([point], sigma)


def test_the_walk_applies_the_denoiser_again_and_again(field):
    field.button("Apply once").click()
    assert len(field.assert_agrees_with_numpy()["walk"]) == 2
    field.button("Apply 10 times").click()
    walk = field.assert_agrees_with_numpy()["walk"]
    assert len(walk) == 12
    for place, after in pairwise(walk):
        np.testing.assert_allclose(after, best(RING, np.array(place), 0.3)[1], rtol=1e-9)
    distance = np.abs(np.hypot(*np.transpose(walk)) - 1)
    assert distance[-1] < distance[0] / 3
    live = field.root.locator("[aria-live=polite]")
    live.get_by_text("After 11 steps: noise 0.300, noisy point").wait_for()
    field.button("Back to the start").click()
    assert field.state()["walk"] == [[1.2, 0.9]]
    assert field.button("Back to the start").is_disabled()
    assert field.button("Apply once").evaluate("button => document.activeElement === button")


def test_by_mouse_by_keyboard_and_by_slider(field):
    x, y = field.ring()
    field.page.mouse.move(x + 3, y + 3)
    field.page.mouse.down()
    field.page.mouse.move(x - 97, y + 103)
    field.page.mouse.up()
    np.testing.assert_allclose(field.ring(), (x - 100, y + 100), atol=0.6)
    moved = field.assert_agrees_with_numpy()["walk"]
    assert len(moved) == 1
    assert moved[0][0] < 1.2
    assert moved[0][1] < 0.9
    field.map.focus()
    field.page.keyboard.press("Home")
    assert field.state()["walk"] == [[1.2, 0.9]]
    field.page.keyboard.press("ArrowLeft")
    ((left, same),) = field.state()["walk"]
    assert (left < 1.2, same) == (True, 0.9)
    field.page.keyboard.press("Shift+ArrowUp")
    ((_, up),) = field.assert_agrees_with_numpy()["walk"]
    assert up - 0.9 == pytest.approx(10 * (1.2 - left))
    field.slider.focus()
    field.page.keyboard.press("ArrowRight")
    assert field.assert_agrees_with_numpy()["sigma"] == pytest.approx(0.305)
    field.page.keyboard.press("Home")
    assert field.assert_agrees_with_numpy()["sigma"] == pytest.approx(0.05)
    field.page.keyboard.press("End")
    assert field.assert_agrees_with_numpy()["sigma"] == pytest.approx(1.5)
    assert field.slider.get_attribute("aria-valuetext") == "1.500"


def test_the_books_explorer(open_page):
    address, payload = book_page("denoising-field", "03_*")
    field = Field(open_page(address), payload["points"])
    assert len(payload["points"]) == 150
    field.assert_agrees_with_numpy()
    for _ in range(4):
        field.button("Apply 10 times").click()
    walk = field.assert_agrees_with_numpy()["walk"]
    assert np.hypot(*(field.points - walk[-1]).T).min() < 0.2
    field.slider.focus()
    field.page.keyboard.press("Home")
    assert field.assert_agrees_with_numpy()["sigma"] == pytest.approx(0.05)


def test_everyone_can_use_it(field, open_page, address):
    live = field.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    field.map.press("ArrowLeft")
    live.get_by_text("points have 90 % of the weight.").wait_for()
    field.assert_axe_finds_nothing()
    field.assert_the_theme_is_followed(field.facts.locator("p").first)
    phone = Field(open_page(address, **PHONE))
    box = phone.map.bounding_box()
    phone.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    point = phone.assert_agrees_with_numpy()["walk"][0]
    assert np.abs(point).max() < 0.05
    phone.button("Apply once").tap()
    assert len(phone.assert_agrees_with_numpy()["walk"]) == 2
    phone.assert_fits_a_phone(*phone.root.get_by_role("button").all(), phone.slider)
    plain = open_page(address, java_script_enabled=False)
    assert "60 data points" in plain.locator(".ae-explorer-fallback").inner_text()


def test_live_it_follows_python_and_python_it(field):
    widget = DenoisingField(RING)
    field.show_as_widget(widget, point=[0.1, 0.2], sigma=0.2)
    live = Field(field.page)
    assert live.assert_agrees_with_numpy()["walk"] == [[0.1, 0.2]]
    assert field.page.evaluate("model.saved") == 0
    live.button("Apply once").click()
    widget.point, widget.sigma = [0.1, 0.2], 0.2
    np.testing.assert_allclose(
        field.page.evaluate("model.state.point"), widget.denoised(), rtol=1e-9
    )
    saved = field.page.evaluate("model.saved")
    field.page.evaluate("model.state.point = [1, 1]; model.fire('change:point')")
    field.page.evaluate("model.state.sigma = 0.7; model.fire('change:sigma')")
    state = live.assert_agrees_with_numpy()
    assert (state["walk"], state["sigma"]) == ([[1, 1]], 0.7)
    assert field.page.evaluate("model.saved") == saved
    live.assert_the_widget_ends()
