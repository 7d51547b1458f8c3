"""Checkpoints: the state of a run in one file, which damage and full disks do not harm."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from ae_lib import training
from ae_lib.training import _checkpoints
from tests.interrupted_run import names, numbers, same, small, state

X = np.random.default_rng(0).random((24, 4), dtype="float32")

# -- the file ----------------------------------------------------------------------------


@pytest.mark.backend
def test_a_checkpoint_holds_the_whole_state(tmp_path):
    training.set_seed(1)
    model = small()
    model.fit(X, X, epochs=2, batch_size=6, verbose=0)
    expected = state(model), numbers(model.metrics_variables)
    assert any("seed_generator" in v.path for v in model.variables)
    folder = tmp_path / "a" / "b"
    info = {"note": "é", "history": {"loss": [0.1, float("inf")]}}
    assert training.Checkpoints(folder).save(model, 8, **info) == folder / "step-00000008.npz"
    draws = keras.ops.convert_to_numpy(keras.random.normal((3,)))

    other = small()
    other.fit(X[:6], X[:6], verbose=0)
    assert training.Checkpoints(folder).restore(other) == {"step": 8, **info}
    assert same(state(other), expected[0])
    assert same(numbers(other.metrics_variables), expected[1])
    if keras.backend.backend() != "jax":  # the generator for random numbers without one
        assert same([keras.ops.convert_to_numpy(keras.random.normal((3,)))], [draws])

    fresh = small()  # its optimizer is not built
    training.Checkpoints(folder).restore(fresh)
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
        assert header["variables"]["model"][0][1] == list(stored["model/00000"].shape) == [4, 3]
    with pytest.raises(ValueError, match="already holds step-1000000000.npz: restore that first"):
        training.Checkpoints(tmp_path).save(model, 30)
    assert training.Checkpoints(tmp_path / "none").restore(model) is None


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A folder with two checkpoints; the model, and its state when the first was written."""
    folder = tmp_path_factory.mktemp("two")
    model, checkpoints = small(), training.Checkpoints(folder)
    checkpoints.save(model, 3, note="x" * 50)
    expected = state(model)
    model.fit(X, X, verbose=0)
    newest = checkpoints.save(model, 6, note="x" * 50)
    return SimpleNamespace(folder=folder, model=model, expected=expected, newest=newest)


def other_format(path):
    with np.load(path) as stored:
        arrays = dict(stored)
    text = json.dumps({**json.loads(arrays["checkpoint"].tobytes()), "format": 99})
    np.savez(path, **{**arrays, "checkpoint": np.frombuffer(text.encode(), "uint8")})


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda path: path.write_bytes(b""), "no whole checkpoint, 0 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "no whole checkpoint, 5,000 b"),
        (lambda path: np.savez(path, weights=np.ones(3)), "no whole checkpoint"),
        (lambda path: path.write_text("not a checkpoint"), "no whole checkpoint"),
        (other_format, "format 99, this library reads 2"),
        (lambda path: path.write_bytes((path.parent / "step-00000003.npz").read_bytes()), "of st"),
    ],
    ids=["empty", "truncated", "foreign", "text", "format", "renamed"],
)
def test_a_damaged_newest_falls_back_with_a_warning(two, damage, words):
    whole = two.newest.read_bytes()
    damage(two.newest)
    with pytest.warns(RuntimeWarning, match=rf"step-00000006\.npz: skipped, .*{words}"):
        assert training.Checkpoints(two.folder).restore(two.model)["step"] == 3
    assert same(state(two.model), two.expected)
    two.newest.write_bytes(whole)


def test_a_flipped_bit_anywhere_is_found_or_does_no_harm(two):
    raw, checkpoints = two.newest.read_bytes(), training.Checkpoints(two.folder)
    checkpoints.restore(two.model)
    newest, rng, found = state(two.model), np.random.default_rng(0), 0
    weight = raw.index(numbers(two.model.weights)[0].tobytes()) + 2
    for place in [weight, *rng.integers(0, len(raw), 100), *range(len(raw) - 100, len(raw))]:
        flipped = bytearray(raw)
        flipped[place] ^= 1 << rng.integers(8)
        two.newest.write_bytes(flipped)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            info = checkpoints.restore(two.model)
        found += bool(caught)
        assert caught or place != weight
        assert info == {"step": 3 if caught else 6, "note": "x" * 50}
        assert same(state(two.model), two.expected if caught else newest)
    assert found > 50
    two.newest.write_bytes(raw)


def test_damaged_files_do_not_push_out_whole_ones(tmp_path):
    model = small()
    for step in (3, 6, 9):
        training.Checkpoints(tmp_path, keep=9).save(model, step)
    for step in (6, 9):
        (tmp_path / f"step-0000000{step}.npz").write_bytes(b"damaged")
    checkpoints = training.Checkpoints(tmp_path, keep=2)
    with pytest.warns(RuntimeWarning):
        assert checkpoints.restore(model)["step"] == 3
    checkpoints.save(model, 6)
    with pytest.warns(RuntimeWarning, match="step-00000009"):
        assert training.Checkpoints(tmp_path).restore(model)["step"] == 6
    checkpoints.save(model, 12)
    assert names(tmp_path) == ["step-00000006.npz", "step-00000012.npz"]


@pytest.mark.backend
@pytest.mark.parametrize(
    "other, words",
    [
        (
            {"units": 5},
            r"model variables .*dense\w*/kernel', \[4, 3\].*dense\w*/kernel', \[4, 5\]",
        ),
        ({"compiled": False}, r"optimizer variables and the 0 here"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(two, other, words):
    model = small(**other)
    before = numbers(model.variables)
    with pytest.raises(ValueError, match=words):
        training.Checkpoints(two.folder).restore(model)
    assert same(numbers(model.variables), before)


# -- the disk ----------------------------------------------------------------------------


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
    assert not every.due(1)  # the first call starts the clock
    now[0] += 119
    assert not every.due(2)
    now[0] += 1
    assert every.due(3)
    every.save(small(), 4)
    assert not every.due(5)
    both = training.Checkpoints(tmp_path, every_steps=3, every_minutes=1)
    assert [step for step in range(1, 8) if both.due(step)] == [3, 6]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"every_steps": 0}, "every_steps: expected a whole number of at least 1"),
        ({"every_minutes": float("nan")}, "every_minutes: expected a finite number > 0"),
        ({"every_minutes": "5"}, "every_minutes: expected a number, got '5'"),
        ({"keep": 0}, "keep: expected a whole number of at least 1"),
        ({"step": -1}, "step: expected a whole number of at least 0"),
        ({"note": {1, 2}}, "info: expected what JSON can hold"),
        ({"model": keras.Sequential([keras.layers.Dense(1)])}, "not built"),
    ],
)
def test_bad_arguments_are_named(tmp_path, options, words):
    settings = {k: v for k, v in options.items() if k in ("every_steps", "every_minutes", "keep")}
    save = {"model": small(), "step": 1, **options}
    with pytest.raises((TypeError, ValueError), match=words):
        training.Checkpoints(tmp_path, **settings).save(**save)
    assert not list(tmp_path.iterdir())
