"""The variational autoencoder and the bounds, against exact likelihoods, on every backend."""

import re

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ae_lib import metrics, training
from ae_lib.models import VariationalAutoencoder, dense_vae

pytestmark = pytest.mark.backend
rng = np.random.default_rng(3)
BITS = (rng.random((40, 4, 3)) > 0.6).astype("float32")
SEEDS = range(20)


def make(**options):
    training.set_seed(1)
    return dense_vae((4, 3), **{"code_size": 2, "hidden": (8,), **options})


def linear_gaussian():
    """``(model, x, log p(x))`` for x = Wz + b + σ·noise.

    W's columns are at right angles, so that the posterior N(A (x − b), V) has a diagonal V and
    one linear layer is it exactly.
    """
    d, k, sigma = 5, 2, 0.7
    W = np.linalg.qr(rng.normal(size=(d, k)))[0] * [1.5, 0.8]
    b = rng.normal(size=d)
    V = 1 / (1 + (W**2).sum(0) / sigma**2)
    A = V[:, None] * W.T / sigma**2
    model = dense_vae((d,), k, (), likelihood="gaussian")
    kernel = np.hstack([A.T, np.zeros((d, k))])
    bias = np.concatenate([-A @ b, np.log(V)])
    model.encoder.set_weights([kernel, bias])
    model.decoder.set_weights([W.T, b])
    model.log_scale.assign(np.log(sigma))
    cov = W @ W.T + sigma**2 * np.eye(d)
    x = rng.multivariate_normal(b, cov, 50).astype("float32")
    return model, x, multivariate_normal(b, cov).logpdf(x)


@pytest.mark.once
def test_at_the_optimum_the_bound_is_the_likelihood():
    """Chapter 05 claims the rest: away from the optimum, in order, and against an integral."""
    model, x, exact = linear_gaussian()
    np.testing.assert_allclose(metrics.iwae(model, x, 3), exact, atol=1e-4)  # no variance at all
    draws = np.array([metrics.elbo(model, x, 50, seed) for seed in SEEDS])
    error = draws.mean(1).std(ddof=1) / np.sqrt(len(SEEDS))
    assert draws.mean() == pytest.approx(exact.mean(), abs=4 * error)


def test_codes_samples_and_likelihoods():
    model = make()
    mean, log_variance = model.posterior(BITS)
    assert model.code_size == 2
    for array in (mean, log_variance, model.encode(BITS)):
        assert (array.shape, array.dtype) == ((40, 2), "float32")
    np.testing.assert_array_equal(model.encode(BITS), mean)
    codes = model.sample_codes(BITS, 3000, seed=4)
    np.testing.assert_array_equal(codes, model.sample_codes(BITS, 3000, seed=4))
    std = np.exp(log_variance / 2)
    assert (np.abs(codes.mean(0) - mean) < 5 * std / np.sqrt(3000)).all()
    np.testing.assert_allclose(codes.std(0), std, rtol=0.08)
    p = model.decode(mean).astype("float64")
    expected = np.log(np.where(BITS == 1, p, 1 - p)).sum((1, 2))
    np.testing.assert_allclose(model.log_likelihood(BITS, mean), expected, atol=1e-4)
    assert model.log_likelihood(BITS, mean, 7).dtype == "float64"
    assert model.sample(3, seed=1).shape == (3, 4, 3)
    np.testing.assert_array_equal(model.sample(3, 1), model.sample(3, 1))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_loss_is_the_sum_of_its_parts_in_nats(likelihood):
    model = make(likelihood=likelihood, beta=0.3)
    if likelihood == "gaussian":
        model.log_scale.assign(-0.4)
    model.compile("sgd")
    nll = -model.log_likelihood(BITS, model.encode(BITS)).mean()
    kl = metrics.gaussian_kl(*model.posterior(BITS)).mean()
    found = model.evaluate(BITS, verbose=0, batch_size=16, return_dict=True)
    assert found == pytest.approx({"loss": nll + 0.3 * kl, "nll": nll, "kl": kl}, rel=1e-4)


def test_noise_is_new_in_each_training_call_and_absent_elsewhere():
    model = make()
    first, second = (keras.ops.convert_to_numpy(model(BITS, training=True)[0]) for _ in "ab")
    assert not np.allclose(first, second)
    plain = [keras.ops.convert_to_numpy(model(BITS)[0]) for _ in "ab"]
    np.testing.assert_array_equal(*plain)
    np.testing.assert_allclose(
        1 / (1 + np.exp(-plain[0])), model.decode(model.encode(BITS)), atol=1e-6
    )


def test_it_learns_and_comes_back_the_same(tmp_path):
    model = make(likelihood="gaussian", hidden=(32,))
    model.compile(keras.optimizers.Adam(0.01))
    before = metrics.elbo(model, BITS, 20).mean()
    training.fit(model, BITS, epochs=20, batch_size=20)
    after = metrics.elbo(model, BITS, 20)
    assert after.mean() > before + 1
    model.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert isinstance(again, VariationalAutoencoder)
    assert (again.likelihood, again.beta) == ("gaussian", 1.0)
    np.testing.assert_allclose(metrics.elbo(again, BITS, 20), after, rtol=1e-6)


def layers(*sizes):
    return keras.Sequential([keras.Input((sizes[0],)), *map(keras.layers.Dense, sizes[1:])])


BAD = BITS.copy()
BAD[0, 0, 0] = np.nan


def broken():
    model = make()
    model.encoder.layers[-1].bias.assign([0, 0, np.nan, 0])
    return model


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: make(code_size=0), "code_size: expected a whole number of at least 1, got 0"),
        (lambda: make(beta=-1), "beta: expected a finite number ≥ 0, got -1"),
        (lambda: make(likelihood="mse"), "likelihood: bernoulli or gaussian, got 'mse'"),
        (lambda: VariationalAutoencoder(layers(5, 2), layers(2, 5)), "encoder: expected a mean"),
        (lambda: VariationalAutoencoder(layers(5, 4), layers(2, 6)), "decoder: gives (6,)"),
        (lambda: make().posterior(BITS[:0]), "x: empty"),
        (lambda: make().posterior(BAD), "x: 1 of 480 values are NaN"),
        (lambda: make().encode(BITS * 255), "divide by 255"),
        (lambda: make().log_likelihood(BITS - 0.5, np.zeros((40, 2))), "expected values in [0.0"),
        (lambda: make().log_likelihood(BITS, np.zeros((3, 2))), "z: expected 40 codes"),
        (lambda: make().log_likelihood(BITS, np.zeros((40, 3))), "z: expected shape (n, 2)"),
        (lambda: make().sample(0), "n: expected a whole number of at least 1"),
        (lambda: metrics.iwae(make(), BITS, 0), "samples: expected a whole number"),
        (lambda: metrics.elbo(make(), BITS[:0]), "x: empty"),
        (lambda: broken().posterior(BITS), "the encoder's output: 40 of 160 values are NaN"),
        (lambda: metrics.elbo(broken(), BITS), "the encoder's output: 40 of 160 values are NaN"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
