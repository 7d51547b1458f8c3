"""The explorer of the best denoiser on its Python side: its answer, refusals."""

import json

import numpy as np
import pytest
import traitlets

from ae_lib.widgets import DenoisingField
from tests.serving import assert_serves

POINTS = np.random.default_rng(0).normal(size=(40, 2))


def test_its_arrow_is_the_variance_times_the_score():
    """Tweedie's formula, the gradient by differences."""
    explorer = DenoisingField(POINTS, sigma=0.4)

    def log_density(x):
        return np.log(np.exp(-((POINTS - x) ** 2).sum(axis=1) / (2 * explorer.sigma**2)).mean())

    for point in ([0.3, -0.5], [2.0, 1.0], [-1.0, 0.0]):
        explorer.point = point
        steps = 1e-5 * np.eye(2)
        score = [(log_density(point + step) - log_density(point - step)) / 2e-5 for step in steps]
        arrow = np.subtract(explorer.denoised(), point)
        np.testing.assert_allclose(arrow, explorer.sigma**2 * np.array(score), rtol=1e-6)


def test_far_away_and_with_little_noise_it_answers_with_the_nearest_point():
    explorer = DenoisingField([[0, 0], [1, 0]], sigma=0.01)
    explorer.point = [0.9, 1e3]
    assert explorer.denoised() == pytest.approx([1, 0])


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"points": np.zeros((3, 3))}, ValueError, "points: expected shape"),
        ({"points": []}, ValueError, "points: .*"),
        ({"points": [[0, np.nan]]}, ValueError, "points: 1 of 2 values are NaN"),
        ({"points": [["a", "b"]]}, TypeError, "points: expected an array of numbers"),
        ({"points": np.zeros((501, 2))}, ValueError, "points: expected at most 500, got 501"),
        ({"sigma": 0}, ValueError, "sigma: expected a finite number > 0, got 0"),
        ({"sigma": "a"}, TypeError, "sigma: expected a number"),
        ({"start": [1, 2, 3]}, ValueError, "start: expected two finite numbers"),
        ({"start": [0, np.inf]}, ValueError, "start: expected two finite numbers"),
        ({"name": "A b"}, ValueError, "name: expected lower-case .*'denoising-field'"),
    ],
)
def test_what_it_cannot_show_is_refused(wrong, error, words):
    with pytest.raises(error, match=words):
        DenoisingField(**{"points": POINTS, **wrong})


def test_point_and_noise_are_synchronised_and_checked():
    explorer, seen = DenoisingField(POINTS, sigma=0.3), []
    assert explorer.point == POINTS.max(axis=0).tolist()
    explorer.observe(lambda change: seen.append(change.new), ["point", "sigma"])
    explorer.set_state({"point": [0.5, 1.0], "sigma": 1.5})  # as the browser does
    explorer.sigma = 0.05
    assert seen == [[0.5, 1.0], 1.5, 0.05]
    for name, wrong in (
        ("point", [1.0]),
        ("point", [np.nan, 0.0]),
        ("sigma", 1.6),
        ("sigma", 0.04),
        ("sigma", np.nan),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(explorer, name, wrong)
    assert (explorer.point, explorer.sigma) == ([0.5, 1.0], 0.05)


def test_it_serves_a_notebook_and_a_page_and_asks_nobody():
    explorer = assert_serves(lambda: DenoisingField(POINTS, start=[0, 1]))
    payload = json.loads(explorer.payload)
    np.testing.assert_array_equal(payload["points"], POINTS)
    assert (payload["point"], payload["sigma"]) == ([0, 1], 0.3)
    assert repr(explorer) == "<DenoisingField 'denoising-field': 40 points, sigma 0.3>"
