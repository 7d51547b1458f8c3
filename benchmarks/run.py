"""Measure side by side: medians over repeats, on record with where they were made.

    python -m benchmarks.run [import step …]

A benchmark is a function that returns ``{what: seconds}``; its record goes to
benchmarks/records/<name>.json. The recorded numbers are of one machine: compare within
a record, not across.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ae_lib._files import write_json
from benchmarks.environment import environment

RECORDS = Path(__file__).resolve().parent / "records"
BENCHMARKS = {}


def benchmark(function):
    """Register a benchmark under its function's name."""
    BENCHMARKS[function.__name__.rstrip("_")] = function
    return function


def median(run, repeats, warmup=1):
    """Median seconds of calling ``run``, after ``warmup`` calls that do not count."""
    seconds = []
    for _ in range(warmup + repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[warmup:])


@benchmark
def import_(repeats=5):
    """Importing the book's library beside importing Keras, each in a fresh interpreter."""

    def fresh(statement):
        command = [sys.executable, "-c", statement]
        return lambda: subprocess.run(command, check=True, capture_output=True)

    statements = ("pass", "import ae_lib", "from ae_lib import data", "import keras")
    return {statement: median(fresh(statement), repeats) for statement in statements}


@benchmark
def step(repeats=30, batch_sizes=(32, 64, 128, 256, 512, 1024)):
    """A training step of chapter 02's autoencoder by batch size, and an image's share of it."""
    import keras

    from ae_lib import data, models, training

    x = data.load_fashion_mnist().train.x
    training.set_seed(0)
    model = models.dense_autoencoder(code_size=32)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    result = {}
    for size in batch_sizes:
        batch = x[:size]
        seconds = median(lambda batch=batch: model.train_on_batch(batch, batch), repeats, warmup=3)
        result[f"batch of {size}"] = seconds
        result[f"batch of {size}, each image"] = seconds / size
    return result


def measure(name, folder=RECORDS, **options):
    """Run one benchmark and write its record; returns the record."""
    function = BENCHMARKS[name]
    record = {
        "what": function.__doc__.strip(),
        "unit": "seconds, median",
        "results": {k: float(f"{v:.3g}") for k, v in function(**options).items()},
        "made_by": f"python -m benchmarks.run {name}",
        "environment": environment(),
    }
    write_json(folder / f"{name}.json", record)
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        record = measure(name)
        print(f"\n{record['what']}")
        for what, seconds in record["results"].items():
            print(f"  {what:32} {1000 * seconds:10.3f} ms")


if __name__ == "__main__":
    main()
