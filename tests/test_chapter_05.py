"""Chapter 05 against the library: one bound, one pair of losses of the GAN."""

import keras
import numpy as np
import pytest

from ae_lib import data, metrics, models
from tests.chapter_code import CHAPTERS, definitions

SIZES = {"k": 3, "hidden": (16, 8)}
BITS = (np.random.default_rng(0).random((20, 28, 28)) > 0.6).astype("float32")


@pytest.fixture(scope="module")
def chapter():
    return definitions("05", "stack", "VAE", "gan_losses")


@pytest.fixture(scope="module")
def both(chapter):
    """The chapter's VAE, and the library's with its weights."""
    keras.utils.set_random_seed(0)
    taught = chapter["VAE"](**SIZES)
    library = models.dense_vae(code_size=SIZES["k"], hidden=SIZES["hidden"])
    library.set_weights(taught.encoder.get_weights() + taught.decoder.get_weights())
    return taught, library


def test_the_chapters_loss_is_minus_the_bound(both):
    taught, library = both
    losses = []
    for _ in range(200):
        taught(BITS)
        losses.append(float(taught.losses[0]))
    assert np.std(losses) > 0  # the noise is new in every call
    error = 5 * np.std(losses) / np.sqrt(len(losses))
    assert np.mean(losses) == pytest.approx(-metrics.elbo(library, BITS, 500).mean(), abs=error)


def test_the_chapters_losses_are_those_of_the_library(chapter):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    generator = keras.Sequential([keras.Input((4,)), dense(16, "silu"), dense(6)])
    discriminator = keras.Sequential([keras.Input((6,)), dense(16, "silu"), dense(1)])
    gan = models.GAN(generator, discriminator, penalty=3.0)
    rng = np.random.default_rng(0)
    x = rng.normal(2, 1, size=(4000, 6)).astype("float32")
    z = rng.normal(size=(4000, 4)).astype("float32")
    v = rng.normal(size=(2, 4000, 6)).astype("float32")
    losses = chapter["gan_losses"](generator, discriminator, x, z, v, penalty=3.0)
    whole = gan.compute_loss(x, y_pred=gan(x), training=False)
    tracked = {tracker.name: float(tracker.result()) for tracker in gan.trackers}
    assert float(losses[0]) == pytest.approx(tracked["generator_loss"], rel=0.02)
    steep = tracked["discriminator_loss"] + 1.5 * tracked["gradients"]
    assert tracked["gradients"] > 0.1
    assert float(losses[1]) == pytest.approx(steep, rel=0.05)
    assert float(whole) == pytest.approx(float(sum(losses)), rel=0.05)


def test_the_record_is_of_the_chapters_models():
    settings = data.load_record("generative")["settings"]
    (path,) = CHAPTERS.glob("05_*.ipynb")
    sizes = f"K, HIDDEN = {settings['code_size']}, {tuple(settings['hidden'])}"
    assert sizes in path.read_text("utf8")
    assert len(settings["seeds"]) == 5
    assert not settings["dry_run"]
