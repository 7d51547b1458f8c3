"""Chapter 12 against the library: the same counts and formats, answers that pass."""

import keras
import ml_dtypes
import numpy as np
import pytest

from ae_lib import models, training
from tests.chapter_code import definitions

SIZES = {"V": 2000, "units": 256, "width": 128, "code": 256}


@pytest.fixture(scope="module")
def chapter():
    names = (
        "medians",
        "product_cost",
        "lstm_products",
        "largest",
        "smallest",
        "through",
    )
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


def test_the_counted_models_are_the_models():
    assert (
        training.lstm_autoencoder_cost(50, 8, 6, 8, 1, 3).parameters
        == models.Seq2SeqAutoencoder(50, 8, 6, 8).count_params()
    )
    assert (
        training.transformer_cost(50, 8, 2, 2, 9, 1).parameters
        == models.TransformerLM(50, width=8, layers=2, heads=2, length=9).count_params()
    )


@pytest.mark.parametrize(
    "kind, bits",
    [("float32", (8, 23)), ("float16", (5, 10)), (ml_dtypes.bfloat16, (8, 7))]
    + [(ml_dtypes.float8_e5m2, (5, 2))],
)
def test_formats_by_their_bits(chapter, kind, bits):
    info = ml_dtypes.finfo(kind)
    assert chapter["largest"](*bits) == float(info.max)
    assert chapter["smallest"](*bits) == float(info.smallest_subnormal)
    assert 2.0 ** -bits[1] == float(info.eps)


def test_what_passes_through_a_format(chapter):
    chapter["gradient"] = np.array([2.0**-26, -(2.0**-20), 1.0], "float32")
    np.testing.assert_array_equal(chapter["through"]("float16"), [0, -(2.0**-20), 1])
    np.testing.assert_array_equal(chapter["through"]("float16", 2.0**15), chapter["gradient"])


def test_medians_take_turns(chapter):
    calls = []
    found = chapter["medians"]({name: lambda n=name: calls.append(n) for name in "ab"}, rounds=3)
    assert "".join(calls) == "aabb" + 3 * "ab"
    assert list(found) == ["a", "b"]


def test_keras_averages_what_it_accumulates():
    """What the chapter says of ``gradient_accumulation_steps``: the plain mean of the pieces."""
    weight = keras.Variable(np.zeros(2, "float32"))
    rule = keras.optimizers.SGD(1.0, gradient_accumulation_steps=2)
    for gradient in ([1.0, 0.0], [3.0, 4.0]):
        rule.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), [-2, -2])
