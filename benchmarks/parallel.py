"""Steps a second of one and of two processes on this machine's two cores.

    python -m benchmarks.parallel [--rounds 7]

The workers are those of ``python -m ae_lib.training.parallel``. One process is held
on one core, or has both; two have both between them. To hold each of the two on a core of its
own would measure the kernel's scheduler: gloo's receiver spins while a sender holds the lock that
both need, and on one core it spins until the scheduler's next tick (see ``_let_senders_finish``).

Two processes on two cores of one machine tell what the exchange of gradients costs, not what a
second machine would gain: they share the memory, its bandwidth and the caches. Each point is a
run of its own, several rounds in turn; a round's step is the median of those after the first
ten, a point the median of its rounds. ``rounds`` has that median, the tenth and the ninetieth of
a hundred steps, and ``load``, the load average as the run began: of the minute before, in which
the benchmark itself ran too. On a machine that others use the two ends lie far apart.

``strong``: the batch of all together stays; efficiency is t₁ / (2 t₂). ``weak``: each worker's
share stays; efficiency is t₁ / t₂. ``bytes``: what a ring all-reduce sends from each worker in
a step, 2 (n − 1) / n · parameters · 4 (Patarasuk & Yuan 2009). A step includes what Keras's
``fit`` does around it and the reading of its loss, which waits for it to end.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environment import RECORDS, write_record

HIDDEN = {"narrow": (64,), "wide": (1024,)}
SHARES = (32, 256)  # images of each worker
WARMUP, STEPS = 10, 60


def run(hidden, batch, cores, steps=STEPS):
    """``({"median", "p10", "p90": seconds of a step, "load"}, number of parameters)``.

    Args:
        cores: a tuple of sets of core numbers, one for each worker, which is held on them.
        steps: how many; those after the first ``WARMUP`` count.
    """
    load = os.getloadavg()[0]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "ae_lib.training.parallel"]
    command += ["--coordinator", f"127.0.0.1:{port}", "--processes", str(len(cores))]
    command += ["--batch", str(batch), "--steps", str(steps), "--hidden", *map(str, hidden)]
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
    low, *_, high = statistics.quantiles(record["seconds"][WARMUP:], n=10)
    median = statistics.median(record["seconds"][WARMUP:])
    return {"median": median, "p10": low, "p90": high, "load": load}, record["parameters"]


def points():
    """``{(width, workers, cores, batch): cores of each worker}``."""
    one, both = ({0},), ({0, 1},)
    found = {}
    for width in HIDDEN:
        for share in SHARES:
            found[width, 1, 1, share] = one
            found[width, 1, 1, 2 * share] = one
            found[width, 1, 2, 2 * share] = both
            found[width, 2, 2, 2 * share] = both * 2
    return found


def summary(rounds, parameters):
    """The record's results from all rounds of all points.

    Args:
        rounds: ``{point: [what ``run`` gave of each round]}``.
        parameters: ``{width: int}``.
    """
    seconds = {point: [one["median"] for one in found] for point, found in rounds.items()}
    middle = {point: statistics.median(found) for point, found in seconds.items()}
    results = {"points": [], "scaling": []}
    for (width, workers, cores, batch), found in rounds.items():
        point = {"width": width, "workers": workers, "cores": cores, "batch": batch}
        step = middle[width, workers, cores, batch]
        point["steps_per_second"] = _round(1 / step)
        point["images_per_second"] = _round(batch / step)
        point["rounds"] = [{name: _round(one[name]) for name in one} for one in found]
        results["points"].append(point)
    for width, count in parameters.items():
        for share in SHARES:
            two = seconds[width, 2, 2, 2 * share]
            strong, weak = (seconds[width, 1, 1, batch] for batch in (2 * share, share))
            triples = list(zip(strong, weak, two, strict=True))
            results["scaling"].append(
                {
                    "width": width,
                    "hidden": list(HIDDEN[width]),
                    "parameters": count,
                    "share": share,
                    "bytes": 2 * (2 - 1) / 2 * count * 4,
                    "strong_efficiency": _spread([a / (2 * t) for a, _, t in triples]),
                    "weak_efficiency": _spread([b / t for _, b, t in triples]),
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
    parser.add_argument("--steps", type=int, default=STEPS, help="of a run; default 60")
    parser.add_argument(
        "--out", type=Path, default=RECORDS / "parallel.json", help="the record's file"
    )
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two cores are needed")
    if options.rounds < 1 or options.steps < WARMUP + 2:
        parser.error(f"expected at least 1 round and {WARMUP + 2} steps")
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    rounds = {point: [] for point in points()}
    parameters = {}
    for number in range(options.rounds):
        for (width, workers, cores, batch), own in points().items():
            found, parameters[width] = run(HIDDEN[width], batch, own, options.steps)
            rounds[width, workers, cores, batch].append(found)
            print(
                f"round {number + 1}: {width}, {workers} on {cores}, {batch}: "
                f"{found['median']:.4f} s, {found['p10']:.4f} to {found['p90']:.4f}"
            )
    results = summary(rounds, parameters)
    results["note"] = (
        "Two processes on the two cores of one machine: what the exchange costs, not what a "
        "second machine gains."
    )
    write_record(
        options.out,
        "python -m benchmarks.parallel",
        what=__doc__.splitlines()[0],
        unit="steps a second",
        results=results,
    )
    print(json.dumps(results["scaling"], indent=1))


if __name__ == "__main__":
    main()
