"""Chapter 03 and the library: damage and penalty are the same. Its claims compare the models."""

import numpy as np
import pytest
from keras import layers, ops

from ae_lib import data, models, training
from benchmarks import seeds
from tests.chapter_code import CHAPTERS, definitions


@pytest.fixture(scope="module")
def chapter():
    return definitions("03", "conv_ae", "Mask", "Contractive")


def numpy(x):
    return ops.convert_to_numpy(x)


def test_convolutional_and_damaged(chapter):
    """The damage stands at the same place: with a mask of everything, all inputs look alike."""
    training.set_seed(0)
    taught = chapter["conv_ae"](corruption=chapter["Mask"](1.0))
    shipped = models.conv_autoencoder(corruption=chapter["Mask"](1.0))
    shipped.set_weights(taught.get_weights())
    x = np.random.default_rng(0).random((5, 28, 28), dtype="float32")
    nothing = numpy(taught(np.zeros_like(x)))
    for model in (taught, shipped):
        np.testing.assert_allclose(numpy(model(x, training=True)), nothing, atol=1e-6)


def test_the_contractive_penalty(chapter):
    training.set_seed(0)
    taught = chapter["Contractive"](20, 0.1)
    shipped = models.ContractiveAutoencoder((8, 8), code_size=20, weight=0.1)
    shipped.set_weights([numpy(w) for w in (taught.W, taught.b, taught.c)])
    x = np.random.default_rng(0).normal(size=(6, 8, 8)).astype("float32")
    norms = numpy(taught.jacobian_norm(taught.encode(x)))[:, 0]
    np.testing.assert_allclose(shipped.jacobian_norm(x), norms, rtol=1e-4)
    for model in (taught, shipped):
        model(x)
    np.testing.assert_allclose(float(taught.losses[0]), float(shipped.losses[0]), rtol=1e-4)


def test_the_mask_rests_outside_training(chapter):
    x = np.ones((40, 30), "float32")
    mask = chapter["Mask"](0.25)
    np.testing.assert_array_equal(numpy(mask(x, training=False)), x)
    damaged = numpy(mask(x, training=True))
    assert set(np.unique(damaged)) == {0.0, 1.0}
    assert abs((damaged == 0).mean() - 0.25) < 0.06
    assert isinstance(mask, layers.Layer)


@pytest.mark.parametrize("name", ["convolution", "denoisers"])
def test_the_recorded_seeds_are_of_the_chapters_sizes(name):
    text = next(CHAPTERS.glob("03_*.ipynb")).read_text("utf8")
    assert f"small=dict(images={seeds.PRESET['images']}, epochs={seeds.PRESET['epochs']}, " in text
    assert f"noise, hole = {seeds.NOISE}, {seeds.HOLE}" in text
    record = data.load_record(name)
    assert {size: record[size] for size in seeds.PRESET} == seeds.PRESET
    assert seeds.TUNING_SEED not in record["seeds"]
    for arm, tried in record["tried"].items():
        rates = sorted(tried, key=float)
        best = min(tried, key=tried.get)
        assert float(best) == record["rates"][arm]
        assert best not in (rates[0], rates[-1])
        assert all(len(v) == len(record["seeds"]) for v in record["results"][arm].values())
