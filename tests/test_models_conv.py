"""The convolutional autoencoder on every backend: shapes, the ways up, saving, bad input."""

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


@pytest.mark.parametrize("upsampling", ["transposed", "resize", "subpixel"])
def test_every_way_up_gives_back_the_shape(upsampling):
    model = make(upsampling=upsampling)
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


def test_subpixel_lays_channels_out_as_pixels():
    """Channels 0…3 of a pixel become its 2 × 2 block, row by row."""
    model = make((4, 4), filters=(2,), code_size=None, upsampling="subpixel")
    rearrange = model.decoder.layers[1:4]
    z = np.arange(2 * 2 * 4, dtype="float32").reshape(1, 2, 2, 4)
    for layer in rearrange:
        z = layer(z)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(z)[0, ..., 0], expected)


def test_resizing_writes_no_pattern_from_a_constant():
    model = make((16, 16), upsampling="resize", code_size=None, filters=(3,), output="linear")
    flat = np.ones((1, 8, 8, 3), "float32")
    inner = model.decode(flat)[0, 2:-2, 2:-2]
    assert np.ptp(inner) < 1e-5


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model = make(upsampling="subpixel")
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
        ({"kernel_size": 0}, "kernel_size: expected a whole number of at least 1"),
        ({"upsampling": "magic"}, "upsampling: got 'magic'; expected one of transposed"),
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
