"""The convolutional autoencoder on every backend: shapes, saving, bad input."""

import keras
import numpy as np
import pytest

from ae_lib import training
from ae_lib.models import Autoencoder, conv_autoencoder

pytestmark = pytest.mark.backend
X = np.random.default_rng(4).random((6, 8, 12), dtype="float32")


def make(item_shape=(8, 12), **options):
    training.set_seed(3)
    return conv_autoencoder(item_shape, **{"code_size": 5, "filters": (3, 4), **options})


def test_it_gives_back_the_shape():
    model = make()
    assert isinstance(model, Autoencoder)
    assert model.encode(X).shape == (6, 5)
    back = model.reconstruct(X)
    assert (back.shape, back.dtype) == (X.shape, "float32")
    assert back.min() >= 0
    assert back.max() <= 1


def test_colour_images_keep_their_channels():
    colour = np.random.default_rng(0).random((2, 8, 8, 3), dtype="float32")
    assert make((8, 8, 3)).reconstruct(colour).shape == colour.shape


@pytest.mark.once
def test_the_number_of_parameters_follows_from_the_formula():
    def conv(m, a, b):
        return a * b * m * m + b

    volume = 2 * 3 * 4
    encoder = conv(3, 1, 3) + conv(3, 3, 4) + volume * 5 + 5
    decoder = 5 * volume + volume + conv(4, 4, 3) + conv(4, 3, 1)
    assert make().count_params() == encoder + decoder


def test_without_a_code_size_the_feature_map_is_the_code():
    model = make(code_size=None)
    assert model.encode(X).shape == (6, 2, 3, 4)
    assert model.code_size == 24
    np.testing.assert_allclose(model.decode(model.encode(X)), model.reconstruct(X), atol=1e-6)


def test_corruption_works_in_training_only_and_lifts_the_range():
    model = make(corruption=keras.layers.GaussianNoise(1.0))
    clean = keras.ops.convert_to_numpy(model(X, training=False))
    np.testing.assert_allclose(clean, model.reconstruct(X), atol=1e-6)
    noisy = keras.ops.convert_to_numpy(model(X, training=True))
    assert np.abs(noisy - clean).max() > 1e-3
    assert model.reconstruct(X - 0.5).shape == X.shape


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.reconstruct(X), model.reconstruct(X), atol=1e-6)
    assert again.value_range == (0.0, 1.0)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"item_shape": (9, 12)}, "item_shape: 2 layers of stride 2 need .* divisible by 4"),
        ({"item_shape": (8,)}, "item_shape: expected .height, width."),
        ({"filters": ()}, "filters: expected at least one"),
        ({"filters": (0,)}, "filters: expected a whole number of at least 1"),
        ({"code_size": 0}, "code_size: expected a whole number of at least 1"),
    ],
)
def test_bad_sizes_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        make(**options)


@pytest.mark.once
@pytest.mark.parametrize("options", [{"item_shape": 28}, {"filters": 16}])
def test_one_number_where_several_are_expected_is_named(options):
    with pytest.raises(TypeError, match=f"{next(iter(options))}: expected several whole numbers"):
        make(**options)
