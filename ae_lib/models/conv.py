"""Convolutional autoencoders (chapter 03)."""

import keras
from keras import layers

from ae_lib._checks import as_size, sizes
from ae_lib.models._base import Autoencoder
from ae_lib.models.dense import _HE

# Channels last, as item_shape says, whatever keras.config.set_image_data_format says.
_SAME = {"padding": "same", "data_format": "channels_last"}


def conv_autoencoder(
    item_shape=(28, 28),
    code_size=32,
    filters=(16, 32),
    *,
    activation="elu",
    output="sigmoid",
    corruption=None,
    name="conv_autoencoder",
):
    """A convolutional autoencoder: every layer of the encoder halves height and width.

    After Masci et al. (2011), with strides in place of their pooling. The encoder's kernels
    have side 3. The decoder's have side 4, which its stride of 2 divides: that leaves no
    checkerboard of uneven overlap (Odena et al. 2016).

    Args:
        item_shape: (height, width) or (height, width, channels) of one input; height and
            width divisible by ``2 ** len(filters)``.
        code_size: values in the code, k ≥ 1, made by a dense layer; None: the last
            feature map is the code, of shape (height', width', filters[-1]).
        filters: channels of the encoder's layers, the decoder's backwards; at least one.
        activation: of all layers but the code and the last.
        output: activation of the last layer: ``"sigmoid"`` for values in [0, 1].
        corruption: a Keras layer active in training only, put before the first
            convolution: makes it a denoising autoencoder. Such a model takes inputs
            outside [0, 1] too.

    Returns:
        ``Autoencoder``, not compiled.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, a shape that does not
            halve evenly.

    Example:
        >>> model = conv_autoencoder(code_size=32)
        >>> model.count_params()
        115217
    """
    item_shape = sizes(item_shape, "item_shape")
    if len(item_shape) not in (2, 3):
        raise ValueError(
            f"item_shape: expected (height, width) or (height, width, channels), got {item_shape}"
        )
    widths = sizes(filters, "filters")
    if not widths:
        raise ValueError("filters: expected at least one number of channels, got none")
    shrink = 2 ** len(widths)
    if item_shape[0] % shrink or item_shape[1] % shrink:
        raise ValueError(
            f"item_shape: {len(widths)} layers of stride 2 need height and width divisible by "
            f"{shrink}, got {item_shape[:2]}; use fewer filters, or pad the images"
        )
    channels = item_shape[2] if len(item_shape) == 3 else 1
    small = (item_shape[0] // shrink, item_shape[1] // shrink, widths[-1])
    hidden = {
        "activation": activation,
        "kernel_initializer": "he_normal" if activation in _HE else "glorot_uniform",
    }

    encoder = [keras.Input(item_shape)]
    if len(item_shape) == 2:
        encoder.append(layers.Reshape((*item_shape, 1)))
    if corruption is not None:
        encoder.append(corruption)
    encoder += [layers.Conv2D(n, 3, 2, **_SAME, **hidden) for n in widths]
    decoder = [keras.Input(small)]
    if code_size is not None:
        code_size = as_size(code_size, "code_size")
        encoder += [layers.Flatten("channels_last"), layers.Dense(code_size, name="code")]
        volume = small[0] * small[1] * small[2]
        decoder = [keras.Input((code_size,)), layers.Dense(volume, **hidden)]
        decoder.append(layers.Reshape(small))
    decoder += [layers.Conv2DTranspose(n, 4, 2, **_SAME, **hidden) for n in widths[-2::-1]]
    decoder.append(layers.Conv2DTranspose(channels, 4, 2, **_SAME, activation=output))
    if len(item_shape) == 2:
        decoder.append(layers.Reshape(item_shape))
    bounded = output == "sigmoid" and corruption is None
    return Autoencoder(
        keras.Sequential(encoder, name="encoder"),
        keras.Sequential(decoder, name="decoder"),
        (0.0, 1.0) if bounded else None,
        name=name,
    )
