"""The line along an attribute under the reader's hand; what it has in common with the line
between two sentences is tested there.

After each movement the sentences are compared with those of ``set_attribute``: see below.
"""

from pathlib import Path

import numpy as np
import pytest

from ae_lib import data, pretrained, text, text_models
from ae_lib.widgets import AttributePath, attribute_path
from ae_lib.widgets import _int8 as int8
from tests.page import explorers
from tests.page.explorers import ENDS, HELD_OUT, SITE, PathExplorer
from tests.page.test_sentence_path import check_the_stored_path_then_load
from tests.page.test_sentence_words import ODD


class AttributeExplorer(PathExplorer):
    """The code of a sentence, moved along an attribute; its model is a TextVAE."""

    name = "attribute-path"
    kind = "sentence-path"

    def __init__(self, page, autoencoder, index=0):
        super().__init__(page, autoencoder, index)
        self.attribute = self.root.get_by_label("Attribute", exact=True)
        self.value = self.root.get_by_label("Value", exact=True)

    def aims(self, name, value):
        """Wait until this is the attribute, and this its value."""
        target = [name, value]
        self.wait("(e, target) => String(e.state().target) === String(target)", target)
        return self.settled()

    def by_keras(self, state):
        places = [*np.linspace(-1, 2, 13), state["t"]]
        change = self.autoencoder.set_attribute
        return [change(state["texts"], *state["target"], strength)[0] for strength in places]


def write_attribute_page(folder):
    """Like ``write_path_page``, of one sentence's attribute."""
    vae = explorers.small_vae()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_models, "WEIGHTS", folder)
        kind = (f"{Path(attribute_path.PAGE_FILE).stem}.keras", text_models.TextVAE)
        patch.setitem(text_models.SHIPPED, attribute_path.SHIPPED, kind)
        vae.save(text_models.shipped_file(attribute_path.SHIPPED))
        html = AttributePath(vae, [*ENDS, "He never sang again after that long winter."]).html()
    explorers.write_weights(folder, attribute_path, int8.pack_model(vae))
    return explorers.write_page(folder, html), vae_beside(folder, vae.attributes)


def vae_beside(folder, attributes):
    """The model beside the page: of each code, it has the mean alone."""
    copy = explorers.autoencoder_beside(folder, attribute_path.PAGE_FILE)
    return text_models.TextVAE(copy.model, copy.vocabulary, attributes)


@pytest.fixture(scope="module")
def page_of_vae(tmp_path_factory):
    return write_attribute_page(tmp_path_factory.mktemp("attribute"))


@pytest.fixture
def small(open_page, page_of_vae):
    return AttributeExplorer(open_page(page_of_vae[0]), page_of_vae[1])


def test_the_books_explorer(open_page):
    address, payload = explorers.book_page("sentence-path", "08_*")
    shipped = pretrained("sentence-vae")
    assert payload["weights"]["version"] == int8.fingerprint(int8.pack_model(shipped))
    explorer = AttributeExplorer(open_page(address), vae_beside(SITE, shipped.attributes))
    explorer.run("explorer => explorer.setPlace(0.25)")  # in the path, the place of t = 0.5
    check_the_stored_path_then_load(explorer)
    for sentence in payload["examples"][:3]:
        explorer.write(0, sentence)
        for name, pairs in shipped.attributes.items():
            explorer.attribute.select_option(name)
            value = next(v for v, _ in reversed(pairs) if v != text.attributes(sentence)[name])
            explorer.aims(name, value)
            explorer.assert_agrees_with_keras()


def test_pick_an_attribute_a_value_and_a_strength(small):
    assert small.state()["target"] == ["question", True]
    small.attribute.select_option(label="number of words")  # this loads the model
    small.loaded()
    last = small.autoencoder.attributes["words"][-1][0]
    small.aims("words", last)
    small.value.select_option("4")
    small.aims("words", 4)
    small.slider.focus()
    for key, strength in [("Home", -1), ("ArrowRight", -0.95), ("End", 2)]:
        small.page.keyboard.press(key)
        assert small.state()["t"] == pytest.approx(strength)
        assert small.slider.get_attribute("aria-valuetext") == f"strength = {strength:.2f}"
        small.assert_agrees_with_keras()
    live = small.root.locator("[aria-live=polite]")
    live.get_by_text("strength = 2.00: ").wait_for(timeout=5000)
    assert small.status(0).endswith("own value: 3")
    assert small.root.locator(".aes-path u.aes-second").count()
    small.value.select_option("3")
    live.get_by_text("number of words: 3. own value: 3, as picked").wait_for(timeout=5000)
    assert len(set(small.aims("words", 3)["path"])) == 1
    small.assert_agrees_with_keras()
    small.write(0, "You are here. " * 12)
    assert "own value: 36, of which the model knows no mean code" in small.status(0)
    assert len(set(small.state()["path"])) == 1


def test_a_value_that_a_new_sentence_has_gives_way(small):
    small.load().write(0, ENDS[1])
    assert small.state()["target"] == ["question", False]
    assert small.value.locator("option:checked").inner_text() == "no"
    small.assert_agrees_with_keras()
    small.inputs.first.fill("")
    small.inputs.first.press("Enter")
    assert f"Write a sentence. The sentence is still “{ENDS[1]}”" in small.status(0)


def test_browser_finds_the_attributes_that_python_finds(small):
    for texts in (
        ODD,
        HELD_OUT,
        data.load_sentences("validation"),
        ["NEVER", "ſaw", "No-one, éed"],
    ):
        found = small.run("(explorer, texts) => texts.map(explorer.attributes)", texts)
        assert found == [text.attributes(one) for one in texts]


def test_everyone_can_use_it(small):
    small.load().write(0, "Zorble eats tea.")
    small.assert_axe_finds_nothing()
    small.assert_the_theme_is_followed(small.sentence)
    small.inputs.first.focus()
    reached = []
    for _ in range(4):
        small.page.keyboard.press("Tab")
        script = (
            "document.activeElement.labels[0]?.textContent ?? document.activeElement.ariaLabel"
        )
        reached.append(small.page.evaluate(script))
    assert reached[:3] == ["Attribute", "Value", "Strength of the move along the attribute"]


def test_phone(open_page, page_of_vae):
    explorer = AttributeExplorer(open_page(page_of_vae[0], **explorers.PHONE), page_of_vae[1])
    explorer.button.tap()
    explorer.loaded()
    explorer.write(0, "Zorble eats tea with " + "e" * 80)
    explorer.path.first.tap()
    assert explorer.state()["t"] == -1
    controls = [explorer.attribute, explorer.value, explorer.slider, *explorer.path.all()]
    explorer.assert_fits_a_phone(*controls)


def test_live_it_follows_python(small):
    widget = AttributePath(explorers.small_vae(), ENDS)
    small.show_as_widget(widget, sentence=ENDS[0], target=["past", True], strength=0.25)
    live = AttributeExplorer(small.page, small.autoencoder)
    live.loaded()  # at once: Python's target is not the stored one
    live.aims("past", True)
    live.assert_agrees_with_keras()
    live.attribute.select_option("negation")
    live.aims("negation", True)
    assert small.page.evaluate("model.state.target") == ["negation", True]
    saved = small.page.evaluate("model.saved")
    small.page.evaluate("model.state.target = ['negation', false]; model.fire('change:target')")
    live.aims("negation", False)
    assert small.page.evaluate("model.saved") == saved  # what came from Python is not sent back
