"""What keeps a wide code from being a copy: sparsity and contraction (chapter 03)."""

import keras
import numpy as np
from keras import layers, ops

from ae_lib._checks import as_size, positive_number, sizes
from ae_lib.models._base import Autoencoder


@keras.saving.register_keras_serializable("ae_lib")
class KSparse(layers.Layer):
    """Keep the k largest values of each code and set the others to zero.

    Source: Makhzani & Frey (2014), "k-Sparse Autoencoders". The gradient passes through
    the values that are kept. Values that tie with the k-th largest are kept with it.

    Args:
        k: values kept, at least 1; the code (…, units) must have at least so many.

    Raises:
        TypeError, ValueError: ``k`` is no whole number ≥ 1, or exceeds the code's size.

    Example:
        >>> keras.ops.convert_to_numpy(KSparse(2)(np.array([[3.0, -1.0, 2.0]])))
        array([[3., 0., 2.]], dtype=float32)
    """

    def __init__(self, k, **options):
        super().__init__(**options)
        self.k = as_size(k, "k")

    def build(self, input_shape):
        if input_shape[-1] < self.k:
            raise ValueError(f"k: keep {self.k} of {input_shape[-1]} values? Choose at most that")
        self.built = True

    def call(self, z):
        smallest_kept = ops.top_k(z, self.k)[0][..., -1:]
        return ops.where(z >= smallest_kept, z, ops.zeros_like(z))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "k": self.k}


class _Transposed(layers.Layer):
    """A dense layer with another layer's kernel, transposed, and a bias of its own."""

    def __init__(self, dense, **options):
        super().__init__(**options)
        self.dense = dense

    def build(self, input_shape):
        size = (self.dense.kernel.shape[0],)
        self.bias = self.add_weight(shape=size, initializer="zeros", name="bias")

    def call(self, z):
        return ops.matmul(z, ops.transpose(self.dense.kernel)) + self.bias

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.dense.kernel.shape[0])


@keras.saving.register_keras_serializable("ae_lib")
class ContractiveAutoencoder(Autoencoder):
    """One sigmoid layer and its transpose, punished for codes that move with the input.

    Source: Rifai et al. (2011), "Contractive Auto-Encoders". The objective is the
    compiled loss plus ``weight`` · mean over the batch of ‖J(x)‖²_F, where for
    h = σ(xW + b) the Jacobian's squared norm has the closed form
    Σ_i (h_i (1 − h_i))² Σ_j W_ji². Encoder and decoder share W: with two matrices the
    encoder could shrink and the decoder grow, and nothing would have been contracted.

    Args:
        item_shape: shape of one input, flattened on the way in.
        code_size: sigmoid units, k ≥ 1.
        weight: λ ≥ 0.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1, a weight that is no
            finite number ≥ 0.

    Inputs may have any range; the output is linear.

    Example:
        >>> model = ContractiveAutoencoder((8, 8), code_size=256, weight=0.01)
        >>> model.compile("adam", "mse")
    """

    def __init__(self, item_shape=(28, 28), code_size=256, weight=0.01, **options):
        item_shape = sizes(item_shape, "item_shape")
        code_size = as_size(code_size, "code_size")
        weight = positive_number(weight, "weight", zero=True)
        code = layers.Dense(code_size, activation="sigmoid", name="code")
        encoder = keras.Sequential(
            [keras.Input(item_shape), layers.Flatten("channels_last"), code], name="encoder"
        )
        decoder = keras.Sequential(
            [keras.Input((code_size,)), _Transposed(code), layers.Reshape(item_shape)],
            name="decoder",
        )
        super().__init__(encoder, decoder, None, **options)
        self.weight = weight

    def call(self, x, training=None):
        h = self.encoder(x, training=training)
        if self.weight:
            kernel = self.encoder.get_layer("code").kernel
            squares = (h * (1 - h)) ** 2 * ops.sum(kernel**2, axis=0)
            penalty = ops.cast(ops.mean(ops.sum(squares, axis=-1)), keras.config.floatx())
            self.add_loss(self.weight * penalty)
        return self.decoder(h, training=training)

    def jacobian_norm(self, x, batch_size=256):
        """Squared Frobenius norm of the encoder's Jacobian at each input.

        Args:
            x: (n, *item_shape).

        Returns:
            float64 (n,), in squared units of code per unit of input.

        Raises:
            ValueError: another shape, empty or NaN.
        """
        h = self.encode(x, batch_size).astype("float64")
        kernel = ops.convert_to_numpy(self.encoder.get_layer("code").kernel)
        return (h * (1 - h)) ** 2 @ (kernel.astype("float64") ** 2).sum(0)

    def jacobian(self, x):
        """The encoder's Jacobian at one input: float64 (k, d), d = values in ``x``.

        Args:
            x: (*item_shape), a single input.
        """
        h = self.encode(np.asarray(x)[None])[0].astype("float64")
        kernel = ops.convert_to_numpy(self.encoder.get_layer("code").kernel)
        return (h * (1 - h))[:, None] * kernel.astype("float64").T

    def get_config(self):
        return {
            "item_shape": self.item_shape,
            "code_size": self.code_size,
            "weight": self.weight,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
