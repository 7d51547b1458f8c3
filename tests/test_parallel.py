"""Several processes learn what one learns, and none outlives the others."""

import contextlib
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from ae_lib.training import parallel
from ae_lib.training._parallel_meet import PORT_TAKEN, Failure, free_port
from ae_lib.training._parallel_task import Task
from tests.test_parallel_watch import GUARD, listens

CPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


class Run:
    """A command in a group of its own, which is dead when the ``with`` ends."""

    def __init__(self, *options, **environment):
        command = [sys.executable, "-m", "ae_lib.training.parallel", *map(str, options)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf8",
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill_all()
        self.reader.join()
        self.process.stdin.close()

    def kill_all(self):
        if self.left(0):  # an empty group's number may be another's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait_for(self, condition):
        end = time.monotonic() + GUARD
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill_all()
                self.reader.join()
                pytest.fail("it ended or hangs; it said:\n" + "".join(self.lines))
            time.sleep(0.02)

    def end(self):
        """``(exit status, output)``; fails if it hangs or leaves a process behind."""
        try:
            self.process.wait(GUARD)
        except subprocess.TimeoutExpired:
            self.kill_all()
        left = self.left()
        self.kill_all()
        self.reader.join()
        assert not left, f"left behind: {left}; it said:\n" + "".join(self.lines)
        return self.process.returncode, "".join(self.lines)

    def left(self, seconds=10):
        """Processes of its group that still run a little after its end."""
        end = time.monotonic() + seconds
        while True:
            left = [p for p in psutil.process_iter() if _group(p) == self.process.pid]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.1)

    def trainer(self, index):
        """The process that trains, of worker ``index``."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            above = process.parent().cmdline()
            if process.cmdline()[-2:] == ["--index", str(index)] and above == process.cmdline():
                return process.pid
        return None


def _group(process):
    """The group of a process that runs: in its own session, so nobody else's."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE or os.getsid(process.pid) == os.getsid(0):
            return None
        return os.getpgid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None


def options(engine, *more):
    return ("--engine", engine, "--batch", 40, "--hidden", 16, "--every", 4, *more)


def losses(folder, engine, *more):
    """Those of a run that succeeds, and what it said."""
    path = folder / f"{'-'.join(map(str, more[:2]))}.json"
    with Run(*options(engine, "--json", path, *more)) as run:
        status, said = run.end()
    assert status == 0, said
    record = json.loads(path.read_text())
    return record["losses"], said


def side_by_side(*runs):
    """The same of several runs at a time."""
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(lambda run: losses(*run), runs))


def last_step(folder):
    return max((int(file.stem[5:]) for file in folder.glob("step-*.npz")), default=0)


def message(killed, folder, how=""):
    host, last = re.escape(socket.gethostname()), last_step(folder)
    return (
        rf"parallel: worker {killed} of 2 on host {host} stopped answering at step \d+{how}; "
        rf"the others were stopped; start again with the same command to go on from step {last}\n"
    )


def test_jax_one_of_two_hosts_dies(tmp_path):
    """By hand, as on two hosts; then all again, once interrupted and once not."""
    folder = tmp_path / "kept"
    common = options("jax", "--folder", folder, "--steps", 10**6)
    where = ("--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2)
    runs = (Run(*where, "--index", i, *common, **CPU) for i in (0, 1))
    with next(runs) as first, next(runs) as other:
        first.wait_for(lambda: last_step(folder))
        other.process.kill()
        status, said = first.end()
        other.end()  # what trained below it is gone with it
    assert status == 1
    assert re.search(message(1, folder), said), said

    steps = last_step(folder) + 10
    resumed, said = losses(tmp_path, "jax", "--workers", 2, "--folder", folder, "--steps", steps)
    assert f"going on from step {steps - 10}\n" in said
    (whole, _), (one, _) = side_by_side(
        (tmp_path, "jax", "--workers", 2, "--steps", steps),
        (tmp_path, "jax", "--workers", 1, "--steps", steps),
    )
    assert len(whole) == steps
    assert resumed == whole  # to the last bit
    np.testing.assert_allclose(whole, one, rtol=1e-5)
    assert one[-1] < 0.95 * one[0]


def test_tensorflow_one_of_two_workers_dies(tmp_path):
    """From the launcher; the one that dies is the process that trains."""
    folder = tmp_path / "kept"
    many = options("tensorflow", "--workers", 2, "--folder", folder, "--steps", 10**6)
    with Run(*many) as run:
        run.wait_for(lambda: last_step(folder))
        os.kill(run.trainer(1), signal.SIGKILL)
        status, said = run.end()
    assert status == 1
    assert said.count("parallel: ") == 1  # once, not by each survivor
    assert re.search(message(1, folder, r" \(killed by SIGKILL\)"), said), said

    steps = last_step(folder) + 10
    (resumed, said), (one, _) = side_by_side(
        (tmp_path, "tensorflow", "--workers", 2, "--steps", steps, "--folder", folder),
        (tmp_path, "tensorflow", "--workers", 1, "--steps", steps),
    )
    assert f"going on from step {steps - 10}\n" in said
    assert len(resumed) == steps
    np.testing.assert_allclose(resumed, one, rtol=1e-5)
    assert one[-1] < 0.95 * one[0]


def test_a_worker_ends_with_its_launcher():
    where = f"127.0.0.1:{free_port()}"
    alone = ("--coordinator", where, "--processes", 2, "--index", 0)
    with Run(*alone, **{parallel.LEASH: "1"}) as run:
        run.wait_for(lambda: listens(where))
        run.process.stdin.close()
        assert run.end() == (1, "")  # at once, not for want of a second worker


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="only Linux has these classes")
@pytest.mark.parametrize("cores", [1, 2])
def test_threads_that_wake_wait_where_there_is_another_core(cores):
    program = (
        "import os; from ae_lib.training import parallel; "
        f"os.sched_getaffinity = lambda who: set(range({cores})); "
        "os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0)); "
        "parallel._let_senders_finish(); print(os.sched_getscheduler(0) == os.SCHED_BATCH)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == f"{cores > 1}\n"


# What cannot be


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "give --workers N, or --coordinator, --processes and --index"),
        ("--workers 2 --index 0", "leave out --coordinator"),
        ("--workers 0", "workers: expected a whole number of at least 1, got 0"),
        ("--workers two", "invalid int value: 'two'; --help shows the options"),
        (
            "--workers 2 --batch 65",
            "batch: 65 images do not divide among 2 workers; take 64 or 66",
        ),
        ("--workers 4 --batch 3", "batch: 3 images do not divide among 4 workers; take 4"),
        ("--workers 1 --batch 10001", "batch: at most the 10000 images"),
        (
            "--workers 2 --patience 3601",
            "patience: expected more than 0 and at most 3600 seconds, got 3601.0",
        ),
        ("--workers 2 --stall 0", "stall: expected more than 0 and at most 3600 seconds, got 0.0"),
        ("--workers 2 --every 0", "every, hidden: expected whole numbers of at least 1"),
        ("--coordinator a:1 --processes 2 --index 2", "index: expected 0…1 with --processes 2"),
        ("--coordinator a --processes 2 --index 1", "coordinator: expected host:port, got 'a'"),
        (
            "--coordinator nowhere.invalid:9 --processes 2 --index 1",
            "coordinator: no host is called 'nowhere.invalid'",
        ),
    ],
)
def test_an_option_that_cannot_be(line, words, capsys):
    assert parallel.main(line.split()) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("parallel: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("engine", parallel.ENGINES)
def test_engine_not_installed(engine, capsys, monkeypatch):
    find = parallel.importlib.util.find_spec
    monkeypatch.setattr(
        parallel.importlib.util, "find_spec", lambda name: None if name == engine else find(name)
    )
    alone = f"--coordinator 127.0.0.1:{free_port()} --processes 2 --index 1 --patience 0.5"
    assert parallel.main([*alone.split(), "--engine", engine]) == 2
    assert f"engine: {engine} is not installed" in capsys.readouterr().err


@pytest.fixture
def taken():
    """A port of this machine that someone listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_port_taken(taken, capsys):
    line = f"--coordinator 127.0.0.1:{taken} --processes 2 --index 0"
    assert parallel.main(line.split()) == PORT_TAKEN
    assert (
        f"worker 0 cannot listen on 127.0.0.1:{taken}: Address already" in capsys.readouterr().err
    )


def test_launcher_tries_another_port(taken, monkeypatch, capsys):
    """The second is free: its workers wait for one more, which the launcher does not start."""
    ports, wait = [taken, free_port()], ["--processes", "3", "--batch", "60", "--patience", "2"]
    monkeypatch.setattr(parallel, "free_port", lambda: ports.pop(0))
    monkeypatch.setattr(parallel, "_passed_on", lambda options: wait)
    assert parallel.main(["--workers", "2"]) == 1
    assert ports == []
    said = capsys.readouterr().err
    assert said == (
        "parallel: worker 2 of 3 did not come within 2 s: start it with --index 2 and else the "
        "same options\n"
    )


SMI = """#!/bin/sh
echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"
echo "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)"
"""


@pytest.mark.parametrize(
    ("workers", "variables", "expected"),
    [
        (1, {}, [{}]),
        (2, {}, [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]),
        (3, {}, [CPU] * 3),
        (2, {"CUDA_VISIBLE_DEVICES": "5"}, [CPU] * 2),
        (
            2,
            {"CUDA_VISIBLE_DEVICES": "3,5"},
            [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}],
        ),
        (2, {"CUDA_VISIBLE_DEVICES": "-1"}, [{}] * 2),
        (2, {"CUDA_VISIBLE_DEVICES": "3,-1,5"}, [CPU] * 2),  # CUDA reads no further than -1
        (2, {"JAX_PLATFORMS": "cpu"}, [{}] * 2),
    ],
)
def test_each_worker_has_a_gpu_of_its_own_or_none_has(
    tmp_path, monkeypatch, capsys, workers, variables, expected
):
    asks = tmp_path / "nvidia-smi"
    asks.write_text(SMI)
    asks.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in CPU:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert parallel._devices(workers) == expected
    assert ("all train on the CPU" in capsys.readouterr().out) == (CPU in expected)


def test_without_a_gpu_nothing_is_said_of_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    for name in CPU:
        monkeypatch.delenv(name, raising=False)
    assert parallel._devices(2) == [{}, {}]
    assert capsys.readouterr().out == ""


def test_the_worker_below_gets_the_options_not_the_command_line(monkeypatch):
    """``main([…])`` may be called from Python."""
    started = []

    class Started(Exception):
        pass

    def start(command, **options):
        started.append(command)
        raise Started

    line = f"--coordinator 127.0.0.1:{free_port()} --processes 1 --index 0 --steps 7"
    monkeypatch.setattr(sys, "argv", ["pytest", "x", "y"])
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(Started):
        parallel.main(line.split())
    (command,) = started
    assert command[:3] == [sys.executable, "-m", "ae_lib.training.parallel"]
    options, given = parallel._options(command[3:]), parallel._options(line.split())
    assert options == given


def test_nobody_answers(capsys):
    address = f"127.0.0.1:{free_port()}"
    line = f"--coordinator {address} --processes 2 --index 1 --patience 0.5"
    assert parallel.main(line.split()) == 1
    assert f"nobody answers on {address} for 0.5 s" in capsys.readouterr().err


def test_nobody_comes(capsys):
    line = f"--coordinator 127.0.0.1:{free_port()} --processes 4 --index 0 --patience 0.5"
    assert parallel.main(line.split()) == 1
    assert "worker 1 of 4 did not come within 0.5 s: start it with" in capsys.readouterr().err


def test_folder_of_another_run(tmp_path):
    class Saved:
        info = {"run": {"batch": 32}}
        step = 40

    task = Task("jax", 100, 64, 0, (8,), tmp_path, 20, writes=True)
    task._checkpoints.newest = lambda: Saved
    with pytest.raises(
        Failure, match="holds another run, {'batch': 32}; this is {'engine': 'jax'"
    ):
        task.newest()


# The task


def test_shares_make_up_the_batch_and_epochs_the_images():
    task = Task("jax", 100, 2500, 3, (8,), None, 20, writes=True)
    whole = task.rows(1)
    assert whole.shape == (2500, 28, 28) and whole.dtype == np.float32
    parts = [task.rows(1, index, 5) for index in range(5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    epoch = np.concatenate([task.rows(step) for step in range(4)])
    images = task._x
    assert sorted(map(bytes, epoch)) == sorted(map(bytes, images))
    assert (task.rows(5) != whole).any()  # the next epoch has another order
    again = Task("jax", 100, 2500, 3, (8,), None, 20, writes=True)
    again._x = images
    np.testing.assert_array_equal(again.rows(1), whole)  # whatever was asked for before
    other = Task("jax", 100, 2500, 4, (8,), None, 20, writes=True)
    other._x = images
    assert (other.rows(1) != whole).any()


def test_a_loss_that_is_no_number_stops_all():
    task = Task("jax", 100, 64, 0, (8,), None, 20, writes=True, tell=lambda message: None)
    task._since = 0.0
    with pytest.raises(Failure, match="the loss became nan in step 3"):
        task.report(None, 3, float("nan"))


@pytest.mark.parametrize("train", [parallel.train_with_jax, parallel.train_with_tensorflow])
def test_the_heart_fits_on_a_page(train):
    assert len(inspect.getsource(train).splitlines()) <= 25
