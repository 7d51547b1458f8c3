"""Data parallelism: one training run in several processes, on one machine or on several.

    python -m ae_lib.training.parallel --workers 2
    python -m ae_lib.training.parallel --coordinator host:port --processes 2 --index 0

The first starts two workers on this machine; the second is one worker among ``--processes``,
each started on its own host with its own ``--index`` and else the same options. Every worker
has the whole model and computes the gradient of its share of each batch; the engine adds the
gradients up between the workers, so that all take the same step (synchronous data parallelism;
Goyal et al. 2017). ``--batch`` is the batch of all together: it is what decides what is
learned, so one worker and several see the same losses, up to the order of additions.

Engines: ``jax`` (Keras's ``DataParallel`` over ``jax.distributed``, the model's own ``fit``)
and ``tensorflow`` (``MultiWorkerMirroredStrategy`` with a loop of our own; see
``train_with_tensorflow`` for the reason). What is trained is chapter 02's autoencoder on the
Fashion-MNIST that ships. The order of the images follows from seed and step alone.

What Keras 3.13 leaves to its caller when JAX's processes share ``fit``: a ``tf.data`` dataset is
split by itself, anything else must come as each process's own share (the whole batch given to
all is no error, and no gain); shares of different sizes are not noticed, and each process
reports another loss, so a batch must divide by the workers, the last of an epoch too; and what
makes a variable, or sets one, waits until all processes do the same. Each new epoch does.

Each worker trains in a process of its own below the one that was started, which watches it
and the other workers (``_parallel_meet``, ``_parallel_watch``). When one is gone, the rest are
stopped within a minute and say so; the same command then goes on from the last checkpoint in
``--folder``, which only worker 0 writes and all must see. Between machines all TCP ports must be
open, for the engines take free ones; and JAX's workers find each other by what each host's own
name stands for on it, which must not be 127.* in its ``/etc/hosts``. ``--workers`` gives each a
GPU, or none any; workers that are started one by one share GPUs out by ``CUDA_VISIBLE_DEVICES``.
Exit status: 0, all steps done; 1, a worker failed; 2, an option that cannot be; 75, worker 0's
port is taken.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ae_lib.training._parallel_meet import (
    PORT_TAKEN,
    Failure,
    free_port,
    join_address,
    meet,
    name_address,
)
from ae_lib.training._parallel_task import Task
from ae_lib.training._parallel_watch import STALL, Watch

ENGINES = ("jax", "tensorflow")
LEASH = "AE_PARALLEL_LEASH"  # set: who started this process holds its standard input
ROLE = "AE_PARALLEL_ADDRESSES"  # set, for the process that trains: the engine's addresses
TRIES = 5  # ports that the launcher tries
PATIENCE = 60.0
LONGEST = 3600.0  # seconds that --patience and --stall may be


def train_with_jax(addresses, index, task):
    """Train on all processes at once: ``addresses`` are theirs, ``index`` says which is this."""
    import jax
    import keras

    jax.distributed.initialize(
        addresses[0], len(addresses), index, coordinator_bind_address=addresses[0]
    )
    everywhere = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(everywhere)
    model = task.model()  # replicated: the same seed gives all the same weights
    start = task.restore(model)
    share = task.batches(start, index, len(addresses))  # sharded: our rows of each batch
    told = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda k, logs: task.report(model, start + k + 1, logs["now"])
    )
    if start < task.steps:
        model.fit(share, shuffle=False, verbose=0, callbacks=[told])


def train_with_tensorflow(addresses, index, task):
    """The same by ``tf.distribute``. Its loop is ours: Keras 3's ``fit`` fails under it."""
    workers = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    os.environ["TF_CONFIG"] = json.dumps(workers)
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = task.model()
    start = task.restore(model)

    def on_each(x):
        with tf.GradientTape() as tape:
            loss = task.loss(x, model(x, training=True))  # Keras divides it by the workers
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients)  # adds the gradients up between the workers
        return loss

    step = tf.function(lambda x: strategy.reduce("SUM", strategy.run(on_each, (x,)), axis=None))
    for k in range(start, task.steps):
        x = tf.constant(task.rows(k, index, len(addresses)))
        task.report(model, k + 1, step(x))


def main(arguments=None):
    """Run the command line; returns the exit status."""
    try:
        options = _options(arguments)
        if os.environ.get(ROLE):
            _train(options)
        elif options.workers:
            return _launch(options)
        else:
            _work(options)
    except Failure as failure:
        print(f"parallel: {failure}", file=sys.stderr, flush=True)
        return failure.status
    except KeyboardInterrupt:
        print("parallel: stopped by hand", file=sys.stderr, flush=True)
        return 130
    return 0


def _options(arguments):
    class Parser(argparse.ArgumentParser):
        def error(self, message):
            raise Failure(f"{message}; --help shows the options", 2)

    parser = Parser(prog="python -m ae_lib.training.parallel", description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, help="start this many here")
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="where worker 0 listens")
    parser.add_argument("--processes", type=int, metavar="N", help="workers in all")
    parser.add_argument("--index", type=int, metavar="I", help="which one this is: 0…N-1")
    parser.add_argument("--engine", choices=ENGINES, default="jax")
    parser.add_argument("--steps", type=int, default=100, help="in all; default 100")
    parser.add_argument("--batch", type=int, default=64, help="of all workers; default 64")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, nargs="*", default=[256], help="widths of layers")
    parser.add_argument("--folder", help="for checkpoints; all workers must see it")
    parser.add_argument("--every", type=int, default=20, help="steps between checkpoints")
    parser.add_argument("--json", metavar="FILE", help="where worker 0 writes the losses")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds to wait for the others"
    )
    parser.add_argument(
        "--stall", type=float, default=STALL, help="seconds without a step after which all stop"
    )
    options = parser.parse_args(arguments)
    _check(options)
    return options


def _check(options):
    one = (options.coordinator, options.processes, options.index)
    if options.workers is None and None in one:
        raise Failure("give --workers N, or --coordinator, --processes and --index", 2)
    if options.workers is not None and one != (None, None, None):
        raise Failure("workers: it starts all by itself; leave out --coordinator and so on", 2)
    for name, least in (("workers", 1), ("processes", 1), ("steps", 1), ("batch", 1), ("seed", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise Failure(f"{name}: expected a whole number of at least {least}, got {value}", 2)
    if options.every < 1 or min(options.hidden, default=1) < 1:
        raise Failure("every, hidden: expected whole numbers of at least 1", 2)
    for name in ("patience", "stall"):
        if not 0 < getattr(options, name) <= LONGEST:
            raise Failure(
                f"{name}: expected more than 0 and at most {LONGEST:g} seconds, got "
                f"{getattr(options, name)}",
                2,
            )
    n = options.workers or options.processes
    if options.index is not None and not 0 <= options.index < n:
        raise Failure(f"index: expected 0…{n - 1} with --processes {n}, got {options.index}", 2)
    if options.batch % n:
        below = options.batch - options.batch % n
        near = f"{below} or {below + n}" if below else f"{n}"
        raise Failure(
            f"batch: {options.batch} images do not divide among {n} workers; take {near}", 2
        )
    if options.batch > Task.images:
        raise Failure(f"batch: at most the {Task.images} images there are, not {options.batch}", 2)
    for module in ("keras", options.engine):
        if importlib.util.find_spec(module) is None:
            raise Failure(f"engine: {module} is not installed; python -m pip install {module}", 2)


# The launcher


def _launch(options):
    """Start all workers on this machine's loopback and wait; returns the exit status."""
    devices = _devices(options.workers)
    for _ in range(TRIES):
        status, words = _run_all(options, join_address("127.0.0.1", free_port()), devices)
        if status != PORT_TAKEN:  # someone took the port between our look and its use
            break
    for line in dict.fromkeys(words):
        print(line, file=sys.stderr, flush=True)
    return 1 if status == PORT_TAKEN else status


def _run_all(options, address, devices):
    n = options.workers
    command = [sys.executable, "-m", "ae_lib.training.parallel", "--coordinator", address]
    command += ["--processes", str(n), *_passed_on(options)]
    words, listeners, workers = [], [], []
    try:
        for i in range(n):
            worker = subprocess.Popen(
                [*command, "--index", str(i)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf8",
                env={**os.environ, **devices[i], LEASH: "1"},
            )
            workers.append(worker)
            listener = threading.Thread(target=lambda e=worker.stderr: words.extend(e))
            listener.start()
            listeners.append(listener)
        while any(worker.poll() is None for worker in workers):
            statuses = [worker.poll() for worker in workers]
            if any(statuses):  # the others have heard of it, too, if they ever met
                _wait(workers, seconds=0 if PORT_TAKEN in statuses else 45)
                break
            time.sleep(0.05)
    finally:
        for worker in workers:
            worker.stdin.close()
            worker.kill()
            worker.wait()
        for listener in listeners:
            listener.join()
    statuses = [worker.returncode for worker in workers]
    told = [status for status in statuses if status > 0]
    if PORT_TAKEN in statuses:
        return PORT_TAKEN, words
    return (told[0] if told else int(any(statuses))), [line.rstrip() for line in words]


def _wait(workers, seconds):
    end = time.monotonic() + seconds
    for worker in workers:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(max(0, end - time.monotonic()))


def _passed_on(options):
    names = ("engine", "steps", "batch", "seed", "folder", "every", "json", "patience", "stall")
    given = [(name, getattr(options, name)) for name in names]
    pairs = [(f"--{name}", str(value)) for name, value in given if value is not None]
    return [*(word for pair in pairs for word in pair), "--hidden", *map(str, options.hidden)]


def _devices(n):
    """For each of n workers here, the variables that give it a GPU of its own, or none."""
    if n == 1 or os.environ.get("JAX_PLATFORMS") == "cpu":
        return [{}] * n
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        found = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
        found = [*itertools.takewhile(lambda name: name.strip() not in ("", "-1"), found)]
    else:
        found = [str(i) for i in range(_count_gpus())]
    if len(found) >= n:
        return [{"CUDA_VISIBLE_DEVICES": found[i]} for i in range(n)]
    if found:
        print(f"{n} workers, {len(found)} GPU{'s' * (len(found) > 1)}: all train on the CPU")
        return [{"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}] * n
    return [{}] * n


def _count_gpus():
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True
        )
        return sum(line.startswith("GPU ") for line in done.stdout.splitlines())
    return 0


# A worker: it watches, the process below it trains


def _work(options):
    if os.environ.get(LEASH):
        _on_leash()
    task = Task.of(options)
    step, digest = task.newest()
    card = {
        "index": options.index,
        "processes": options.processes,
        "host": socket.gethostname(),
        "settings": task.settings(),
        "stored": digest,
    }
    if options.engine == "jax":
        card["name_address"] = name_address()
    team = meet(options.coordinator, card, options.patience)
    chief = options.index == 0
    if chief:
        n, share = options.processes, options.batch // options.processes
        workers = f"{n} worker" + "s" * (n > 1)
        print(f"{workers} ({options.engine}), {share} of {options.batch} images each", flush=True)

    def show(message):
        if chief and "loss" in message:
            print(f"step {message['step']} of {task.steps} · loss {message['loss']:.6f}")
        elif chief and "resumed" in message:
            print(f"going on from step {message['resumed']}")
        elif chief and "finished" in message and options.json:
            _write(Path(options.json), message["finished"])
        sys.stdout.flush()

    watch = Watch(team, step, bool(options.folder), show, options.stall)
    with tempfile.TemporaryFile() as complaints:
        trainer, listener = _start_trainer(options, team, complaints)
        try:
            watch.run()
        except Failure as failure:
            if chief:
                if failure.advice:  # a step or two, and a checkpoint, may have come after it
                    trainer.kill()
                    trainer.wait()
                    with contextlib.suppress(Failure):
                        watch.saved = max(watch.saved, task.newest()[0])
                    failure.advice = watch.advice()
                team.send({"stop": str(failure)})
            raise
        finally:
            trainer.stdin.close()
            if not watch.done:
                trainer.kill()
            trainer.wait()
            listener.join()
            team.close()


def _start_trainer(options, team, complaints):
    """Start the process that trains; what it says goes into the team's messages."""
    proxies = {name for name in os.environ if name.lower().endswith("_proxy")}
    environment = {
        **{k: v for k, v in os.environ.items() if k not in proxies},  # gRPC would follow them
        ROLE: json.dumps([card["engine"] for card in team.cards]),
        LEASH: "1",
    }
    command = [sys.executable, "-m", "ae_lib.training.parallel"]
    command += ["--coordinator", options.coordinator, "--processes", str(options.processes)]
    command += [*_passed_on(options), "--index", str(options.index)]
    pipe = subprocess.PIPE
    trainer = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=complaints, env=environment
    )

    def listen():
        for line in trainer.stdout:
            with contextlib.suppress(ValueError):  # half a line: it was killed as it spoke
                team.messages.put((team.index, json.loads(line)))
        status = trainer.wait()
        complaints.seek(0)
        lines = complaints.read().decode(errors="replace").strip().splitlines()
        causes = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit)\b", line)]
        words = [*lines, *causes][-1].rpartition(".errors_impl.")[2] if lines else ""
        words = words[:300] or f"exit status {status}"
        team.messages.put((team.index, {"ended": status, "words": words}))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    return trainer, listener


def _on_leash():
    """End this process when the one that started it is gone."""

    def wait():
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _write(path, record):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf8") as file:
        file.write(json.dumps(record, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


# The process that trains


def _train(options):
    events = os.dup(1)
    os.dup2(2, 1)  # whatever libraries print is no message
    os.environ["KERAS_BACKEND"] = options.engine
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    leaving = threading.Event()
    lock = threading.Lock()

    def tell(message):
        data = json.dumps(message).encode() + b"\n"
        with lock:
            while data:
                data = data[os.write(events, data) :]

    def hold():
        while os.read(0, 1):
            pass
        os._exit(0 if leaving.is_set() else 1)

    task = Task.of(options, tell)

    def pulse():
        while True:
            tell({"step": task.step})
            time.sleep(0.25)

    for function in (hold, pulse):
        threading.Thread(target=function, daemon=True).start()
    addresses = json.loads(os.environ.pop(ROLE))
    if options.engine == "jax":
        _let_senders_finish()
    engine = train_with_jax if options.engine == "jax" else train_with_tensorflow
    try:
        engine(addresses, options.index, task)
    except Failure as failure:
        tell({"error": str(failure)})
        threading.Event().wait()
    tell({"finished": task.record(len(addresses))})
    leaving.set()
    threading.Event().wait()  # until all are done: an engine's farewell is no failure


def _let_senders_finish():
    """Have threads that wake wait for a free core, on Linux, for the sake of gloo.

    Gloo's receiver asks again and again, without pause, while a sender holds the lock that both
    need. When it wakes on the sender's core and takes it, both lose that core's whole time slice:
    a step of 4 ms lasts up to 40. On a single core there is no other to wait for.
    """
    if hasattr(os, "SCHED_BATCH") and len(os.sched_getaffinity(0)) > 1:
        with contextlib.suppress(OSError):
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
