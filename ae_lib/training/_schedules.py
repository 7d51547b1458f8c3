"""Learning rates over steps."""

from ae_lib._checks import as_size, positive_number, share


def cosine_schedule(peak, steps, *, warmup=0.05):
    """Learning rate that climbs to ``peak`` and falls to zero along a cosine.

    Source: Loshchilov & Hutter (2017), without restarts, with linear warm-up, whose first
    step has the rate 0.

    Args:
        peak: highest rate.
        steps: optimiser steps in all.
        warmup: fraction of the steps spent climbing, in [0, 1).

    Raises:
        TypeError, ValueError: ``peak`` is no number > 0, ``steps`` no whole number ≥ 1, or
            ``warmup`` no such fraction.
    """
    import keras

    steps = as_size(steps, "steps")
    peak, warmup = positive_number(peak, "peak"), share(warmup, "warmup", one=False)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    climb = max(1, int(warmup * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - climb), warmup_target=peak, warmup_steps=climb
    )


def steps_per_epoch(items, batch_size):
    """Batches in an epoch, the last one perhaps smaller."""
    return -(-as_size(items, "items") // as_size(batch_size, "batch_size"))
