"""The training loop's explorer in Python: what it refuses, its limit, its losses."""

import json
from pathlib import Path

import numpy as np
import pytest
import traitlets

from ae_lib.data import load_fashion_mnist
from ae_lib.widgets import TrainingLoop
from tests.serving import assert_serves

POINTS = np.random.default_rng(3).normal(size=(12, 2)) @ [[0.4, 0.3], [0.0, 0.2]]
POINTS -= POINTS.mean(0)
START = ([0.5, 0.0], [-0.2, 0.4])
STEPS = 3000


def loss_at(points, weights):
    w, v = weights[:2], weights[2:]
    return ((np.outer(points @ w, v) - points) ** 2).mean()


def largest_eigenvalue(points, weights, h=1e-4):
    """Of the Hessian, whose entries are measured by finite differences."""
    ways, signs = h * np.eye(4), [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    hessian = np.array(
        [
            [sum(s * t * loss_at(points, weights + s * a + t * b) for s, t in signs) for a in ways]
            for b in ways
        ]
    )
    return np.linalg.eigvalsh(hessian / (4 * h * h))[-1]


def minimum(points, c):
    """The weights w = c u, v = u / c of the least loss."""
    u = np.linalg.svd(points)[2][0]
    return np.concatenate([c * u, u / c])


def test_the_limit_is_that_of_the_measured_hessian():
    explorer = TrainingLoop(POINTS, START)
    assert loss_at(POINTS, minimum(POINTS, 1)) == pytest.approx(explorer.least)
    limits = {c: 2 / largest_eigenvalue(POINTS, minimum(POINTS, c)) for c in (0.5, 0.9, 1, 1.2, 3)}
    for c, limit in limits.items():
        assert limit == pytest.approx(2 * explorer.limit / (c**2 + c**-2), rel=1e-4)
    assert max(limits.values()) == limits[1]


SHARES = [(0.5, True), (0.97, True), (1.03, False), (1.5, False)]


@pytest.mark.parametrize("share, settles", SHARES)
def test_below_the_limit_it_settles_and_above_it_does_not(share, settles):
    explorer = TrainingLoop(POINTS, START)
    explorer.rate = share * explorer.limit
    last = explorer.losses(STEPS)[-100:] / explorer.least
    assert np.isfinite(last).all()
    assert (last.max() < 1 + 1e-6) == settles


def test_far_above_the_limit_it_diverges():
    explorer = TrainingLoop(POINTS, START)
    explorer.rate = 2.5 * explorer.limit
    losses = explorer.losses(40)
    assert len(losses) == 41
    assert not losses[-1] < 1e6


def test_a_step_goes_against_the_measured_gradient():
    weights = np.concatenate(START)
    ways = 1e-6 * np.eye(4)
    slopes = [(loss_at(POINTS, weights + a) - loss_at(POINTS, weights - a)) / 2e-6 for a in ways]
    explorer = TrainingLoop(POINTS, START, rate=0.5)
    first, second = explorer.losses(1)
    assert first == pytest.approx(loss_at(POINTS, weights))
    assert second == pytest.approx(loss_at(POINTS, weights - 0.5 * np.array(slopes)), rel=1e-8)


def test_what_chapter_01_says_of_its_step_sizes():
    cell = "TrainingLoop(pixels - pixels.mean(0), start=([0.5, 0.0], [-0.2, 0.4])"
    assert cell in next((Path(__file__).parents[1] / "chapters").glob("01_*.ipynb")).read_text(
        "utf8"
    )
    fashion = load_fashion_mnist().train.x.reshape(-1, 784)[:20, [350, 462]].astype("float64")
    explorer = TrainingLoop(fashion - fashion.mean(0), START)

    def losses(near):
        rates = json.loads(explorer.payload)["rates"]
        explorer.rate = min(rates, key=lambda rate: abs(rate - near))
        return explorer.losses(400)

    def steps(near):
        return int(np.flatnonzero(losses(near) > 1.01 * explorer.least)[-1]) + 1

    assert 200 < steps(0.3) < 300
    assert (np.diff(losses(0.3)) < 0).all()
    assert 20 < steps(3) < 30
    assert steps(6) < 15
    restless = losses(8)[-100:]
    assert restless.max() > 4 * explorer.least
    assert restless.min() < 2 * explorer.least
    assert not losses(15)[6] < 1e6


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"points": np.zeros((5, 3))}, ValueError, "points: expected shape"),
        ({"points": np.zeros((5, 2))}, ValueError, "points: expected the largest number"),
        ({"points": np.ones((101, 2))}, ValueError, "points: expected at most 100, got 101"),
        ({"points": [[1, np.nan]]}, ValueError, "points: 1 of 2 values are NaN"),
        ({"points": [["a", "b"]]}, TypeError, "points: expected an array of numbers"),
        ({"start": [[0, 0], [0, 0]]}, ValueError, "start: expected .w, v., not all zero"),
        ({"start": [1, 2, 3, 4]}, ValueError, "start: .* two numbers each"),
        ({"start": None}, TypeError, "start: "),
        ({"start": [[1, 2], [3, 1e4]]}, ValueError, "start: "),
        ({"rate": 0}, ValueError, "rate: expected a finite number > 0"),
        ({"rate": "fast"}, TypeError, "rate: expected"),
        ({"name": "A b"}, ValueError, "name: expected lower-case .*'training-loop'"),
    ],
)
def test_bad_input_is_refused_by_name(change, error, words):
    with pytest.raises(error, match=words):
        TrainingLoop(**{"points": POINTS, "start": START} | change)


def test_a_start_at_the_least_loss_is_refused():
    with pytest.raises(ValueError, match="start: its loss, .*, already is the least"):
        TrainingLoop([[1.0, 0.0], [-1.0, 0.0]], ([1.0, 0.0], [1.0, 0.0]))
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 0"):
        TrainingLoop(POINTS, START).losses(-1)


def test_it_serves_a_notebook_and_a_page_and_asks_nobody():
    widget = assert_serves(lambda: TrainingLoop(POINTS, START, rate=0.5), rate=0.75)
    for wrong in (0, -1.0, float("nan"), "fast"):
        with pytest.raises(traitlets.TraitError):
            widget.rate = wrong
    assert widget.rate == 0.75
    assert len(widget.html()) < 40_000
    payload = json.loads(widget.payload)
    np.testing.assert_array_equal(payload["points"], POINTS)
    assert payload["rates"] == sorted(set(payload["rates"]))
    assert repr(widget).startswith("<TrainingLoop 'training-loop': 12 points, limit ")
