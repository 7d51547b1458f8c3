"""Small models, and training runs of them that may be killed.

``python -m tests.interrupted_run`` reads jobs from its input, the arguments of ``main`` as JSON,
one a line; it forks a process for each and answers with its exit status, negative for a signal.
"""

import contextlib
import hashlib
import io
import json
import multiprocessing
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


def small(units=3, compiled=True, rate=1e-2, loss="mse", drop=0.2, metrics=("mae",), **options):
    """Four numbers to four, with dropout and momentum."""
    layers = [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dropout(drop)]
    model = keras.Sequential([*layers, keras.layers.Dense(4)], **options)
    if compiled:
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=list(metrics))
    return model


def numbers(variables):
    return [keras.ops.convert_to_numpy(v).copy() for v in variables]


def state(model):
    return numbers([*model.variables, *model.optimizer.variables])


def same(a, b):
    return len(a) == len(b) and all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True)
    )


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def dense():
    """All that has a state of its own: dropout, noise with a seed, running means, averages of
    the weights, a schedule, a metric."""
    layers = keras.layers
    hidden = [layers.Dense(5, "relu"), layers.Dropout(0.3), layers.BatchNormalization()]
    hidden.append(layers.GaussianNoise(0.1, seed=3))
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(6)])
    rate = training.cosine_schedule(1e-2, 30)
    model.compile(keras.optimizers.Adam(rate, use_ema=True), "mse", metrics=["mae"])
    return model, {"x": X, "validation": X[:7]}


def sentences():
    model = models.Seq2SeqAutoencoder(20, 4, 3, 4, word_dropout=0.3)
    model.compile(keras.optimizers.Adam(1e-2))
    return model, {"x": TOKENS, "validation": TOKENS[:7]}


def main(folder, model, every, kill_step=None, kill_sync=None):
    """Train four epochs of nine batches; die after a step, or before the n-th forced write.

    A run that is not killed writes what it came to into the file ``folder`` + ".json".
    """

    def death(number, usual=lambda *_, **__: None):
        calls = iter(range(1, 1000))

        def call(*args, **options):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return usual(*args, **options)

        return call

    training.set_seed(5)
    built, options = {"dense": dense, "sentences": sentences}[model]()
    os.fsync = death(kill_sync, os.fsync)
    options["callbacks"] = [keras.callbacks.LambdaCallback(on_train_batch_end=death(kill_step))]
    checkpoints = training.Checkpoints(folder, every_steps=every)
    with contextlib.redirect_stdout(io.StringIO()) as line:
        history = training.fit(
            built, **options, epochs=4, batch_size=5, label="A", checkpoints=checkpoints
        )
    digest = hashlib.sha256()
    for array in state(built):
        digest.update(array.tobytes())
    result = {"weights": digest.hexdigest(), "history": history}
    Path(f"{folder}.json").write_text(json.dumps([result, line.getvalue()]))


if __name__ == "__main__":
    processes = multiprocessing.get_context("fork")
    for line in sys.stdin:
        process = processes.Process(target=main, kwargs=json.loads(line))
        process.start()
        process.join()
        print(process.exitcode, flush=True)
