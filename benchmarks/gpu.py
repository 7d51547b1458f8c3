"""What the book says about a GPU: one function for each question, one record for each.

    python -m benchmarks.gpu [--only lstm …] [--backends jax torch]
    python -m benchmarks.gpu --dry-run --out FOLDER

The questions are the functions of ``gpu_questions.py``. Each is asked with Keras on JAX and on
PyTorch, a backend in a process of its own; the answers of both go to one record,
``ae_lib/data/records/gpu_<question>.json`` or in the folder that ``--out`` names, written whole
after each measurement. Stop the run when you like: called again, it goes on with what is missing
or had failed. Delete a record to measure it anew. Its ``failed`` says what did not work, and why.

What it needs: a machine with an NVIDIA GPU, the book's library, and JAX or PyTorch built for
CUDA, or both. TensorFlow is not needed. A dry run takes tiny shapes on the CPU and marks its
records ``"dry_run": true``; it needs a folder and never writes into the book's.
"""

import argparse
import gc
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.environment import RECORDS, environment, gpu, write_record
from benchmarks.gpu_questions import QUESTIONS

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("jax", "torch")
ON_CPU = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
ON_CPU["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # compiled sooner


class Record:
    """A question's record on file, which grows by one measurement of a backend after another.

    ``device`` says in words what the backend computes on.

    Raises:
        SystemExit: the file there is of another machine.
    """

    def __init__(self, folder, name, backend, dry_run, device):
        self.name, self.backend, self.dry_run = name, backend, dry_run
        self.path = Path(folder) / f"gpu_{name}.json"
        self.results, self.failed, self.devices, self.more = {}, {}, {}, {}
        self.device = device
        if not self.path.exists():
            return
        found = json.loads(self.path.read_text("utf8"))
        here = dry_run, environment()["machine"]
        there = found["dry_run"], found["environment"]["machine"]
        if there != here:
            raise SystemExit(
                f"{self.path} was measured elsewhere (dry run, machine: {there}, here {here}); "
                "move it away, or name another folder with --out"
            )
        self.results, self.failed = found["results"], found["failed"]
        self.devices = found["devices"]

    def measure(self, keys, run, beside=None):
        """Keep ``run()`` in the results, and write the record; nothing is done if it is there.

        Args:
            keys: where in the results, from the outside in.
            run: gives what JSON can hold; an exception is noted in ``failed``, and gives None.
            beside: a dict that then stands, too, under the first of the keys.
        """
        *outer, last = keys
        place = self.results
        for key in outer:
            place = place.get(key, {})
        if last in place:
            return place[last]
        if not self.dry_run:
            gc.collect()  # frees the memory of the models before
        label = f"{self.backend}: {', '.join(keys)}"
        try:
            found, why = run(), None
        except Exception as error:  # one failure does not take the others along
            found, why = None, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        self.failed.pop(label, None)
        if why:
            self.failed[label] = why
        else:
            place = self.results
            for key in outer:
                place = place.setdefault(key, {})
            place[last] = found
            self.results[keys[0]].update(beside or {})
            self.devices[self.backend] = self.device
        print(f"{self.name}, {label}: {why or found}", flush=True)
        if self.results:
            function, unit = QUESTIONS[self.name]
            more = {"dry_run": self.dry_run, "devices": self.devices, "failed": self.failed}
            more |= {"what": function.__doc__.splitlines()[0], "unit": unit, **self.more}
            write_record(self.path, "python -m benchmarks.gpu", results=self.results, **more)
        return found


def device(backend):
    """What the backend computes on, in words, and whether it is a GPU."""
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return f"{first.device_kind} by jax {jax.__version__}", first.platform in ("gpu", "cuda")
    import torch

    there = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if there else "cpu"
    cudnn = f", cuDNN {torch.backends.cudnn.version()}" if there else ""
    return f"{name} by torch {torch.__version__}{cudnn}", there


def child(asked):
    """Ask all questions of the backend that this process has."""
    backend = os.environ["KERAS_BACKEND"]
    words, is_gpu = device(backend)
    if not (is_gpu or asked.dry_run):
        raise SystemExit(f"{backend} sees no GPU, only {words}: install it for CUDA")
    for name in asked.only:
        QUESTIONS[name][0](Record(asked.out, name, backend, asked.dry_run, words))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(QUESTIONS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--out", type=Path, help="folder for the records")
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes on the CPU")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    if asked.dry_run and asked.out is None:
        parser.error("--dry-run measures nothing: name a folder for its records with --out")
    asked.out = asked.out or RECORDS
    if asked.child:
        child(asked)
        return 0
    if not asked.dry_run and gpu() is None:
        print(
            "benchmarks.gpu: this machine has no NVIDIA GPU; nothing was measured. To try the "
            "script on the CPU: --dry-run --out FOLDER",
            file=sys.stderr,
        )
        return 2
    status = 0
    for backend in asked.backends:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is not installed: nothing measured with it", file=sys.stderr)
            continue
        variables = {**os.environ, "KERAS_BACKEND": backend}
        variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = "0.92"
        variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        if asked.dry_run:
            variables |= ON_CPU
        command = [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments), "--child"]
        status = subprocess.run(command, env=variables, check=False).returncode or status
    return status


if __name__ == "__main__":
    sys.exit(main())
