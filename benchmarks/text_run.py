"""A training run of a text model in a folder of its own, which goes on where it was cut off."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

# Memory that was freed is kept for the next step: a third of a step's time otherwise.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 32)}


def keep_memory():
    """Start this program anew with an allocator that keeps what was freed."""
    if _MALLOC.items() - os.environ.items():
        os.environ.update(_MALLOC)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class TextRun:
    """What a run is, and how far it is; each epoch ends with a checkpoint and a line.

    A subclass gives ``wrapper`` (a class of ``ae_lib.text_models``), ``load(tiny)``, which sets
    ``vocabulary`` and returns what the data are, ``make(**options)`` (a fresh model),
    ``lengths(epoch)``, ``batch(some, edge)`` and ``score(model)``: on validation data, small is
    good.

    Args:
        recipe: settings of all arms, and ``recipe["arms"][arm]``, which go before them.
        seed: of weights, order and dropout.
        folder: the run's is in it, named by arm and seed.
        dtype: a Keras policy of what is trained; None: float32.
    """

    wrapper, kept_as = None, "float32"  # the best epoch's file

    def __init__(self, recipe, arm, seed, folder, tiny=False, dtype=None):
        from ae_lib import training

        self.folder, self.seed = Path(folder) / f"{arm}-{seed}", seed
        self.folder.mkdir(parents=True, exist_ok=True)
        self.arm, self.recipe, self.settings = arm, recipe, recipe["arms"][arm]
        found = self.load(tiny)
        self.what = {"arm": arm, "seed": seed, "recipe": recipe, "dtype": dtype, "data": found}
        self.state = {"what": self.what, "epoch": 0, "curve": [], "seconds": 0.0}
        training.set_seed(seed)
        self.model, self.reader = self.make(dtype=dtype), self.make()
        self._compile()
        self.checkpoints = training.Checkpoints(self.folder)
        if found := self.checkpoints.restore(self.model):
            if found["what"] != json.loads(json.dumps(self.what)):
                raise SystemExit(f"{self.folder} holds a run of other settings")
            self.state = {name: found[name] for name in self.state}

    def sizes(self):
        """The arm's settings that are the model's."""
        recipe = ("peak", "epochs", *self.recipe)
        return {k: v for k, v in self.settings.items() if k not in recipe}

    def option(self, name):
        """A setting of the arm's, or the recipe's."""
        return {**self.recipe, **self.settings}[name]

    def _compile(self):
        import keras

        from ae_lib import training

        steps = self.option("epochs") * len(self.batches(0))
        optimizer = keras.optimizers.AdamW(
            training.cosine_schedule(self.option("peak"), steps),
            weight_decay=self.recipe["decay"],
            global_clipnorm=self.recipe["clipnorm"],
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
        self.model.compile(optimizer, jit_compile=keras.backend.backend() == "jax")

    def batches(self, epoch):
        """Sentences of like length, in the epoch's own order."""
        from ae_lib import text

        order = np.random.default_rng([self.seed, epoch]).integers(2**31)
        sizes = self.option("batch_size"), self.option("edges")
        return text.bucket_batches(self.lengths(epoch), *sizes, seed=int(order))

    def epoch(self):
        """One pass over the sentences, the validation score, a checkpoint; the best is kept."""
        from ae_lib import training

        number, start, loss = self.state["epoch"], time.perf_counter(), None
        training.set_seed(self.seed * 1000 + number)
        self.model.reset_metrics()
        for edge, some in self.batches(number):
            # Keras's mean since the reset
            loss = float(self.model.train_on_batch(self.batch(some, int(edge))))
        self.state["seconds"] += time.perf_counter() - start
        self.reader.set_weights(self.model.get_weights())
        score = self.score(self.wrapper(self.reader, self.vocabulary))
        if score <= min((row["validation"] for row in self.state["curve"]), default=score):
            self.wrapper(self.reader, self.vocabulary).save(
                self.folder / "model.keras", self.kept_as
            )
        row = {"epoch": number + 1, "loss": loss, "validation": score}
        self.state["curve"].append(row | {"seconds": round(time.perf_counter() - start)})
        self.state["epoch"] += 1
        self.checkpoints.save(self.model, number + 1, **self.state)
        print(json.dumps(self.state["curve"][-1]), flush=True)

    def train(self):
        """All epochs; then the run's record, beside the checkpoints and the best epoch's model."""
        from ae_lib._files import write_json
        from benchmarks.environment import environment

        while self.state["epoch"] < self.option("epochs"):
            self.epoch()
        more = {"parameters": self.model.count_params(), "environment": environment()}
        write_json(self.folder / "run.json", {**self.state, **more})
