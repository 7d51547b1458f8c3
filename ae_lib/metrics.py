"""Reconstruction errors, likelihoods and bounds on them, ranking and samples.

All functions take arrays of any backend that ``np.asarray`` reads and return Python
floats or NumPy arrays, so that they never enter a training graph. They compute in float64.
"""

import numpy as np

from ae_lib._checks import as_batch, as_size, same_shape, to_array

_ROWS = 4096  # codes that pass a decoder at once
_EPSILON = 1e-7  # a probability's least distance from 0 and 1
_ACTIVE = 0.01  # least variance of a number of the code that counts as active


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


def bernoulli_nll(x, probability):
    """Negative log-likelihood in nats per item of values in [0, 1] under Bernoulli pixels.

    For x in {0, 1} a likelihood; for grey values the usual "binary cross-entropy", whose
    minimum is still at probability = x but not zero. Probabilities are kept 1e-7 from 0 and 1.

    Raises:
        ValueError: shapes differ, or a value lies outside [0, 1].
    """
    x, p = _batch(x, "x", low=0, high=1), _batch(probability, "probability", low=0, high=1)
    p = p.clip(_EPSILON, 1 - _EPSILON)
    same_shape(x, p, ("x", "probability"))
    nats = -(x * np.log(p) + (1 - x) * np.log1p(-p))
    return float(nats.reshape(len(x), -1).sum(1).mean())


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


def psnr(x, reconstruction):
    """Peak signal-to-noise ratio in decibels, ``10 log10(1 / mse)``; inf when equal.

    The peak is 1: values are to lie in [0, 1].
    """
    error = mse(x, reconstruction)
    return float("inf") if error == 0 else float(10 * np.log10(1 / error))


# -- Codes with a distribution: q(z | x) = N(mean, diag(exp(log_variance))), p(z) = N(0, I) ------


def gaussian_kl(mean, log_variance):
    """KL(q(z | x) ‖ p(z)) of each item in nats, float64 (n,).

    Args:
        mean, log_variance: (n, k).

    Raises:
        ValueError: shapes differ, an array is empty or holds NaN.
    """
    mean, log_variance = _posterior(mean, log_variance)
    return 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(1)


def _posterior(mean, log_variance):
    mean, log_variance = _batch(mean, "mean", ndim=2), _batch(log_variance, "log_variance", ndim=2)
    same_shape(mean, log_variance, ("mean", "log_variance"))
    return mean, log_variance


def elbo(model, x, samples=10, seed=0):
    """The evidence lower bound of each item: E[log p(x | z)] − KL, in nats, float64 (n,).

    Source: Kingma & Welling (2014). The KL is exact, the expectation over q(z | x) a mean of
    ``samples`` draws: right in the mean over seeds, whatever their number. Whatever the model's
    ``beta``, this is the bound on log p(x).

    Args:
        model: has ``posterior(x)`` and ``log_likelihood(x, z)``, as ``VariationalAutoencoder``.
        x: (n, …), what the model takes.
        samples: whole number ≥ 1. Memory does not grow with it, but for 4,096 codes at once.

    Raises:
        TypeError, ValueError: ``samples`` below 1; what the model refuses.
    """
    draws = [likelihood.sum(0) for likelihood, _ in _draws(model, x, samples, seed)]
    return np.sum(draws, axis=0) / samples - gaussian_kl(*model.posterior(x))


def iwae(model, x, samples=500, seed=0):
    """log of the mean of p(x, z) / q(z | x) over ``samples`` draws of z, in nats, float64 (n,).

    Source: Burda et al. (2016). In expectation at most log p(x), at least ``elbo``, and closer
    the more samples. Arguments and errors as ``elbo``.
    """
    total = -np.inf
    for likelihood, rest in _draws(model, x, samples, seed):
        total = np.logaddexp(total, np.logaddexp.reduce(likelihood + rest, axis=0))
    return total - np.log(samples)


def distortion(model, x, samples=10, seed=0, shuffled=False):
    """− log p(x | z) of each item, in the mean over codes drawn from q(z | x): nats, float64 (n,).

    ``elbo`` is − ``distortion`` − ``gaussian_kl``. With ``shuffled`` each item gets the code of
    another one, in a random ring of all: a decoder that makes no use of codes, whatever their
    KL, loses nothing by it. Arguments and errors as ``elbo``.

    Raises:
        ValueError: also a single item with ``shuffled``.
    """
    owner = None
    if shuffled:
        order = np.random.default_rng([seed, 1]).permutation(len(x))
        if len(order) < 2:
            raise ValueError("x: one item has no other's code; expected at least two")
        owner = np.empty_like(order)
        owner[order] = np.roll(order, 1)
    draws = [likelihood.sum(0) for likelihood, _ in _draws(model, x, samples, seed, owner)]
    return -np.sum(draws, axis=0) / samples


def _draws(model, x, samples, seed, owner=None):
    """Pairs of log p(x | z) and log p(z) / q(z | x), each (draws, n), for z from q(z | x).

    With ``owner``, indices (n,), item i's codes are those of another; then only the first counts.
    """
    samples = as_size(samples, "samples")
    mean, log_variance = _posterior(*model.posterior(x))
    if owner is not None:
        mean, log_variance = mean[owner], log_variance[owner]
    rng, x, (n, k) = np.random.default_rng(seed), to_array(x, "x"), mean.shape
    at_once = max(1, _ROWS // n)
    for start in range(0, samples, at_once):
        noise = rng.standard_normal((min(at_once, samples - start), n, k))
        z = mean + np.exp(log_variance / 2) * noise
        repeated = np.tile(x, (len(z), *[1] * (x.ndim - 1)))
        likelihood = model.log_likelihood(repeated, z.reshape(-1, k), batch_size=_ROWS)
        yield likelihood.reshape(z.shape[:2]), 0.5 * (noise**2 - z**2 + log_variance).sum(2)


def ais(log_likelihood, code_size, n, steps=1000, seed=0, start=None):
    """Annealed importance sampling: log weights of ``n`` chains, in nats, float64 (n,).

    Source: Neal (2001); in reverse: Grosse et al. (2015). The chains go from the prior to the
    posterior, p(z) p(x | z)^t, where t = (i / steps)⁴ for i = 0 … ``steps``. The mean over
    chains of exp(log weight) is p(x) in expectation, so a log weight is in the mean at most
    log p(x). With ``start`` they go back from there, and it is in the mean at least that.

    Args:
        log_likelihood: function of codes float64 (n, k), one a chain: log p(x | z), (n,), finite.
        code_size, n, steps: k, chains, temperatures: whole numbers ≥ 1.
        start: exact samples of p(z | x), (n, k): x drawn from the model with its z, say.

    A transition is one Metropolis step that leaves p(z) as it is (Cotter et al. 2013). Its
    size at each temperature is found before, in a pilot run with draws of its own.

    Raises:
        TypeError, ValueError: a size below 1, a ``start`` of another shape, a likelihood that is
            not finite or not one number a chain.
    """
    names = ("code_size", "n", "steps")
    k, n, steps = map(as_size, (code_size, n, steps), names)
    if start is not None and len(start := _batch(start, "start", shape=(k,))) != n:
        raise ValueError(f"start: expected {n} codes, one for each chain, got {len(start)}")
    heat, pilot, rng = (np.arange(steps + 1) / steps) ** 4, *np.random.default_rng(seed).spawn(2)

    def likelihood(z):
        found = _batch(log_likelihood(z), "log_likelihood(z)", ndim=1)
        same_shape(z[:, 0], found, ("codes", "log_likelihood(z)"))
        return found

    def move(z, now, t, size, rng):
        proposed = np.sqrt(1 - size**2) * z + size * rng.standard_normal(z.shape)
        then = likelihood(proposed)
        accepted = np.exp(np.minimum(0, t * (then - now)))
        taken = rng.random(n) < accepted
        z, now = np.where(taken[:, None], proposed, z), np.where(taken, then, now)
        return z, now, accepted.mean()

    z, moves = pilot.standard_normal((n, k)), [1.0]
    now = likelihood(z)
    for t in heat[1:-1]:
        z, now, accepted = move(z, now, t, moves[-1], pilot)
        moves.append(min(1.0, moves[-1] * np.exp(0.3 * (accepted - 0.4))))
    z = rng.standard_normal((n, k)) if start is None else start
    now, log_weight = likelihood(z), np.zeros(n)
    order = range(1, steps + 1) if start is None else range(steps, 0, -1)
    for i in order:  # the step between temperatures i − 1 and i, then a move at the one reached
        log_weight += (heat[i] - heat[i - 1]) * now
        reached = i if start is None else i - 1
        if 0 < reached < steps:
            z, now, _ = move(z, now, heat[reached], moves[reached - 1], rng)
    return log_weight


def mutual_information(mean, log_variance, seed=0):
    """Mutual information of an item's number and its code under q, an estimate in nats, float.

    The mean over codes z, one an item, of log q(z | x) − log q(z), q(z) being the mean over the
    N given items (Hoffman & Johnson 2016). Both terms use the same codes: where all items have
    one distribution the result is exactly 0. It is never above ln N: N items can say no more.

    Args:
        mean, log_variance: (N, k).

    Raises:
        ValueError: shapes differ, an array is empty or holds NaN.
    """
    mean, log_variance = _posterior(mean, log_variance)
    rng, total = np.random.default_rng(seed), 0.0
    for i in range(len(mean)):
        z = mean[i] + np.exp(log_variance[i] / 2) * rng.standard_normal(mean.shape[1])
        log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance).sum(1)
        log_q -= log_q[i]
        most = log_q.max()  # at least 0
        total += np.log(len(mean)) - most - np.log(np.exp(log_q - most).sum())
    return float(min(total / len(mean), np.log(len(mean))))  # not above by rounding


def active_units(mean):
    """How many of the code's numbers have a mean that varies with the item (Burda et al. 2016).

    It varies if its variance over the items is above 0.01.

    Args:
        mean: means of q(z | x), (n, k), n ≥ 2.
    """
    mean = _batch(mean, "mean", ndim=2)
    if len(mean) < 2:
        raise ValueError("mean: one item has no variance; expected at least two")
    return int((mean.var(0) > _ACTIVE).sum())


# -- Samples against real items -----------------------------------------------------------------


def precision_recall_density_coverage(real, fake, neighbours=5):
    """How far samples lie among real items and these among samples: dict of four floats.

    With the ball of an item up to its k-th neighbour of its own kind, itself left out:

    * ``precision``: share of samples in some real item's ball; ``recall``: share of real items
      in some sample's ball (Kynkäänniemi et al. 2019);
    * ``density``: real balls a sample lies in, over k, in the mean: may exceed 1;
      ``coverage``: share of real items whose ball has a sample (Naeem et al. 2020).

    A ball's border belongs to it: items that are equal lie in each other's balls of radius 0.

    Args:
        real, fake: features (n, d) and (m, d); each more items than ``neighbours``.

    Raises:
        TypeError, ValueError: no more items than neighbours, different d, empty, NaN.
    """
    from scipy.spatial.distance import cdist

    real, fake = _features(real, fake, ("real", "fake"), as_size(neighbours, "neighbours"))

    def blocks(points, others):
        """Distances of at most a few rows at once to all others."""
        size = max(1, 2**22 // len(others))
        for i in range(0, len(points), size):
            yield slice(i, i + size), cdist(points[i : i + size], others)

    def radii(points):
        nearest = [
            np.partition(d, neighbours, 1)[:, neighbours] for _, d in blocks(points, points)
        ]
        return np.concatenate(nearest)

    real_radii, fake_radii = radii(real), radii(fake)
    (covered, recalled), inside = np.zeros((2, len(real)), bool), []
    for part, distance in blocks(fake, real):
        balls = distance <= real_radii
        inside.append(balls.sum(1))
        covered |= balls.any(0)
        recalled |= (distance <= fake_radii[part, None]).any(0)
    inside = np.concatenate(inside)
    return {
        "precision": float((inside > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(inside.mean() / neighbours),
        "coverage": float(covered.mean()),
    }


def frechet(a, b):
    """Squared Fréchet distance of the two Gaussians with the means and covariances of a and b.

    Source: Heusel et al. (2017), in the features given here: |m_a − m_b|² + tr(A + B − 2
    (A½ B A½)½). The roots are by eigenvalues of symmetric matrices, those below zero by rounding
    set to zero, so that singular covariances, of fewer items than features or of a constant
    feature, have a distance too. Fewer items make it larger: compare equal numbers.

    Args:
        a, b: features (n, d) and (m, d), at least two items each.

    Returns:
        float ≥ 0, in squared units of the features; covariances are over n − 1.

    Raises:
        ValueError: different d, a single item, empty, NaN.
    """
    a, b = _features(a, b, ("a", "b"), 1)
    A, B = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(A)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ B @ root).clip(0)).sum()
    means = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(max(0.0, means + np.trace(A) + np.trace(B) - 2 * cross))


def _features(a, b, names, fewer):
    """Both as float64 with as many columns, and more than ``fewer`` rows each."""
    a, b = (_batch(x, name, ndim=2) for x, name in zip((a, b), names, strict=True))
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{names[1]}: expected {a.shape[1]} features as in {names[0]}, got {b.shape[1]}"
        )
    for x, name in ((a, names[0]), (b, names[1])):
        if len(x) <= fewer:
            raise ValueError(f"{name}: expected more than {fewer} items, got {len(x)}")
    return a, b
