"""Training that goes on where it was cut off: what ``fit`` does with checkpoints.

Two things make the continuation exact. The order of the data is a function of (seed, epoch),
so that the batches still to come are known without the ones that were; and the whole state is
saved between two steps, never inside one.
"""

import hashlib
import re
import secrets
import signal
import threading
import warnings
from contextlib import contextmanager, suppress

import numpy as np

from ae_lib.training._checkpoints import Checkpoints
from ae_lib.training._schedules import steps_per_epoch


class Arrays:
    """Inputs and targets cut into batches, shuffled anew in each epoch."""

    def __init__(self, x, y, batch_size):
        self.x = _as_keras_would(x)
        self.y = self.x if y is x else _as_keras_would(y)
        self.batch_size = batch_size
        self.count = steps_per_epoch(len(x), batch_size)  # batches in an epoch

    def batches(self, seed, start, stop):
        """The batches of steps ``start`` … ``stop`` − 1, all epochs in one row."""
        order = None
        for step in range(start, stop):
            epoch, place = divmod(step, self.count)
            if order is None or place == 0:
                order = np.random.default_rng([seed, epoch]).permutation(len(self.x))
            rows = order[place * self.batch_size : (place + 1) * self.batch_size]
            x = self.x[rows]
            yield x, x if self.y is self.x else self.y[rows]

    def recipe(self):
        return {
            "batch size": self.batch_size,
            "data": {"x": _fingerprint(self.x), "y": _fingerprint(self.y)},
        }


class Batches:
    """A ``PyDataset`` whose batches come in another order in each epoch."""

    def __init__(self, dataset):
        import keras

        changing = [
            name
            for name in ("on_epoch_begin", "on_epoch_end")
            if getattr(type(dataset), name) is not getattr(keras.utils.PyDataset, name)
        ]
        if changing:
            raise ValueError(
                f"x: {type(dataset).__name__}.{changing[0]} changes the data between epochs, "
                "which cannot be replayed after an interruption; leave it out: with "
                "checkpoints, fit itself puts the batches in another order in each epoch"
            )
        if dataset.num_batches is None:
            raise ValueError(f"x: {type(dataset).__name__} is endless; give it a __len__")
        self.dataset, self.count = dataset, dataset.num_batches
        if not self.count:
            raise ValueError("x: no batches")
        self.shapes = _shapes(self._batch(0))

    def _batch(self, index):
        batch = self.dataset[index]
        return tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)

    def batches(self, seed, start, stop):
        """The batches of steps ``start`` … ``stop`` − 1, all epochs in one row."""
        order = None
        for step in range(start, stop):
            epoch, place = divmod(step, self.count)
            if order is None or place == 0:
                order = np.random.default_rng([seed, epoch]).permutation(self.count)
            batch = self._batch(int(order[place]))
            if _shapes(batch) != self.shapes:
                raise ValueError(
                    f"x: batch {order[place]} has items of shape {_shapes(batch)}, batch 0 of "
                    f"{self.shapes}; with checkpoints all must have one: pad them alike"
                )
            yield batch

    def recipe(self):
        ends = [_fingerprint(self._batch(place)) for place in (0, self.count - 1)]
        if ends != [_fingerprint(self._batch(place)) for place in (0, self.count - 1)]:
            raise ValueError(
                f"x: {type(self.dataset).__name__} gives another batch 0 or {self.count - 1} "
                "each time; with checkpoints a batch must be a function of its index alone: "
                "draw random numbers from np.random.default_rng([seed, index])"
            )
        return {"batches": self.count, "data": {"first": ends[0], "last": ends[1]}}


def resumable_fit(model, data, validation, *, epochs, checkpoints, progress, callbacks):
    """``model.fit`` that saves while it trains and begins where the folder's run stopped.

    Args:
        model: compiled Keras model.
        data: ``Arrays`` or ``Batches``.
        validation: a pair of arrays, or None.
        checkpoints: ``Checkpoints``, or a folder: one at the end of each epoch.
        progress: the callback that keeps the history and writes the one line.
    """
    import keras

    if not isinstance(checkpoints, Checkpoints):
        checkpoints = Checkpoints(checkpoints, every_steps=data.count)
    if checkpoints.every_steps is None and checkpoints.every_minutes is None:
        raise ValueError("checkpoints: say when: every_steps=100 or every_minutes=10, or both")
    if not getattr(model, "compiled", False):
        raise ValueError(f"{model.name}: compile it first")
    if model.steps_per_execution != 1:
        raise ValueError("checkpoints: compile the model with steps_per_execution=1")
    total = epochs * data.count
    recipe = _recipe(model, data, validation)
    # The metrics too must exist before they can be restored; so does Keras's own fit.
    model._symbolic_build(data_batch=next(data.batches(0, 0, 1)))

    saved = checkpoints.newest()
    run = {"recipe": recipe, "order": recipe["seed"], "epochs": epochs, "finished": False}
    if run["order"] is None:
        run["order"] = secrets.randbits(64)
    if saved is not None:
        saved.check(model)
        _check_recipe(saved, recipe, epochs)
        saved.load(model, all_metrics=True)
        run["order"] = saved.info["order"]
        progress.start = saved.info["history"]
        # All its steps may be done, and it was interrupted before it could say so.
        stopped_early = saved.info["finished"] and epochs <= saved.info["epochs"]
        if stopped_early or saved.step >= total:
            progress.history = saved.info["history"]
            progress.note = "finished before"
            return progress.finish()
        progress.note = f"resumed at step {saved.step:,} of {total:,}"
    saver = _saver(checkpoints, saved, run, progress, data.count)
    start = saver.step
    arguments = {} if validation is None else {"validation_data": validation}
    if validation is not None and isinstance(data, Arrays):
        arguments["validation_batch_size"] = data.batch_size
    try:
        with saver.interrupts():
            model.fit(
                data.batches(run["order"], start, total),
                initial_epoch=start // data.count,
                epochs=epochs,
                steps_per_epoch=data.count,
                shuffle=False,  # the batches come shuffled
                verbose=0,
                callbacks=[
                    keras.callbacks.LambdaCallback(on_epoch_end=saver.go_on),
                    progress,
                    *callbacks,
                    saver,
                ],
                **arguments,
            )
        run["finished"] = True
        saver.save()
    except KeyboardInterrupt:
        saver.save_if_whole()
        if saver.saved is not None:
            stopped = f"stopped at step {saver.saved:,} of {total:,}"
            progress.note = ", ".join(filter(None, [progress.note, stopped]))
        progress.finish(stopped=saver.saved is None)
    return None


def _saver(checkpoints, saved, run, progress, count):
    """A Keras callback that saves between steps, and cuts the first epoch to what is left."""
    import keras

    class Saver(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.step = 0 if saved is None else saved.step  # steps done, of the whole run
            self.left = count - self.step % count  # batches to come in this epoch
            self.restored = saved
            self.saved = None  # the step of the last save in this call
            self.whole = True  # between two steps, nothing under way
            self.cut = False
            self.stop = False  # an interrupt waits for the batch under way

        def on_epoch_begin(self, epoch, logs=None):
            if self.restored is not None and self.step % count:
                # Keras has just set the metrics to zero.
                self.restored.load(self.model, groups=("metrics",), all_metrics=True)

        def on_train_batch_begin(self, batch, logs=None):
            self.whole = False
            if self.restored is not None:  # as late as this: setting up the data draws too
                self.restored.load_generators()
                self.restored = None

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            self.left -= 1
            if not self.left:  # what is due now waits for the validation
                if batch + 1 < count and not self.model.stop_training:
                    self.model.stop_training = self.cut = True  # Keras would run a whole epoch
                return
            self.whole = True
            self._save_or_stop()

        def go_on(self, epoch, logs=None):
            """At an epoch's end, before the other callbacks: its end was no end of training."""
            if self.cut:
                self.model.stop_training = self.cut = False

        def on_epoch_end(self, epoch, logs=None):
            self.step, self.left, self.whole = (epoch + 1) * count, count, True
            if epoch + 1 < run["epochs"] and not self.model.stop_training:
                self._save_or_stop()

        def _save_or_stop(self):
            if self.stop or checkpoints.due(self.step):
                self.save()
            if self.stop:
                raise KeyboardInterrupt

        def save(self):
            checkpoints.save(self.model, self.step, **run, history=progress.history)
            self.saved = self.step

        def save_if_whole(self):
            """After an interrupt that did not wait: save unless it was inside a step."""
            averages = getattr(self.model.optimizer, "use_ema", False)  # perhaps put in place
            if self.whole and not averages and self.saved != self.step:
                self.save()

        @contextmanager
        def interrupts(self):
            """Let the first interrupt wait for the batch under way; a second one does not."""
            usual = signal.getsignal(signal.SIGINT)
            if threading.current_thread() is not threading.main_thread() or not callable(usual):
                yield
                return

            def wait(number, frame):
                if self.stop:
                    raise KeyboardInterrupt
                self.stop = True

            signal.signal(signal.SIGINT, wait)
            try:
                yield
            finally:
                signal.signal(signal.SIGINT, usual)

    return Saver()


def _recipe(model, data, validation):
    """What must be the same for two runs to be one: JSON values, in readable places."""
    import keras
    from keras.src.utils.rng_utils import get_random_seed  # it has no public name

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that Keras could not save
        compiled = model.get_compile_config() or {}
        config = None
        with suppress(Exception):  # a model without a configuration
            config = _settled(model.get_config())
    return {
        "backend": keras.backend.backend(),
        "seed": get_random_seed(),
        **data.recipe(),
        "validation": None if validation is None else [_fingerprint(v) for v in validation],
        "optimizer": _settled(compiled.get("optimizer")),
        "loss": _settled(compiled.get("loss")),
        "model configuration": None if config is None else _fingerprint(repr(config)),
    }


def _check_recipe(saved, recipe, epochs):
    """Refuse to go on with another recipe, or with fewer epochs than were trained."""
    there = saved.info.get("recipe")
    if there is None:
        raise ValueError(f"{saved.path} was not written by fit; give this run a folder of its own")
    found = list(_differences(there, recipe))
    if found:
        raise ValueError(
            f"{saved.path} is of a run with another recipe: {'; '.join(found[:4])}. Set it as it "
            "was, or give this run a folder of its own"
        )
    done = len(saved.info["history"].get("loss", ()))
    if epochs < done:
        raise ValueError(
            f"epochs: {epochs}, but the run in {saved.path.parent} has trained {done}; ask for "
            "at least as many, or give this run a folder of its own"
        )


def _differences(there, here, place=""):
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            name = place if key == "config" else f"{place} {key}".strip()
            yield from _differences(there.get(key), here.get(key), name)
    elif there != here:
        yield f"{place} was {there!r}, is {here!r}"


def _settled(value):
    """A configuration without what differs between two builds of one model: names, seeds."""
    if isinstance(value, dict):
        if value.get("class_name") == "__lambda__":
            return "a lambda"
        return {key: _settled(v) for key, v in value.items() if key not in ("name", "seed")}
    if isinstance(value, (list, tuple)):
        return [_settled(v) for v in value]
    if isinstance(value, str):
        return re.sub(r"_\d+\b", "", value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return type(value).__name__


def _fingerprint(value):
    """Twelve hexadecimal digits of the SHA-256 of arrays, however nested, or of a text."""
    import keras

    digest = hashlib.sha256()
    for leaf in keras.tree.flatten(value):
        if isinstance(leaf, str):
            digest.update(leaf.encode())
        elif leaf is not None:
            array = np.ascontiguousarray(keras.ops.convert_to_numpy(leaf))
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(array.reshape(-1).view("uint8"))
    return digest.hexdigest()[:12]


def _shapes(batch):
    """The shapes of a batch's items: all axes but the first."""
    import keras

    return [tuple(leaf.shape[1:]) for leaf in keras.tree.flatten(batch) if leaf is not None]


def _as_keras_would(array):
    """A NumPy array; fractions in Keras's precision."""
    import keras

    array = np.asarray(array)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array
