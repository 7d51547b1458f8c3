"""Training runs that may be killed: each in a process of its own, forked from one warm one.

``python interrupted_run.py`` reads jobs from its input, one JSON a line, and answers each with
its exit status, negative for a signal. A job that is not killed writes what it came to as JSON.
"""

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from ae_lib import models, training

rng = np.random.default_rng(0)
X = rng.random((45, 6), dtype="float32")
TOKENS = rng.integers(4, 20, (45, 3))


def dense():
    """Everything with a state of its own: drop-out, running means, a schedule, a metric."""
    layers = keras.layers
    hidden = [layers.Dense(5, "relu"), layers.Dropout(0.3), layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(6)])
    rate = training.cosine_schedule(1e-2, 30)
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model, {"x": X, "validation": X[:7]}


def batches():
    """A data set of batches, drop-out from a layer's own generator, averaged weights."""

    class Parts(keras.utils.PyDataset):
        def __len__(self):
            return 9

        def __getitem__(self, index):
            part = X[5 * index : 5 * index + 5]
            return part, part

    noise = keras.layers.GaussianNoise(0.1, seed=3)
    model = keras.Sequential([keras.Input((6,)), noise, keras.layers.Dense(6)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True), "mse")
    return model, {"x": Parts(), "validation": X[:7]}


def sentences():
    model = models.Seq2SeqAutoencoder(20, 4, 3, 4, word_dropout=0.3)
    model.compile(keras.optimizers.Adam(1e-2))
    return model, {"x": TOKENS, "validation": TOKENS[:7]}


def main(folder, model, every, kill_step=None, kill_sync=None, out=None):
    """Train four epochs of nine batches; die after a step, or before the n-th forced write."""

    class Death(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == kill_step:
                die()

    training.set_seed(5)
    built, options = {"dense": dense, "batches": batches, "sentences": sentences}[model]()
    if kill_sync is not None:
        usual, calls = os.fsync, []

        def fsync(handle):
            calls.append(handle)
            if len(calls) == kill_sync:
                die()
            usual(handle)

        os.fsync = fsync
    history = training.fit(
        built,
        **options,
        epochs=4,
        batch_size=5,
        label="A",
        callbacks=[Death()],
        checkpoints=training.Checkpoints(folder, every_steps=every),
    )
    digest = hashlib.sha256()
    for variable in [*built.variables, *built.optimizer.variables]:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    Path(out).write_text(json.dumps({"weights": digest.hexdigest(), "history": history}))


def die():
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            for stream in (1, 2):
                with Path(f"{job['out']}.{stream}").open("w") as file:
                    os.dup2(file.fileno(), stream)
            status = 1
            try:
                main(**job)
                status = 0
            finally:
                sys.stdout.flush()
                if status:
                    sys.excepthook(*sys.exc_info())
                    sys.stderr.flush()
                os._exit(status)
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        answers.flush()
