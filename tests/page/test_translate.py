"""The explorer of a translator under the reader's hand: what it writes is what Python writes."""

import functools

import numpy as np
import pytest

from ae_lib import pretrained, text, text_models
from ae_lib.widgets import Translate, translate
from ae_lib.widgets import _int8 as int8
from tests.page.explorers import (
    ENDS,
    HELD_OUT,
    PHONE,
    LoadingExplorer,
    book_page,
    small_translator,
    write_page,
    write_weights,
)
from tests.page.test_sentence_words import ODD


class TranslateExplorer(LoadingExplorer):
    """Sentences and their translations, and the translator that they should agree with."""

    name = "translate"

    def __init__(self, page, translator, index=0):
        super().__init__(page, index)
        self.translator = translator
        self.input, self.pick = self.root.get_by_role("textbox"), self.root.get_by_role("combobox")
        self.button = self.root.get_by_role("button", name="Load the model")
        self.french, self.cells = (
            self.root.locator(".aet-french"),
            self.root.locator("td[data-row]"),
        )
        self.note, self.said = (self.root.locator(".aew-note").nth(k) for k in (0, 1))

    def has(self, sentence):
        """Wait until this sentence's translation is shown."""
        self.wait("(e, text, root) => e.state().text === text", sentence)
        self.root.locator(".aet-out:not([aria-busy])").wait_for()
        return self.state()

    def assert_shows(self, sentence):
        """Translation and attention are those of Python, and the cells' names those numbers."""
        state = self.has(sentence)
        assert self.input.input_value() == sentence
        self.assert_is_pythons(state)
        assert self.french.inner_text().strip() == (state["translation"].strip() or "nothing")
        named = self.cells.evaluate_all("cells => cells.map((cell) => Number(cell.ariaLabel))")
        np.testing.assert_allclose(named, np.ravel(state["weights"]), atol=0.00501)

    def assert_is_pythons(self, found):
        wanted = pythons(self.translator, found["text"])
        same = ("read", "written", "pieces", "translation")
        assert [found[key] for key in same] == [wanted[key] for key in same]
        np.testing.assert_allclose(found["weights"], wanted["weights"], atol=6e-4)


@functools.cache
def pythons(translator, sentence):
    """What Python shows. That it is the translator's, tests/test_translate.py proves."""
    return translate._translated(translator, sentence)


def write_translate_page(folder, attention="general"):
    """A page with the explorer of a small translator, its weights beside it; the translator."""
    translator = small_translator(folder, attention)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_models, "WEIGHTS", folder)
        html = Translate(translator, [*ENDS, "I don't know."]).html()
    write_weights(folder, translate, int8.pack_model(translator))
    return write_page(folder, html), translator


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """A page, and the translator, for each attention."""
    return {
        kind: write_translate_page(tmp_path_factory.mktemp(kind), kind) for kind in int8.ATTENTIONS
    }


@pytest.fixture
def small(open_page, page_of):
    address, translator = page_of["general"]
    return TranslateExplorer(open_page(address), translator)


def check_the_stored_translations_then_load(explorer, sentences):
    """By keyboard: nothing is loaded for what is stored, and the model's answers are the same."""
    stored = []
    for sentence in sentences:
        explorer.pick.select_option(sentence)
        stored.append(explorer.has(sentence))
        explorer.assert_shows(sentence)
    assert explorer.page.evaluate("window.aeWeights") is None
    assert not explorer.state()["loaded"]
    explorer.button.focus()
    explorer.page.keyboard.press("Enter")
    explorer.loaded()
    assert explorer.input.evaluate("input => document.activeElement === input")
    for sentence, before in zip(sentences, stored, strict=True):
        explorer.pick.select_option(sentence)
        explorer.wait("(e, text) => e.state().loaded && e.state().text === text", sentence)
        explorer.assert_shows(sentence)
        now = explorer.state()
        assert {k: now[k] for k in ("written", "translation")} == {
            k: before[k] for k in ("written", "translation")
        }


def test_the_books_explorer(open_page):
    address, payload = book_page("translate", "09_*")
    shipped = pretrained(translate.SHIPPED)
    assert payload["weights"]["version"] == int8.fingerprint(int8.pack_model(shipped))
    explorer = TranslateExplorer(open_page(address), shipped)
    check_the_stored_translations_then_load(explorer, [one["text"] for one in payload["stored"]])
    for sentence in HELD_OUT[:3]:
        explorer.input.fill(sentence)
        explorer.assert_shows(sentence)


@pytest.mark.parametrize("attention", int8.ATTENTIONS)
def test_the_same_pieces_translations_and_weights_as_python(open_page, page_of, attention):
    address, translator = page_of[attention]
    explorer = TranslateExplorer(open_page(address), translator).load()
    texts = [t for t in [*HELD_OUT[:8], *ODD[3:9], "é 🙂", "tea " * 90] if text.normalise(t)]
    found = explorer.run("(explorer, texts) => explorer.translate(texts)", texts)
    assert [one["translation"] for one in found] == translator.translate(texts)
    for one in found[::2]:
        explorer.assert_is_pythons(one)
    assert len({one["translation"] for one in found}) >= 8
    assert attention != "dot" or any(one["written"][-1] is None for one in found)


def test_writing_loads_the_model_and_a_long_sentence_is_cut(small):
    small.input.click()
    assert small.page.evaluate("document.querySelector('script[src]')") is None
    small.input.fill("Mary was here.")
    small.loaded().assert_shows("Mary was here.")
    count = len(small.translator.vocabulary.encode("Mary was here."))
    assert small.note.inner_text() == f"Read as {count} pieces."
    long = "zq " * 70 + "end"
    small.input.fill(long)
    small.assert_shows(long)
    count = len(small.translator.vocabulary.encode(long))
    assert f"has {count} pieces, and the model reads 60 at most" in small.note.inner_text()
    live = small.root.locator("[aria-live=polite]")
    live.get_by_text("the rest was cut off").wait_for()


def test_what_cannot_be_read_is_said_and_changes_nothing(small):
    small.load().assert_shows(ENDS[0])
    before = small.state()
    for sentence, words in [
        (" \u200b ", "Write a sentence."),
        ("é" * 1001, "Too long: 1001 char"),
    ]:
        small.input.fill(sentence)
        small.input.press("Enter")
        small.note.get_by_text(words).wait_for()
        assert f"still that of “{ENDS[0]}”" in small.note.inner_text()
        assert small.input.get_attribute("aria-invalid") == "true"
        assert small.state() == before
    small.input.fill("Mary")
    small.assert_shows("Mary")
    assert small.input.get_attribute("aria-invalid") == "false"


def test_a_cell_says_its_weight_under_arrow_keys_and_pointer(small):
    state = small.state()
    assert small.root.locator("td[tabindex='0']").count() == 1
    small.cells.first.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp"):
        small.page.keyboard.press(key)
    visible = [(piece or "■ end").replace(" ", "␣") for piece in state["read"]]
    weight = f"“{visible[1]}” has the weight {state['weights'][0][1]:.2f}."
    assert small.said.inner_text().endswith(weight)
    small.root.locator("[aria-live=polite]").get_by_text(weight).wait_for()
    small.cells.last.hover()
    weight = f"“{visible[-1]}” has the weight {state['weights'][-1][-1]:.2f}."
    assert small.said.inner_text().endswith(weight)


def test_everyone_can_use_it(small, open_page, page_of):
    live = small.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    small.assert_axe_finds_nothing()
    small.load()
    small.input.fill("Mary was here.")
    live.get_by_text("In French: ").wait_for()
    small.assert_axe_finds_nothing()
    small.assert_the_theme_is_followed(small.french)
    assert small.french.get_attribute("lang") == "fr"
    address, translator = page_of["general"]
    phone = TranslateExplorer(open_page(address, **PHONE), translator)
    phone.button.tap()
    phone.loaded()
    phone.input.fill("Zorble eats tea with " + "e" * 80)
    phone.assert_shows("Zorble eats tea with " + "e" * 80)
    phone.assert_fits_a_phone(phone.input, phone.pick, phone.cells.first)
    plain = open_page(address, java_script_enabled=False)
    told = plain.locator(".ae-explorer-fallback").inner_text()
    assert "needs JavaScript" in told
    assert translator.translate([ENDS[0]])[0] in told


def test_a_model_that_does_not_travel_leaves_the_stored_translations(open_page, page_of, tmp_path):
    translator = page_of["dot"][1]  # no shipped one
    page = open_page(write_page(tmp_path, Translate(translator, ENDS).html()))
    explorer = TranslateExplorer(page, translator)
    explorer.root.get_by_text("does not travel with the page").wait_for()
    assert explorer.button.count() == 0
    assert not explorer.input.is_editable()
    explorer.pick.select_option(ENDS[1])
    explorer.assert_shows(ENDS[1])


def test_live_it_asks_the_kernel_and_follows_python(small, page_of):
    translator = page_of["dot"][1]
    small.show_as_widget(Translate(translator, ENDS), sentence="Mary")
    live = TranslateExplorer(small.page, translator)
    live.loaded().assert_shows("Mary")  # at once: Python's sentence is not a stored one
    assert small.page.evaluate("[model.sent, model.saved]") == [[{"kind": "weights"}], 0]
    live.assert_it_follows_python_and_python_it("sentence")
