"""Dense autoencoders (chapter 02), and the linear one that is PCA (chapter 01)."""

import math

import keras
from keras import layers

from ae_lib._checks import as_size, sizes
from ae_lib.models._base import Autoencoder

# Activations that pass about half of their input want He's initial variance
# (He et al. 2015); the symmetric ones Glorot's (Glorot & Bengio 2010).
_HE = {"relu", "elu", "gelu", "silu", "leaky_relu"}


def dense_autoencoder(
    item_shape=(28, 28),
    code_size=32,
    hidden=(512, 256),
    *,
    activation="elu",
    output="sigmoid",
    name="dense_autoencoder",
):
    """A symmetric dense autoencoder.

    The encoder is ``hidden`` widths, then ``code_size``; the decoder the same widths
    backwards, then as many values as came in (Hinton & Salakhutdinov 2006, without
    their layer-wise pretraining).

    Args:
        item_shape: shape of one input, flattened on the way in and restored on the way out.
        code_size: values in the code, k ≥ 1.
        hidden: widths of the encoder's hidden layers; may be empty.
        activation: of the hidden layers.
        output: activation of the last layer: ``"sigmoid"`` for values in [0, 1].

    Returns:
        ``Autoencoder``, not compiled.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1.

    Example:
        >>> model = dense_autoencoder(code_size=2)
        >>> model.compile("adam", "mse")
    """
    item_shape = sizes(item_shape, "item_shape")
    code_size = as_size(code_size, "code_size")
    widths = list(sizes(hidden, "hidden"))
    start = "he_normal" if activation in _HE else "glorot_uniform"

    def stack(widths):
        return [layers.Dense(n, activation=activation, kernel_initializer=start) for n in widths]

    encoder = keras.Sequential(
        [
            keras.Input(item_shape),
            layers.Flatten("channels_last"),
            *stack(widths),
            layers.Dense(code_size, name="code"),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            keras.Input((code_size,)),
            *stack(widths[::-1]),
            layers.Dense(math.prod(item_shape), activation=output),
            layers.Reshape(item_shape),
        ],
        name="decoder",
    )
    value_range = (0.0, 1.0) if output == "sigmoid" else None
    return Autoencoder(encoder, decoder, value_range, name=name)


def linear_autoencoder(item_shape=(28, 28), code_size=32, name="linear_autoencoder"):
    """A dense autoencoder without hidden layers or non-linearities.

    Trained on MSE to its optimum, its decoder spans the principal subspace
    (Baldi & Hornik 1989). Arguments, result and errors as ``dense_autoencoder``.
    """
    return dense_autoencoder(item_shape, code_size, (), output="linear", name=name)
