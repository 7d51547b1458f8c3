"""``fit`` with checkpoints: whatever ends a run, the next one goes on as if nothing happened."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from ae_lib import training
from tests import interrupted_run
from tests.interrupted_run import names, numbers, same, small, state

STEPS = 36  # of a run in interrupted_run.py: 4 epochs of 9 batches
X = np.random.default_rng(0).random((24, 4), dtype="float32")


class Parts(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = X[6 * index : 6 * index + 6]
        return part, part


def fit(folder, build=small, seed=1, **options):
    """Train the small model: 3 epochs of 4 batches unless told otherwise."""
    training.set_seed(seed)
    model = build()
    options = {"x": X, "epochs": 3, "batch_size": 6, "label": "A", **options}
    if "checkpoints" not in options:
        options["checkpoints"] = training.Checkpoints(folder, every_steps=3)
    return model, training.fit(model, **options)


@pytest.fixture(scope="module")
def whole():
    """The run that nothing interrupted, without checkpoints: its state and its history."""
    model, history = fit(None, checkpoints=None)
    return state(model), history


def matches(run, whole):
    model, history = run
    return history == whole[1] and same(state(model), whole[0])


def cut_at(step, folder, **options):
    """End a run inside a step, without ceremony."""
    left = iter(range(step - 1, -1, -1))
    cut = keras.callbacks.LambdaCallback(on_train_batch_end=lambda k, logs: 1 / next(left))
    with pytest.raises(ZeroDivisionError):
        fit(folder, callbacks=[cut], **options)


# -- killed ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs():
    """Training runs in processes of their own, forked from one that has imported Keras."""
    command = [sys.executable, "-m", interrupted_run.__name__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=Path(__file__).parent.parent, **pipes) as warm:

        def run(folder, model, every, **kill):
            job = {"folder": str(folder), "model": model, "every": every, **kill}
            print(json.dumps(job), file=warm.stdin, flush=True)
            assert int(warm.stdout.readline()) == (-signal.SIGKILL if kill else 0)
            return None if kill else json.loads(Path(f"{folder}.json").read_text())

        yield run


@pytest.fixture(scope="module")
def unharmed(runs, tmp_path_factory):
    """What each model of interrupted_run.py comes to when nothing interrupts it."""
    return cache(lambda model: runs(tmp_path_factory.mktemp(model) / "whole", model, every=1000))


@pytest.mark.backend
@pytest.mark.parametrize("model, every", [("dense", 4), ("sentences", 7)])
def test_killed_at_any_step_a_run_comes_to_the_same_bits(runs, unharmed, tmp_path, model, every):
    folder = tmp_path / "killed"
    step = int(np.random.default_rng(len(model)).integers(every, 2 * every + 4))
    runs(folder, model, every, kill_step=step)
    done = step // every * every
    assert names(folder)[-1] == f"step-{done:08d}.npz"
    if model == "dense":  # and again, inside the second write: its file has no name yet
        runs(folder, model, every, kill_sync=3)
        done += every
        part, *_, newest = names(folder)
        assert re.fullmatch(rf"\.step-{done + every:08d}\.npz\.\w+\.part", part)
        assert newest == f"step-{done:08d}.npz"
    result, line = runs(folder, model, every)
    assert line.startswith(f"A: 4 epochs (resumed at step {done} of {STEPS}) · loss ")
    assert result == unharmed(model)[0]


def test_a_full_disk_ends_fit_says_what_to_do_and_it_goes_on_later(whole, tmp_path, monkeypatch):
    folder = tmp_path / "a"
    kept = {}

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Fill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                kept.update({path: path.read_bytes() for path in folder.iterdir()})
                (folder / ".step-00000002.npz.77.part").write_bytes(b"a killed run's")
                (folder / "notes.txt").write_text("mine")
                monkeypatch.setattr(os, "fsync", full)

    words = r"step 6 could not be written .*No space left.* needs [\d,]+ bytes .*Free some space"
    with pytest.raises(OSError, match=words) as caught:
        fit(folder, callbacks=[Fill()])
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC
    assert str(folder) in str(caught.value)
    assert names(folder) == ["notes.txt", "step-00000003.npz"]
    assert all(path.read_bytes() == raw for path, raw in kept.items())
    assert matches(fit(folder), whole)


# -- stopped and begun again -------------------------------------------------------------


@pytest.mark.backend
def test_checkpoints_change_nothing_and_after_a_cut_the_rest_is_trained(tmp_path):
    """Not the order of the data either, whose batches are those that Keras makes."""
    data = {"x": Parts(), "validation": X[:5]}
    model, history = fit(None, checkpoints=None, **data)
    expected = state(model), history
    assert matches(fit(tmp_path / "whole", **data), expected)
    for folder, step in ((tmp_path / "end", 8), (tmp_path / "inside", 6)):
        every = {"checkpoints": str(folder)} if step == 8 else {}  # a path: at each epoch's end
        cut_at(11, folder, build=lambda: small(name="first"), **data, **every)
        if step == 6:
            assert names(folder) == ["step-00000006.npz", "step-00000009.npz"]
            (folder / "step-00000009.npz").write_bytes(b"damaged")
        else:
            assert names(folder) == ["step-00000004.npz", "step-00000008.npz"]
        heard = []
        hear = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda k, logs, h=heard: h.append(k)
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            run = fit(folder, lambda: small(name="second_1"), callbacks=[hear], **data, **every)
        assert matches(run, expected)
        assert heard == [i % 4 for i in range(step, 12)]
        assert any("step-00000009.npz: skipped" in str(w.message) for w in caught) == (step == 6)


@pytest.mark.backend
def test_a_finished_run_gives_its_history_at_once_or_trains_further(whole, tmp_path, capsys):
    assert matches(fit(tmp_path), whole)
    capsys.readouterr()
    assert matches(fit(tmp_path, callbacks=[keras.callbacks.TerminateOnNaN()]), whole)
    line = capsys.readouterr().out
    assert line == f"A: 3 epochs (finished before) · loss {whole[1]['loss'][-1]:.4f}\n"
    model, history = fit(None, epochs=5, checkpoints=None)
    assert matches(fit(tmp_path, epochs=5), (state(model), history))
    assert "A: 5 epochs (resumed at step 12 of 20)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="epochs: 4, but the run in .* is in epoch 5"):
        fit(tmp_path, epochs=4)


def test_early_stopping_is_a_finish(tmp_path, capsys):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    _, history = fit(tmp_path, callbacks=[Enough()])
    assert len(history["loss"]) == 2
    capsys.readouterr()
    assert fit(tmp_path)[1] == history
    assert capsys.readouterr().out.startswith("A: 2 epochs (finished before)")


@pytest.mark.backend
@pytest.mark.parametrize(
    "number, presses, at, saved",
    [
        ("SIGTERM", 1, 5, "stopped at step 5 of 12"),
        ("SIGINT", 2, 5, "stopped at step 3 of 12"),  # the second did not wait
        ("SIGTERM", 1, 12, "finished before"),
    ],
)
def test_an_interrupt_waits_for_the_batch_saves_and_goes_on(
    whole, tmp_path, capsys, number, presses, at, saved
):
    number, ended, steps = signal.Signals[number], [], iter(range(1, 13))
    usual = signal.signal(number, lambda *_: ended.append(number))  # what comes after fit

    def press(batch, logs):
        if next(steps) == at:
            for _ in range(presses):
                signal.raise_signal(number)

    try:
        options = {"callbacks": [keras.callbacks.LambdaCallback(on_train_batch_begin=press)]}
        fit(tmp_path, **options)
        assert ended == ([signal.SIGTERM] if number == signal.SIGTERM else [])
        signal.raise_signal(number)
        assert ended[-1] == number  # the handler is back
    finally:
        signal.signal(number, usual)
    assert saved in capsys.readouterr().out or at == 12
    assert matches(fit(tmp_path), whole)
    assert saved.replace("stopped", "resumed") in capsys.readouterr().out


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    cut_at(5, folder)
    return folder


RECIPE = "another recipe: .*"


@pytest.mark.parametrize(
    "options, words",
    [
        ({"batch_size": 8}, RECIPE + "batch size was 6, is 8"),
        ({"seed": 2}, RECIPE + "seed was 1, is 2"),
        ({"x": X + np.float32(1e-3)}, RECIPE + "data x was '"),
        ({"y": X[::-1].copy()}, RECIPE + "data y was '"),
        ({"validation": X[:5]}, RECIPE + "validation was None, is"),
        ({"model": {"rate": 2e-2}}, RECIPE + r"optimizer learning_rate was 0.009.*, is 0.0199"),
        ({"model": {"loss": "mae"}}, RECIPE + "loss was 'mse', is 'mae'"),
        ({"model": {"drop": 0.5}}, RECIPE + "model configuration was '"),
        ({"model": {"metrics": ()}}, RECIPE + r"metrics was \['mae'\], is \[\]"),
        (
            {"model": {"units": 5}},
            r"kernel', \[4, 3\], 'float32'\] there and .* \[4, 5\], 'float32'\]",
        ),
    ],
)
def test_another_recipe_is_refused_before_the_model_changes(begun, options, words):
    kept = (begun / "step-00000003.npz").read_bytes()
    options = dict(options)
    model = small(**options.pop("model", {}))
    before = numbers(model.weights)
    with pytest.raises(ValueError, match=f"{words}.*folder of its own"):
        fit(begun, lambda: model, **options)
    assert same(numbers(model.weights), before)
    assert (begun / "step-00000003.npz").read_bytes() == kept


class Shuffled(Parts):
    def on_epoch_end(self):
        pass


class Random(Parts):
    def __getitem__(self, index):
        part = np.random.random((6, 4)).astype("float32")  # noqa: NPY002
        return part, part


class Endless(Parts):
    num_batches = None


def several():
    model = small()
    model.compile("sgd", "mse", steps_per_execution=2)
    return model


@pytest.mark.parametrize(
    "options, words",
    [
        ({"x": Shuffled()}, "Shuffled.on_epoch_end changes the data between epochs"),
        ({"x": Random()}, "Random gives another batch 0 or 3 each time"),
        ({"x": Endless()}, "Endless is empty or endless"),
        ({"build": lambda: small(compiled=False)}, "compile it first"),
        ({"build": several}, "steps_per_execution=1"),
        ({"checkpoints": training.Checkpoints("unused")}, "every_steps=100 or every_minutes=10"),
        ({"epochs": 1}, "was not written by fit"),
    ],
)
def test_what_cannot_be_replayed_is_refused(tmp_path, options, words):
    training.Checkpoints(tmp_path).save(small(), 3)
    with pytest.raises(ValueError, match=words):
        fit(tmp_path, **options)
