"""Learning rates and the KL's weight over steps; more updates of an encoder."""

import numpy as np

from ae_lib._checks import as_size, positive_number, share

_WARMUP = 0.05  # share of a schedule's steps


def cosine_schedule(peak, steps):
    """Learning rate that climbs to ``peak`` and falls to zero along a cosine.

    Source: Loshchilov & Hutter (2017), without restarts, with linear warm-up over a twentieth
    of the steps, whose first has the rate 0.

    Args:
        peak: highest rate.
        steps: optimiser steps in all.

    Raises:
        TypeError, ValueError: ``peak`` is no number > 0, ``steps`` no whole number ≥ 1.
    """
    import keras

    steps, peak = as_size(steps, "steps"), positive_number(peak, "peak")
    climb = max(1, int(_WARMUP * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - climb), warmup_target=peak, warmup_steps=climb
    )


def steps_per_epoch(items, batch_size):
    """Batches in an epoch, the last one perhaps smaller."""
    return -(-as_size(items, "items") // as_size(batch_size, "batch_size"))


def kl_schedule(steps, *, cycles=1, ramp=1.0):
    """A Keras callback: the weight ``beta`` of a ``SentenceVAE``'s KL climbs from 0 to 1.

    Each of the ``cycles`` begins at 0, climbs along a line for the share ``ramp`` of its steps and
    stays at 1; after the last one it stays there. One cycle of the first steps: Bowman et al.
    (2016); several, over the whole training: Fu et al. (2019), with ramp 0.5.

    Args:
        steps: optimiser steps of all cycles.
        cycles: whole number ≥ 1, at most ``steps``.
        ramp: in (0, 1].

    Raises:
        TypeError, ValueError: a number out of range; in training, a model whose weight cannot be
            set, or fewer steps than the schedule has: the weight would not end at 1.
    """
    import keras

    steps, cycles = as_size(steps, "steps"), as_size(cycles, "cycles")
    if cycles > steps:
        raise ValueError(f"cycles: {cycles} do not fit in {steps} steps")
    if not share(ramp, "ramp"):
        raise ValueError(f"ramp: expected a share in (0, 1], got {ramp}")

    class KLSchedule(keras.callbacks.Callback):
        def weight(self, step):
            """The weight in the step of that number, the first being 0."""
            within = step * cycles % steps / steps if step < steps else 1.0
            return min(1.0, within / ramp)

        def on_train_begin(self, logs=None):
            if not hasattr(getattr(self.model, "beta", None), "assign"):
                raise TypeError(f"model: {type(self.model).__name__} has no beta that can be set")
            there = self._step() + self.params["epochs"] * (self.params["steps"] or 0)
            if self.params["steps"] and there < steps:
                raise ValueError(
                    f"steps: the schedule has {steps}, but training ends after {there}"
                )

        def on_train_batch_begin(self, batch, logs=None):
            self.model.beta.assign(self.weight(self._step()))

        def on_train_end(self, logs=None):
            self.model.beta.assign(self.weight(self._step()))

        def _step(self):
            return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    return KLSchedule()


def aggressive_encoder(x, steps, *, updates=10, batch_size=128, seed=0):
    """A Keras callback: several updates of a ``SentenceVAE``'s encoder before each step.

    Source: He et al. (2019), who update until the bound no longer rises, as long as the mutual
    information does; here both numbers are given, so that a run's cost is known before it. The
    encoder has the model's optimizer, anew; its learning rate is the model's of the same step.

    Args:
        x: tokens of the training sentences, (n, T).
        steps: optimiser steps of the whole model with more updates before each, the first ones.
        updates: of the encoder alone, on random batches, before each.
        batch_size: sentences of such a batch.
        seed: of their choice.

    Raises:
        TypeError, ValueError: a size below 1; in training, a model of another kind.
    """
    import keras

    steps, updates = as_size(steps, "steps"), as_size(updates, "updates")
    batch_size, rng = as_size(batch_size, "batch_size"), np.random.default_rng(seed)

    class AggressiveEncoder(keras.callbacks.Callback):
        inner = None

        def on_train_begin(self, logs=None):
            if not hasattr(self.model, "encoder_updates"):
                kind = type(self.model).__name__
                raise TypeError(f"model: expected a SentenceVAE, got {kind}")
            self.inner = self.model.encoder_updates()
            config = self.model.optimizer.get_config()
            optimizer = type(self.model.optimizer).from_config({**config, "learning_rate": 1.0})
            self.inner.compile(optimizer, jit_compile=self.model.jit_compile)

        def on_train_batch_begin(self, batch, logs=None):
            outer = self.model.optimizer
            if int(keras.ops.convert_to_numpy(outer.iterations)) >= steps:
                return
            self.inner.optimizer.learning_rate = float(outer.learning_rate)
            for _ in range(updates):
                some = rng.choice(len(x), min(batch_size, len(x)), replace=False)
                self.inner.train_on_batch(x[np.sort(some)])

    return AggressiveEncoder()
