"""How a training step's time and memory grow with length, vocabulary, batch and state.

    python -m benchmarks.scaling

One quantity varies, the others stay at ``BASE``. Every point is measured in a process of its
own, several rounds in turn: the median time of a training step of
``ae_lib.models.Seq2SeqAutoencoder`` (Adam), and how far the process's peak memory rose from
before the model was made (weights, optimiser, one batch's intermediate results). An exponent is
the slope of a straight line through the logarithms, by least squares over all points: 1 is
proportional, 0 is no growth. Below 1, a part of the cost does not depend on the quantity.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.run import write_record

TARGET = Path(__file__).resolve().parent.parent / "ae_lib/data/records/scaling.json"
BASE = {"length": 12, "vocabulary": 4000, "batch": 64, "units": 256}
VALUES = {
    "length": (3, 6, 12, 24, 48),
    "vocabulary": (1000, 2000, 4000, 8000, 16000),
    "batch": (16, 32, 64, 128, 256),
    "units": (64, 128, 256, 512, 1024),
}


def measure(length, vocabulary, batch, units, repeats=12):
    """Median seconds of a step, and the bytes by which peak memory rose, in this process."""
    import keras

    from ae_lib import training
    from ae_lib.models import Seq2SeqAutoencoder

    tiny = Seq2SeqAutoencoder(8, 4, 4, 4)  # loads what any model needs
    tiny.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    tiny.train_on_batch(np.full((2, 3), 5, "int32"))
    before = _peak()
    training.set_seed(0)
    model = Seq2SeqAutoencoder(vocabulary, units, 256, units)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
    x = np.random.default_rng(0).integers(4, vocabulary, (batch, length)).astype("int32")
    seconds = []
    for _ in range(3 + repeats):
        start = time.perf_counter()
        model.train_on_batch(x)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[3:]), "bytes": _peak() - before}


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def exponent(values, costs):
    """Slope of log cost over log value."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", type=json.loads, help="sizes as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(**options.one)))
        return
    points = {(key, value): [] for key, values in VALUES.items() for value in values}
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for _ in range(options.rounds):
        for (key, value), found in points.items():
            sizes = json.dumps({**BASE, key: value})
            command = [sys.executable, "-m", "benchmarks.scaling", "--one", sizes]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
    results = {}
    for key, values in VALUES.items():
        result = {"values": values}
        for cost in ("seconds", "bytes"):
            middle = [statistics.median(f[cost] for f in points[key, v]) for v in values]
            result[cost] = [float(f"{x:.4g}") for x in middle]
            result[f"{cost}_exponent"] = round(exponent(values, middle), 2)
        results[key] = result
        print(key, json.dumps(result))
    made_by = "python -m benchmarks.scaling"
    write_record(TARGET, __doc__, "seconds a step; bytes", {"base": BASE, **results}, made_by)


if __name__ == "__main__":
    main()
