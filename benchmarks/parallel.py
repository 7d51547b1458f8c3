"""Steps a second of one and of two processes on this machine's two cores.

    python -m benchmarks.parallel [--rounds 7]

The workers are those of ``python -m ae_lib.training.parallel``, engine JAX, each held on one
core; one process is measured on one core and on both. Two processes on two cores of one
machine tell what the exchange of gradients costs, not what a second machine would gain: they
share the memory, its bandwidth and the caches. Each point is a run of its own, several rounds
in turn; a step is the median of those after the first ten, a point the median of its rounds.
``spread`` has the tenth and the ninetieth of a hundred steps, medians of the rounds: on a
machine that others use too they lie far apart. ``load`` is what else ran as it began.

``strong``: the batch of all together stays; efficiency is t₁ / (2 t₂). ``weak``: each worker's
share stays; efficiency is t₁ / t₂. ``bytes``: what a ring all-reduce sends from each worker in
a step, 2 (n − 1) / n · parameters · 4 (Patarasuk & Yuan 2009). A step includes what Keras's
``fit`` does around it and the reading of its loss, which waits for it to end.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ae_lib.training._parallel_watch import free_port
from benchmarks.lstm import write_record

TARGET = Path(__file__).resolve().parent.parent / "ae_lib/data/records/parallel.json"
HIDDEN = {"narrow": (64,), "wide": (1024,)}
SHARES = (32, 256)  # images of each worker
WARMUP, STEPS = 10, 60


def run(hidden, batch, cores):
    """Seconds of a step, 10 %, 50 % and 90 % of them below, and the number of parameters.

    A worker is held on each item of ``cores``.

    Args:
        cores: a tuple of sets of core numbers, one for each worker.
    """
    command = [sys.executable, "-m", "ae_lib.training.parallel"]
    command += ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", str(len(cores))]
    command += ["--batch", str(batch), "--steps", str(STEPS), "--hidden", *map(str, hidden)]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        workers = [
            subprocess.Popen(
                [*command, "--index", str(index), "--json", str(result)],
                stdout=subprocess.DEVNULL,
                preexec_fn=lambda cores=own: os.sched_setaffinity(0, cores),
            )
            for index, own in enumerate(cores)
        ]
        statuses = [worker.wait() for worker in workers]
        if any(statuses):
            raise RuntimeError(f"{len(cores)} workers with {hidden}, {batch} failed")
        record = json.loads(result.read_text())
    deciles = statistics.quantiles(record["seconds"][WARMUP:], n=10)
    return (deciles[0], deciles[4], deciles[8]), record["parameters"]


def points():
    """``{(width, workers, cores, batch): cores of each worker}``."""
    one, both = ({0},), ({0, 1},)
    found = {}
    for width in HIDDEN:
        for share in SHARES:
            found[width, 1, 1, share] = one
            found[width, 1, 1, 2 * share] = one
            found[width, 1, 2, 2 * share] = both
            found[width, 2, 2, 2 * share] = ({0}, {1})
    return found


def summary(seconds, parameters):
    """The record's results from all rounds of all points.

    Args:
        seconds: ``{point: [deciles of a step's seconds in each round]}``.
        parameters: ``{width: int}``.
    """
    spread = {point: list(zip(*found, strict=True)) for point, found in seconds.items()}
    seconds = {point: list(steps) for point, (_, steps, _) in spread.items()}
    middle = {point: statistics.median(found) for point, found in seconds.items()}
    results = {"points": [], "scaling": []}
    for (width, workers, cores, batch), found in seconds.items():
        point = {"width": width, "workers": workers, "cores": cores, "batch": batch}
        step = middle[width, workers, cores, batch]
        point["steps_per_second"] = _round(1 / step)
        point["images_per_second"] = _round(batch / step)
        point["seconds"] = [_round(value) for value in found]
        low, _, high = spread[width, workers, cores, batch]
        point["spread"] = [_round(statistics.median(side)) for side in (low, high)]
        results["points"].append(point)
    for width, count in parameters.items():
        for share in SHARES:
            two = seconds[width, 2, 2, 2 * share]
            strong, weak = (seconds[width, 1, 1, batch] for batch in (2 * share, share))
            rounds = list(zip(strong, weak, two, strict=True))
            results["scaling"].append(
                {
                    "width": width,
                    "hidden": list(HIDDEN[width]),
                    "parameters": count,
                    "share": share,
                    "bytes": 2 * (2 - 1) / 2 * count * 4,
                    "strong_efficiency": _spread([a / (2 * t) for a, _, t in rounds]),
                    "weak_efficiency": _spread([b / t for _, b, t in rounds]),
                    "over_one_process_on_both_cores": _round(
                        middle[width, 1, 2, 2 * share] / middle[width, 2, 2, 2 * share]
                    ),
                }
            )
    return results


def _spread(values):
    low, middle, high = min(values), statistics.median(values), max(values)
    return {"median": _round(middle), "lowest": _round(low), "highest": _round(high)}


def _round(value):
    return float(f"{value:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=TARGET)
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed")
    os.environ["KERAS_BACKEND"] = "jax"
    seconds = {point: [] for point in points()}
    parameters = {}
    load = os.getloadavg()[0]
    for number in range(options.rounds):
        for (width, workers, cores, batch), own in points().items():
            step, parameters[width] = run(HIDDEN[width], batch, own)
            seconds[width, workers, cores, batch].append(step)
            print(f"round {number + 1}: {width}, {workers} on {cores}, {batch}: {step[1]:.4f} s")
    results = {**summary(seconds, parameters), "load": _round(load), "rounds": options.rounds}
    results["note"] = (
        "Two processes on the two cores of one machine: what the exchange costs, not what a "
        "second machine gains."
    )
    write_record(options.out, __doc__, "steps a second", results, "python -m benchmarks.parallel")
    print(json.dumps(results["scaling"], indent=1))


if __name__ == "__main__":
    main()
