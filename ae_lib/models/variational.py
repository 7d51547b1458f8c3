"""The variational autoencoder (chapter 05): codes with a distribution, a bound on log p(x)."""

import math

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_batch, as_size, brief, positive_number
from ae_lib.models._base import Autoencoder, _in_batches
from ae_lib.models.dense import dense_autoencoder


@keras.saving.register_keras_serializable("ae_lib")
class VariationalAutoencoder(Autoencoder):
    """p(z) = N(0, I), p(x | z) by the decoder, q(z | x) = N(mean, diag(variance)) by the encoder.

    Source: Kingma & Welling (2014), Rezende et al. (2014); ``beta``: Higgins et al. (2017).
    The loss is the mean over the batch, in nats per item, of

        − log p(x | z) + beta · KL(q(z | x) ‖ p(z)),    z = mean + exp(log_variance / 2) · noise,

    summed over an item's values and over a code's; its two parts are the metrics ``nll`` and
    ``kl``. In training the noise is new in every call. Outside it z is the mean, so that
    ``evaluate`` and ``val_loss`` give no bound: ``metrics.elbo`` does.

    Args:
        encoder: Keras model from (batch, …) to (batch, 2k): k means, then k log-variances.
        decoder: Keras model from codes (batch, k) to the shape of the input: logits for
            "bernoulli", means for "gaussian".
        likelihood: "bernoulli": inputs in [0, 1]; a likelihood where they are 0 or 1, for
            greys only a cross-entropy. "gaussian": any inputs, with one standard deviation
            for all values, whose logarithm, ``log_scale``, is trained.
        beta: weight of the KL, ≥ 0; with 1, the loss is a bound on − log p(x).

    Raises:
        TypeError, ValueError: parts that do not fit, an unknown ``likelihood``, ``beta`` < 0.

    Compile it with an optimizer alone; train it with ``fit(x)`` or ``fit(x, x)``.
    """

    def __init__(self, encoder, decoder, likelihood="bernoulli", beta=1.0, **options):
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f"likelihood: bernoulli or gaussian, got {brief(likelihood)}")
        beta = positive_number(beta, "beta", zero=True)
        options["value_range"] = (0.0, 1.0) if likelihood == "bernoulli" else None
        super().__init__(encoder, decoder, **options)
        self.likelihood, self.beta, self.log_scale = likelihood, beta, None
        if likelihood == "gaussian":
            self.log_scale = self.add_weight(shape=(), initializer="zeros", name="log_scale")
        self.noise = keras.random.SeedGenerator()
        self.nll, self.kl = keras.metrics.Mean("nll"), keras.metrics.Mean("kl")

    @staticmethod
    def _check_codes(given, taken):
        if len(taken) != 1 or given != (2 * taken[0],):
            raise ValueError(
                f"encoder: expected a mean and a log-variance for each number of the decoder's "
                f"codes, {taken}; it gives {given}"
            )

    def call(self, x, training=None):
        """The decoder's output (n, *item_shape), mean (n, k) and log-variance (n, k).

        In training the output is that of a code drawn from q(z | x), else that of its mean.
        """
        mean, log_variance = ops.split(self.encoder(x, training=training), 2, axis=-1)
        z = mean
        if training:
            noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.noise)
            z = mean + ops.exp(0.5 * log_variance) * noise
        return self.decoder(z, training=training), mean, log_variance

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch; ``y``, if there is one, is what is to be likely, not ``x``."""
        if sample_weight is not None:
            raise ValueError("sample_weight: every item counts alike; leave it out")
        parts = (x if y is None else y, *y_pred)
        x, output, mean, log_variance = (ops.cast(p, self.variable_dtype) for p in parts)
        nats = _nats(x, output, self.log_scale)
        nll = ops.sum(nats, axis=tuple(range(1, len(nats.shape))))
        kl = 0.5 * ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1)
        self.nll.update_state(nll)
        self.kl.update_state(kl)
        return ops.mean(nll + self.beta * kl) + sum(self.losses)

    def posterior(self, x, batch_size=256):
        """Mean and log-variance of q(z | x): two float32 (n, k) NumPy arrays.

        Args:
            x: (n, *item_shape), inside ``value_range``.

        Raises:
            ValueError: another shape, empty, NaN, or out of range; an encoder that gives NaN.
        """
        numbers = _in_batches(self.encoder, self.check_input(x), batch_size)
        return tuple(np.split(as_batch(numbers, "the encoder's output"), 2, axis=1))

    def encode(self, x, batch_size=256):
        """The means of q(z | x): float32 (n, k). Errors as ``posterior``."""
        return self.posterior(x, batch_size)[0]

    def sample_codes(self, x, samples=1, seed=0):
        """Codes drawn from q(z | x): float32 (samples, n, k). Errors as ``posterior``."""
        mean, log_variance = self.posterior(x)
        shape = (as_size(samples, "samples"), *mean.shape)
        noise = np.random.default_rng(seed).standard_normal(shape, dtype="float32")
        return mean + np.exp(0.5 * log_variance) * noise

    def decode(self, z, batch_size=256):
        """Means of p(x | z) for codes ``z`` (n, k): float32 (n, *item_shape)."""
        output = super().decode(z, batch_size)
        # The logistic function, without overflow.
        return 0.5 + 0.5 * np.tanh(0.5 * output) if self.log_scale is None else output

    def sample(self, n, seed=0, batch_size=256):
        """Means of p(x | z) for ``n`` codes from the prior: float32 (n, *item_shape)."""
        shape = (as_size(n, "n"), self.code_size)
        return self.decode(np.random.default_rng(seed).standard_normal(shape), batch_size)

    def log_likelihood(self, x, z, batch_size=256):
        """log p(x | z) of each pair in nats, beyond the decoder computed in float64.

        Args:
            x: (n, *item_shape), inside ``value_range``.
            z: codes (n, k).

        Returns:
            float64 (n,) NumPy array.

        Raises:
            ValueError: another shape, empty, NaN, out of range; more codes than items or fewer.
        """
        x, z = self.check_input(x), as_batch(z, "z", shape=(self.code_size,))
        if len(x) != len(z):
            raise ValueError(f"z: expected {len(x)} codes, one for each item, got {len(z)}")
        scale = None if self.log_scale is None else float(ops.convert_to_numpy(self.log_scale))
        found, step = [], as_size(batch_size, "batch_size")
        for start in range(0, len(x), step):
            item, code = (part[start : start + step].astype("float64") for part in (x, z))
            nats = _nats(item, super().decode(code, step), scale, _softplus, np.exp)
            found.append(-nats.reshape(len(code), -1).sum(1))
        return np.concatenate(found)

    def get_config(self):
        config = {**super().get_config(), "likelihood": self.likelihood, "beta": self.beta}
        del config["value_range"]  # follows from the likelihood
        return config


def _nats(x, output, log_scale, softplus=ops.softplus, exp=ops.exp):
    """− log p of each value: Gaussian, or without a scale Bernoulli."""
    if log_scale is None:
        return softplus(output) - x * output
    return 0.5 * ((x - output) * exp(-log_scale)) ** 2 + log_scale + 0.5 * math.log(2 * math.pi)


def _softplus(x):
    return np.logaddexp(0, x, dtype="float64")


def dense_vae(
    item_shape=(28, 28),
    code_size=32,
    hidden=(512, 256),
    *,
    likelihood="bernoulli",
    beta=1.0,
    activation="elu",
    name="dense_vae",
):
    """A variational autoencoder of dense layers; not compiled.

    Arguments and errors as in ``dense_autoencoder`` and ``VariationalAutoencoder``.

    Example:
        >>> vae = dense_vae((8, 8), code_size=2, hidden=(16,))
        >>> vae.compile("adam")
        >>> vae.sample(3).shape
        (3, 8, 8)
    """
    code_size = as_size(code_size, "code_size")
    one, two = (
        dense_autoencoder(item_shape, n, hidden, activation=activation, output="linear")
        for n in (code_size, 2 * code_size)
    )
    return VariationalAutoencoder(two.encoder, one.decoder, likelihood, beta, name=name)
