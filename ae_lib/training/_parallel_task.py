"""What the workers train, and what they keep of it: the same on both engines."""

import hashlib
import importlib.metadata
import time

import numpy as np

from ae_lib.training._checkpoints import Checkpoints
from ae_lib.training._parallel_meet import Failure


class Task:
    """A dense autoencoder on Fashion-MNIST, in an order that seed and step decide.

    Args:
        engine: the Keras backend's name.
        steps, batch, seed: ints; ``batch`` is that of all workers together.
        hidden: widths of the hidden layers.
        folder, every: where checkpoints go (None: nowhere) and after how many steps.
        writes: whether this process is the one that writes them.
        tell: function that is given messages (dicts) for the watcher.
    """

    images = 10_000  # in the training part that ships

    def __init__(self, engine, steps, batch, seed, hidden, folder, every, writes, tell=None):
        self.engine, self.steps, self.batch, self.seed = engine, steps, batch, seed
        self.hidden, self.folder, self.every = tuple(hidden), folder, every
        self.writes, self.tell = writes, tell
        self.step, self.losses, self.seconds = 0, [], []
        self._epoch = self._order = self._x = self._since = None
        self._checkpoints = None if folder is None else Checkpoints(folder, every_steps=every)

    @classmethod
    def of(cls, options, tell=None):
        """The task that the command line asks for."""
        names = ("engine", "steps", "batch", "seed", "hidden", "folder", "every")
        values = {name: getattr(options, name) for name in names}
        return cls(**values, writes=options.index == 0, tell=tell)

    def settings(self):
        """What all workers must have in common: dict of plain values."""
        packages = ("numpy", "keras", "jax" if self.engine == "jax" else "tensorflow")
        versions = {name: importlib.metadata.version(name) for name in packages}
        return {**self.run(), "steps": self.steps, "versions": versions}

    def run(self):
        """What a checkpoint and this task must have in common: dict of plain values."""
        return {
            "engine": self.engine,
            "batch": self.batch,
            "seed": self.seed,
            "hidden": list(self.hidden),
        }

    def model(self):
        """The model with its first weights and its optimizer; for ``fit``, compiled."""
        import keras

        from ae_lib import models, training

        if self.engine == "tensorflow":
            training.set_seed(self.seed)
        else:
            import random

            # Where Keras's initialisers draw their seeds. Its set_random_seed would, beside
            # that, load TensorFlow for seconds when it is installed.
            random.seed(self.seed)
        self.loss = keras.losses.MeanSquaredError()
        model = models.dense_autoencoder(hidden=self.hidden)
        if self.engine == "tensorflow":
            # Not compiled: under a strategy the metrics of ``compile`` are variables that all
            # workers must read together, and a checkpoint is written by one alone.
            model.optimizer = keras.optimizers.Adam(1e-3)
        else:
            model.compile(keras.optimizers.Adam(1e-3), self.loss, metrics=[_now(self.loss)])
            # JAX's processes make a variable together. Keras's global generator is one, and
            # must not first be made by the one that writes a checkpoint: it would wait for ever.
            keras.random.uniform(())
        model.optimizer.build(model.trainable_variables)
        self.parameters = model.count_params()
        return model

    def rows(self, step, index=0, processes=1):
        """Worker ``index``'s share of the batch of a step: float32 (batch / processes, 28, 28)."""
        if self._x is None:
            from ae_lib import data

            self._x = data.load_fashion_mnist().train.x
        epoch, place = divmod(step, self.images // self.batch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self.seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(self.images)
        share = self.batch // processes
        first = place * self.batch + index * share
        return self._x[self._order[first : first + share]]

    def batches(self, start, index=0, processes=1):
        """The shares from step ``start`` to the end, as Keras's ``fit`` takes them."""
        import keras

        task = self

        class Share(keras.utils.PyDataset):
            def __len__(self):
                return max(1, task.steps - start)

            def __getitem__(self, k):
                x = task.rows(start + k, index, processes)
                return x, x

        return Share()

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
                f"folder: {self.folder} holds another run, {run}; this is {self.run()}: give "
                "the same options, or another folder",
                2,
            )
        return saved.step, hashlib.sha256(saved.path.read_bytes()).hexdigest()

    def restore(self, model):
        """Bring the model to the newest checkpoint; returns its step, 0 if there is none."""
        info = self._checkpoints.restore(model) if self._checkpoints else None
        if info:
            self.step, self.losses = info["step"], list(info["losses"])
            self.tell({"resumed": self.step, "step": self.step, "saved": self.step})
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
        keeps = self.writes and self._checkpoints
        if keeps and (step == self.steps or self._checkpoints.due(step)):
            try:
                self._checkpoints.save(model, step, losses=self.losses, run=self.run())
            except OSError as error:
                raise Failure(error.strerror) from error
            self.tell({"step": step, "saved": step})
        if step == self.steps or step % max(1, self.steps // 10) == 0:
            self.tell({"step": step, "loss": loss})
        self._since = time.perf_counter()

    def record(self, processes):
        """What ``--json`` holds."""
        return {
            **self.settings(),
            "processes": processes,
            "parameters": self.parameters,
            "losses": self.losses,
            "resumed_at": self.steps - len(self.seconds),
            "seconds": self.seconds,
        }


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
