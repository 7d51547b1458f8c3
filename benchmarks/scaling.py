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
import resource

import numpy as np

from benchmarks.environment import RECORDS, short, write_record
from benchmarks.lstm import serve, server

BASE = {"length": 12, "vocabulary": 4000, "batch": 64, "units": 256}
VALUES = {
    "length": (3, 6, 12, 24, 48),
    "vocabulary": (1000, 2000, 4000, 8000, 16000),
    "batch": (16, 32, 64, 128, 256),
    "units": (64, 128, 256, 512, 1024),
}
EMBEDDING, STEPS, RESAMPLES = 256, 5, 2000


def point(length, vocabulary, batch, units):
    """Serve as a point: first the bytes by which peak memory rose."""
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
    serve(lambda: model.train_on_batch(x), warmup=4, ready=lambda: _peak() - before)


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
        return short(np.percentile(x, (2.5, 97.5), 0).T)

    lines = np.array([line(work, row) for row in again])
    a, b = line(work, middle)
    return {
        "values": values.astype(int).tolist(),
        "seconds": short(middle),
        "seconds_interval": interval(again),
        "seconds_exponent": short(fit(values, middle)),
        "exponent_interval": interval([fit(values, row) for row in again]),
        "local_slopes": short(np.diff(np.log(middle)) / np.diff(np.log(values))),
        "local_slopes_interval": interval(np.diff(np.log(again)) / np.diff(np.log(values))),
        "operations": work.astype(int).tolist(),
        "fit": {
            "a": short(a),
            "b": short(b),
            "a_interval": interval(lines[:, 0]),
            "b_interval": interval(lines[:, 1]),
            "largest_relative_error": short(np.abs((a + b * work) / middle - 1).max()),
        },
        "bytes": [int(x) for x in peaks],
        "bytes_exponent": short(fit(values, peaks)),
    }


def kept(rounds):
    """The rounds (rounds, points) without those the rule drops, and how many were dropped."""
    quiet = (rounds <= 2 * np.median(rounds, 0)).all(1)
    return rounds[quiet], int((~quiet).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--one", type=json.loads, help="sizes as JSON")
    options = parser.parse_args()
    if options.one:
        point(**options.one)
        return
    points = [{**BASE, key: value} for key, values in VALUES.items() for value in values]
    points = [p for i, p in enumerate(points) if p not in points[:i]]  # the base once
    with contextlib.ExitStack() as stack:
        ask = ("benchmarks.scaling", "--one")
        served = [stack.enter_context(server(*ask, json.dumps(p))) for p in points]
        rounds = np.array([[take(STEPS) for _, take in served] for _ in range(options.rounds)])
    every, (rounds, dropped) = rounds, kept(rounds)
    results = {}
    for key, values in VALUES.items():
        at = [points.index({**BASE, key: value}) for value in values]
        work = [operations(**points[i]) for i in at]
        peaks = [int(served[i][0]) for i in at]
        results[key] = summary(values, work, rounds[:, at], peaks)
        print(key, json.dumps(results[key]))
    write_record(
        RECORDS / "scaling.json",
        "python -m benchmarks.scaling",
        what=__doc__.splitlines()[0],
        unit="seconds a step; bytes",
        rounds={"measured": options.rounds, "dropped": dropped, "seconds": short(every)},
        points=points,
        results={"base": BASE, **results},
    )


if __name__ == "__main__":
    main()
