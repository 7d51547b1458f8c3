"""The training loop and the roofline under the reader's hand: their numbers are Python's."""

import json

import numpy as np
import pytest

from ae_lib.exercises import ch12
from ae_lib.widgets import ProductRoofline, TrainingLoop
from tests.page.explorers import PHONE, Explorer, book_page, write_page
from tests.test_product_roofline import MACHINES
from tests.test_training_loop import POINTS, START

REDUCED = {"reduced_motion": "reduce"}


class Loop(Explorer):
    """The training loop."""

    name = "training-loop"

    def __init__(self, page):
        super().__init__(page)
        self.slider = self.root.get_by_label("Step size")
        self.step = self.root.get_by_role("button", name="Step", exact=True)
        self.go = self.root.locator(".aeo-buttons button").nth(1)
        self.words = self.root.locator(".aeo-words")
        self.live = self.root.locator("[aria-live=polite]")

    def after(self, rate, steps):
        """The losses of so many steps with a step size."""
        script = "(e, [rate, steps]) => (e.setRate(rate), e.take(steps), e.state().losses)"
        return self.run(script, [rate, steps])


class Roof(Explorer):
    """The roofline."""

    name = "product-roofline"

    def __init__(self, page):
        super().__init__(page)
        self.m, self.n = self.root.get_by_label("Batch size m"), self.root.get_by_label("Width n")
        self.machine = self.root.get_by_label("Machine")
        self.width = self.root.get_by_label("Bytes of a number")
        self.facts = self.root.locator(".aeo-facts")
        self.live = self.root.locator("[aria-live=polite]")


@pytest.fixture(scope="module")
def loop_address(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("loop"), TrainingLoop(POINTS, START).html())


@pytest.fixture(scope="module")
def roof_address(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("roof"), ProductRoofline(MACHINES).html())


@pytest.fixture
def loop(open_page, loop_address):
    return Loop(open_page(loop_address, **REDUCED))


@pytest.fixture
def roof(open_page, roof_address):
    return Roof(open_page(roof_address, **REDUCED))


# ---- the training loop ----


def test_the_losses_are_numpys(loop):
    explorer = TrainingLoop(POINTS, START)
    for share, steps in ((0.02, 300), (0.5, 300), (0.95, 300), (1.3, 25), (2.5, 4)):
        explorer.rate = share * explorer.limit
        np.testing.assert_allclose(
            loop.after(explorer.rate, steps), explorer.losses(steps), rtol=1e-9, err_msg=str(share)
        )


def test_the_books_losses_are_numpys(open_page):
    address, payload = book_page("training-loop", "01_*")
    loop = Loop(open_page(address, **REDUCED))
    explorer = TrainingLoop(payload["points"], payload["start"], rate=payload["rate"])
    assert explorer.limit == payload["limit"]
    assert loop.state()["losses"] == pytest.approx(list(explorer.losses(0)), rel=1e-12)
    loop.go.click()
    np.testing.assert_allclose(loop.state()["losses"], explorer.losses(100), rtol=1e-9)
    loop.assert_axe_finds_nothing()


def test_by_keyboard_a_step_a_run_another_step_size(loop):
    explorer = TrainingLoop(POINTS, START)
    rates = json.loads(explorer.payload)["rates"]
    loop.slider.focus()
    first = int(loop.slider.input_value())
    loop.page.keyboard.press("ArrowRight")
    assert loop.state()["rate"] == rates[first + 1]
    loop.page.keyboard.press("Tab")
    loop.page.keyboard.press("Enter")
    assert len(loop.state()["losses"]) == 2
    assert "step 1: the loss is" in loop.words.inner_text()
    loop.page.keyboard.press("Tab")
    loop.page.keyboard.press("Space")  # with reduced motion all steps at once
    assert len(loop.state()["losses"]) == 102
    assert not loop.state()["running"]
    loop.live.get_by_text("within 1 % of the least loss").wait_for()
    dashed = loop.root.locator("polyline.aeo-faint")
    assert dashed.count() == 0
    loop.page.keyboard.press("Tab")
    loop.page.keyboard.press("Enter")
    assert len(loop.state()["losses"]) == 1
    assert dashed.count() == 1
    assert loop.slider.get_attribute("aria-valuetext") in loop.words.inner_text()


def test_what_happens_is_said_in_words(loop):
    explorer = TrainingLoop(POINTS, START)
    for share, words in (
        (0.02, "It is still falling"),
        (1.3, "In the last 20 steps it rose and fell"),
        (3, "training diverges"),
    ):
        loop.after(share * explorer.limit, 60)
        assert words in loop.words.inner_text()
    steps = len(loop.state()["losses"])
    assert steps < 30
    for button in (loop.step, loop.go):
        assert button.get_attribute("aria-disabled") == "true"
        button.click(force=True)
    assert len(loop.state()["losses"]) == steps
    loop.after(0.5 * explorer.limit, 60)
    explorer.rate = 0.5 * explorer.limit
    close = np.flatnonzero(explorer.losses(60) > 1.01 * explorer.least)[-1] + 1
    assert f"Since step {close} it is within 1 %" in loop.words.inner_text()
    assert loop.step.get_attribute("aria-disabled") == "false"
    loop.root.locator("summary").click()
    told = loop.root.locator("details p").inner_text()
    assert float(told.split()[1].rstrip(".")) == pytest.approx(explorer.limit, rel=5e-3)


def test_a_run_moves_and_stops_when_told(open_page, loop_address):
    loop = Loop(open_page(loop_address))
    loop.go.click()
    loop.wait("e => e.state().losses.length > 5")
    assert loop.go.inner_text() == "Stop"
    loop.go.click()
    steps = len(loop.state()["losses"])
    assert not loop.state()["running"]
    assert 5 < steps < 101
    loop.page.wait_for_timeout(200)
    assert len(loop.state()["losses"]) == steps
    loop.go.click()
    loop.run("explorer => explorer.setRate(0.123)")  # another step size ends a run
    assert not loop.state()["running"]
    assert loop.go.inner_text() == "Run 100 steps"


# ---- the roofline ----


def test_the_bounds_are_the_exercises(roof):
    script = "(e, next) => (e.change(next), e.state())"
    for machine, (limits, bandwidth) in MACHINES.items():
        for width, operations in limits.items():
            for m in (1, 3, 64, 512, 65_536):
                for n in (1, 100, 1024, 16_384):
                    chosen = {"m": m, "n": n, "machine": machine, "width": width}
                    found = roof.run(script, chosen)
                    seconds, bound = ch12._floor(m, n, n, width, operations, bandwidth)
                    assert (found["seconds"], found["bound"]) == (seconds, bound)
                    assert found["speed"] == found["operations"] / seconds
                    moved = width * (2 * m * n + n * n)
                    assert found["intensity"] == 2 * m * n * n / moved


def test_by_keyboard_the_product_moves_to_the_ridge(roof):
    explorer = ProductRoofline(MACHINES)
    roof.m.focus()
    dot = roof.root.locator("svg circle.aeo-ink")
    before = float(dot.get_attribute("cx"))
    assert "Memory is the limit" in roof.facts.inner_text()
    roof.page.keyboard.press("End")
    assert roof.state()["m"] == 65_536
    assert roof.m.get_attribute("aria-valuetext") == "65,536"
    assert "Arithmetic is the limit" in roof.facts.inner_text()
    roof.live.get_by_text("Arithmetic is the limit").wait_for()
    assert float(dot.get_attribute("cx")) > before + 50
    roof.n.focus()
    roof.page.keyboard.press("ArrowLeft")
    explorer.m, explorer.n = 65_536, 512
    assert roof.state()["seconds"] == explorer.bound()[0]
    assert f"{1e3 * explorer.bound()[0]:.3g} ms" in roof.facts.inner_text()


def test_another_machine_has_other_numbers(roof):
    assert roof.width.locator("option").all_inner_texts() == [
        "4 (float32)",
        "2 (16 bits)",
    ]
    roof.machine.select_option("fast")  # has no numbers of four bytes
    assert roof.state()["width"] == 2
    roof.width.select_option("1")
    assert roof.state()["width"] == 1
    assert roof.state()["ridge"] == 1979e12 / 3350e9
    assert "100 %" not in roof.facts.inner_text()
    roof.assert_axe_finds_nothing()


def test_the_books_roofline(open_page):
    address, payload = book_page("product-roofline", "12_*")
    roof = Roof(open_page(address, **REDUCED))
    limits = {
        one["name"]: (dict(one["operations"]), one["bandwidth"]) for one in payload["machines"]
    }
    explorer = ProductRoofline(limits, **payload["first"])
    assert roof.state()["seconds"] == explorer.bound()[0]
    roof.machine.select_option("T4")
    explorer.machine = "T4"
    assert roof.state()["seconds"] == explorer.bound()[0]
    roof.assert_axe_finds_nothing()


# ---- both ----


@pytest.mark.parametrize("kind", [Loop, Roof])
def test_everyone_can_use_it(open_page, loop_address, roof_address, kind):
    address = loop_address if kind is Loop else roof_address
    wide = kind(open_page(address, **REDUCED))
    wide.assert_axe_finds_nothing()
    wide.assert_the_theme_is_followed(wide.root.locator(".aew-title").first)
    phone = kind(open_page(address, **PHONE))
    phone.assert_fits_a_phone(*phone.root.locator("input, select, button, summary").all())
    if kind is Loop:
        phone.step.tap()
        assert len(phone.state()["losses"]) == 2
    plain = open_page(address, java_script_enabled=False)
    told = plain.locator(".ae-explorer-fallback").inner_text()
    assert told.startswith("An explorer stands here: a ")
    assert told.endswith("It needs JavaScript.")


def test_live_it_follows_python_and_tells_it(loop):
    widget = TrainingLoop(POINTS, START)
    loop.show_as_widget(widget, rate=0.5)
    live = Loop(loop.page)
    assert live.state()["rate"] == 0.5
    live.slider.press("ArrowRight")
    assert loop.page.evaluate("model.state.rate") == live.state()["rate"] > 0.5
    assert loop.page.evaluate("model.saved") == 1
    loop.page.evaluate("model.state.rate = 0.25; model.fire('change:rate')")
    assert live.state()["rate"] == 0.25
    assert loop.page.evaluate("model.saved") == 1
    live.assert_the_widget_ends()
    widget = ProductRoofline(MACHINES)
    first = {name: getattr(widget, name) for name in ("m", "n", "machine", "width")}
    loop.show_as_widget(widget, **first)
    roof = Roof(loop.page)
    roof.machine.select_option("fast")
    assert loop.page.evaluate("[model.state.machine, model.state.width, model.saved]") == [
        "fast",
        2,
        1,
    ]
    loop.page.evaluate("model.state.m = 100; model.fire('change:m')")
    assert roof.state()["m"] == 100
    live.assert_the_widget_ends()
