"""Training that goes on where it was cut off: what ``fit`` does with checkpoints.

It is Keras's own ``fit`` with Keras's own order of the data. A checkpoint is written between
two steps, never inside one. It has the states of the random generators twice: now, and at the
beginning of the epoch. A run that goes on sets the latter and begins that epoch again, so that
Keras shuffles as before; reads the batches that were trained without training on them; then
sets the former and trains on.
"""

import hashlib
import re
import signal
import threading
import warnings
from contextlib import contextmanager, suppress

import numpy as np

from ae_lib._checks import brief
from ae_lib.training._checkpoints import Checkpoints, generators, keras_global, set_generators
from ae_lib.training._schedules import steps_per_epoch


def resumable_fit(model, options, *, checkpoints, progress, callbacks):
    """``model.fit`` that saves while it trains and begins where the folder's run stopped.

    Args:
        model: compiled Keras model.
        options: dict of ``model.fit``'s arguments: arrays ``x`` and ``y`` with ``batch_size``,
            or a ``PyDataset`` ``x``; ``epochs``; perhaps ``validation_data``, a pair of arrays.
        checkpoints: ``Checkpoints``, or a folder: one at the end of each epoch.
        progress: the callback that keeps the history and prints the summary line.
    """
    x, epochs = options["x"], options["epochs"]
    if "y" in options:
        count, first = steps_per_epoch(len(x), options["batch_size"]), (x[:1], options["y"][:1])
    else:
        _check_batches(x)
        count, first = x.num_batches, x[0]
    if not isinstance(checkpoints, Checkpoints):
        checkpoints = Checkpoints(checkpoints, every_steps=count)
    if checkpoints.every_steps is None and checkpoints.every_minutes is None:
        raise ValueError("checkpoints: say when: every_steps=100 or every_minutes=10, or both")
    if not getattr(model, "compiled", False):
        raise ValueError(f"{model.name}: compile it first")
    if model.steps_per_execution != 1:
        raise ValueError("checkpoints: compile the model with steps_per_execution=1")
    run = {"recipe": _recipe(model, options), "epochs": epochs, "finished": False}
    saved = checkpoints.newest()
    if saved is not None:
        if model.built:
            saved.check(model)
        _check_recipe(saved, run["recipe"])
        done = -(-saved.step // count)  # epochs, the one under way too
        if epochs < done:
            raise ValueError(
                f"epochs: {epochs}, but the run in {checkpoints.folder} is in epoch {done}; ask "
                "for at least as many, or give this run a folder of its own"
            )
        # Builds the metrics, and the model if need be, so that their values can be set.
        model.test_on_batch(*(first if isinstance(first, (tuple, list)) else (first,)))
        saved.load(model)
        set_generators(saved.generators)
        progress.start = saved.info["history"]
        progress.note = f"resumed at step {saved.step:,} of {epochs * count:,}"
        if saved.info["finished"] and epochs <= saved.info["epochs"]:
            progress.history, progress.note = progress.start, "finished before"
            progress.finish()
            return
    saver, listed = _saver(model, checkpoints, saved, run, progress, count, callbacks)
    try:
        with saver.signals():
            model.fit(**options, initial_epoch=saver.step // count, callbacks=listed)
        run["finished"] = True
        saver.save()
    except KeyboardInterrupt:
        if saver.saved is not None:
            stopped = f"stopped at step {saver.saved:,} of {epochs * count:,}"
            progress.note = ", ".join(filter(None, [progress.note, stopped]))
        progress.finish(stopped=saver.saved is None)
    finally:
        saver.train_again()
    if saver.stop == signal.SIGTERM:
        signal.raise_signal(signal.SIGTERM)


def _saver(model, checkpoints, saved, run, progress, count, callbacks):
    """A Keras callback that restores and saves between steps; and the list of all."""
    import keras

    class Saver(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.step = 0 if saved is None else saved.step  # steps done, of the whole run
            self.skip = self.step % count  # batches of the next epoch that were trained on
            self.saved = None  # the step of the last save in this call
            self.stop = False  # the signal that waits for the end of the batch
            self.train = None  # the model's own train function, while batches are skipped
            self.began = None  # the generators at the beginning of the epoch under way

        def on_epoch_begin(self, epoch, logs=None):
            if saved is not None and epoch == saved.step // count:
                set_generators(saved.info["began"] or saved.generators)
            if self.skip:
                saved.load(self.model)  # the metrics, which Keras has just set to zero
                self.train = self.model.train_function
                self.model.train_function = self._skip
            self.began = generators()

        def on_train_batch_begin(self, batch, logs=None):
            if self.skip:
                self.train_again()
                set_generators(saved.generators)
                self.skip = 0

        def on_train_batch_end(self, batch, logs=None):
            self.step += 1
            if batch + 1 < count:  # after the last batch of an epoch comes its validation
                self._save_or_stop()

        def on_epoch_end(self, epoch, logs=None):
            self.step = (epoch + 1) * count
            self.began = None
            if epoch + 1 < run["epochs"] and not self.model.stop_training:
                self._save_or_stop()

        def _skip(self, *state_and_batch):
            """Take a batch as Keras's train function does, and do nothing with it."""
            *state, batch = state_and_batch
            if keras.backend.backend() != "torch":
                next(batch)  # it is an iterator
            return ({}, *state) if state else {}

        def train_again(self):
            if self.train is not None:
                self.model.train_function, self.train = self.train, None

        def _save_or_stop(self):
            if self.stop or checkpoints.due(self.step):
                self.save()
            if self.stop:
                raise KeyboardInterrupt

        def save(self):
            more = {"history": progress.history, "began": self.began}
            checkpoints.save(self.model, self.step, **run, **more)
            self.saved = self.step

        @contextmanager
        def signals(self):
            """Let a first SIGINT or SIGTERM wait for the end of the batch; a second does not."""

            def wait(number, frame):
                if self.stop:
                    raise KeyboardInterrupt
                self.stop = number

            before = {}
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGINT, signal.SIGTERM):
                    if signal.getsignal(number) not in (signal.SIG_IGN, None):
                        before[number] = signal.signal(number, wait)
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    class Listed(keras.callbacks.CallbackList):
        """Callbacks do not hear of batches that are skipped."""

        def on_train_batch_begin(self, batch, logs=None):
            if batch >= saver.skip:
                super().on_train_batch_begin(batch, logs)

        def on_train_batch_end(self, batch, logs=None):
            if batch >= saver.skip:
                super().on_train_batch_end(batch, logs)

    saver = Saver()
    listed = [progress, *callbacks, saver]
    return saver, Listed(listed, add_history=True, model=model, epochs=run["epochs"], steps=count)


def _check_batches(dataset):
    """Refuse a ``PyDataset`` that could not give the same batches again."""
    import keras

    name = type(dataset).__name__
    for method in ("on_epoch_begin", "on_epoch_end"):
        if getattr(type(dataset), method) is not getattr(keras.utils.PyDataset, method):
            raise ValueError(
                f"x: {name}.{method} changes the data between epochs, which cannot be replayed "
                "after an interruption; leave it out: Keras itself shuffles the batches"
            )
    if not dataset.num_batches:
        raise ValueError(f"x: {name} is empty or endless; give it a __len__ of at least 1")
    if _ends(dataset) != _ends(dataset):
        raise ValueError(
            f"x: {name} gives another batch 0 or {dataset.num_batches - 1} each time; with "
            "checkpoints a batch must be a function of its index alone: draw random numbers "
            "from np.random.default_rng([seed, index])"
        )


def _ends(dataset):
    return [_fingerprint(dataset[i]) for i in (0, dataset.num_batches - 1)]


def _recipe(model, options):
    """What must be the same when a run goes on: dict of JSON values."""
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from parts that Keras cannot serialise
        compiled = model.get_compile_config() or {}
        config = None
        with suppress(Exception):  # a model without a configuration
            config = _settled(model.get_config())
    x, y, validation = (options.get(name) for name in ("x", "y", "validation_data"))
    data = {"batches": _ends(x)} if y is None else {"x": _fingerprint(x), "y": _fingerprint(y)}
    return {
        "backend": keras.backend.backend(),
        "seed": keras_global("random_seed"),
        "batch size": options.get("batch_size"),
        "data": data,
        "validation": None if validation is None else [_fingerprint(v) for v in validation],
        "optimizer": _settled(compiled.get("optimizer")),
        "loss": _settled(compiled.get("loss")),
        "metrics": _settled(compiled.get("metrics")),
        "model configuration": None if config is None else _fingerprint(repr(config)),
    }


def _check_recipe(saved, recipe):
    """Refuse to go on with another recipe."""
    there = saved.info.get("recipe")
    if there is None:
        raise ValueError(f"{saved.path} was not written by fit; give this run a folder of its own")
    found = list(_differences(there, recipe))
    if found:
        raise ValueError(
            f"{saved.path} is of a run with another recipe: {'; '.join(found[:4])}. Set it as it "
            "was, or give this run a folder of its own"
        )


def _differences(there, here, place=""):
    if isinstance(there, dict) and isinstance(here, dict):
        for key in dict.fromkeys([*there, *here]):
            name = place if key == "config" else f"{place} {key}".strip()
            yield from _differences(there.get(key), here.get(key), name)
    elif there != here:
        yield f"{place} was {brief(there)}, is {brief(here)}"


def _settled(value):
    """A configuration without names and seeds, which differ when a model is built again."""
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
