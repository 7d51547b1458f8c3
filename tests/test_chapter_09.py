"""Chapter 09's own code: a dictionary learnt from pairs, weights by hand, what erasing costs."""

import numpy as np
import pytest

from ae_lib.data import SentencePair
from tests.chapter_code import definitions


@pytest.fixture(scope="module")
def chapter():
    return definitions("09", "words", "learn_dictionary", "softmax", "by_sentence")


def _pairs(*rows):
    return [SentencePair(english, french, 0, 0, "", "") for english, french in rows]


def test_the_dictionary_finds_which_word_is_which(chapter):
    rows = _pairs(
        ("the cat", "le chat"),
        ("the dog", "le chien"),
        ("a dog", "un chien"),
        ("a cat", "un chat"),
    )
    found = chapter["learn_dictionary"](rows, rounds=10)
    assert found == {"the": "le", "cat": "chat", "dog": "chien", "a": "un"}
    # After one round the words beside "the" are all that counts: no second word is explained away.
    rows = _pairs(("the cat", "le chat"), ("the", "le"))
    assert chapter["learn_dictionary"](rows, rounds=10)["cat"] == "chat"


def test_sentences_are_grouped_with_their_translations(chapter):
    rows = _pairs(("Go.", "Va !"), ("Hi.", "Salut !"), ("Go.", "Allez !"))
    assert chapter["by_sentence"](rows) == {"Go.": ["Va !", "Allez !"], "Hi.": ["Salut !"]}


def test_the_softmax_of_large_scores_is_finite(chapter):
    weights = chapter["softmax"](np.array([[1000.0, 1000.0, -1000.0]]))
    np.testing.assert_allclose(weights, [[0.5, 0.5, 0.0]])
