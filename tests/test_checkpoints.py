"""Checkpoints: whatever ends a run, the next one goes on as if nothing had happened."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from ae_lib import training
from ae_lib.training import _checkpoints

HERE = Path(__file__).parent
STEPS = 36  # of a run in interrupted_run.py: 4 epochs of 9 batches
X = np.random.default_rng(0).random((24, 4), dtype="float32")


def small(units=3, compiled=True, rate=1e-2, loss="mse", drop=0.2, **options):
    layers = [keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dropout(drop)]
    model = keras.Sequential([*layers, keras.layers.Dense(4)], **options)
    if compiled:
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, metrics=["mae"])
    return model


def numbers(variables):
    return [keras.ops.convert_to_numpy(v).copy() for v in variables]


def state(model):
    return numbers([*model.variables, *model.optimizer.variables])


def same(a, b):
    return len(a) == len(b) and all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True)
    )


def fit(folder, build=small, seed=1, **options):
    """Train the small model: 3 epochs of 4 batches unless told otherwise."""
    training.set_seed(seed)
    model = build()
    options = {"x": X, "epochs": 3, "batch_size": 6, "label": "A", **options}
    if "checkpoints" not in options:
        options["checkpoints"] = training.Checkpoints(folder, every_steps=3)
    return model, training.fit(model, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing interrupted: its state and its history."""
    model, history = fit(tmp_path_factory.mktemp("whole"))
    return state(model), history


def matches(run, whole):
    model, history = run
    return history == whole[1] and same(state(model), whole[0])


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


class Hear(keras.callbacks.Callback):
    """Note the batches."""

    def __init__(self, heard):
        super().__init__()
        self.heard = heard

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append(batch)


class Cut(keras.callbacks.Callback):
    """End a run at a step without ceremony."""

    def __init__(self, step, error=ZeroDivisionError):
        super().__init__()
        self.left, self.error = step, error

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise self.error


def cut_at(step, folder, **options):
    with pytest.raises(ZeroDivisionError):
        fit(folder, callbacks=[Cut(step)], **options)


class Parts(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = X[6 * index : 6 * index + 6]
        return part, part


# -- killed ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs():
    """Start training runs in processes of their own: ``run(…)`` gives result and summary."""
    command = [sys.executable, str(HERE / "interrupted_run.py")]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    pipe = subprocess.PIPE
    warm = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def run(folder, model, every, *, status=0, **kill):
        out = Path(f"{folder}.json")
        job = {"folder": str(folder), "model": model, "every": every, "out": str(out), **kill}
        warm.stdin.write(json.dumps(job) + "\n")
        warm.stdin.flush()
        answer = int(warm.stdout.readline())
        assert answer == status, Path(f"{out}.2").read_text()
        line = Path(f"{out}.1").read_text()
        return (json.loads(out.read_text()), line) if not status else (None, line)

    yield run
    warm.stdin.close()
    warm.wait()


@pytest.fixture(scope="module")
def unharmed(runs, tmp_path_factory):
    """What each model of interrupted_run.py comes to when nothing interrupts it."""

    @cache
    def run(model):
        result, line = runs(tmp_path_factory.mktemp(model) / "whole", model, every=1000)
        assert line.startswith("A: 4 epochs · loss ")
        return result

    return run


KILLED = -signal.SIGKILL


@pytest.mark.backend
@pytest.mark.parametrize(
    "model, every, kills", [("dense", 4, 2), ("batches", 5, 1), ("sentences", 7, 1)]
)
def test_killed_at_any_step_a_run_comes_to_the_same_bits(
    runs, unharmed, tmp_path, model, every, kills
):
    folder, done = tmp_path / "killed", 0
    for step in np.random.default_rng(len(model)).integers(every, 2 * every + 4, kills):
        runs(folder, model, every, kill_step=int(step), status=KILLED)
        done = (done + int(step)) // every * every  # what the checkpoints hold
        assert names(folder)[-1] == f"step-{done:08d}.npz"
    result, line = runs(folder, model, every)
    assert line.startswith(f"A: 4 epochs (resumed at step {done} of {STEPS}) · loss ")
    assert result == unharmed(model)


@pytest.mark.backend
def test_killed_inside_a_write_it_goes_on_from_the_one_before(runs, unharmed, tmp_path):
    folder = tmp_path / "killed"
    runs(folder, "dense", 7, kill_sync=3, status=KILLED)  # the second file, not yet named
    part, old = names(folder)
    assert old == "step-00000007.npz"
    assert re.fullmatch(r"\.step-00000014\.npz\.\w+\.part", part)
    runs(folder, "dense", 7, kill_sync=2, status=KILLED)  # the name not yet forced to disk
    assert names(folder) == ["step-00000007.npz", "step-00000014.npz"]
    result, line = runs(folder, "dense", 7)
    assert "resumed at step 14 of 36" in line
    assert result == unharmed("dense")


# -- the file ----------------------------------------------------------------------------


@pytest.mark.backend
def test_a_checkpoint_holds_the_whole_state(tmp_path):
    training.set_seed(1)
    model = small()
    model.fit(X, X, epochs=2, batch_size=6, verbose=0)
    expected = state(model), numbers(model.metrics_variables)
    assert any("seed_generator" in v.path for v in model.variables)
    checkpoints = training.Checkpoints(tmp_path / "a" / "b")
    path = checkpoints.save(model, 8, note="é", history={"loss": [0.1, float("inf")]})
    assert path == tmp_path / "a" / "b" / "step-00000008.npz"
    draws = keras.ops.convert_to_numpy(keras.random.normal((3,)))

    other = small()
    other.fit(X[:6], X[:6], verbose=0)
    info = training.Checkpoints(tmp_path / "a" / "b").restore(other)
    assert info == {"step": 8, "note": "é", "history": {"loss": [0.1, float("inf")]}}
    assert same(state(other), expected[0])
    assert same(numbers(other.metrics_variables), expected[1])
    if keras.backend.backend() != "jax":  # the generator for random numbers without one
        assert same([keras.ops.convert_to_numpy(keras.random.normal((3,)))], [draws])

    fresh = small()  # its optimizer is not built
    training.Checkpoints(tmp_path / "a" / "b").restore(fresh)
    assert same(state(fresh), expected[0])


@pytest.mark.backend
def test_half_precision_keeps_its_bits(tmp_path):
    layer = keras.layers.Dense(3, dtype="bfloat16")
    model = keras.Sequential([keras.Input((4,)), layer])
    training.Checkpoints(tmp_path).save(model, 1)
    before = numbers(model.weights)
    layer.kernel.assign(keras.ops.zeros_like(layer.kernel))
    assert training.Checkpoints(tmp_path).restore(model) == {"step": 1}
    assert same(numbers(model.weights), before)
    assert before[0].any()


def test_the_newest_stay_and_numpy_reads_them_without_pickle(tmp_path):
    model, checkpoints = small(), training.Checkpoints(tmp_path, keep=3)
    for step in (1, 5, 9, 20, 1_000_000_000):
        checkpoints.save(model, step)
    assert names(tmp_path) == ["step-00000009.npz", "step-00000020.npz", "step-1000000000.npz"]
    assert training.Checkpoints(tmp_path).restore(model)["step"] == 1_000_000_000
    with np.load(tmp_path / "step-00000009.npz", allow_pickle=False) as stored:
        header = json.loads(stored["checkpoint"].tobytes())
        assert header["step"] == 9
        assert header["variables"]["model"][0][1] == [4, 3]
        assert len(header["sha256"]) == 64
    before = state(model)
    assert training.Checkpoints(tmp_path / "none").restore(model) is None
    assert same(state(model), before)


def damage(path, how):
    raw = bytearray(path.read_bytes())
    if how == "empty":
        raw = b""
    elif how == "truncated":
        raw = raw[: len(raw) // 2]
    elif how == "foreign":
        np.savez(path, weights=np.ones(3))
        return
    elif how == "text":
        raw = b"not a checkpoint"
    elif how == "no format":
        with np.load(path) as stored:
            arrays = dict(stored)
        header = json.loads(arrays["checkpoint"].tobytes())
        del header["format"]
        arrays["checkpoint"] = np.frombuffer(json.dumps(header).encode(), "uint8")
        np.savez(path, **arrays)
        return
    elif how == "changed":  # a value, with the zip's own checksum put right
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["model/00000"][0, 0] += 1
        np.savez(path, **arrays)
        return
    path.write_bytes(raw)


@pytest.mark.parametrize("how", ["empty", "truncated", "foreign", "text", "no format", "changed"])
def test_a_damaged_newest_falls_back_with_a_warning(tmp_path, how):
    model, checkpoints = small(), training.Checkpoints(tmp_path)
    checkpoints.save(model, 3)
    expected = state(model)
    model.fit(X, X, verbose=0)
    damage(checkpoints.save(model, 6), how)
    with pytest.warns(RuntimeWarning, match=r"step-00000006\.npz: skipped, "):
        assert training.Checkpoints(tmp_path).restore(model) == {"step": 3}
    assert same(state(model), expected)


def test_a_flipped_bit_anywhere_is_found_or_does_no_harm(tmp_path):
    model, checkpoints = small(), training.Checkpoints(tmp_path)
    path = checkpoints.save(model, 3, note="x" * 50)
    whole, expected, found = path.read_bytes(), state(model), 0
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 100):
        raw = bytearray(whole)
        raw[place] ^= 1 << rng.integers(8)
        path.write_bytes(raw)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            info = training.Checkpoints(tmp_path).restore(model)
        found += bool(caught)
        assert (info is None) == bool(caught)
        if info is not None:
            assert info == {"step": 3, "note": "x" * 50}
            assert same(state(model), expected)
    assert found > 50
    body = bytearray(whole)
    body[whole.index(numbers(model.weights)[0].tobytes()) + 2] ^= 1
    path.write_bytes(body)
    with pytest.warns(RuntimeWarning, match="skipped"):
        assert training.Checkpoints(tmp_path).restore(model) is None


def test_a_format_of_tomorrow_or_another_name_is_skipped(tmp_path):
    checkpoints = training.Checkpoints(tmp_path)
    path = checkpoints.save(small(), 3)
    path.rename(tmp_path / "step-00000009.npz")
    with pytest.warns(RuntimeWarning, match="it is of step 3: renamed"):
        assert training.Checkpoints(tmp_path).restore(small()) is None
    with np.load(tmp_path / "step-00000009.npz") as stored:
        arrays = dict(stored)
    header = json.loads(arrays["checkpoint"].tobytes())
    text = json.dumps({**header, "format": 99}).encode()
    np.savez(path, **{**arrays, "checkpoint": np.frombuffer(text, "uint8")})
    (tmp_path / "step-00000009.npz").unlink()
    with pytest.warns(RuntimeWarning, match="its format is 99, this library's is 2"):
        assert training.Checkpoints(tmp_path).restore(small()) is None


def test_damaged_files_do_not_push_out_whole_ones(tmp_path):
    model = small()
    for step in (3, 6, 9):
        training.Checkpoints(tmp_path, keep=9).save(model, step)
    for step in (6, 9):
        damage(tmp_path / f"step-0000000{step}.npz", "truncated")
    checkpoints = training.Checkpoints(tmp_path, keep=2)
    with pytest.warns(RuntimeWarning):
        assert checkpoints.restore(model)["step"] == 3
    checkpoints.save(model, 6)
    with pytest.warns(RuntimeWarning, match="step-00000009"):
        assert training.Checkpoints(tmp_path).restore(model)["step"] == 6
    checkpoints.save(model, 12)
    assert names(tmp_path) == ["step-00000006.npz", "step-00000012.npz"]


def test_a_folder_with_a_later_step_is_refused(tmp_path):
    training.Checkpoints(tmp_path).save(small(), 9)
    with pytest.raises(ValueError, match="already holds step-00000009.npz: restore that first"):
        training.Checkpoints(tmp_path).save(small(), 3)


@pytest.mark.backend
@pytest.mark.parametrize(
    "other, words",
    [
        ({"units": 5}, r"model variables .* dense\w*/kernel \(4, 3\) .* dense\w*/kernel \(4, 5\)"),
        ({"compiled": False}, r"optimizer variables and the 0 here"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(tmp_path, other, words):
    training.Checkpoints(tmp_path).save(small(), 3)
    model = small(**other)
    before = numbers(model.variables)
    with pytest.raises(ValueError, match=words):
        training.Checkpoints(tmp_path).restore(model)
    assert same(numbers(model.variables), before)


# -- the disk ----------------------------------------------------------------------------


def full(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_ends_fit_says_what_to_do_and_it_goes_on_later(whole, tmp_path, monkeypatch):
    folder = tmp_path / "a"
    kept = {}

    class Fill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                kept.update({path: path.read_bytes() for path in folder.iterdir()})
                (folder / ".step-00000002.npz.77.part").write_bytes(b"a killed run's")
                (folder / "notes.txt").write_text("mine")
                monkeypatch.setattr(os, "fsync", full)

    words = r"step 6 could not be written .*No space left.* needs [\d,]+ bytes .*Make room"
    with pytest.raises(OSError, match=words) as caught:
        fit(folder, callbacks=[Fill()])
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert str(folder) in str(caught.value)
    assert names(folder) == ["notes.txt", "step-00000003.npz"]
    assert all(path.read_bytes() == raw for path, raw in kept.items())
    assert matches(fit(folder), whole)


def test_a_write_that_the_system_cuts_short(tmp_path):
    """A limit on a file's size: the write stops half way, as on a full disk."""
    model, checkpoints = small(), training.Checkpoints(tmp_path)
    size = checkpoints.save(model, 3).stat().st_size
    usual = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
        with pytest.raises(OSError, match=rf"needs {size:,} bytes") as caught:
            checkpoints.save(model, 6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, usual)
    assert caught.value.errno == errno.EFBIG
    assert names(tmp_path) == ["step-00000003.npz"]
    assert training.Checkpoints(tmp_path).restore(model)["step"] == 3
    checkpoints.save(model, 6)
    assert names(tmp_path) == ["step-00000003.npz", "step-00000006.npz"]


def test_a_disk_that_loses_bytes_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"something else")
    with pytest.raises(OSError, match="reads back differently"):
        training.Checkpoints(tmp_path).save(small(), 6)
    assert names(tmp_path) == []


# -- when --------------------------------------------------------------------------------


def test_steps_and_minutes_are_counted(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(_checkpoints, "time", SimpleNamespace(monotonic=lambda: now[0]))
    every = training.Checkpoints(tmp_path, every_minutes=2)
    assert not every.due(1)  # the first question starts the clock
    now[0] += 119
    assert not every.due(2)
    now[0] += 1
    assert every.due(3)
    every.save(small(), 4)
    assert not every.due(5)
    threes = training.Checkpoints(tmp_path, every_steps=3)
    assert [step for step in range(1, 8) if threes.due(step)] == [3, 6]
    both = training.Checkpoints(tmp_path, every_steps=5, every_minutes=1)
    assert [both.due(1), both.due(5)] == [False, True]


def test_a_path_alone_saves_at_each_epochs_end(tmp_path):
    cut_at(11, tmp_path, checkpoints=str(tmp_path))
    assert names(tmp_path) == ["step-00000004.npz", "step-00000008.npz"]
    _, history = fit(tmp_path, checkpoints=tmp_path)
    assert len(history["loss"]) == 3
    assert names(tmp_path) == ["step-00000008.npz", "step-00000012.npz"]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"every_steps": 0}, "every_steps: expected at least 1"),
        ({"every_steps": 1.5}, "every_steps: expected a whole number"),
        ({"every_minutes": 0}, "every_minutes: expected more than 0"),
        ({"every_minutes": float("nan")}, "every_minutes: expected more than 0"),
        ({"every_minutes": "5"}, "every_minutes: expected a number, got '5'"),
        ({"keep": 0}, "keep: expected at least 1"),
    ],
)
def test_bad_settings_are_named(tmp_path, options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        training.Checkpoints(tmp_path, **options)


@pytest.mark.parametrize(
    "step, info, error, words",
    [
        (-1, {}, ValueError, "step: expected at least 0"),
        (1.5, {}, TypeError, "step: expected a whole number"),
        (1, {"note": {1, 2}}, TypeError, "info: expected what JSON can hold"),
    ],
)
def test_bad_saves_are_named(tmp_path, step, info, error, words):
    with pytest.raises(error, match=words):
        training.Checkpoints(tmp_path).save(small(), step, **info)
    with pytest.raises(ValueError, match="not built"):
        training.Checkpoints(tmp_path).save(keras.Sequential([keras.layers.Dense(1)]), 1)
    assert not list(tmp_path.iterdir())


# -- fit ---------------------------------------------------------------------------------


@pytest.mark.backend
@pytest.mark.parametrize("x", [X, Parts()])
def test_checkpoints_change_nothing(tmp_path, x):
    """Not the order of the data either, whose batches are those that Keras makes."""
    model, history = fit(tmp_path, x=x, validation=X[:5], checkpoints=None)
    assert matches(fit(tmp_path, x=x, validation=X[:5]), (state(model), history))


@pytest.mark.backend
def test_cut_off_at_an_epochs_end_or_inside_it_callbacks_hear_of_the_rest(tmp_path):
    whole, history = fit(tmp_path / "whole", x=Parts(), validation=X[:5])
    for step in (4, 6):
        folder, heard = tmp_path / str(step), []
        every = training.Checkpoints(folder, every_steps=2)
        cut_at(step + 1, folder, checkpoints=every, x=Parts(), validation=X[:5])
        assert names(folder)[-1] == f"step-{step:08d}.npz"
        run = fit(folder, x=Parts(), validation=X[:5], callbacks=[Hear(heard)])
        assert matches(run, (state(whole), history))
        assert heard == [i % 4 for i in range(step, 12)]


@pytest.mark.backend
def test_a_finished_run_gives_its_history_at_once(tmp_path, capsys):
    first, history = fit(tmp_path)
    capsys.readouterr()
    model, again = fit(tmp_path, callbacks=[Cut(1)])
    assert again == history
    assert same(state(model), state(first))
    line = capsys.readouterr().out
    assert line == f"A: 3 epochs (finished before) · loss {history['loss'][-1]:.4f}\n"


@pytest.mark.backend
def test_more_epochs_train_further_fewer_are_refused(tmp_path, capsys):
    model, history = fit(tmp_path / "five", epochs=5)
    fit(tmp_path / "a")
    assert matches(fit(tmp_path / "a", epochs=5), (state(model), history))
    assert "A: 5 epochs (resumed at step 12 of 20)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="epochs: 4, but the run in .* has trained 5"):
        fit(tmp_path / "a", epochs=4)


@pytest.mark.backend
@pytest.mark.parametrize("number, presses", [("SIGINT", 1), ("SIGINT", 2), ("SIGTERM", 1)])
def test_an_interrupt_waits_for_the_batch_saves_and_goes_on(
    whole, tmp_path, capsys, number, presses
):
    number, ended = signal.Signals[number], []
    usual = signal.signal(number, lambda *_: ended.append(number))  # what comes after fit

    class Press(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_begin(self, batch, logs=None):
            self.steps += 1
            if self.steps == 5:
                for _ in range(presses):
                    signal.raise_signal(number)

    try:
        _, history = fit(tmp_path / "a", callbacks=[Press()])
        assert ended == ([signal.SIGTERM] if number == signal.SIGTERM else [])
        signal.raise_signal(number)
        assert ended[-1] == number  # the handler is back
    finally:
        signal.signal(number, usual)
    assert len(history["loss"]) == 1
    stopped = 6 - presses  # the second press did not wait for the fifth step
    assert capsys.readouterr().out.startswith(f"A: 1 epochs (stopped at step {stopped} of 12)")
    assert names(tmp_path / "a")[-1] == f"step-{stopped:08d}.npz"
    assert matches(fit(tmp_path / "a"), whole)
    assert f"resumed at step {stopped} of 12" in capsys.readouterr().out


def test_an_interrupt_inside_a_step_leaves_the_checkpoint_before(whole, tmp_path, capsys):
    fit(tmp_path / "a", callbacks=[Cut(5, KeyboardInterrupt)])
    assert names(tmp_path / "a") == ["step-00000003.npz"]
    assert capsys.readouterr().out.startswith("A: 1 epochs (stopped at step 3 of 12) · loss")
    assert matches(fit(tmp_path / "a"), whole)


@pytest.mark.backend
def test_interrupted_after_the_last_step_it_is_finished(whole, tmp_path, capsys):
    class Stop(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            raise KeyboardInterrupt

    fit(tmp_path / "a", callbacks=[Stop()])
    assert "stopped at step 12 of 12" in capsys.readouterr().out
    assert matches(fit(tmp_path / "a"), whole)
    assert "finished before" in capsys.readouterr().out


def test_a_damaged_newest_costs_one_interval_not_the_run(whole, tmp_path):
    cut_at(11, tmp_path / "a")
    assert names(tmp_path / "a") == ["step-00000006.npz", "step-00000009.npz"]
    damage(tmp_path / "a" / "step-00000009.npz", "truncated")
    with pytest.warns(RuntimeWarning, match="step-00000009.npz: skipped"):
        assert matches(fit(tmp_path / "a"), whole)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    cut_at(5, folder)
    return folder


@pytest.mark.parametrize(
    "options, words",
    [
        ({"batch_size": 8}, "batch size was 6, is 8"),
        ({"seed": 2}, "seed was 1, is 2"),
        ({"x": X[:-1]}, "data x was '"),
        ({"x": X + np.float32(1e-3)}, "data x was '"),
        ({"y": X[::-1].copy()}, "data y was '"),
        ({"validation": X[:5]}, "validation was None, is"),
        ({"x": Parts()}, "batch size was 6, is None"),
        ({"model": {"rate": 2e-2}}, r"optimizer learning_rate was 0.0099.*, is 0.0199"),
        ({"model": {"loss": "mae"}}, "loss was 'mse', is 'mae'"),
        ({"model": {"drop": 0.5}}, "model configuration was '"),
    ],
)
def test_another_recipe_is_refused_before_the_model_changes(begun, options, words):
    kept = (begun / "step-00000003.npz").read_bytes()
    options = dict(options)
    model = small(**options.pop("model", {}))
    before = numbers(model.weights)
    with pytest.raises(ValueError, match=f"another recipe: .*{words}.*folder of its own"):
        fit(begun, lambda: model, **options)
    assert same(numbers(model.weights), before)
    assert (begun / "step-00000003.npz").read_bytes() == kept


def test_fit_says_how_another_model_differs(begun):
    with pytest.raises(ValueError, match=r"kernel \(4, 3\) float32 there and .* \(4, 5\) float32"):
        fit(begun, lambda: small(units=5))


def test_a_model_of_another_name_goes_on(whole, tmp_path):
    cut_at(5, tmp_path, build=lambda: small(name="first"))
    assert matches(fit(tmp_path, lambda: small(name="second_1")), whole)


def test_a_checkpoint_by_hand_is_not_taken_for_a_run(tmp_path):
    training.Checkpoints(tmp_path).save(small(), 3)
    with pytest.raises(ValueError, match="was not written by fit"):
        fit(tmp_path)


class Shuffled(Parts):
    def on_epoch_end(self):
        pass


class Random(Parts):
    def __getitem__(self, index):
        part = np.random.random((6, 4)).astype("float32")  # noqa: NPY002
        return part, part


class Endless(Parts):
    num_batches = None


@pytest.mark.parametrize(
    "options, words",
    [
        ({"checkpoints": "no cadence"}, "every_steps=100 or every_minutes=10"),
        ({"x": Shuffled()}, "Shuffled.on_epoch_end changes the data between epochs"),
        ({"x": Random()}, "Random gives another batch 0 or 3 each time"),
        ({"x": Endless()}, "Endless is endless"),
        ({"model": "not compiled"}, "compile it first"),
        ({"model": "several steps"}, "steps_per_execution=1"),
    ],
)
def test_what_cannot_be_replayed_is_refused(tmp_path, options, words):
    options = dict(options)
    if "checkpoints" in options:
        options["checkpoints"] = training.Checkpoints(tmp_path)
    model = small(compiled=options.get("model") != "not compiled")
    if options.pop("model", "") == "several steps":
        model.compile("sgd", "mse", steps_per_execution=2)
    with pytest.raises(Exception, match=words):
        fit(tmp_path, lambda: model, **options)


def test_early_stopping_is_a_finish(tmp_path, capsys):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    _, history = fit(tmp_path, callbacks=[Enough()])
    assert len(history["loss"]) == 2
    capsys.readouterr()
    assert fit(tmp_path)[1] == history
    assert capsys.readouterr().out.startswith("A: 2 epochs (finished before)")
