"""The GAN on every backend: each network's gradient is its own loss's; penalties; saving."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from ae_lib import training
from ae_lib.models import GAN

pytestmark = pytest.mark.backend
X = np.random.default_rng(4).random((12, 2, 3)).astype("float32")


def networks(item=(2, 3)):
    training.set_seed(2)
    size = int(np.prod(item))
    generator = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(8, "tanh"),
            layers.Dense(size, "sigmoid"),
            layers.Reshape(item),
        ]
    )
    discriminator = keras.Sequential(
        [keras.Input(item), layers.Flatten(), layers.Dense(8, "tanh"), layers.Dense(1)]
    )
    return generator, discriminator


def fixed_normal(shape, seed=None, dtype=None):
    """The same draws on each backend, whatever the seed."""
    draws = np.random.default_rng(8).normal(size=tuple(map(int, shape)))
    return ops.cast(draws, dtype or "float32")


class OneLoss(keras.Model):
    """Trains one of the two networks on its own loss, written out as in the article."""

    def __init__(self, gan, which):
        super().__init__()
        self.generator, self.discriminator, self.which = gan.generator, gan.discriminator, which
        self.generator.trainable = which == "generator"
        self.discriminator.trainable = which == "discriminator"
        self.h, self.weight, self.built = gan.step, gan.penalty, True

    def call(self, x):
        return self.discriminator(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        x, D = ops.convert_to_tensor(x), self.discriminator
        fake = self.generator(fixed_normal((12, 2)))
        if self.which == "generator":
            return ops.mean(ops.softplus(D(x) - D(fake)))
        v = ops.split(fixed_normal((24, 2, 3)), 2)
        loss = ops.mean(ops.softplus(D(fake) - D(x)))
        for items, u in zip((x, fake), v, strict=True):
            slope = (D(items + self.h * u) - D(items - self.h * u)) / (2 * self.h)
            loss += self.weight / 2 * ops.mean(slope**2)
        return loss


@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_each_network_follows_its_own_loss_alone(which, monkeypatch):
    monkeypatch.setattr(keras.random, "normal", fixed_normal)
    moves = []
    for alone in (True, *[False] * 6):  # six graphs, which TensorFlow orders differently
        gan = GAN(*networks(), penalty=3.0)
        start = getattr(gan, which).get_weights()
        model = OneLoss(gan, which) if alone else gan
        model.compile(keras.optimizers.SGD(1.0))
        model.train_on_batch(X)
        ends = getattr(gan, which).get_weights()
        moves.append([end - begin for end, begin in zip(ends, start, strict=True)])
    own, *found = moves
    assert np.abs(own[0]).max() > 1e-4
    for both in found:
        for a, b in zip(both, own, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.once
def test_the_penalties_are_the_squared_gradients_norms():
    generator, _ = networks((400,))
    linear = keras.Sequential([keras.Input((400,)), layers.Dense(1)])
    gan = GAN(generator, linear)
    gan.compile("sgd")
    x = np.zeros((512, 400), "float32")
    found = [gan.evaluate(x, verbose=0, return_dict=True)["gradients"] for _ in range(8)]
    exact = 2 * (gan.discriminator.get_weights()[0] ** 2).sum()
    error = np.std(found, ddof=1) / np.sqrt(8)
    assert error < 0.05 * exact
    assert np.mean(found) == pytest.approx(exact, abs=4 * error)


def test_the_averaged_weights_follow_the_generators():
    gan = GAN(*networks(), average=0.3)
    gan.compile(keras.optimizers.SGD(1.0))
    expected = gan.generator.get_weights()
    for t in range(4):
        keep, now = min(0.3, (1 + t) / (10 + t)), gan.generator.get_weights()
        expected = [keep * e + (1 - keep) * w for e, w in zip(expected, now, strict=True)]
        gan.train_on_batch(X)
    for found, wanted in zip(gan.averaged.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    gan.evaluate(X, verbose=0)
    assert float(gan.count) == 4


def test_it_finds_where_the_items_are(tmp_path):
    x = np.random.default_rng(1).normal(0.7, 0.05, (256, 2, 3)).astype("float32")
    gan = GAN(*networks(), penalty=0.1)
    gan.compile(keras.optimizers.Adam(0.02, beta_1=0.0, beta_2=0.9))
    before = abs(gan.sample(200).mean() - 0.7)
    training.fit(gan, x, epochs=10, batch_size=64)
    after = gan.sample(200, seed=3)
    assert abs(after.mean() - 0.7) < min(0.1, before)
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_allclose(again.sample(200, seed=3), after, atol=1e-6)
    assert (again.penalty, float(again.count)) == (0.1, 40)
    again.train_on_batch(x[:64])  # goes on, with its optimizer
    assert float(again.count) == 41


@pytest.mark.once
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: GAN(networks()[0], networks((3,))[1]), "discriminator: expected from (None, 2"),
        (lambda: GAN(networks()[0], networks()[0]), "discriminator: expected from"),
        (lambda: GAN(*networks(), penalty=-1), "penalty: expected a finite number ≥ 0"),
        (lambda: GAN(*networks(), average=1), "average: expected a share in [0, 1)"),
        (lambda: GAN(*networks(), step=0), "step: expected a finite number > 0"),
        (lambda: GAN(*networks()).sample(0), "n: expected a whole number of at least 1"),
        (lambda: GAN(*networks()).check_input(X[:0]), "x: empty"),
        (lambda: GAN(*networks()).check_input(X * np.nan), "x: 72 of 72 values are NaN"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()
