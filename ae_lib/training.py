"""Training: seeds, scale presets, and ``fit`` with one summary line."""

import itertools
import os
from types import SimpleNamespace

import numpy as np

from ae_lib._checks import positive_int
from ae_lib._display import emit, in_notebook

SCALES = ("small", "large")
_runs = itertools.count()  # each training run's own place in the outputs


def set_seed(seed):
    """Seed Python, NumPy and the Keras backend, and ask it for repeatable kernels.

    Args:
        seed: int ≥ 0.
    """
    import keras

    keras.utils.set_random_seed(positive_int(seed, "seed", least=0))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        tf.get_logger().setLevel("ERROR")  # its advice on retracing is not for a page


def has_gpu():
    """Whether the Keras backend sees a GPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return any(device.platform == "gpu" for device in jax.devices())
    import torch

    return torch.cuda.is_available()


def scale(small, large=None):
    """Choose a chapter's sizes: small on a CPU, large on a GPU.

    The variable ``AE_SCALE`` (``small`` or ``large``) overrides the choice.

    Args:
        small, large: dicts of settings; ``large`` needs to name only what differs.

    Returns:
        ``SimpleNamespace`` of the settings, with ``name`` added.

    Raises:
        ValueError: ``AE_SCALE`` is neither name, or ``large`` has a setting ``small`` lacks.

    Example:
        >>> preset = scale(small=dict(epochs=20), large=dict(epochs=100))
    """
    large = large or {}
    unknown = sorted(set(large) - set(small))
    if unknown:
        raise ValueError(f"large: settings {unknown} are not in small")
    name = os.environ.get("AE_SCALE") or ("large" if has_gpu() else "small")
    if name not in SCALES:
        raise ValueError(f"AE_SCALE: got {name!r}; expected one of {', '.join(SCALES)}")
    return SimpleNamespace(name=name, **{**small, **(large if name == "large" else {})})


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


def fit(model, x, y=None, *, validation=None, epochs=10, batch_size=64, label="", callbacks=()):
    """Train a compiled Keras model, quietly: a live bar, then one line.

    Args:
        model: compiled ``keras.Model``.
        x: inputs, (n, …), or a ``keras.utils.PyDataset`` that yields batches.
        y: targets; default: ``x`` itself, which is what makes an autoencoder.
        validation: held-out inputs (their own targets), or a pair ``(x, y)``.
        epochs, batch_size: ints ≥ 1.
        label: what the line calls the model; default: its name.
        callbacks: further Keras callbacks.

    Returns:
        dict of lists, one value an epoch: ``loss``, ``val_loss``, and the metrics.

    Raises:
        ValueError: empty or NaN data, lengths that differ, a loss that became NaN.

    An interrupt (the stop button) ends training after the batch under way; what was
    learned stays in the model and the epochs that finished are returned.
    """
    import keras

    epochs = positive_int(epochs, "epochs")
    options = {"epochs": epochs, "verbose": 0}
    if isinstance(x, keras.utils.PyDataset):
        options["x"] = x
    else:
        y = x if y is None else y
        _check_data(x, y)
        _check_for(model, x, "x")
        options |= {"x": x, "y": y, "batch_size": positive_int(batch_size, "batch_size")}
    if validation is not None:
        pair = validation if isinstance(validation, tuple) else (validation, validation)
        _check_data(*pair, names=("validation inputs", "validation targets"))
        _check_for(model, pair[0], "validation inputs")
        options["validation_data"] = pair
    progress = _progress(label or model.name, epochs)
    try:
        model.fit(**options, callbacks=[progress, *callbacks])
    except KeyboardInterrupt:
        progress.finish(stopped=True)
    return progress.history


def _check_data(x, y, names=("x", "y")):
    for array, name in zip((x, y), names, strict=True):
        array = np.asarray(array)
        if array.size == 0:
            raise ValueError(f"{name}: empty, shape {array.shape}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name}: holds NaN or infinite values")
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name}: expected numbers, got dtype {array.dtype}")
    if len(x) != len(y):
        raise ValueError(f"{names[1]}: {len(y)} items, but {names[0]} has {len(x)}")


def _check_for(model, x, name):
    """Let the model refuse inputs that it cannot reconstruct, if it knows how."""
    if hasattr(model, "check_input"):
        model.check_input(x, name)


def _progress(label, epochs):
    """A Keras callback that shows a bar while it runs and leaves one line behind."""
    import keras

    class Progress(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.history = {}
            self.shown = False
            self.display_id = f"ae-fit-{next(_runs)}"  # id(self) may come again

        def on_train_begin(self, logs=None):
            self.history = {}
            self._show(0)

        def on_epoch_end(self, epoch, logs=None):
            for key, value in (logs or {}).items():
                self.history.setdefault(key, []).append(float(value))
            if not np.isfinite(self.history["loss"][-1]):
                raise ValueError(
                    f"the loss of {label} became {self.history['loss'][-1]} in epoch {epoch + 1}: "
                    "lower the learning rate, clip the gradient, or look for log(0) in the loss"
                )
            self._show(epoch + 1)

        def on_train_end(self, logs=None):
            self.finish()

        def finish(self, stopped=False):
            done = len(self.history.get("loss", ()))
            parts = [f"{label}: {done} epochs" + (" (stopped)" if stopped else "")]
            for key, name in (("loss", "loss"), ("val_loss", "held out")):
                if key in self.history:
                    parts.append(f"{name} {self.history[key][-1]:.4f}")
            self._emit({"text/plain": " · ".join(parts)})

        def _show(self, done):
            if not in_notebook():
                return
            text = f"{label}: epoch {done} of {epochs}"
            if done:
                text += f" · loss {self.history['loss'][-1]:.4f}"
            bar = f'<progress max="{epochs}" value="{done}" aria-label="training"></progress>'
            self._emit({"text/plain": text, "text/html": f"{bar} {text}"})

        def _emit(self, data):
            emit(data, display_id=self.display_id, update=self.shown)
            self.shown = True

    return Progress()
