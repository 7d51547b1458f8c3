"""Everything the book says about a GPU, measured in one call of under ten minutes.

    python -m benchmarks.gpu [--minutes 9] [--only lstm …] [--backends jax torch]
    python -m benchmarks.gpu --dry-run --out FOLDER

Parts, in this order; each runs in a process of its own with a time budget of its own, on Keras
with JAX and on Keras with PyTorch:

* ``ceilings``: a large copy; a large matrix product in bfloat16, TF32 and float32;
* ``lstm``: training the LSTM text autoencoder by width, precision and batch, beside raw
  ``torch.nn.LSTM`` (cuDNN) of the same shape;
* ``transformer``: training a Transformer language model that fills the card, and its share of
  the bfloat16 product that ``ceilings`` timed in the same call, and of the data sheet's peak;
* ``decoding``: compiled greedy decoding at batch 1, 32 and 1,024;
* ``fused``: ``keras.layers.LSTM`` with each thing that loses the fused kernel, and the path
  that ``ae_lib.training.cudnn_eligibility`` names;
* ``train``: the shipped text autoencoder's recipe (``--full``: on all sentences).

Each part first holds its results against a reference in NumPy and refuses to time wrong numbers.
A part that fails, or runs out of time, is recorded so; the others go on. A record's ``results``
and ``devices`` hold the backends that measured something; ``failed`` says why others did not,
``note`` what else there is to know. Records are written part by part, whole or not at all: the
what the chapter reads to ``ae_lib/data/records/gpu_<part>.json``, the raw run and weights to
``build/gpu``; with ``--out`` all of it to that folder instead. Ctrl-C ends what runs; records that
are written stay.

What it needs: a machine with an NVIDIA GPU, Python 3.11 or newer, Keras 3.13 or newer (which
brings NumPy, ml_dtypes and h5py), and JAX or PyTorch built for CUDA, or both; the part ``lstm``
compares with PyTorch. TensorFlow is not needed, nor are the book's other packages.
From a clone of the book, itself not installed, with JAX or PyTorch there:

    pip install keras
    PYTHONPATH=. python -m benchmarks.gpu

Without a GPU it says so, writes nothing and ends with status 2. A dry run takes tiny shapes on the
CPU and marks its records ``"dry_run": true``; it needs a folder and never writes into the book's.
"""

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import gpu_common as common
from benchmarks.environment import RECORDS, environment, gpu

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("jax", "torch")


@dataclass(frozen=True)
class Part:
    """What is measured by one function, and its share of the time."""

    function: str  # module:name
    weight: float  # for one backend; those of ``PARTS`` are seconds
    what: str
    unit: str
    together: bool = False  # one process for all backends
    compiling: float = 1.0  # times the weight for JAX, which compiles what it times

    def share(self, backend):
        return self.weight * (self.compiling if backend == "jax" else 1.0)

    def processes(self, backends):
        return ("both",) if self.together else tuple(backends)


PARTS = {
    "ceilings": Part(
        "benchmarks.gpu_parts:ceilings",
        42,
        "A large copy, and a large matrix product in each precision.",
        "bytes a second; operations a second",
    ),
    "lstm": Part(
        "benchmarks.gpu_lstm:lstm",
        110,
        "Training the LSTM text autoencoder beside raw torch.nn.LSTM of the same shape.",
        "tokens a second",
        together=True,
    ),
    "transformer": Part(
        "benchmarks.gpu_models:transformer",
        50,
        "Training a Transformer language model; its share of the measured bfloat16 product "
        "and of the data sheet's peak.",
        "tokens a second; operations a second",
        compiling=2.0,
    ),
    "decoding": Part(
        "benchmarks.gpu_parts:decoding",
        20,
        "Compiled greedy decoding of the shipped text autoencoder by batch.",
        "tokens a second",
    ),
    "fused": Part(
        "benchmarks.gpu_parts:fused",
        20,
        "keras.layers.LSTM forward and backward, with each thing that loses the fused kernel.",
        "seconds",
        compiling=1.4,
    ),
    "train": Part(
        "benchmarks.gpu_models:train",
        54,
        "Training the shipped text autoencoder by its recipe.",
        "tokens a second; seconds",
    ),
}


SECONDS = sum(p.share(backend) for p in PARTS.values() for backend in p.processes(BACKENDS))


def measure(parts, folder, *, seconds=SECONDS, dry_run=False, backends=BACKENDS, **options):
    """Run parts one after another; in a dry run two at a time.

    Whoever stops it, by Ctrl-C say, ends what runs and starts nothing more.

    Args:
        parts: ``{name: Part}``.
        folder: where the children write, and the weights stay.
        seconds: for all together; what one leaves over the next ones get.
        dry_run: tiny shapes on the CPU.
        backends: of "jax", "torch".
        options: for the parts.

    Yields:
        ``(name, record)`` as each part ends.
    """
    folder = Path(folder)
    end = time.monotonic() + seconds
    tasks = [
        (name, backend) for name, part in parts.items() for backend in part.processes(backends)
    ]
    left = sum(parts[name].share(backend) for name, backend in tasks)
    peaks, found, children = [], {name: {} for name in parts}, set()

    def run(name, backend):
        nonlocal left
        share = parts[name].share(backend)
        budget = seconds if dry_run else (end - time.monotonic()) * share / left
        left -= share
        settings = {**options, "dry_run": dry_run, "seconds": max(1.0, budget - 5)}
        settings |= {"peak": max(peaks, default=None), "backends": list(backends)}
        path = folder / f"{name}_{backend}.json"
        limit = max(5.0, budget)
        answer = child(parts[name].function, backend, path, settings, limit, children)
        product = answer["results"].get("bfloat16") if name == "ceilings" else None
        if product:
            peaks.append(product["operations_per_second"])
        return answer

    pool = ThreadPoolExecutor(2 if dry_run else 1)
    running = [(name, backend, pool.submit(run, name, backend)) for name, backend in tasks]
    try:
        for name, backend, future in running:
            found[name][backend] = future.result()
            if len(found[name]) == len(parts[name].processes(backends)):
                yield name, _record(parts[name], found[name], dry_run, backends)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(future.done() for *_, future in running):
            for process in tuple(children):
                _end(process)
            time.sleep(0.05)


def child(function, backend, path, settings, seconds, children):
    """Run one part in a process group of its own; returns what it wrote, and what failed.

    Args:
        function: "module:name".
        path: of the file that the child writes after each result.
        seconds: after which the group is killed; what was written counts.
        children: a set that has the process in it while it runs.
    """
    missing = backend != "both" and importlib.util.find_spec(backend) is None
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = {"device": None, "results": {}, "failed": {}, "about": {}, "seconds": 0.0}
    if missing:
        return {**answer, "failed": {"all": f"not tried: {backend} is not installed"}}
    command = [sys.executable, "-m", "benchmarks.gpu", "--child", function, backend, str(path)]
    variables = {**os.environ, "KERAS_BACKEND": "torch" if backend == "both" else backend}
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = "0.92"
    if settings["dry_run"]:
        variables |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        variables["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # compiled in less time
    log, start = path.with_suffix(".log"), time.monotonic()
    with log.open("wb") as output:
        run = subprocess.Popen(
            [*command, json.dumps(settings)],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        children.add(run)
        try:
            status, why = run.wait(seconds), None
        except subprocess.TimeoutExpired:
            status, why = None, f"out of time: killed after {seconds:.0f} s"
        finally:
            _end(run)
            children.discard(run)
    if path.exists():
        answer |= json.loads(path.read_text("utf8"))
    answer["seconds"] = time.monotonic() - start
    if why is None and status:
        lines = log.read_text("utf8", "replace").strip().splitlines()
        why = f"ended with status {status}: {' '.join(lines[-1:])[:400]}"
    if why:
        answer["failed"]["all"] = why
    return answer


def _end(run):
    """Kill what is left of a child's group, its own children with it."""
    try:
        os.killpg(run.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    run.wait()


def _record(part, found, dry_run, backends):
    ran = {k: v for k, v in found.items() if _measured(v["results"])}
    results = {k: v["results"] for k, v in ran.items()}
    failed = {k: v["failed"] for k, v in found.items()}
    devices = {k: v["device"] for k, v in ran.items()}
    if part.together:  # the part itself names who ran on what
        (one,) = found.values()
        results, failed, devices = one["results"], one["failed"], one["device"] or {}
    about = [v["about"] for v in found.values()]
    return {
        "what": part.what,
        "unit": part.unit,
        "dry_run": dry_run,
        **{k: v for each in about for k, v in each.items()},
        "results": results,
        "failed": failed,
        "devices": devices,
        "seconds": round(sum(v["seconds"] for v in found.values()), 1),
        "made_by": "python -m benchmarks.gpu" + (" --dry-run" if dry_run else ""),
        "environment": {**environment(), "backend": ", ".join(backends)},
    }


def write_record(name, record, raw, chapter):
    """Write the raw record, and, if anything was measured, what the chapter reads: no rounds."""
    common.write_json(raw / f"gpu_{name}.json", record)
    if _measured(record["results"]):
        common.write_json(chapter / f"gpu_{name}.json", _without_rounds(record))


def _measured(results):
    return any(map(_measured, results.values())) if isinstance(results, dict) else True


def _without_rounds(value):
    if isinstance(value, dict):
        return {k: _without_rounds(v) for k, v in value.items() if k != "rounds"}
    return value


def serve(function, backend, path, settings):
    """In the child: run a part, unless its backend has no GPU and this is no dry run."""
    module, _, name = function.partition(":")
    job = common.Job(backend, path, **settings)
    if backend != "both":
        job.device, is_gpu = common.device(backend)
        if not (is_gpu or job.dry_run):
            raise SystemExit(f"{backend} sees no GPU, only {job.device}: install it for CUDA")
    job.save()
    getattr(importlib.import_module(module), name)(job)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=SECONDS / 60, help="for all together")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--out", type=Path, help="folder for all that is written")
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes on the CPU")
    parser.add_argument("--full", action="store_true", help="train on all sentences")
    parser.add_argument("--epochs", type=int, help="of the part train; default: the recipe's")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        *where, settings = asked.child
        serve(*where, json.loads(settings))
        return 0
    if asked.minutes <= 0:
        parser.error(f"--minutes: expected a positive number, got {asked.minutes}")
    if asked.dry_run and asked.out is None:
        parser.error("--dry-run measures nothing: name a folder for its records with --out")
    if not asked.dry_run and gpu() is None:
        print(
            "benchmarks.gpu: this machine has no NVIDIA GPU (nvidia-smi names none). Nothing was "
            "measured, nothing written. --dry-run --out FOLDER tries the script on the CPU.",
            file=sys.stderr,
        )
        return 2
    raw = asked.out or ROOT / "build" / "gpu"
    chapter = asked.out / "chapter" if asked.out else RECORDS
    work = asked.out / "work" if asked.out else raw
    chosen = {name: part for name, part in PARTS.items() if name in asked.only}
    running = measure(
        chosen,
        work.resolve(),
        seconds=60 * asked.minutes,
        dry_run=asked.dry_run,
        backends=tuple(asked.backends),
        full=asked.full,
        epochs=asked.epochs,
    )
    with contextlib.closing(running):
        for name, record in running:
            write_record(name, record, raw, chapter)
            print(f"{name} ({record['seconds']:.0f} s)", json.dumps(record["results"])[:2000])
            if _measured(record["failed"]):
                print("  failed:", json.dumps(record["failed"], ensure_ascii=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
