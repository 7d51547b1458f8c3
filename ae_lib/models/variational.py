"""Variational autoencoders, of items (chapter 05) and of sentences (chapter 08)."""

import math

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_batch, as_size, brief, positive_number, share
from ae_lib.models._base import Autoencoder, _in_batches
from ae_lib.models.dense import dense_autoencoder
from ae_lib.models.seq2seq import Seq2SeqAutoencoder
from ae_lib.text import PAD

# What free bits are counted on: whether each number of a code has its own share of them, and
# whether the mean over the batch is compared with them, or each sentence.
FREE_BITS = {
    "code": (False, False),
    "mean code": (False, True),
    "number": (True, False),
    "mean number": (True, True),
}


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
        z = _drawn(mean, log_variance, self.noise) if training else mean
        return self.decoder(z, training=training), mean, log_variance

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch; ``y``, if there is one, is what is to be likely, not ``x``."""
        if sample_weight is not None:
            raise ValueError("sample_weight: every item counts alike; leave it out")
        parts = (x if y is None else y, *y_pred)
        x, output, mean, log_variance = (ops.cast(p, self.variable_dtype) for p in parts)
        nats = _nats(x, output, self.log_scale)
        nll = ops.sum(nats, axis=tuple(range(1, len(nats.shape))))
        kl = ops.sum(_kl(mean, log_variance), axis=-1)
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


def _drawn(mean, log_variance, seed):
    """Codes from q(z | x), each number with its own noise."""
    noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=seed)
    return mean + ops.exp(0.5 * log_variance) * noise


def _kl(mean, log_variance):
    """KL(q ‖ p) of each number of each code, (n, k)."""
    return 0.5 * (ops.exp(log_variance) + mean**2 - 1 - log_variance)


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


@keras.saving.register_keras_serializable("ae_lib")
class SentenceVAE(Seq2SeqAutoencoder):
    """A sentence's code with a distribution, read and written as by ``Seq2SeqAutoencoder``.

    Source: Bowman et al. (2016), with its word dropout. The loss is the mean over the batch, in
    nats per sentence, of − log p(x | z) + beta · KL(q(z | x) ‖ N(0, I)), summed over the words
    and <eos>, padding left out, and over a code's numbers. Its parts are the metrics ``nll`` and
    ``kl``, the latter as it is, whatever ``beta`` and ``free_bits``.

    Args:
        vocabulary_size, units, embedding_size, code_size, word_dropout, matmul_dtype, dtype: as
            for ``Seq2SeqAutoencoder``.
        beta: weight of the KL, ≥ 0. ``model.beta.assign(0.5)`` changes it, also during ``fit``:
            ``training.kl_schedule`` does.
        free_bits: nats of KL in all that cost nothing, ≥ 0. With more than the decoder can use
            (ln N for N sentences), the KL has no gradient at all: what is left is an autoencoder
            with noise, whose ``kl`` shows what it makes of it.
        free_bits_of: where the loss counts max(KL, free bits) instead of the KL. "code": a
            sentence's; "mean code": the batch's mean; "number": each number of each sentence's
            code, free_bits / code_size being its share (Li et al. 2019); "mean number": the
            batch's mean of each number (Kingma et al. 2016).
        posterior_std: standard deviation that each number's posterior means keep over a batch
            (Zhu et al. 2020: a batch normalisation whose scale is fixed), or None. The KL is
            then at least code_size · posterior_std² / 2 in the mean, used or not.
        dropout: share of the values of the decoder's word vectors and outputs that training
            drops, in [0, 1).

    Raises:
        TypeError, ValueError: as ``Seq2SeqAutoencoder``; a number below 0, another
            ``free_bits_of``, a ``posterior_std`` that is not above 0.

    Input everywhere as there; an empty sentence is a row of zeros, whose only token is <eos>.
    Called, it gives the decoder's output, mean and log-variance (n, code_size): in training for
    a drawn code, else for the mean, so that ``evaluate`` gives no bound: ``metrics.elbo`` does.

    Example:
        >>> vae = SentenceVAE(1000, units=64, embedding_size=32, code_size=8, free_bits=4)
        >>> [array.shape for array in vae.posterior([[7, 8, 9, 0]])]
        [(1, 8), (1, 8)]
    """

    numbers_per_code = 2

    def __init__(
        self,
        vocabulary_size,
        units=256,
        embedding_size=128,
        code_size=32,
        word_dropout=0.0,
        *,
        beta=1.0,
        free_bits=0.0,
        free_bits_of="number",
        posterior_std=None,
        dropout=0.0,
        **options,
    ):
        sizes = (vocabulary_size, units, embedding_size, code_size)
        super().__init__(*sizes, word_dropout, **options)
        self._beta = positive_number(beta, "beta", zero=True)
        self.free_bits = positive_number(free_bits, "free_bits", zero=True)
        if free_bits_of not in FREE_BITS:
            kinds = ", ".join(FREE_BITS)
            raise ValueError(f"free_bits_of: expected {kinds}; got {brief(free_bits_of)}")
        self.free_bits_of, self.posterior_std, self.normal = free_bits_of, posterior_std, None
        if posterior_std is not None:
            self.posterior_std = positive_number(posterior_std, "posterior_std")
            self.normal = keras.layers.BatchNormalization(
                scale=False,
                epsilon=1e-8,
                name="normal",  # with more, small means would stay small
            )
            self.normal.build((None, self.code_size))
        self.dropout = share(dropout, "dropout", one=False)
        self.drop = keras.layers.Dropout(dropout, name="drop") if dropout else None
        self.beta = self.add_weight(
            shape=(), initializer=lambda *_, **__: self._beta, trainable=False, name="beta"
        )
        self.noise = keras.random.SeedGenerator()
        self.nll, self.kl = keras.metrics.Mean("nll"), keras.metrics.Mean("kl")
        self._score = None

    # Inside the graph

    def to_latent(self, h, c, training=None):
        """Means and log-variances of q(z | x), side by side: (n, 2 · code_size)."""
        numbers = super().to_latent(h, c)
        if self.normal is None:
            return numbers
        mean, log_variance = ops.split(numbers, 2, axis=-1)
        mean = self.posterior_std * self.normal(mean, training=training)
        return ops.concatenate([mean, log_variance], axis=-1)

    def call(self, tokens, training=None):
        """The decoder's output, mean and log-variance (n, code_size).

        The output: in training the decoder's (n, T + 1, units) for a drawn code, else the logits
        (n, T + 1, vocabulary_size) for the mean.
        """
        numbers = self.to_latent(*self.encode_states(tokens), training=training)
        mean, log_variance = ops.split(numbers, 2, axis=-1)
        z = _drawn(mean, log_variance, self.noise) if training else mean
        outputs = self.outputs(z, tokens, training)
        return outputs if training else self.logits(outputs), mean, log_variance

    def sentence_nats(self, tokens, outputs, training=False):
        """− log p(x | z) of each sentence, (n,), from ``call``'s first output."""
        target = self.decoder_target(tokens)
        nats = self.token_nats(target, outputs, training)
        return ops.sum(nats * ops.cast(target != PAD, nats.dtype), axis=1)

    def counted(self, kl):
        """What the loss counts of the KL of each number (n, k): a mean in nats per sentence."""
        each, over_batch = FREE_BITS[self.free_bits_of]
        kl = kl if each else ops.sum(kl, axis=1, keepdims=True)
        kl = ops.mean(kl, axis=0, keepdims=True) if over_batch else kl
        if self.free_bits:
            kl = ops.maximum(kl, self.free_bits / kl.shape[1])
        return ops.mean(ops.sum(kl, axis=1))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=False):
        """The loss of a batch, from what ``call`` gave with the same ``training``."""
        nll, kl = self.sentence_nats(x, y_pred[0], training), _kl(*y_pred[1:])
        self.nll.update_state(nll)
        self.kl.update_state(ops.sum(kl, axis=1))
        return ops.mean(nll) + self.beta * self.counted(kl)

    # From and to NumPy

    def posterior(self, tokens, batch_size=256):
        """Mean and log-variance of q(z | x): two float32 (n, code_size) NumPy arrays.

        Arguments and errors as ``encode``; also ValueError: numbers that are NaN.
        """
        numbers = super().encode(tokens, batch_size)
        return tuple(np.split(as_batch(numbers, "the encoder's output"), 2, axis=1))

    def encode(self, tokens, batch_size=256):
        """The means of q(z | x): float32 (n, code_size); see ``Seq2SeqAutoencoder.encode``."""
        return self.posterior(tokens, batch_size)[0]

    def log_likelihood(self, tokens, codes, batch_size=256):
        """log p(x | z) of each pair in nats, float64 (n,).

        Args:
            tokens: int (n, T), padded on the right.
            codes: (n, code_size).
            batch_size: at most so many at once; of more than 512, 512.

        Raises:
            TypeError, ValueError: as ``encode``; more codes than sentences or fewer.
        """
        tokens, codes = self.check_tokens(tokens), self.check_codes(codes)
        if len(tokens) != len(codes):
            raise ValueError(
                f"codes: expected {len(tokens)}, one for each sentence, got {len(codes)}"
            )
        if self._score is None:
            self._score = _Scorer(self).predict  # a method: no part of this model for Keras
        size = min(as_size(batch_size, "batch_size"), 512)
        return -self._score((tokens, codes), size, verbose=0).astype("float64")

    def encoder_updates(self):
        """A model whose training steps move this one's encoder alone; not compiled.

        The embedding, which the decoder has in common with it, stays.
        """
        return _EncoderUpdates(self)

    def get_config(self):
        names = ("free_bits", "free_bits_of", "posterior_std", "dropout")
        more = {name: getattr(self, name) for name in names}
        return {**super().get_config(), "beta": self._beta, **more}


class _Scorer(keras.Model):
    """Nats of sentences given their codes, compiled."""

    def __init__(self, vae):
        super().__init__(name="scorer")
        self.vae, self.built = vae, True

    def call(self, inputs, training=None):
        tokens, codes = inputs
        outputs = self.vae.outputs(codes, tokens)
        # From the outputs as in training: no array of all logits' gradients, the same numbers.
        return self.vae.sentence_nats(tokens, outputs, training=True)


class _EncoderUpdates(keras.Model):
    """See ``SentenceVAE.encoder_updates``."""

    def __init__(self, vae):
        super().__init__(name="encoder_updates")
        self.vae, self.built = vae, True

    @property
    def trainable_variables(self):
        layers = (self.vae.encoder, self.vae.to_code, self.vae.normal)
        return [v for layer in layers if layer for v in layer.trainable_variables]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self):
        moved = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in moved]

    non_trainable_weights = non_trainable_variables

    def call(self, tokens, training=None):
        return self.vae(tokens, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        nll = self.vae.sentence_nats(x, y_pred[0], training)
        return ops.mean(nll) + self.vae.beta * self.vae.counted(_kl(*y_pred[1:]))
