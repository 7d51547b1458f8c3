"""Several processes learn what one learns, and none outlives the others."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from ae_lib.training import parallel
from ae_lib.training._checkpoints import Saved
from ae_lib.training._parallel_task import Failure, Task

CPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
GUARD = 240  # seconds after which a run hangs: a guard for the suite, no claim about speed


def start(*options):
    command = [sys.executable, "-m", "ae_lib.training.parallel", "--batch", 40, "--hidden", 16]
    process = subprocess.Popen(
        [*map(str, command), "--every", "4", *map(str, options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf8",
        env={**os.environ, **CPU},
    )
    process.guard = threading.Timer(GUARD, process.kill)
    process.guard.start()
    return process


def read(process, until=None):
    """What it says, to its end or to the first line that has ``until`` in it."""
    said = ""
    for line in process.stdout:
        said += line
        if until and until in line:
            return said
    process.guard.cancel()
    process.wait()
    assert not until, said
    return said


def checkpoints(folder):
    return sorted(folder.glob("step-*.npz"))


def last_step(folder):
    return max((int(path.stem[5:]) for path in checkpoints(folder)), default=0)


def train_a_little(process, folder):
    """Wait for 20 steps of very many."""
    while process.poll() is None and last_step(folder) < 20:
        time.sleep(0.02)


def losses(folder, *options):
    """Those of a run that succeeds, and what it said."""
    process = start("--json", folder / "losses.json", *options)
    said = read(process)
    assert process.returncode == 0, said
    return json.loads((folder / "losses.json").read_text())["losses"], said


def ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of two workers, of which one was killed; the other was stopped."""
    folder = tmp_path_factory.mktemp("killed")
    process = start("--workers", 2, "--folder", folder, "--steps", 100_000)
    said = read(process, until="worker 1 is process")
    pids = [int(pid) for pid in re.findall(r"^worker \d is process (\d+)$", said, re.M)]
    train_a_little(process, folder)
    os.kill(pids[1], signal.SIGKILL)
    said = read(process)
    assert process.returncode == 1
    assert said.endswith(
        "parallel: worker 1 of 2 was ended by SIGKILL; the others were stopped; run the same "
        f"command again, it goes on from step {last_step(folder)}\n"
    )
    assert all(map(ended, pids))
    return folder


def test_after_a_kill_resumed_to_the_bit_and_the_same_as_one(killed, tmp_path):
    """The last steps before the kill are taken again, from the checkpoint before them."""
    newest = checkpoints(killed)[-1]
    end = Saved(newest)
    newest.unlink()
    steps = ("--steps", end.step)
    resumed, said = losses(tmp_path, "--workers", 2, "--folder", killed, *steps)
    assert f"going on from step {end.step - 4}\n" in said
    assert resumed == end.info["losses"]  # to the last bit
    assert len(resumed) == end.step
    again = Saved(newest).arrays
    for name in end.arrays.keys() - {name for name in again if name.startswith("metrics")}:
        assert end.arrays[name].tobytes() == again[name].tobytes(), name
    one, _ = losses(tmp_path, "--workers", 1, *steps)
    np.testing.assert_allclose(resumed[:40], one[:40], rtol=1e-5)  # roundings add up later
    np.testing.assert_allclose(resumed, one, rtol=1e-3)
    assert one[-1] < one[0]


def test_by_hand_the_one_that_is_left_stops(tmp_path, monkeypatch):
    """Also where JAX keeps what it compiles: it then waited for the lost one for ever."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    losses(tmp_path, "--workers", 2, "--steps", 1)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    common = ("--coordinator", address, "--processes", 2, "--steps", 100_000, "--folder", tmp_path)
    first, other = (start(*common, "--index", i) for i in range(2))
    train_a_little(first, tmp_path)
    other.kill()
    said = read(first)
    assert first.returncode not in (0, -signal.SIGKILL)  # that would be the guard
    assert "parallel: worker 0 of 2 stopped at step" in said
    assert f"it goes on from step {last_step(tmp_path)}\n" in said
    read(other)


def test_workers_end_with_their_launcher():
    process = start("--workers", 2, "--steps", 1_000_000)
    said = read(process, until="worker 1 is process")
    process.kill()
    read(process)  # the pipe ends when nobody holds it any more
    assert len(re.findall("is process", said)) == 2


# What cannot be


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "give --workers N, or --cluster, or --coordinator"),
        ("--cluster --workers 2", "one of the three"),
        ("--coordinator a:1 --index 0", "one of the three"),
        ("--workers 0", "workers: expected a whole number of at least 1, got 0"),
        ("--workers two", "invalid int value: 'two'; --help shows the options"),
        ("--workers 2 --batch 65", "batch: expected a multiple of the 2 workers"),
        ("--workers 1 --batch 10001", "at most 10000; got 10001"),
        ("--workers 2 --every 0", "every: expected a whole number of at least 1, got 0"),
        ("--workers 2 --hidden 8 0", "hidden: expected whole numbers of at least 1, got [8, 0]"),
        ("--coordinator a:1 --processes 2 --index 2", "index: expected 0…1 with --processes 2"),
        ("--coordinator a --processes 2 --index 1", "coordinator: expected host:port, got 'a'"),
        ("--workers 2 --json .", "json: expected a file, but . is a folder"),
        ("--workers 2 --json nowhere/x.json", "json: there is no folder"),
        (f"--workers 2 --folder {__file__}", "folder: expected a folder, but"),
    ],
)
def test_an_option_that_cannot_be(line, words, capsys):
    assert parallel.main(line.split()) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith("parallel: ")
    assert said.count("\n") == 1


def task(batch=64, seed=0, folder=None):
    line = f"--workers 1 --batch {batch} --seed {seed} --hidden 8"
    options = parallel._options(line.split() + (["--folder", str(folder)] if folder else []))
    return Task(options)


def test_folder_of_another_run(tmp_path):
    own = task(folder=tmp_path)
    own._checkpoints.newest = lambda: SimpleNamespace(info={"run": {"batch": 32}}, step=40)
    with pytest.raises(Failure, match="holds another run, {'batch': 32}; this is {'batch': 64"):
        own.newest()


def test_each_worker_has_a_gpu_of_its_own_or_none_has(monkeypatch, capsys):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    for listed, expected in (
        ("3,5", [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}]),
        ("3,-1,5", [CPU] * 2),  # CUDA reads no further than -1
        ("-1", [{}] * 2),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
        assert parallel._devices(2) == expected
    assert capsys.readouterr().out == "2 workers, 1 GPU: all train on the CPU\n"


# The task


def test_shares_make_up_the_batch_and_epochs_the_images():
    own = task(batch=2500, seed=3)
    whole = own.rows(1)
    assert whole.shape == (2500, 28, 28) and whole.dtype == np.float32
    epoch = np.concatenate([own.rows(step) for step in range(4)])
    assert sorted(map(bytes, epoch)) == sorted(map(bytes, own._x))
    assert (own.rows(5) != whole).any()  # the next epoch has another order
    own.processes, parts = 5, []
    for own.index in range(5):
        parts.append(own.rows(1))
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (task(batch=2500, seed=4).rows(1) != whole).any()


def test_a_loss_that_is_no_number_stops_all():
    own = task()
    own._since = 0.0
    with pytest.raises(Failure, match="the loss became nan in step 3"):
        own.report(None, 3, float("nan"))
