"""Data parallelism: one training run in several processes, on one machine or on several.

    python -m ae_lib.training.parallel --workers 2
    python -m ae_lib.training.parallel --coordinator host:port --processes 2 --index 0
    srun python -m ae_lib.training.parallel --cluster

The first starts two workers on this machine. The second is one worker of ``--processes``: each
machine runs it with its own ``--index`` and otherwise the same options. With the third,
``jax.distributed`` asks Slurm, Open MPI or Kubernetes for address, number and index. Every
worker has the whole model and computes the gradient of its share of each batch; JAX adds the
gradients up, so that all take the same step (synchronous data parallelism; Goyal et al. 2017).
``--batch`` counts the images of all workers together. It alone decides what is learned: one
worker and several see the same losses, up to the order of additions.

What is trained is chapter 02's autoencoder on the Fashion-MNIST that ships. Seed and step alone
decide which images a batch has. Keras 3.13 leaves to its caller that each process gives ``fit``
its own share, that all shares have one size, and that all processes make variables together.

JAX's coordination service notices a worker that is gone or silent: the others end within a
minute. The same command then goes on from the newest checkpoint in ``--folder``, which only
worker 0 writes and all must see. Between machines all TCP ports must be open, and a machine's
own name must not stand for 127.* in its ``/etc/hosts``. ``--workers`` gives each worker a GPU of
its own, or none a GPU; for workers that are started one by one, set ``CUDA_VISIBLE_DEVICES``.
Exit status: 0, all steps done; 1, a worker failed; 2, a wrong option.
"""

import argparse
import contextlib
import importlib.util
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from ae_lib._files import as_path
from ae_lib.training._parallel_task import Failure, Task

CHILD = "AE_PARALLEL_CHILD"  # set for workers whose standard input the launcher holds
SILENCE = 30  # seconds without a heartbeat after which JAX counts a worker as gone
GRACE = 2.0  # seconds to wait, after a worker failed, for the one that caused it


def train(task, coordinator=None, processes=None, index=None):
    """Train as one of the processes; without an address, ask the cluster's manager."""
    import jax
    import keras

    jax.config.update("jax_enable_compilation_cache", False)  # with one, the others' end is missed
    jax.distributed.initialize(
        coordinator,
        processes,
        index,
        heartbeat_timeout_seconds=SILENCE,
        shutdown_timeout_seconds=SILENCE,
        coordinator_bind_address=coordinator if index == 0 else None,
    )
    task.place(jax.process_index(), jax.process_count())
    everywhere = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(everywhere)
    model = task.model()  # replicated: the same seed gives all the same weights
    start = task.restore(model)
    told = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda k, logs: task.report(model, start + k + 1, logs["now"])
    )
    if left := task.steps - start:
        model.fit(task.batches(start), steps_per_epoch=left, verbose=0, callbacks=[told])
    task.finish()


def main(arguments=None):
    """Run the command line; returns the exit status."""
    try:
        options = _options(arguments)
        task = Task(options)
        task.newest()  # refuses a folder of another run
        return _launch(options, task) if options.workers else _work(options, task)
    except Failure as failure:
        print(f"parallel: {failure}", file=sys.stderr, flush=True)
        return failure.status
    except KeyboardInterrupt:
        print("parallel: stopped by hand", file=sys.stderr, flush=True)
        return 130


def _options(arguments):
    class Parser(argparse.ArgumentParser):
        def error(self, message):
            raise Failure(f"{message}; --help shows the options", 2)

    parser = Parser(prog="python -m ae_lib.training.parallel", description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, help="start this many here")
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="where worker 0 listens")
    parser.add_argument("--processes", type=int, metavar="N", help="workers in all")
    parser.add_argument("--index", type=int, metavar="I", help="which one this is: 0…N-1")
    parser.add_argument("--cluster", action="store_true", help="ask Slurm, Open MPI, Kubernetes")
    parser.add_argument("--steps", type=int, default=100, help="in all; default 100")
    parser.add_argument("--batch", type=int, default=64, help="of all workers; default 64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, nargs="*", default=[256], help="widths of layers")
    parser.add_argument("--folder", type=as_path, help="for checkpoints; all workers must see it")
    parser.add_argument("--every", type=int, default=20, help="steps between checkpoints")
    parser.add_argument(
        "--json", type=as_path, metavar="FILE", help="where worker 0 writes the losses"
    )
    options = parser.parse_args(arguments)
    _check(options)
    return options


def _check(options):
    by_hand = (options.coordinator, options.processes, options.index)
    ways = [options.workers is not None, options.cluster, by_hand != (None, None, None)]
    if sum(ways) != 1 or (ways[2] and None in by_hand):
        raise Failure(
            "give --workers N, or --cluster, or --coordinator with --processes and --index; "
            "one of the three",
            2,
        )
    least = {"workers": 1, "processes": 1, "index": 0, "steps": 1, "batch": 1, "seed": 0}
    for name, bound in {**least, "every": 1}.items():
        value = getattr(options, name)
        if value is not None and value < bound:
            raise Failure(f"{name}: expected a whole number of at least {bound}, got {value}", 2)
    if min(options.hidden, default=1) < 1:
        raise Failure(f"hidden: expected whole numbers of at least 1, got {options.hidden}", 2)
    n = options.workers or options.processes or 1
    if options.index is not None and options.index >= n:
        raise Failure(f"index: expected 0…{n - 1} with --processes {n}, got {options.index}", 2)
    if options.coordinator is not None:
        host, _, port = options.coordinator.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise Failure(f"coordinator: expected host:port, got {options.coordinator!r}", 2)
    Task(options).check_share(n)
    if options.json is not None and options.json.is_dir():
        raise Failure(f"json: expected a file, but {options.json} is a folder", 2)
    if options.folder is not None and options.folder.is_file():
        raise Failure(f"folder: expected a folder, but {options.folder} is a file", 2)
    if options.json is not None and not os.access(options.json.parent, os.W_OK):
        raise Failure(f"json: there is no folder {options.json.parent}, or it is read-only", 2)
    for module in ("keras", "jax"):
        if importlib.util.find_spec(module) is None:
            raise Failure(f"{module} is not installed; python -m pip install {module}", 2)


# The launcher


def _launch(options, task):
    """Start all workers on this machine's loopback and wait for them; returns the exit status."""
    n = options.workers
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "ae_lib.training.parallel", "--coordinator", address]
    for name in ("steps", "batch", "seed", "folder", "every", "json"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    command += ["--hidden", *map(str, options.hidden), "--processes", str(n)]
    workers = []
    said = [tempfile.TemporaryFile() for _ in range(n)]  # noqa: SIM115
    try:
        for i, device in enumerate(_devices(n)):
            worker = subprocess.Popen(
                [*command, "--index", str(i)],
                stdin=subprocess.PIPE,
                stderr=said[i],
                env={**os.environ, **device, CHILD: "1"},
            )
            workers.append(worker)
            print(f"worker {i} is process {worker.pid}", flush=True)
        while not any(worker.poll() for worker in workers):
            if all(worker.returncode == 0 for worker in workers):
                break
            time.sleep(0.05)
        failed = [i for i in range(n) if workers[i].returncode]
        time.sleep(GRACE * bool(failed))
        failed += [i for i in range(n) if workers[i].poll() and i not in failed]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            worker.stdin.close()
    # Killed from outside is a cause; an abort, or a lost connection, may follow from it.
    killed = [i for i in failed if -signal.SIGABRT != workers[i].returncode < 0]
    guilty = (killed or failed or [0])[0]
    said[guilty].seek(0)
    sys.stderr.write(said[guilty].read().decode(errors="replace"))
    if failed:
        status = workers[guilty].returncode
        fate = f"failed (exit status {status})"
        if status < 0:
            fate = f"was ended by {signal.Signals(-status).name}"
        others = "; the others were stopped" if n > 1 else ""
        raise Failure(f"worker {guilty} of {n} {fate}{others}; {task.advice()}")
    return 0


def _devices(n):
    """For each of n workers here, the variables that give it a GPU of its own, or none."""
    if n == 1 or os.environ.get("JAX_PLATFORMS") == "cpu":
        return [{}] * n
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is None:
        names = ""
        with contextlib.suppress(OSError):
            done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
            count = sum(line.startswith("GPU ") for line in done.stdout.splitlines())
            names = ",".join(map(str, range(count)))
    # CUDA reads no further than -1.
    found = [*itertools.takewhile(lambda name: name.strip() not in ("", "-1"), names.split(","))]
    if len(found) >= n:
        return [{"CUDA_VISIBLE_DEVICES": found[i]} for i in range(n)]
    if found:
        print(f"{n} workers, {len(found)} GPU{'s' * (len(found) > 1)}: all train on the CPU")
        return [{"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}] * n
    return [{}] * n


# A worker


def _work(options, task):
    if os.environ.get(CHILD):  # end with the launcher, which holds the other end of the pipe
        threading.Thread(target=lambda: (os.read(0, 1), os._exit(1)), daemon=True).start()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # gRPC would use them
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where gloo prints messages of its own
    _let_senders_finish()
    try:
        train(task, options.coordinator, options.processes, options.index)
        sys.stdout.flush()
        return 0
    except Failure as failure:
        words, status = failure, failure.status
    except Exception as error:
        if type(error).__name__ != "JaxRuntimeError":
            traceback.print_exc()
        lines = str(error).strip().splitlines() or [type(error).__name__]
        words, status = f"{task.who()} stopped at step {task.step}: {lines[0][:200]}", 1
        words += f". If it lost another worker, that one says why; {task.advice()}"
    print(f"parallel: {words}", file=sys.stderr, flush=True)
    os._exit(status)  # JAX's own way out would wait for workers that are gone


def _let_senders_finish():
    """On Linux, have a thread that wakes wait until a core is free.

    Gloo's receiver spins while a sender holds the lock that both need. When it takes the core
    from the sender, both lose a whole time slice: a step of 4 ms lasts up to 40.
    """
    if hasattr(os, "SCHED_BATCH") and len(os.sched_getaffinity(0)) > 1:
        with contextlib.suppress(OSError):
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
