"""Chapter 12 against the library: the same counts; a format, and turns."""

import numpy as np
import pytest

from ae_lib import training
from tests.chapter_code import definitions

SIZES = {"V": 2000, "units": 256, "width": 128, "code": 256}


@pytest.fixture(scope="module")
def chapter():
    names = "medians", "product_cost", "lstm_products", "through"
    return definitions("12", *names, given=SIZES)


def test_a_product_costs_what_the_library_counts(chapter):
    """Through the Transformer's output: tokens by width, width by vocabulary, three times."""
    cost = training.transformer_cost(500, 64, 1, 2, 16, 8)
    operations, _ = chapter["product_cost"](16 * 8, 64, 500)
    assert cost.parts["output softmax"].operations == 3 * operations
    assert chapter["product_cost"](2, 3, 5, width=2) == (60, 2 * (6 + 15 + 10))


@pytest.mark.parametrize("batch, words", [(1, 1), (64, 8), (3, 20)])
def test_products_by_hand_are_the_librarys(chapter, batch, words):
    cost = training.lstm_autoencoder_cost(2000, 256, 128, 256, batch, words)
    products = sum(cost.parts[part].operations for part in cost.parts if "LSTM" in part)
    products += cost.parts["code"].operations + cost.parts["output softmax"].operations
    assert chapter["lstm_products"](batch, words) == products


def test_what_passes_through_a_format(chapter):
    chapter["gradient"] = np.array([2.0**-26, -(2.0**-20), 1.0], "float32")
    np.testing.assert_array_equal(chapter["through"]("float16"), [0, -(2.0**-20), 1])
    np.testing.assert_array_equal(chapter["through"]("float16", 2.0**15), chapter["gradient"])


def test_medians_take_turns(chapter):
    calls = []
    found = chapter["medians"]({name: lambda n=name: calls.append(n) for name in "ab"}, rounds=3)
    assert "".join(calls) == "aabb" + 3 * "ab"
    assert list(found) == ["a", "b"]
