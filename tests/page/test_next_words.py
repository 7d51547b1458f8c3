"""The explorer of a language model under the reader's hand: its sums are those of Python."""

import numpy as np
import pytest
from keras import ops

from ae_lib import data, text
from ae_lib.widgets import NextWords
from tests.page.explorers import PHONE, Explorer, write_page
from tests.page.test_sentence_words import ODD, random_texts
from tests.small_language_model import small_language_model


class Words(Explorer):
    """The explorer, and the model that it should agree with."""

    name = "next-words"

    def __init__(self, page, model, index=0):
        super().__init__(page, index)
        self.model = model
        self.input = self.root.get_by_role("textbox")
        self.bars = self.root.locator(".aew-bars button")
        self.pieces = self.root.locator(".aew-pieces button")
        self.note = self.root.locator(".aew-note").first

    def assert_shows(self, prompt):
        """The bars are Python's next words, and the pieces those of its vocabulary."""
        state = self.state()
        assert self.input.input_value() == prompt
        assert state["ids"] == self.model.vocabulary.encode(prompt)
        wanted = self.model.next_words(prompt, len(state["best"]))
        assert [piece for piece, _ in state["best"]] == [piece for piece, _ in wanted]
        np.testing.assert_allclose(*([p for _, p in x] for x in (state["best"], wanted)), 1e-3)
        for bar, (piece, p) in zip(self.bars.all(), wanted, strict=True):
            words = bar.inner_text().split("\n")
            assert words[0] == ("■ end" if piece == "<eos>" else piece.replace(" ", "␣"))
            assert float(words[-1].rstrip(" %")) == pytest.approx(100 * p, abs=0.51)


def attention(model, prompt):
    """Of each head, from each piece to each, float (layers · heads, T, T), in NumPy."""
    inner, ids = model.model, [text.BOS, *model.vocabulary.encode(prompt)]
    found, x = [], inner.embed(np.array([ids], "int32"))
    for block in inner.blocks:
        q, k, _ = (ops.convert_to_numpy(part)[0] for part in block.query_key_value(x))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
        scores[:, ~np.tri(len(ids), dtype=bool)] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        found.extend(weights / weights.sum(-1, keepdims=True))
        x = block(x)
    return np.array(found)


@pytest.fixture(scope="module")
def page_and_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    model = small_language_model(folder / "model.keras")
    html = NextWords(model, "Tom is").html() + NextWords(model, name="second").html()
    return write_page(folder, html), model


@pytest.fixture
def words(open_page, page_and_model):
    return Words(open_page(page_and_model[0]), page_and_model[1])


def test_the_same_pieces_probabilities_and_attention_as_python(words):
    texts = [*data.load_sentences("test")[:200], *ODD, *random_texts(300)]
    texts += [pair.french for pair in data.load_pairs("validation")[:100]]
    found = words.run("(explorer, texts) => texts.map(explorer.encode)", texts)
    rows = words.model.vocabulary.encode_all(texts)
    assert found == rows
    back = words.run("(explorer, rows) => rows.map(explorer.decode)", rows)
    assert back == [text.normalise(t) for t in texts]
    prompts = [s for s in data.load_sentences("test")[:60] if len(s) < 24][:12] + ["", "é 🙂"]
    for prompt in prompts:
        p = np.array(words.run("(explorer, prompt) => explorer.next(prompt)", prompt))
        wanted = words.model.next_words(prompt, 10**6)
        np.testing.assert_allclose(np.sort(p)[::-1][: len(wanted)], [p for _, p in wanted], 1e-4)
        assert p.sum() == pytest.approx(1)
        found = words.run("(explorer, prompt) => explorer.attention(prompt)", prompt)
        wanted = attention(words.model, prompt)
        np.testing.assert_allclose(np.reshape(found, wanted.shape), wanted, atol=1e-4)


def test_write_append_and_look_back(words):
    words.assert_shows("Tom is")
    words.input.fill("I don't")
    words.assert_shows("I don't")
    piece = words.state()["best"][2 if words.bars.nth(1).is_disabled() else 1][0]
    words.bars.nth(2 if words.bars.nth(1).is_disabled() else 1).press("Enter")
    assert words.input.input_value() == "I don't" + piece
    ids = words.state()["ids"]
    words.pieces.nth(1).click()
    state = words.state()
    assert (state["place"], state["ids"]) == (1, ids)
    first = words.model.vocabulary.decode(ids[:1])
    assert [piece for piece, _ in state["best"]] == [
        piece for piece, _ in words.model.next_words(first, len(state["best"]))
    ]
    assert "had " in words.note.inner_text()
    assert "rank " in words.note.inner_text()
    words.root.get_by_role("button", name="Draw another here").click()
    assert len(words.state()["ids"]) in (2, len(ids))  # one more than one, or the end
    words.input.fill("")
    words.assert_shows("")


def test_a_cell_says_its_weight_under_arrow_keys_and_pointer(words):
    weights, said = attention(words.model, "Tom is"), words.root.locator(".aew-note").last
    cells = words.root.locator("td[data-key]")
    pieces = len(words.state()["ids"]) + 1
    assert cells.count() == 10 * pieces
    assert words.root.locator("td[tabindex='0']").count() == 1
    cells.first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowRight"):
        words.page.keyboard.press(key)
    assert "Layer 1, head 3: " in said.inner_text()
    assert f"with weight {weights[2, -1, 1]:.2f}" in said.inner_text()
    cells.last.hover()
    assert f"Layer 2, head 5: “{words.pieces.last.inner_text()}”" in said.inner_text()
    assert f"with weight {weights[-1, -1, -1]:.2f}" in said.inner_text()
    shown = [float(c.locator("i").evaluate("i => i.style.opacity")) for c in cells.all()]
    np.testing.assert_allclose(shown, weights[:, -1].ravel(), atol=1e-3)


def test_what_is_too_long_is_said_and_changes_nothing(words):
    before = words.state()
    words.input.fill("zq " * 30)
    words.note.get_by_text("Too long: ").wait_for()
    assert "at most 23 are read" in words.note.inner_text()
    assert words.input.get_attribute("aria-invalid") == "true"
    assert words.state() == before
    words.input.fill("Mary")
    assert words.input.get_attribute("aria-invalid") == "false"
    words.assert_shows("Mary")


def test_everyone_can_use_it(words, open_page, page_and_model):
    live = words.root.locator("[aria-live=polite]")
    assert live.inner_text() == ""
    words.input.fill("Mary was")
    live.get_by_text("Most probable next: ").wait_for(timeout=5000)
    words.assert_axe_finds_nothing()
    words.assert_the_theme_is_followed(words.root.locator("th").last)
    second = Words(words.page, words.model, 1)
    second.assert_shows("")
    words.assert_shows("Mary was")
    phone = Words(open_page(page_and_model[0], **PHONE), words.model)
    phone.input.fill("I don't know what to do.")
    phone.assert_fits_a_phone(*phone.bars.all(), *phone.pieces.all(), phone.input)
    plain = open_page(page_and_model[0], java_script_enabled=False)
    told = plain.locator(".ae-explorer-fallback").first.inner_text()
    assert f"“{words.model.next_words('Tom is', 1)[0][0]}”" in told


def test_live_it_follows_python_and_python_it(words):
    widget = NextWords(words.model, "Tom")
    words.show_as_widget(widget, prompt="Mary")
    live = Words(words.page, words.model)
    live.assert_shows("Mary")
    assert words.page.evaluate("model.saved") == 0
    live.assert_it_follows_python_and_python_it("prompt")
