"""Training: repeatable, quiet, stoppable, and clear about what went wrong."""

import math
import re

import keras
import numpy as np
import pytest

from ae_lib import models, training
from ae_lib.training import _fit

rng = np.random.default_rng(0)
X = rng.random((96, 4, 3), dtype="float32")


def small_model(**options):
    model = models.dense_autoencoder((4, 3), 2, (8,), **options)
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    return model


@pytest.mark.backend
def test_fit_learns_and_leaves_one_line(capsys):
    training.set_seed(1)
    history = training.fit(small_model(), X, validation=X[:32], epochs=5, batch_size=16, label="A")
    assert list(history) == ["loss", "val_loss"]
    assert [len(values) for values in history.values()] == [5, 5]
    assert history["loss"][-1] < history["loss"][0]
    assert all(isinstance(value, float) for value in history["loss"])
    line = capsys.readouterr().out
    expected = f"A: 5 epochs · loss {history['loss'][-1]:.4f} · held out"
    assert line == f"{expected} {history['val_loss'][-1]:.4f}\n"


@pytest.mark.backend
def test_one_seed_gives_one_run():
    def run(seed):
        training.set_seed(seed)
        return training.fit(small_model(), X, epochs=2, batch_size=32)["loss"]

    assert run(3) == run(3)
    assert run(3) != run(4)


@pytest.mark.backend
def test_an_interrupt_keeps_what_was_learned_and_fit_goes_on(capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    training.set_seed(1)
    model = small_model()
    history = training.fit(model, X, epochs=9, batch_size=16, callbacks=[Stop()], label="A")
    assert len(history["loss"]) == 2
    assert capsys.readouterr().out.startswith("A: 2 epochs (stopped) · loss ")
    again = training.fit(model, X, epochs=2, batch_size=16)
    assert len(again["loss"]) == 2
    assert again["loss"][0] < history["loss"][0]


@pytest.mark.backend
def test_a_loss_that_becomes_nan_says_what_to_do():
    training.set_seed(1)
    model = models.linear_autoencoder((4, 3), 2)
    model.compile(keras.optimizers.SGD(1e12), "mse")
    with pytest.raises(ValueError, match="the loss of wild became (nan|inf) in epoch 1: lower"):
        training.fit(model, X, epochs=3, batch_size=8, label="wild")


@pytest.mark.backend
def test_targets_may_differ_from_inputs():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = X[:, 0], X[:, 0].sum(1, keepdims=True)
    history = training.fit(model, x, y, validation=(x, y), epochs=1, label="line")
    assert set(history) == {"loss", "val_loss"}


def test_a_data_set_may_come_in_batches():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            part = X[32 * index : 32 * index + 32]
            return part, part

    assert len(training.fit(small_model(), Batches(), epochs=2)["loss"]) == 2


@pytest.mark.backend
def test_without_checkpoints_keras_itself_shuffles():
    """The chapters' stored outputs rest on this order."""
    training.set_seed(3)
    ours = training.fit(small_model(), X, validation=X[:32], epochs=2, batch_size=20)
    training.set_seed(3)
    options = {"epochs": 2, "batch_size": 20, "verbose": 0, "validation_data": (X[:32], X[:32])}
    assert ours == small_model().fit(X, X, **options).history


NAN = X.copy()
NAN[3, 2, 1] = np.nan


@pytest.mark.parametrize(
    "x, options, error, words",
    [
        (X[:0], {}, ValueError, "x: empty, shape (0, 4, 3)"),
        (NAN, {}, ValueError, "x: 1 of 1,152 values are NaN"),
        (X * 255, {}, ValueError, "x: expected values in [0.0, 1.0]"),
        (X[:, :3], {}, ValueError, "x: expected shape (n, 4, 3), got (96, 3, 3)"),
        (X.reshape(96, 12), {}, ValueError, "reshape it: x.reshape(-1, 4, 3)"),
        (
            X.astype(str),
            {},
            TypeError,
            "x: expected an array of numbers or a keras.utils.PyDataset, got dtype",
        ),
        (X, {"y": X[:9]}, ValueError, "y: 9 items, but x has 96"),
        (X, {"validation": X[:0]}, ValueError, "validation inputs: empty"),
        (X, {"validation": NAN}, ValueError, "validation inputs: 1 of 1,152 values are NaN"),
        (X, {"validation": X * 255}, ValueError, "validation inputs: expected values in"),
        (X, {"batch_size": -1}, ValueError, "batch_size: expected a whole number of at least 1"),
    ],
)
def test_bad_input_is_refused_before_training(x, options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        training.fit(small_model(), x, **options)


def test_in_a_notebook_one_line_is_stored_and_no_bar(monkeypatch):
    """What comes later takes the place of the output before, as tests/test_claims.py shows."""
    shown = []
    monkeypatch.setattr(_fit, "in_notebook", lambda: True)
    monkeypatch.setattr(_fit, "emit", lambda data, **where: shown.append((data, where)))
    training.fit(small_model(), X, epochs=3, label="A")
    places = [where for _, where in shown]
    assert len({where["display_id"] for where in places}) == 1
    assert [where["update"] for where in places] == [False, *[True] * 4]
    assert all("<progress" in data["text/html"] for data, _ in shown[:-1])
    data = shown[-1][0]
    assert list(data) == ["text/plain"]
    assert re.fullmatch(r"A: 3 epochs · loss \d\.\d{4}", data["text/plain"])


# -- scale -------------------------------------------------------------------------------


@pytest.mark.parametrize("name, epochs", [("small", 3), ("large", 9)])
def test_the_variable_chooses_the_scale(monkeypatch, name, epochs):
    monkeypatch.setenv("AE_PRESET", name)
    preset = training.preset(small={"epochs": 3, "width": 8}, large={"epochs": 9})
    assert (preset.name, preset.epochs, preset.width) == (name, epochs, 8)


@pytest.mark.parametrize("gpu, name", [(False, "small"), (True, "large")])
def test_without_it_the_machine_chooses(monkeypatch, gpu, name):
    monkeypatch.setenv("AE_PRESET", "")
    monkeypatch.setattr(training._setup, "has_gpu", lambda: gpu)
    assert training.preset({"epochs": 3}).name == name


@pytest.mark.parametrize("name", ["medium", "Large", "1"])
def test_a_bad_scale_is_named(monkeypatch, name):
    monkeypatch.setenv("AE_PRESET", name)
    with pytest.raises(ValueError, match=f"AE_PRESET: got '{name}'; expected one of small, large"):
        training.preset({"epochs": 3})


def test_large_may_only_change_what_small_has():
    with pytest.raises(ValueError, match=r"settings \['epoch'\] are not in small"):
        training.preset({"epochs": 3}, {"epoch": 9})


@pytest.mark.backend
def test_has_gpu_answers():
    assert training.has_gpu() in (True, False)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True, None])
def test_a_bad_seed_is_named(seed):
    with pytest.raises((TypeError, ValueError), match="seed: expected"):
        training.set_seed(seed)


# -- schedules ---------------------------------------------------------------------------


@pytest.mark.backend
def test_the_cosine_climbs_then_falls_to_zero():
    rate = training.cosine_schedule(0.01, 200)
    values = [float(rate(step)) for step in range(201)]
    assert values[0] == 0
    assert values[10] == pytest.approx(0.01, rel=1e-5)
    assert max(values) == pytest.approx(0.01, rel=1e-5)
    assert all(a < b for a, b in zip(values[:10], values[1:11], strict=True))
    assert all(a > b for a, b in zip(values[10:], values[11:], strict=False))
    assert values[200] == pytest.approx(0, abs=1e-8)
    assert values[105] == pytest.approx(0.005, rel=1e-3)
    halfway = 0.005 * (1 + math.cos(math.pi * 20 / 190))
    assert values[30] == pytest.approx(halfway, rel=1e-3)


def test_the_shortest_schedule_is_one_step():
    assert float(training.cosine_schedule(0.01, 1)(0)) == 0


@pytest.mark.parametrize(
    "peak, steps, words",
    [
        (0, 9, "peak: expected a finite number > 0"),
        (math.nan, 9, "peak: expected"),
        (1, 0, "steps: expected a whole number of at least 1"),
    ],
)
def test_a_bad_schedule_is_named(peak, steps, words):
    with pytest.raises(ValueError, match=words):
        training.cosine_schedule(peak, steps)


@pytest.mark.parametrize("items, batch, steps", [(10, 5, 2), (11, 5, 3), (1, 64, 1)])
def test_batches_in_an_epoch(items, batch, steps):
    assert training.steps_per_epoch(items, batch) == steps
