"""A generative adversarial network (chapter 05): a pairing loss and two penalties, no tricks."""

import keras
import numpy as np
from keras import ops

from ae_lib._checks import as_batch, as_size, positive_number, share
from ae_lib.models._base import Pair, _in_batches


@keras.saving.register_keras_serializable("ae_lib")
class GAN(Pair):
    """A generator and a discriminator D that plain ``fit(x)`` trains against each other.

    Source: Huang et al. (2024), "The GAN is dead; long live the GAN!"; the pairing loss is
    Jolicoeur-Martineau's (2019), the first penalty Mescheder et al.'s (2018). Means over the
    pairs (real, fake) of a batch, with f(t) = log(1 + exp(t)):

        generator:      f(D(real) − D(fake))
        discriminator:  f(D(fake) − D(real)) + penalty / 2 · (‖∇D(real)‖² + ‖∇D(fake)‖²)

    ‖∇D(x)‖² is estimated by ((D(x + h·v) − D(x − h·v)) / 2h)², one v ~ N(0, I) an item: right
    in the mean, up to terms in h², and no backend needs a second derivative. Each batch is
    one step of both networks from the same weights; no gradient of one's loss reaches the
    other. The metrics are the two losses, without the penalties, and ``gradients``, the sum
    of the two squared norms.

    Args:
        generator: Keras model from codes (batch, k), N(0, I), to items (batch, …).
        discriminator: Keras model from items to scores (batch, 1), high for real; without a
            last activation, and without batch normalisation: it sees real and fake together.
        penalty: ≥ 0.
        average: in [0, 1): what the weights of ``averaged``, a second copy of the generator,
            keep in a step: w̄ ← average · w̄ + (1 − average) · w; in step t = 0, 1, … at most
            (1 + t) / (10 + t), so that the start is soon forgotten.
        step: h > 0, in units of an item's values; in bfloat16 its differences are rounding.

    Raises:
        TypeError, ValueError: networks that do not fit, a number out of its range.

    No label is read: ``y`` is left alone. The generator's outputs and ``x`` should have one range.

    Example:
        >>> dense = keras.layers.Dense
        >>> g = keras.Sequential([keras.Input((2,)), dense(8, "relu"), dense(4)])
        >>> d = keras.Sequential([keras.Input((4,)), dense(8, "relu"), dense(1)])
        >>> gan = GAN(g, d, penalty=0.5)
        >>> gan.compile(keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.99))
    """

    parts = ("generator", "discriminator")

    def __init__(self, generator, discriminator, penalty=1.0, average=0.999, step=0.01, **options):
        super().__init__(**options)
        ways = [m.input_shape[1:] + m.output_shape[1:] for m in (generator, discriminator)]
        if len(generator.input_shape) != 2 or ways[0][1:] + (1,) != ways[1]:
            raise ValueError(
                f"discriminator: expected from {generator.output_shape}, what the generator "
                f"makes of codes (batch, k), to (batch, 1); got from {discriminator.input_shape} "
                f"to {discriminator.output_shape}, and codes {generator.input_shape}"
            )
        self.penalty = positive_number(penalty, "penalty", zero=True)
        self.average = share(average, "average", one=False)
        self.step = positive_number(step, "step")
        self.generator, self.discriminator = generator, discriminator
        self.averaged = keras.models.clone_model(generator)
        self.averaged.set_weights(generator.get_weights())
        self.averaged.trainable = False
        self.count = self.add_weight(initializer="zeros", trainable=False, name="count")
        self.noise = keras.random.SeedGenerator()
        names = ("generator_loss", "discriminator_loss", "gradients")
        self.trackers = [keras.metrics.Mean(name) for name in names]
        self.built = True

    def call(self, x, training=None):
        """The discriminator's scores of ``x``, (n, 1)."""
        return self.discriminator(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The sum of both losses and the penalty, in which each network sees its own alone.

        ``y_pred``: what ``call`` gave for ``x``, with the same ``training``.
        """
        x = ops.cast(x, self.variable_dtype)
        z = keras.random.normal(
            (ops.shape(x)[0], self.code_size), dtype=self.variable_dtype, seed=self.noise
        )
        fake = ops.cast(self.generator(z, training=training), x.dtype)
        items = ops.concatenate([x, ops.stop_gradient(fake)])
        move = self.step * keras.random.normal(
            ops.shape(items), dtype=self.variable_dtype, seed=self.noise
        )
        items = ops.concatenate([ops.stop_gradient(fake), items + move, items - move])
        # The weights are read once, for both losses: TensorFlow's optimiser of graphs may put off
        # a second reading, whose gradient nobody wants, until they have been updated. (To reshape
        # is to read: ``convert_to_tensor`` leaves a variable as it is.)
        weights = [ops.reshape(v, v.shape) for v in self.discriminator.trainable_variables]
        others = [v.value for v in self.discriminator.non_trainable_variables]
        judge = self.discriminator.stateless_call
        scores, after = judge(weights, others, items, training=training)
        scores = ops.cast(scores, x.dtype)
        real_score = ops.cast(y_pred, x.dtype)
        fake_score, *moved = ops.split(scores, 5)  # moved: up real, up fake, down real, down fake
        slopes = [(moved[i] - moved[i + 2]) / (2 * self.step) for i in (0, 1)]
        gradients = sum(ops.mean(slope**2) for slope in slopes)
        # The generator's loss passes a discriminator whose weights are constants.
        fooled = judge([ops.stop_gradient(w) for w in weights], after, fake, training=training)[0]
        fooled = ops.cast(fooled, x.dtype) - ops.stop_gradient(real_score)
        both = ops.mean(ops.softplus(-fooled)), ops.mean(ops.softplus(fake_score - real_score))
        for tracker, value in zip(self.trackers, (*both, gradients), strict=True):
            tracker.update_state(value, sample_weight=ops.shape(x)[0])
        if training:
            own = self.discriminator.non_trainable_variables
            for variable, value in zip(own, after, strict=True):
                variable.assign(value)
            self._follow()
        return sum(both) + 0.5 * self.penalty * gradients + sum(self.losses)

    def _follow(self):
        """Move the averaged weights towards the generator's."""
        keep = ops.minimum(self.average, (1 + self.count) / (10 + self.count))
        for mean, weight in zip(self.averaged.weights, self.generator.weights, strict=True):
            mean.assign(keep * mean + (1 - keep) * ops.stop_gradient(weight))
        self.count.assign_add(1.0)

    @property
    def item_shape(self):
        """Shape of one item, without the batch axis."""
        return tuple(self.generator.output_shape[1:])

    @property
    def code_size(self):
        """Values in a code, k."""
        return self.generator.input_shape[-1]

    def check_input(self, x, name="x"):
        """Return ``x`` as float32 (n, *item_shape), or raise ValueError saying what is wrong."""
        return as_batch(x, name, shape=self.item_shape)

    def sample(self, n, seed=0, batch_size=256):
        """``n`` items of the averaged generator: float32 (n, *item_shape)."""
        z = np.random.default_rng(seed).standard_normal((as_size(n, "n"), self.code_size))
        return _in_batches(self.averaged, z.astype("float32"), batch_size)

    def get_config(self):
        numbers = {name: getattr(self, name) for name in ("penalty", "average", "step")}
        return {**super().get_config(), **numbers}
