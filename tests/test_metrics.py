"""Metrics against closed forms and against scikit-learn and SciPy."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
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


@given(st.floats(0, 89), st.integers(0, 2**32 - 1))
def test_principal_angles_find_the_rotation(degrees, seed):
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    a = basis[:, :2]
    turned = (
        math.cos(math.radians(degrees)) * a[:, 1] + math.sin(math.radians(degrees)) * basis[:, 2]
    )
    mixed = np.stack([a[:, 0], turned], 1) @ [[2.0, 1.0], [-1.0, 1.0]]
    assert metrics.principal_angles(a, mixed) == pytest.approx([0, degrees], abs=1e-3)


def test_equal_spaces_have_no_angle_whatever_their_bases():
    a = rng.normal(size=(9, 3))
    assert metrics.principal_angles(a, a @ rng.normal(size=(3, 3))) == pytest.approx(0, abs=1e-3)


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
    assert metrics.psnr(255 * x, x + 25.5, peak=255) == pytest.approx(20, abs=1e-5)
    assert metrics.psnr(x, x) == math.inf


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
        (lambda: metrics.principal_angles(good, good), ValueError, "a: its 3 columns are not"),
        (
            lambda: metrics.principal_angles(np.eye(3)[:, :2], np.eye(4)[:, :2]),
            ValueError,
            "b: expected 3 rows as in a, got 4",
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
