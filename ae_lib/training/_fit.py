"""``fit``: quiet training with one summary line."""

import itertools
from numbers import Number

import numpy as np

from ae_lib._checks import as_batch, as_size, brief, to_array
from ae_lib._display import emit, in_notebook
from ae_lib._jax import ensure_right_products
from ae_lib.training._resume import resumable_fit

_runs = itertools.count()  # each training run's own place in the outputs


def fit(
    model,
    x,
    y=None,
    *,
    validation=None,
    epochs=10,
    batch_size=64,
    label="",
    callbacks=(),
    checkpoints=None,
):
    """Train a compiled Keras model, quietly: a live bar, then one line.

    Args:
        model: compiled ``keras.Model``.
        x: inputs, (n, …): an array, a tensor or a list; or a ``keras.utils.PyDataset`` that
            yields batches.
        y: targets; default: ``x`` itself, which is what makes an autoencoder.
        validation: held-out inputs (their own targets), or a pair ``(x, y)``.
        epochs, batch_size: ints ≥ 1.
        label: what the line calls the model; default: its name.
        callbacks: further Keras callbacks, or one.
        checkpoints: ``Checkpoints``, or a folder, which gets one at the end of each epoch.

    Returns:
        dict of lists, one value an epoch: ``loss``, ``val_loss``, and the metrics.

    Raises:
        TypeError: data of another kind, such as a ``tf.data.Dataset`` or a share to split off.
        ValueError: empty or NaN data, lengths that differ, a loss that became NaN; a folder
            of checkpoints that holds a run with another recipe.
        OSError: a checkpoint cannot be written.

    An interrupt (the stop button) ends training after the batch under way; what was
    learned stays in the model and the epochs that finished are returned.

    Keras shuffles the data, as it does with its own ``fit``, and ``checkpoints`` do not change
    that. (On TensorFlow, Keras 3.13 shuffles arrays by the seed alone: after ``set_seed``, all
    epochs have one order.)

    With ``checkpoints``, the same call with the same folder goes on at the batch where the
    newest one was written, in whatever way the run ended; the batches of that epoch that were
    trained are read again and passed over. On a CPU, after ``training.set_seed`` and with the
    same versions, weights and history come out the same to the bit as without the
    interruption. An interrupt saves; so does SIGTERM, which then ends the process. A finished
    run gives its history at once; more ``epochs`` than before train further. A ``PyDataset``
    must give the same batch for the same index, and leave ``on_epoch_begin`` and
    ``on_epoch_end`` alone. What ``callbacks`` remember (``EarlyStopping``, say) begins anew in
    each call.
    """
    import keras

    ensure_right_products()
    if not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a compiled keras.Model, got {type(model).__name__}")
    callbacks = _callbacks(callbacks)
    epochs = as_size(epochs, "epochs")
    options = {"epochs": epochs, "verbose": 0}
    if isinstance(x, keras.utils.PyDataset):
        if y is not None:
            raise ValueError("y: x is a PyDataset, which gives its own targets; leave y out")
        if hasattr(model, "check_input") and x.num_batches:  # the first stands for all
            first = x[0]
            first = first[0] if isinstance(first, (tuple, list)) else first
            model.check_input(first, "x[0]")
        options["x"] = x
    else:
        x, y = _data(model, x, y, ("x", "y"))
        options |= {"x": x, "y": y, "batch_size": as_size(batch_size, "batch_size")}
    if validation is not None:
        options["validation_data"] = held_out = _validation(model, validation)
        for used, held, name in zip((x, y), held_out, ("inputs", "targets"), strict=True):
            if y is not None and used.ndim != held.ndim:
                found = f"shape {held.shape}, but training has {used.shape}"
                raise ValueError(f"validation {name}: {found}; give a pair (inputs, targets)")
    progress = _progress(label or model.name, epochs)
    if checkpoints is not None:
        more = {"checkpoints": checkpoints, "progress": progress, "callbacks": callbacks}
        resumable_fit(model, options, **more)
        return progress.history
    try:
        model.fit(**options, callbacks=[progress, *callbacks])
    except KeyboardInterrupt:
        progress.finish(stopped=True)
    return progress.history


def _data(model, x, y, names):
    """Inputs and targets as NumPy arrays on which the model can be trained, or an error."""
    if isinstance(x, tuple):
        raise TypeError(
            f"{names[0]}: expected an array, got a {type(x).__name__}; give its inputs"
        )
    x = to_array(x, names[0], "an array of numbers or a keras.utils.PyDataset")
    getattr(model, "check_input", as_batch)(x, names[0])
    if y is None:
        return x, x
    y, shape = to_array(y, names[1]), getattr(model, "item_shape", None)
    if shape is not None and y.shape[1:] != shape:
        raise ValueError(
            f"{names[1]}: the targets of an autoencoder are like its inputs, {shape} each, and "
            f"these have the shape {y.shape}; if they are labels, leave them out"
        )
    as_batch(y, names[1])
    if len(x) != len(y):
        raise ValueError(f"{names[1]}: {len(y)} items, but {names[0]} has {len(x)}")
    return x, y


def _validation(model, validation):
    """The pair of held-out inputs and targets."""
    names = ("validation inputs", "validation targets")
    if isinstance(validation, Number):
        raise TypeError(
            f"validation: expected held-out inputs, got {brief(validation)}; fit does not split "
            "data: keep some out yourself, as in fit(model, x[:n], validation=x[n:])"
        )
    pair = validation if isinstance(validation, tuple) else (validation, None)
    if len(pair) != 2:
        raise ValueError(f"validation: expected a pair (inputs, targets), got {len(pair)} things")
    return _data(model, *pair, names)


def _callbacks(callbacks):
    """A list of Keras callbacks, from one or several."""
    from keras.callbacks import Callback

    several = isinstance(callbacks, (list, tuple))
    listed = list(callbacks) if several else [] if callbacks is None else [callbacks]
    for callback in listed:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks: expected Keras callbacks, got {brief(callback)}")
    return listed


def _progress(label, epochs):
    """A Keras callback that shows a bar while it runs and leaves one line behind."""
    import keras

    class Progress(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.start = {}  # the history before, of a run that goes on
            self.note = ""
            self.history = {}
            self.shown = False
            self.display_id = f"ae-fit-{next(_runs)}"  # id(self) may come again

        def on_train_begin(self, logs=None):
            self.history = {key: list(values) for key, values in self.start.items()}
            self._show(self._done())

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
            notes = ", ".join(filter(None, [self.note, "stopped" if stopped else ""]))
            parts = [f"{label}: {self._done()} epochs" + (f" ({notes})" if notes else "")]
            for key, name in (("loss", "loss"), ("val_loss", "held out")):
                if key in self.history:
                    parts.append(f"{name} {self.history[key][-1]:.4f}")
            self._emit({"text/plain": " · ".join(parts)})

        def _done(self):
            return len(self.history.get("loss", ()))

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
