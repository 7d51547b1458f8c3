"""The explorer of a language model on its Python side: its copy of the weights, refusals."""

import base64
import json
import re

import keras
import numpy as np
import pytest
import traitlets

from ae_lib import text
from ae_lib.models import RecurrentLM, TransformerLM
from ae_lib.text_models import LanguageModel
from ae_lib.widgets import NextWords, next_words
from tests.serving import assert_serves
from tests.small_language_model import small_language_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return small_language_model(tmp_path_factory.mktemp("model") / "model.keras")


def test_weights_from_a_file_of_8_bits_are_copied_exactly(model):
    packed = next_words.pack(model)
    raw = {k: base64.b64decode(packed[k]) for k in ("matrices", "steps", "vectors")}
    whole, steps = np.frombuffer(raw["matrices"], "i1"), np.frombuffer(raw["steps"], "i1")
    m = s = 0
    for weight in model.model.get_weights():
        if weight.ndim == 2:
            step = np.exp2(steps[s : s + weight.shape[1]].astype(float))
            found = whole[m : m + weight.size].reshape(weight.shape) * step
            np.testing.assert_array_equal(found, weight)
            m, s = m + weight.size, s + weight.shape[1]
    assert (m, s) == (len(whole), len(steps))
    expected = [w.ravel() for w in model.model.get_weights() if w.ndim == 1]
    np.testing.assert_array_equal(np.frombuffer(raw["vectors"], "<f4"), np.concatenate(expected))
    assert packed == next_words.pack(model)


def wrong_models(model):
    vocabulary = model.vocabulary
    recurrent = RecurrentLM(len(vocabulary), units=4, embedding_size=4)
    wide = TransformerLM(len(vocabulary), width=256, layers=1, heads=1)
    ill = TransformerLM(len(vocabulary), width=4, layers=1, heads=1)
    ill.norm.gamma.assign(np.full(4, np.nan))
    return [
        (model.model, TypeError, "got TransformerLM"),
        ("small-language-model", TypeError, "got str"),
        (LanguageModel(recurrent, vocabulary), TypeError, "got RecurrentLM"),
        (LanguageModel(wide, vocabulary), ValueError, "at most 700,000 weights"),
        (LanguageModel(ill, vocabulary), ValueError, "NaN or infinite"),
    ]


def test_what_it_cannot_show_is_refused(model):
    for wrong, error, words in wrong_models(model):
        with pytest.raises(error, match=f"language_model: .*{words}"):
            NextWords(wrong)
    for arguments, error, words in (
        ({"prompt": 3}, TypeError, "prompt: expected one string"),
        ({"prompt": "zq " * 30}, ValueError, "prompt has .* pieces, and the model reads at most"),
        ({"name": "Next 1"}, ValueError, "name: expected lower-case"),
    ):
        with pytest.raises(error, match=words):
            NextWords(model, **arguments)


def test_the_prompt_is_synchronised_and_checked(model):
    widget, seen = NextWords(model, "Tom"), []
    widget.observe(lambda change: seen.append(change.new), "prompt")
    widget.prompt = "Mary"
    widget.set_state({"prompt": ""})  # as the browser does
    assert seen == ["Mary", ""]
    for wrong in ("zq " * 30, 3):
        with pytest.raises(traitlets.TraitError):
            widget.prompt = wrong
    assert widget.prompt == ""


def test_it_serves_a_notebook_and_a_page_and_asks_nobody(model):
    widget = assert_serves(lambda: NextWords(model, "</script><b>"))
    assert re.fullmatch(r"<NextWords 'next-words': 2 layers of 5 heads, .*>", repr(widget))
    assert json.loads(widget.payload)["prompt"] == "</script><b>"


def test_the_largest_model_fits_a_page():
    """A model just below the limit."""
    vocabulary = text.Subwords.build(["Tom is here."], 280)
    keras.utils.set_random_seed(0)
    model = TransformerLM(len(vocabulary), width=128, layers=3, heads=4)
    assert 0.9 < model.count_params() / next_words._MOST <= 1
    assert len(NextWords(LanguageModel(model, vocabulary)).html()) < 1e6
