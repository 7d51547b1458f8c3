"""What the workers of ``parallel`` train, and the results that they keep."""

import hashlib
import importlib.metadata
import json
import time

import numpy as np

from ae_lib._files import write_json
from ae_lib.training._checkpoints import Checkpoints


class Failure(Exception):
    """What went wrong, in one line, and what to do. ``status`` is the exit status."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


class Task:
    """A dense autoencoder on Fashion-MNIST; seed and step decide the order of the images.

    Args:
        options: with ``steps``, ``batch`` (of all workers together), ``seed``, ``hidden``,
            ``folder`` and ``every`` (for checkpoints), ``json`` (where the losses go).
    """

    images = 10_000  # in the training part that ships

    def __init__(self, options):
        self.options, self.steps, self.batch = options, options.steps, options.batch
        self.index, self.processes = options.index or 0, options.processes or 1
        self.step, self.losses, self.seconds = 0, [], []
        self._epoch = self._order = self._x = self._since = None
        self._checkpoints = None
        if options.folder is not None:
            self._checkpoints = Checkpoints(options.folder, every_steps=options.every)

    def who(self):
        return f"worker {self.index} of {self.processes}"

    def run(self):
        """What a checkpoint and this task must have in common: dict of plain values."""
        options = self.options
        return {"batch": self.batch, "seed": options.seed, "hidden": list(options.hidden)}

    def settings(self):
        """What all workers must have in common: dict of plain values."""
        versions = {name: importlib.metadata.version(name) for name in ("numpy", "keras", "jax")}
        return {**self.run(), "steps": self.steps, "versions": versions}

    def check_share(self, n):
        """Raise Failure unless the batch divides among n workers, and there are as many images."""
        if self.batch % n or self.batch > self.images:
            raise Failure(
                f"batch: expected a multiple of the {n} workers, at most {self.images}; got "
                f"{self.batch}",
                2,
            )

    def place(self, index, processes):
        """Note which worker of how many this is; check that all have the same settings."""
        self.index, self.processes = index, processes
        self.check_share(processes)
        if processes > 1:
            from jax.experimental import multihost_utils

            mine = [json.dumps(self.settings()).encode(), self.newest()[1].encode()]
            mine = np.frombuffer(b"".join(hashlib.sha256(m).digest() for m in mine), np.int32)
            found = np.asarray(multihost_utils.process_allgather(mine)).reshape(processes, 2, -1)
            options, stored = (found == found[0]).all(axis=(0, 2))
            if not options:
                raise Failure("workers differ in options or versions; start all alike", 2)
            if not stored:
                raise Failure(
                    "folder: the workers see different checkpoints; give all a folder that they "
                    "share, or copy worker 0's to the others",
                    2,
                )
        if index == 0:
            n, share = processes, self.batch // processes
            words = f"{n} worker{'s' * (n > 1)} (jax), {share} of {self.batch} images each"
            print(words, flush=True)

    def model(self):
        """The compiled model with its first weights."""
        import random

        import keras

        from ae_lib import models

        # Keras's initialisers take their seeds from here. Its set_random_seed would also import
        # TensorFlow, which takes seconds.
        random.seed(self.options.seed)
        model = models.dense_autoencoder(hidden=tuple(self.options.hidden))
        loss = keras.losses.MeanSquaredError()
        model.compile(keras.optimizers.Adam(1e-3), loss, metrics=[_now(loss)])
        # All processes make a variable together. Keras's global generator is one: if only the
        # process that writes checkpoints made it, it would wait for ever.
        keras.random.uniform(())
        model.optimizer.build(model.trainable_variables)
        self.parameters = model.count_params()
        return model

    def rows(self, step):
        """This worker's share of the batch of a step: float32 (batch / processes, 28, 28)."""
        if self._x is None:
            from ae_lib import data

            self._x = data.load_fashion_mnist().train.x
        epoch, place = divmod(step, self.images // self.batch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.options.seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(self.images)
        share = self.batch // self.processes
        first = place * self.batch + self.index * share
        return self._x[self._order[first : first + share]]

    def batches(self, start):
        """Yield the shares from step ``start`` to the end, as Keras's ``fit`` takes them."""
        for step in range(start, self.steps):
            x = self.rows(step)
            yield x, x

    def newest(self):
        """``(step, digest)`` of the newest whole checkpoint; ``(0, "")`` if there is none.

        Raises:
            Failure: it is of a run with other options.
        """
        saved = self._checkpoints.newest() if self._checkpoints else None
        if saved is None:
            return 0, ""
        run = saved.info.get("run", "something else")
        if run != self.run():
            raise Failure(
                f"folder: {self.options.folder} holds another run, {run}; this is {self.run()}: "
                "give the same options, or another folder",
                2,
            )
        return saved.step, hashlib.sha256(saved.path.read_bytes()).hexdigest()

    def advice(self):
        """What to do after a failure."""
        again = "run the same command again"
        if self._checkpoints is None:
            return f"{again}; with --folder it would go on from its newest checkpoint"
        step, _ = self.newest()
        return f"{again}, it goes on from step {step}" if step else again

    def restore(self, model):
        """Bring the model to the newest checkpoint; returns its step, 0 if there is none."""
        info = self._checkpoints.restore(model) if self._checkpoints else None
        if info:
            self.step, self.losses = info["step"], list(info["losses"])
            if self.index == 0:
                print(f"going on from step {self.step}", flush=True)
        self._since = time.perf_counter()
        return self.step

    def report(self, model, step, loss):
        """Note a step's loss; keep a checkpoint when one is due."""
        loss = float(loss)
        self.seconds.append(time.perf_counter() - self._since)
        self.step = step
        self.losses.append(loss)
        if not np.isfinite(loss):
            raise Failure(f"the loss became {loss} in step {step}: nothing more can be learned")
        due = self._checkpoints and (step == self.steps or self._checkpoints.due(step))
        if self.index == 0 and due:
            try:
                self._checkpoints.save(model, step, losses=self.losses, run=self.run())
            except OSError as error:
                raise Failure(error.strerror) from error
        if self.index == 0 and (step == self.steps or step % max(1, self.steps // 10) == 0):
            print(f"step {step} of {self.steps} · loss {loss:.6f}", flush=True)
        self._since = time.perf_counter()

    def finish(self):
        """Worker 0 writes what ``--json`` asks for."""
        if self.options.json is None or self.index:
            return
        record = {
            **self.settings(),
            "processes": self.processes,
            "parameters": self.parameters,
            "losses": self.losses,
            "seconds": self.seconds,
        }
        write_json(self.options.json, record)


def _now(loss):
    """A metric: the loss of the last batch, where ``fit`` logs the mean since the epoch began."""
    import keras

    class Now(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="now")
            self.value = self.add_weight(initializer="zeros", name="value")

        def update_state(self, y, y_pred, sample_weight=None):
            self.value.assign(loss(y, y_pred))

        def result(self):
            return keras.ops.convert_to_tensor(self.value)

    return Now()
