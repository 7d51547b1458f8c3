"""Learning rates over steps."""

from ae_lib._checks import positive_int


def cosine_schedule(peak, steps, *, warmup=0.05):
    """Learning rate that climbs to ``peak`` and falls to zero along a cosine.

    Source: Loshchilov & Hutter (2017), without restarts, with linear warm-up, whose first
    step has the rate 0.

    Args:
        peak: highest rate.
        steps: optimiser steps in all.
        warmup: fraction of the steps spent climbing, in [0, 1).

    Raises:
        ValueError: ``peak`` is not positive, ``steps`` not at least 1, or ``warmup`` no such
            fraction.
    """
    import keras

    steps = positive_int(steps, "steps")
    if not peak > 0:
        raise ValueError(f"peak: expected a positive rate, got {peak}")
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup: expected a fraction in [0, 1), got {warmup}")
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(peak, steps)
    climb = max(1, int(warmup * steps))
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - climb), warmup_target=peak, warmup_steps=climb
    )


def steps_per_epoch(items, batch_size):
    """Batches in an epoch, the last one perhaps smaller."""
    return -(-positive_int(items, "items") // positive_int(batch_size, "batch_size"))
