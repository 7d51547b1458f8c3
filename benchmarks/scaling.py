"""How a training step's time and memory grow with length, vocabulary, batch and state.

    python -m benchmarks.scaling [--rounds 11]

One quantity varies, the others stay at ``BASE``. Every point has a process of its own. In every
round each takes five training steps of ``ae_lib.models.Seq2SeqAutoencoder`` (Adam) while the
others wait, and the round counts its median. A round in which any point took more than twice its
own median over all rounds is dropped whole: the machine was busy. The rule was written before
the run. Memory is how far a process's peak rose from before its model was made (weights,
optimiser, one batch's intermediate results).

Of every quantity the record keeps the points' medians over rounds with an interval of 95 %, the
slope of the logarithms over all points with its interval, the slopes between neighbours, and the
straight line a + b·operations through the points (least squares of relative errors). The
intervals are of resampled rounds. A slope of 1 is proportional, 0 is no growth; below 1, a part
of the cost does not depend on the quantity.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks.environment import RECORDS, write_record

BASE = {"length": 12, "vocabulary": 4000, "batch": 64, "units": 256}
VALUES = {
    "length": (3, 6, 12, 24, 48),
    "vocabulary": (1000, 2000, 4000, 8000, 16000),
    "batch": (16, 32, 64, 128, 256),
    "units": (64, 128, 256, 512, 1024),
}
EMBEDDING, STEPS, RESAMPLES = 256, 5, 2000


def serve(length, vocabulary, batch, units, warmup=4):
    """Print the bytes by which peak memory rose; then, for each line read, a step's seconds."""
    import keras

    from ae_lib import training
    from ae_lib.models import Seq2SeqAutoencoder

    tiny = Seq2SeqAutoencoder(8, 4, 4, 4)  # loads what any model needs
    tiny.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    tiny.train_on_batch(np.full((2, 3), 5, "int32"))
    before = _peak()
    training.set_seed(0)
    model = Seq2SeqAutoencoder(vocabulary, units, EMBEDDING, units)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    x = np.random.default_rng(0).integers(4, vocabulary, (batch, length)).astype("int32")
    for _ in range(warmup):
        model.train_on_batch(x)
    print(_peak() - before, flush=True)
    for _ in sys.stdin:
        seconds = []
        for _ in range(STEPS):
            start = time.perf_counter()
            model.train_on_batch(x)
            seconds.append(time.perf_counter() - start)
        print(statistics.median(seconds), flush=True)


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def operations(length, vocabulary, batch, units):
    """Floating-point operations of a training step, by ``training.lstm_autoencoder_cost``."""
    from ae_lib import training

    return training.lstm_autoencoder_cost(
        vocabulary, units, EMBEDDING, units, batch, length
    ).operations


def fit(values, costs):
    """Slope of log cost over log value, by least squares."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def line(work, seconds):
    """(a, b) of seconds = a + b·work, with the least sum of squared relative errors."""
    rows = np.stack([1 / seconds, work / seconds], 1)
    return np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)[0]


def summary(values, work, rounds, peaks):
    """What the record says of one quantity; ``rounds`` (rounds, points) in seconds."""
    values, work = np.asarray(values, "f8"), np.asarray(work, "f8")
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(rounds), (RESAMPLES, len(rounds)))
    again = np.median(rounds[drawn], 1)  # (resamples, points)
    middle = np.median(rounds, 0)

    def interval(x):
        """The middle 95 % over resamples (first axis): [low, high], for each point if many."""
        return _short(np.percentile(x, (2.5, 97.5), 0).T)

    lines = np.array([line(work, row) for row in again])
    a, b = line(work, middle)
    return {
        "values": values.astype(int).tolist(),
        "seconds": _short(middle),
        "seconds_interval": interval(again),
        "seconds_exponent": _short(fit(values, middle)),
        "exponent_interval": interval([fit(values, row) for row in again]),
        "local_slopes": _short(np.diff(np.log(middle)) / np.diff(np.log(values))),
        "local_slopes_interval": interval(np.diff(np.log(again)) / np.diff(np.log(values))),
        "operations": work.astype(int).tolist(),
        "fit": {
            "a": _short(a),
            "b": _short(b),
            "a_interval": interval(lines[:, 0]),
            "b_interval": interval(lines[:, 1]),
            "largest_relative_error": _short(np.abs((a + b * work) / middle - 1).max()),
        },
        "bytes": [int(x) for x in peaks],
        "bytes_exponent": _short(fit(values, peaks)),
    }


def _short(x):
    """Four significant digits: a float, or nested lists of floats."""
    return np.vectorize(lambda y: float(f"{y:.4g}"))(np.asarray(x, "f8")).tolist()


def kept(rounds):
    """The rounds (rounds, points) without those the rule drops, and how many were dropped."""
    quiet = (rounds <= 2 * np.median(rounds, 0)).all(1)
    return rounds[quiet], int((~quiet).sum())


@contextlib.contextmanager
def waiting(sizes):
    """A point's process: its bytes, and a function that gives one round's seconds."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--one", json.dumps(sizes)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as run:
        peak = int(run.stdout.readline())

        def take():
            run.stdin.write("\n")
            run.stdin.flush()
            return float(run.stdout.readline())

        yield peak, take
        run.stdin.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--one", type=json.loads, help="sizes as JSON")
    options = parser.parse_args()
    if options.one:
        serve(**options.one)
        return
    points = [{**BASE, key: value} for key, values in VALUES.items() for value in values]
    points = [p for i, p in enumerate(points) if p not in points[:i]]  # the base once
    with contextlib.ExitStack() as stack:
        served = [stack.enter_context(waiting(p)) for p in points]
        rounds = np.array([[take() for _, take in served] for _ in range(options.rounds)])
    every, (rounds, dropped) = rounds, kept(rounds)
    results = {}
    for key, values in VALUES.items():
        at = [points.index({**BASE, key: value}) for value in values]
        work = [operations(**points[i]) for i in at]
        results[key] = summary(values, work, rounds[:, at], [served[i][0] for i in at])
        print(key, json.dumps(results[key]))
    write_record(
        RECORDS / "scaling.json",
        "python -m benchmarks.scaling",
        what=__doc__.splitlines()[0],
        unit="seconds a step; bytes",
        rounds={"measured": options.rounds, "dropped": dropped, "seconds": _short(every)},
        points=points,
        results={"base": BASE, **results},
    )


if __name__ == "__main__":
    main()
