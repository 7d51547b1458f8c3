"""Reconstruction errors, likelihoods, subspace angles, ranking scores.

All functions take arrays of any backend that ``np.asarray`` reads and return Python
floats or NumPy arrays, so that they never enter a training graph. They compute in float64.
"""

import numpy as np

from ae_lib._checks import as_batch, positive_number, same_shape


def mse(x, reconstruction):
    """Mean squared error over all items and all values.

    Args:
        x, reconstruction: arrays of one shape (n, …).

    Returns:
        float, in squared units of ``x``.

    Raises:
        ValueError: shapes differ, an array is empty or holds NaN, an error exceeds float64.
    """
    return float(per_item_mse(x, reconstruction).mean())


def per_item_mse(x, reconstruction):
    """Mean squared error of each item, float64 (n,): the usual anomaly score."""
    x, reconstruction = _batch(x, "x"), _batch(reconstruction, "reconstruction")
    same_shape(x, reconstruction)
    with np.errstate(over="ignore"):
        errors = ((x - reconstruction) ** 2).reshape(len(x), -1).mean(1)
    if not np.isfinite(errors).all():
        raise ValueError("x: a squared error is too large for float64; scale the values down")
    return errors


def _batch(array, name, **options):
    return as_batch(array, name, dtype="float64", **options)


def bernoulli_nll(x, probability, eps=1e-7):
    """Negative log-likelihood in nats per item of values in [0, 1] under Bernoulli pixels.

    For x in {0, 1} a likelihood; for grey values the usual "binary cross-entropy", whose
    minimum is still at probability = x but not zero.

    Raises:
        ValueError: shapes differ, a value lies outside [0, 1], or ``eps`` outside (0, 0.5).
    """
    if not 1 - positive_number(eps, "eps") < 1 or eps >= 0.5:
        raise ValueError(f"eps: expected a number from 1e-15 to 0.5, got {eps}")
    x, p = _batch(x, "x", low=0, high=1), _batch(probability, "probability", low=0, high=1)
    p = p.clip(eps, 1 - eps)
    same_shape(x, p, ("x", "probability"))
    nats = -(x * np.log(p) + (1 - x) * np.log1p(-p))
    return float(nats.reshape(len(x), -1).sum(1).mean())


def principal_angles(a, b):
    """Angles between the column spaces of two matrices, in degrees, smallest first.

    Args:
        a, b: (d, k) matrices of full column rank, k ≤ d.

    Returns:
        float64 (k,). All zero when the subspaces are equal, whatever their bases
        (Björck & Golub 1973; computed by SciPy's sine-based method).

    Raises:
        ValueError: different d, or a matrix without full column rank.
    """
    from scipy.linalg import subspace_angles

    a, b = (_batch(m, n, ndim=2) for m, n in ((a, "a"), (b, "b")))
    if len(a) != len(b):
        raise ValueError(f"b: expected {len(a)} rows as in a, got {len(b)}")
    for matrix, name in ((a, "a"), (b, "b")):
        if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
            raise ValueError(f"{name}: its {matrix.shape[1]} columns are not independent")
    return np.sort(np.degrees(subspace_angles(a, b)))


def roc(normal_scores, anomaly_scores):
    """ROC curve and its area when a higher score should mean an anomaly.

    Returns:
        ``(false_positive_rate, true_positive_rate, auc)``; the area is the probability
        that a random anomaly scores above a random normal item.

    Raises:
        ValueError: a list is empty or holds NaN.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    normal = _batch(normal_scores, "normal_scores", ndim=1)
    anomaly = _batch(anomaly_scores, "anomaly_scores", ndim=1)
    scores = np.concatenate([normal, anomaly])
    truth = np.repeat([0, 1], [len(normal), len(anomaly)])
    false_positive, true_positive, _ = roc_curve(truth, scores)
    return false_positive, true_positive, float(roc_auc_score(truth, scores))


def psnr(x, reconstruction, peak=1.0):
    """Peak signal-to-noise ratio in decibels, ``10 log10(peak² / mse)``; inf when equal."""
    error, peak = mse(x, reconstruction), positive_number(peak, "peak")
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))
