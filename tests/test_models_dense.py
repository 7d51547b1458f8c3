"""The dense autoencoders on every backend: shapes, sizes, saving, and bad input."""

import re

import keras
import numpy as np
import pytest

from ae_lib import training
from ae_lib.models import Autoencoder, dense_autoencoder, linear_autoencoder

pytestmark = pytest.mark.backend
rng = np.random.default_rng(2)
X = rng.random((50, 6, 5), dtype="float32")


def make(**options):
    training.set_seed(1)
    return dense_autoencoder((6, 5), **{"code_size": 3, "hidden": (8, 4), **options})


def test_codes_and_reconstructions_have_their_shapes():
    model = make()
    z = model.encode(X)
    assert (z.shape, z.dtype) == ((50, 3), "float32")
    assert isinstance(z, np.ndarray)
    back = model.reconstruct(X)
    assert (back.shape, back.dtype) == (X.shape, "float32")
    assert back.min() >= 0
    assert back.max() <= 1
    assert model.item_shape == (6, 5)
    assert model.code_size == 3
    np.testing.assert_allclose(model.decode(z), back, atol=1e-6)
    inside = keras.ops.convert_to_numpy(model(X))
    np.testing.assert_allclose(inside, back, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_the_batch_size_changes_nothing(batch_size):
    model = make()
    np.testing.assert_allclose(model.encode(X, batch_size), model.encode(X), atol=1e-5)


@pytest.mark.once
def test_the_number_of_parameters_is_the_sum_over_layers():
    widths = [30, 8, 4, 3, 4, 8, 30]
    expected = sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))
    assert make().count_params() == expected


def test_a_code_of_one_and_no_hidden_layer():
    model = dense_autoencoder((4,), 1, ())
    assert model.reconstruct(np.zeros((2, 4))).shape == (2, 4)


def test_a_saved_model_comes_back_the_same(tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, Autoencoder)
    assert again.value_range == (0.0, 1.0)
    np.testing.assert_array_equal(again.encode(X), model.encode(X))
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))


def test_a_configuration_serves_more_than_once():
    config = make().get_config()
    for _ in range(2):
        assert Autoencoder.from_config(config).item_shape == (6, 5)


def test_a_linear_output_lifts_the_range():
    assert make(output="linear").reconstruct(X - 0.5).shape == X.shape
    with pytest.raises(ValueError, match="expected values in"):
        make().reconstruct(X - 0.5)


def test_the_linear_autoencoder_is_linear():
    model = linear_autoencoder((6, 5), 3)
    f = model.reconstruct
    a, b = X[:25], X[25:]
    zero = np.zeros_like(a)
    np.testing.assert_allclose(f(a + b) + f(zero), f(a) + f(b), atol=1e-4)
    assert model.value_range is None
    assert len(model.encoder.layers) + len(model.decoder.layers) == 4


@pytest.mark.once
@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"hidden": (8, 0)}, ValueError, "hidden: expected a whole number of at least 1, got 0"),
        ({"hidden": 8}, TypeError, "hidden: expected several whole numbers in brackets, got 8"),
        ({"hidden": "8"}, TypeError, "hidden: expected several whole numbers"),
        ({"item_shape": (0, 3)}, ValueError, "item_shape: expected a whole number of at least 1"),
        ({"item_shape": 784}, TypeError, "item_shape: expected several whole numbers"),
    ],
)
def test_sizes_that_cannot_be_are_named(options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        dense_autoencoder(**options)


WITH_NAN = X.copy()
WITH_NAN[0, 0, 0] = np.nan


@pytest.mark.once
@pytest.mark.parametrize(
    "x, error, words",
    [
        (X[:0], ValueError, "x: empty, shape (0, 6, 5)"),
        (X[0], ValueError, "a single item needs a batch axis: x[None]"),
        (X.reshape(50, 30), ValueError, "reshape it: x.reshape(-1, 6, 5)"),
        (X[:, :, :4], ValueError, "x: expected shape (n, 6, 5), got (50, 6, 4)"),
        (X * 255, ValueError, "divide by 255"),
        (X - 1, ValueError, "x: expected values in [0.0, 1.0]"),
        (WITH_NAN, ValueError, "x: 1 of 1,500 values are NaN or infinite"),
        (X.astype(complex), TypeError, "x: expected an array of numbers, got dtype complex"),
        (X.astype(str), TypeError, "x: expected an array of numbers"),
        (None, TypeError, "x: expected an array of numbers"),
        (3.0, ValueError, "x: expected shape"),
    ],
)
def test_input_that_is_none_is_named(x, error, words):
    model = make()
    for use in (model.encode, model.reconstruct):
        with pytest.raises(error, match=re.escape(words)):
            use(x)


@pytest.mark.once
@pytest.mark.parametrize(
    "z, words",
    [
        (np.zeros((2, 4)), "z: expected shape (n, 3), got (2, 4)"),
        (np.zeros(3), "a single item needs a batch axis: z[None]"),
        (np.full((2, 3), np.inf), "z: 6 of 6 values are NaN or infinite"),
    ],
)
def test_codes_that_are_none_are_named(z, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        make().decode(z)


def layers(*sizes):
    return keras.Sequential([keras.Input((sizes[0],)), *map(keras.layers.Dense, sizes[1:])])


@pytest.mark.once
def test_an_encoder_and_a_decoder_must_fit():
    with pytest.raises(ValueError, match=r"decoder: takes codes of shape \(3,\), but .* \(2,\)"):
        Autoencoder(layers(5, 2), layers(3, 5))
    with pytest.raises(ValueError, match=r"decoder: gives \(4,\), but the encoder takes \(5,\)"):
        Autoencoder(layers(5, 2), layers(2, 4))
    assert Autoencoder(layers(5, 2), layers(2, 5)).code_size == 2
