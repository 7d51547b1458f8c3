"""Metrics against closed forms and against scikit-learn and SciPy."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm
from sklearn.metrics import log_loss, mean_squared_error, roc_auc_score

from ae_lib import metrics

rng = np.random.default_rng(1)
A, B = rng.random((2, 7, 4, 3), dtype="float32")
unit = arrays("float32", (5, 6), elements=st.floats(0, 1, width=32))


def test_mse_is_scikit_learns():
    flat = mean_squared_error(A.reshape(7, -1), B.reshape(7, -1))
    assert metrics.mse(A, B) == pytest.approx(flat, rel=1e-6)
    assert metrics.per_item_mse(A, B).mean() == pytest.approx(flat, rel=1e-6)
    assert metrics.per_item_mse(A, B).shape == (7,)
    assert metrics.per_item_mse(A, B).dtype == "float64"


@given(unit, unit)
def test_mse_is_a_squared_distance(x, y):
    assert metrics.mse(x, x) == 0
    assert metrics.mse(x, y) >= 0
    assert metrics.mse(x, y) == metrics.mse(y, x)


def test_the_bernoulli_likelihood_is_scikit_learns():
    bits = (A > 0.5).astype(int)
    expected = np.mean([log_loss(b.ravel(), p.ravel()) * 12 for b, p in zip(bits, B, strict=True)])
    assert metrics.bernoulli_nll(bits, B) == pytest.approx(expected, rel=1e-5)


@given(unit, unit)
def test_the_bernoulli_likelihood_is_least_at_the_value_itself(x, p):
    assert metrics.bernoulli_nll(x, x) <= metrics.bernoulli_nll(x, p) + 1e-4


def test_the_bernoulli_likelihood_at_the_ends_is_finite():
    assert metrics.bernoulli_nll([[0, 1]], [[1, 0]]) == pytest.approx(
        2 * -math.log(1e-7), rel=1e-3
    )
    assert metrics.bernoulli_nll([[0, 1]], [[0, 1]]) == pytest.approx(0, abs=1e-6)


@given(
    arrays("float64", st.integers(1, 12), elements=st.integers(0, 9)),
    arrays("float64", st.integers(1, 12), elements=st.integers(0, 9)),
)
def test_the_area_is_the_probability_of_the_right_order(normal, anomaly):
    false_positive, true_positive, area = metrics.roc(normal, anomaly)
    pairs = np.sign(anomaly[:, None] - normal[None]) / 2 + 0.5
    assert area == pytest.approx(pairs.mean())
    truth = [0] * len(normal) + [1] * len(anomaly)
    assert area == pytest.approx(roc_auc_score(truth, [*normal, *anomaly]))
    assert area == pytest.approx(np.trapezoid(true_positive, false_positive))


def test_psnr_in_decibels():
    x = np.zeros((1, 4))
    assert metrics.psnr(x, x + 0.1) == pytest.approx(20, abs=1e-5)
    assert metrics.psnr(x, x) == math.inf


# -- Codes with a distribution -------------------------------------------------------------------

MEAN, LOG_VARIANCE = rng.normal(size=(2, 30, 3))


def test_the_kl_is_an_integral():
    z, width = np.linspace(-30, 30, 20001, retstep=True)
    m, v = MEAN[:, 0, None], np.exp(LOG_VARIANCE[:, 0, None])
    log_ratio = -0.5 * ((z - m) ** 2 / v + np.log(v)) + 0.5 * z**2
    q = np.exp(-0.5 * (z - m) ** 2 / v) / np.sqrt(2 * np.pi * v)
    found = metrics.gaussian_kl(MEAN[:, :1], LOG_VARIANCE[:, :1])
    np.testing.assert_allclose(found, (q * log_ratio).sum(1) * width, rtol=1e-6)
    each = [metrics.gaussian_kl(MEAN[:, [i]], LOG_VARIANCE[:, [i]]) for i in range(3)]
    np.testing.assert_allclose(metrics.gaussian_kl(MEAN, LOG_VARIANCE), np.sum(each, 0))


def test_annealing_reaches_a_sharp_posterior_of_several_numbers():
    """x = z + 0.05 · noise in 4 dimensions: a normal density, whose exact value is known."""
    x, variance = np.array([0.5, -1.0, 1.5, 0.0]), 0.05**2

    def log_likelihood(z):
        return -0.5 * ((x - z) ** 2 / variance + np.log(2 * np.pi * variance)).sum(1)

    exact = -0.5 * (x**2 / (1 + variance) + np.log(2 * np.pi * (1 + variance))).sum()
    start = rng.normal(x / (1 + variance), np.sqrt(variance / (1 + variance)), (200, 4))
    up = metrics.ais(log_likelihood, 4, 200, 3000)
    down = metrics.ais(log_likelihood, 4, 200, 3000, start=start)
    assert exact - 0.5 < up.mean() < exact < down.mean() < exact + 0.5


def test_mutual_information_against_gaussians():
    """Means N(0, s²) and noise of variance 1: I = ln(1 + s²) / 2 for each number of the code."""
    s, estimates = 2.0, []
    for seed in range(20):
        mean = np.random.default_rng(seed).normal(scale=s, size=(800, 2))
        estimates.append(metrics.mutual_information(mean, np.zeros((800, 2)), 99 + seed))
    error = np.std(estimates, ddof=1) / np.sqrt(20)
    assert np.mean(estimates) == pytest.approx(np.log(1 + s**2), abs=4 * error + 5 / 800)
    collapsed = np.tile(MEAN[:1], (77, 1)), np.tile(LOG_VARIANCE[:1], (77, 1))
    assert metrics.mutual_information(*collapsed) == 0
    apart = np.arange(50.0)[:, None] * 1e6
    assert metrics.mutual_information(apart, np.zeros((50, 1))) == pytest.approx(np.log(50))
    assert metrics.mutual_information(apart, np.zeros((50, 1))) <= np.log(50)


def test_active_units_by_hand():
    mean = np.array([[0.0, 1, 0.3], [0, 2, 0.3], [0, 3, 0.5]])  # variances 0, 2/3, 0.0089
    assert metrics.active_units(mean) == 1
    assert metrics.active_units(1.1 * mean) == 2


# -- Samples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_the_sample_metrics_are_their_definitions(k):
    real, fake = rng.normal(size=(30, 2)), rng.normal(0.5, 0.7, size=(25, 2))
    real[:5] = real[5]  # equal items
    fake[:3] = real[5]

    def distance(a, b):
        return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))

    def radius(items, i):
        return sorted(distance(items[i], x) for j, x in enumerate(items) if j != i)[k - 1]

    r, f = ([radius(items, i) for i in range(len(items))] for items in (real, fake))
    inside = [[distance(x, y) <= r[i] for i, x in enumerate(real)] for y in fake]
    recalled = [any(distance(x, y) <= f[j] for j, y in enumerate(fake)) for x in real]
    expected = {
        "precision": sum(map(any, inside)) / 25,
        "recall": sum(recalled) / 30,
        "density": sum(map(sum, inside)) / (25 * k),
        "coverage": sum(map(any, zip(*inside, strict=True))) / 30,
    }
    assert metrics.precision_recall_density_coverage(real, fake, k) == pytest.approx(expected)


def test_sample_metrics_where_the_answer_is_known():
    x = rng.normal(size=(40, 3))
    found = metrics.precision_recall_density_coverage(x, x, 5)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)
    away = metrics.precision_recall_density_coverage(x, x + 1e3, 5)
    assert set(away.values()) == {0}
    same = np.ones((8, 3))  # all radii are 0, and a border belongs to its ball
    assert metrics.precision_recall_density_coverage(same, same, 4) == {
        "precision": 1,
        "recall": 1,
        "density": 2,
        "coverage": 1,
    }


def test_the_frechet_distance_is_that_of_two_gaussians():
    a, b = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(1, 2, size=(60, 4))
    A, B = np.cov(a.T), np.cov(b.T)
    formula = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(A + B - 2 * sqrtm(A @ B).real)
    assert metrics.frechet(a, b) == pytest.approx(formula, rel=1e-9)
    assert metrics.frechet(b, a) == pytest.approx(formula, rel=1e-9)
    one = np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]])  # means 1 and 3, deviations √2, 2√2
    assert metrics.frechet(*one) == pytest.approx(4 + 2)
    flat = np.hstack([a, np.zeros((50, 6))])  # fewer dimensions than features
    wide = np.hstack([b, np.ones((60, 6))])
    assert metrics.frechet(flat, wide) == pytest.approx(formula + 6, rel=1e-6)
    assert 0 <= metrics.frechet(a[:3], a[:3]) < 1e-6  # fewer items than features


bad = np.ones((2, 3))
bad[1, 1] = np.nan
good = np.full((2, 3), 0.5)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: metrics.mse(good, good[:1]), ValueError, "the shape of x, (2, 3), got (1, 3)"),
        (lambda: metrics.mse(good, bad), ValueError, "reconstruction: 1 of 6 values are NaN"),
        (lambda: metrics.mse(bad, good), ValueError, "x: 1 of 6 values are NaN"),
        (lambda: metrics.mse(good[:0], good[:0]), ValueError, "x: empty, shape (0, 3)"),
        (lambda: metrics.mse(1.0, 2.0), ValueError, "x: expected an array with a batch axis"),
        (lambda: metrics.mse([[1], [1, 2]], good), TypeError, "x: expected an array of numbers"),
        (lambda: metrics.mse("text", good), TypeError, "x: expected an array of numbers"),
        (lambda: metrics.mse(None, good), TypeError, "x: expected an array of numbers"),
        (lambda: metrics.mse(good * 1e300, good), ValueError, "x: a squared error is too large"),
        (
            lambda: metrics.bernoulli_nll(good * 9, good),
            ValueError,
            "x: expected values in [0, 1]",
        ),
        (lambda: metrics.bernoulli_nll(good * 255, good), ValueError, "divide by 255"),
        (lambda: metrics.bernoulli_nll(good, -good), ValueError, "probability: expected values"),
        (
            lambda: metrics.bernoulli_nll(good, good[:1]),
            ValueError,
            "probability: expected the sh",
        ),
        (
            lambda: metrics.gaussian_kl(good, bad),
            ValueError,
            "log_variance: 1 of 6 values are NaN",
        ),
        (lambda: metrics.gaussian_kl(good[:0], good[:0]), ValueError, "mean: empty"),
        (lambda: metrics.mutual_information(good, bad), ValueError, "log_variance: 1 of 6"),
        (lambda: metrics.mutual_information(good, good[:1]), ValueError, "log_variance: expected"),
        (lambda: metrics.active_units(good[:1]), ValueError, "mean: one item has no variance"),
        (
            lambda: metrics.precision_recall_density_coverage(good, good, 2),
            ValueError,
            "real: expected more than 2 items, got 2",
        ),
        (
            lambda: metrics.precision_recall_density_coverage(np.eye(3), good, 2),
            ValueError,
            "fake: expected more than 2 items, got 2",
        ),
        (lambda: metrics.frechet(good, good[:, :2]), ValueError, "b: expected 3 features as in a"),
        (lambda: metrics.frechet(good, good[:1]), ValueError, "b: expected more than 1 items"),
        (lambda: metrics.ais(lambda z: z[:, 0], 0, 5), ValueError, "code_size: expected a whole"),
        (lambda: metrics.ais(lambda z: z, 1, 5), ValueError, "log_likelihood(z): expected 1 axes"),
        (
            lambda: metrics.ais(lambda z: z[:1, 0], 1, 5),
            ValueError,
            "log_likelihood(z): expected t",
        ),
        (lambda: metrics.ais(lambda z: 0 * z[:, 0] + np.nan, 1, 5), ValueError, "5 of 5 values"),
        (
            lambda: metrics.ais(lambda z: z[:, 0], 1, 5, start=good[:, :1]),
            ValueError,
            "start: expected 5 codes, one for each chain, got 2",
        ),
        (lambda: metrics.roc([], [1.0]), ValueError, "normal_scores: empty"),
        (lambda: metrics.roc([1.0], [math.nan]), ValueError, "anomaly_scores: 1 of 1 values"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call()


@pytest.mark.backend
def test_tensors_of_the_backend_are_read():
    import keras

    a, b = keras.ops.convert_to_tensor(A), keras.ops.convert_to_tensor(B)
    assert metrics.mse(a, b) == pytest.approx(metrics.mse(A, B), rel=1e-6)
    assert isinstance(metrics.psnr(a, b), float)
