"""Sparse and contractive models on every backend: against NumPy, saving, bad input."""

import keras
import numpy as np
import pytest
from keras import ops

from ae_lib import training
from ae_lib.models import Autoencoder, ContractiveAutoencoder, KSparse

pytestmark = pytest.mark.backend
rng = np.random.default_rng(5)
X = rng.normal(size=(12, 3, 4)).astype("float32")
Z = rng.normal(size=(12, 7)).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(x)


def make(**options):
    training.set_seed(2)
    return ContractiveAutoencoder(**{"item_shape": (3, 4), "code_size": 6, **options})


def sparse(*code_layers):
    training.set_seed(2)
    encoder = keras.Sequential(
        [keras.Input((3, 4)), keras.layers.Flatten(), keras.layers.Dense(7), *code_layers]
    )
    decoder = keras.Sequential(
        [keras.Input((7,)), keras.layers.Dense(12), keras.layers.Reshape((3, 4))]
    )
    return Autoencoder(encoder, decoder)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_k_sparse_keeps_the_k_largest(k):
    kept = numpy(KSparse(k)(Z))
    threshold = np.sort(Z, axis=1)[:, -k][:, None]
    np.testing.assert_array_equal(kept, np.where(threshold <= Z, Z, 0))
    assert ((kept != 0).sum(1) == k).all()


def test_k_sparse_keeps_ties():
    tied = np.array([[1.0, 2.0, 2.0, 0.0]], "float32")
    np.testing.assert_array_equal(numpy(KSparse(1)(tied)), [[0, 2, 2, 0]])


def test_the_decoder_is_the_encoder_transposed():
    model = make()
    W, b = (numpy(w).astype("float64") for w in model.encoder.get_layer("code").weights)
    h = 1 / (1 + np.exp(-(X.reshape(12, 12) @ W + b)))
    np.testing.assert_allclose(model.encode(X), h, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X).reshape(12, 12), h @ W.T, atol=1e-5)
    assert model.count_params() == 12 * 6 + 6 + 12


def test_the_closed_form_agrees_with_finite_differences():
    model = make()
    W, b = (numpy(w).astype("float64") for w in model.encoder.get_layer("code").weights)

    def code(x):
        return 1 / (1 + np.exp(-(x @ W + b)))

    x, step = X[0].reshape(-1).astype("float64"), 1e-5
    steps = step * np.eye(12)
    differences = ((code(x + steps) - code(x - steps)) / (2 * step)).T
    np.testing.assert_allclose(model.jacobian(X[0]), differences, atol=1e-6)
    np.testing.assert_allclose(model.jacobian_norm(X)[0], (differences**2).sum(), rtol=1e-5)
    assert model.jacobian_norm(X).shape == (12,)


def test_the_penalty_is_in_the_loss_and_shrinks_the_jacobian():
    norms = []
    for weight in (0.0, 1.0):
        model = make(weight=weight)
        model.compile(keras.optimizers.Adam(0.02), "mse")
        plain = ((model.reconstruct(X) - X) ** 2).mean()
        expected = plain + weight * model.jacobian_norm(X).mean()
        loss = model.evaluate(X, X, batch_size=12, verbose=0)
        np.testing.assert_allclose(loss, expected, rtol=1e-4)
        training.fit(model, X, epochs=20, batch_size=12)
        norms.append(model.jacobian_norm(X).mean())
    assert norms[1] < norms[0] / 2


def test_saved_and_loaded_they_are_the_same(tmp_path):
    for name, model in {
        "contractive": make(weight=0.2),
        "k-sparse": sparse(KSparse(2)),
    }.items():
        model.save(tmp_path / f"{name}.keras")
        again = keras.saving.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_allclose(again.reconstruct(X), model.reconstruct(X), atol=1e-6)


def test_a_loaded_contractive_model_is_still_tied(tmp_path):
    make(weight=0.2).save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.weight == 0.2
    assert again.count_params() == make().count_params()
    again.encoder.get_layer("code").kernel.assign(np.zeros((12, 6), "float32"))
    np.testing.assert_allclose(again.reconstruct(X), 0, atol=1e-7)


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: KSparse(0), ValueError, "k: expected a whole number of at least 1"),
        (lambda: KSparse(2.5), TypeError, "k: expected a whole number of at least 1"),
        (lambda: KSparse(9)(Z), ValueError, "k: keep 9 of 7 values"),
        (lambda: make(weight=float("nan")), ValueError, "weight: expected a finite"),
        (
            lambda: make(code_size=0),
            ValueError,
            "code_size: expected a whole number of at least 1",
        ),
        (
            lambda: make(item_shape=(0,)),
            ValueError,
            "item_shape: expected a whole number of at least 1",
        ),
        (lambda: make(item_shape=12), TypeError, "item_shape: expected several whole numbers"),
        (lambda: make().encode(X[:, :2]), ValueError, "x: expected shape"),
        (lambda: make().jacobian_norm(X * np.nan), ValueError, "NaN"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
