"""What keeps a wide code from being a copy: sparsity and contraction (chapter 03)."""

import math

import keras
import numpy as np
from keras import layers, ops

from ae_lib._checks import positive_int, positive_number, sizes
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
        >>> KSparse(2)(keras.ops.array([[3.0, -1.0, 2.0]]))
        [[3., 0., 2.]]
    """

    def __init__(self, k, **options):
        super().__init__(**options)
        self.k = positive_int(k, "k")

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


@keras.saving.register_keras_serializable("ae_lib")
class L1Penalty(layers.Layer):
    """Pass the code on; add ``weight`` · its mean L1 norm to the loss.

    The norm is summed over a code's values and averaged over the batch, so that the
    weight means the same at every batch size. (Keras's own ``activity_regularizer`` is
    *summed* over the batch.) Give the decoder unit atoms, or the penalty is cheated by
    small codes and large atoms: ``kernel_constraint=keras.constraints.UnitNorm(axis=1)``.

    Args:
        weight: λ ≥ 0, in units of the loss per unit of code.

    Raises:
        TypeError, ValueError: ``weight`` is no finite number ≥ 0.
    """

    def __init__(self, weight, **options):
        super().__init__(**options)
        self.weight = positive_number(weight, "weight", zero=True)

    def call(self, z):
        self.add_loss(self.weight * ops.mean(ops.sum(ops.abs(z), axis=-1)))
        return z

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


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
        code_size = positive_int(code_size, "code_size")
        weight = positive_number(weight, "weight", zero=True)
        code = layers.Dense(code_size, activation="sigmoid", name="code")
        encoder = keras.Sequential(
            [keras.Input(item_shape), layers.Flatten(), code], name="encoder"
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
            self.add_loss(self.weight * ops.mean(ops.sum(squares, axis=-1)))
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


def unit_atoms(item_shape, code_size):
    """A linear decoder whose every atom, one for each value of the code, has norm 1.

    Args:
        item_shape: shape of one reconstruction.
        code_size: values in the code, k ≥ 1.

    Returns:
        Keras model (batch, k) → (batch, *item_shape); its kernel is (k, d), one atom a row.

    Raises:
        TypeError, ValueError: a size that is no whole number ≥ 1.
    """
    item_shape = sizes(item_shape, "item_shape")
    atoms = layers.Dense(
        math.prod(item_shape), kernel_constraint=keras.constraints.UnitNorm(axis=1), name="atoms"
    )
    code_size = positive_int(code_size, "code_size")
    return keras.Sequential(
        [keras.Input((code_size,)), atoms, layers.Reshape(item_shape)], name="decoder"
    )
