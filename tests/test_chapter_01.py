"""Chapter 01 against the library and against the mathematics it states."""

import numpy as np
import pytest
from scipy import linalg, stats

from ae_lib import exercises, models
from tests.chapter_code import definitions

TAUGHT = (
    "run",
    "encode_blocks",
    "decode_blocks",
    "principal_angles",
    "make_linear",
    "nearest_angles",
)


@pytest.fixture(scope="module")
def chapter():
    return definitions("01", *TAUGHT)


def test_chapter_and_library_build_the_same_linear_autoencoder(chapter):
    taught = chapter["make_linear"](5)
    library = models.linear_autoencoder((784,), code_size=5)
    library.set_weights(taught.get_weights())
    x = np.random.default_rng(0).normal(size=(20, 784)).astype("float32")
    np.testing.assert_allclose(chapter["run"](taught, x), library.reconstruct(x), atol=1e-5)


def test_the_chapters_angles_are_scipys(chapter):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 12, 4))
    taught = np.sort(chapter["principal_angles"](a, b))
    np.testing.assert_allclose(
        taught, np.sort(np.degrees(linalg.subspace_angles(a, b))), atol=1e-3
    )
    np.testing.assert_allclose(
        chapter["principal_angles"](a, a @ rng.normal(size=(4, 4))), 0, atol=1e-4
    )
    np.testing.assert_allclose(chapter["nearest_angles"](a[:, ::-1], -2 * a), 0, atol=1e-4)


def test_block_means_are_constant_on_their_blocks(chapter):
    images = np.random.default_rng(4).uniform(size=(3, 28, 28))
    z = chapter["encode_blocks"](images)
    assert z.shape == (3, 4, 4)
    assert z[1, 2, 3] == pytest.approx(images[1, 14:21, 21:28].mean())
    np.testing.assert_allclose(chapter["encode_blocks"](chapter["decode_blocks"](z)), z)


X = np.random.default_rng(7).uniform(size=(50, 4))
OTHERS = [
    X + 0.1,
    X - 0.1,
    X[::-1],
    0.5 * X,
    0 * X,
    X + np.random.default_rng(8).normal(size=X.shape),
]
# Other right answers than the reference solutions: another route, another dtype, lists.
ALTERNATIVES = {
    "basics.bce_floor": [0.5, np.float32(0.5004), [0.5004]],
    "basics.laplace_nll": [
        lambda x, x_hat, b: -stats.laplace.logpdf(x, x_hat, b).sum(-1).mean(),
        lambda x, x_hat, b: np.float32(
            np.abs(x - x_hat).mean() * x.shape[1] / b + x.shape[1] * np.log(2 * b)
        ),
    ],
    "basics.tied_gradient": [
        lambda W, x: _both_paths(x.T @ (x @ W @ W.T - x), W, x.size).tolist(),
        lambda W, x: _numerical(lambda V: ((x @ V @ V.T - x) ** 2).mean(), W).astype("float32"),
    ],
    "basics.components": [
        lambda x, D: np.linalg.svd(x @ np.linalg.pinv(D) @ D)[2][: len(D)].T,
        lambda x, D: -np.linalg.svd(x @ np.linalg.pinv(D) @ D)[2][: len(D)].T.astype("float32"),
    ],
    "basics.good_loss": [
        lambda loss: np.bool_(all(loss(X, X) < loss(X, other) for other in OTHERS)),
        lambda loss: int(all(loss(X, X) < loss(X, other) for other in OTHERS)),
    ],
    "basics.causal_mask": [
        lambda d: [[int(s < t) for t in range(d)] for s in range(d)],
        lambda d: np.tril(np.ones((d, d)), -1).T.astype("float32"),
        lambda d: np.arange(d)[:, None] < np.arange(d),
    ],
    "basics.families": [
        {"pca": "Copy", "bert": "repair", "bart": "repair ", "t5": "repair", "gpt": "CONTINUE",
         "gan": "fool"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_other_right_answers_pass_too(name):
    for answer in ALTERNATIVES[name]:
        verdict = exercises.judge(exercises.load(name), answer)
        assert verdict.state == "right", verdict.text


def _both_paths(product, W, count):
    return 2 * (product + product.T) @ W / count


def _numerical(loss, W, h=1e-5):
    gradient = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[index] = h
        gradient[index] = (loss(W + step) - loss(W - step)) / (2 * h)
    return gradient
