"""Steps a second of one and of two processes on this machine's two cores.

    python -m benchmarks.parallel [--rounds 7]

The workers are those of ``python -m ae_lib.training.parallel``. One process has one core, or
both; two processes have both cores between them. (Two that are each held on a core of their own
would measure the kernel's scheduler; see ``_let_senders_finish`` there.)

Two processes on one machine tell what the exchange of gradients costs, not what a second machine
would gain: they share memory and caches. Each point is a run of its own, in several rounds, in
turn. The seconds of a round are the median of its steps after the first ten, those of a point
the median of its rounds. A step includes what Keras's ``fit`` does around it and the reading of
its loss.

``strong``: the batch of all workers together stays the same; efficiency is t₁ / (2 t₂).
``weak``: the share of each worker stays the same; efficiency is t₁ / t₂. ``bytes``: what a ring
all-reduce sends from each worker in a step, 2 (n − 1) / n · parameters · 4 (Patarasuk & Yuan
2009).
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

from benchmarks.environment import RECORDS, short, write_record

HIDDEN = {"narrow": (64,), "wide": (1024,)}
SHARES = (32, 256)  # images of each worker
WARMUP, STEPS = 10, 60


def run(width, workers, cores, batch):
    """Seconds of a step, and the model's number of parameters."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        options = {"coordinator": address, "processes": workers, "batch": batch, "steps": STEPS}
        command = [sys.executable, "-m", "ae_lib.training.parallel", "--json", result, "--hidden"]
        command += [*HIDDEN[width], *(f"--{name}={value}" for name, value in options.items())]
        started = [
            subprocess.Popen(
                [*map(str, command), f"--index={index}"],
                stdout=subprocess.DEVNULL,
                env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
                preexec_fn=lambda: os.sched_setaffinity(0, range(cores)),
            )
            for index in range(workers)
        ]
        statuses = [worker.wait() for worker in started]
        if any(statuses):
            raise RuntimeError(f"{workers} workers, {width}, batch {batch}: failed")
        record = json.loads(result.read_text())
    return statistics.median(record["seconds"][WARMUP:]), record["parameters"]


def points():
    """``(width, workers, cores, batch of all workers)`` of each point."""
    for width in HIDDEN:
        for share in SHARES:
            yield width, 1, 1, share
            yield width, 1, 1, 2 * share
            yield width, 1, 2, 2 * share
            yield width, 2, 2, 2 * share


def summary(rounds, parameters):
    """The record's results.

    Args:
        rounds: ``{point: [seconds of a step in each round]}``.
        parameters: ``{width: int}``.
    """
    middle = {point: statistics.median(seconds) for point, seconds in rounds.items()}
    results = {"points": [], "scaling": []}
    for point, seconds in rounds.items():
        row = dict(zip(("width", "workers", "cores", "batch"), point, strict=True))
        row["steps_per_second"] = short(1 / middle[point], 3)
        results["points"].append({**row, "rounds": short(seconds, 3)})
    for width, count in parameters.items():
        for share in SHARES:
            both, two = (width, 1, 2, 2 * share), (width, 2, 2, 2 * share)
            strong, weak = (rounds[width, 1, 1, batch] for batch in (2 * share, share))
            row = {"width": width, "hidden": HIDDEN[width], "parameters": count, "share": share}
            row["bytes"] = 2 * (2 - 1) / 2 * count * 4
            pairs = list(zip(strong, weak, rounds[two], strict=True))
            row["strong_efficiency"] = _spread([one / (2 * t) for one, _, t in pairs])
            row["weak_efficiency"] = _spread([one / t for _, one, t in pairs])
            row["over_one_process_on_both_cores"] = short(middle[both] / middle[two], 3)
            results["scaling"].append(row)
    return results


def _spread(values):
    spread = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: short(value, 3) for name, value in spread.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2 or options.rounds < 1:
        parser.error("two cores and at least one round are needed")
    rounds, parameters = {point: [] for point in points()}, {}
    for number in range(options.rounds):
        for point, seconds in rounds.items():
            found, parameters[point[0]] = run(*point)
            seconds.append(found)
            print(f"round {number + 1}: {point}: {found:.4f} s", flush=True)
    results = summary(rounds, parameters)
    write_record(
        RECORDS / "parallel.json",
        "python -m benchmarks.parallel",
        what=__doc__.splitlines()[0],
        unit="steps a second",
        results=results,
    )
    print(json.dumps(results["scaling"], indent=1))


if __name__ == "__main__":
    main()
