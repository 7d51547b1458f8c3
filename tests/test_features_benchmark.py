"""What chapter 04's tables are made of: draws, settings, neighbours, and whole records."""

import numpy as np
import pytest

from ae_lib import data
from benchmarks import features, features_unlabelled

LABELS = np.repeat(np.arange(10), 30)


def test_a_draw_is_balanced_and_a_larger_one_holds_it():
    small, large = (features.chosen_rows(LABELS, n, draw=3) for n in (2, 7))
    assert np.bincount(LABELS[large]).tolist() == [7] * 10
    assert set(small) < set(large)
    assert set(small) != set(features.chosen_rows(LABELS, 2, draw=4))


def test_the_share_of_neighbours_kept():
    assert features_unlabelled.kept_share([[1, 2], [0, 2]], [[2, 3], [2, 0]]) == 0.75
    line = np.arange(6.0)[:, None]
    assert features_unlabelled.nearest(line, 1)[0].tolist() == [1]


def test_settings_are_chosen_by_validation_images(monkeypatch):
    """The better of two settings wins, whatever the test images say."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 100)
    x = rng.normal(size=(200, 5)) + 3 * y[:, None]
    parts = [(x, y), (x, y), (x, 1 - y)]
    monkeypatch.setattr(features, "images", lambda: parts)
    monkeypatch.setattr(features, "coded", lambda *_: [part[0] for part in parts])
    score, settings = features.best_settings("pixels", "nearest neighbours", None, 5, [0])
    assert score > 0.95
    assert set(settings) == {"scale", "last__n_neighbors"}
    one = features.cell("pixels", "tree", None, 5)
    assert len(one["test"]) == 10
    assert max(one["test"]) < 0.5


def test_every_arm_of_the_records_has_ten_draws():
    images, tuned = data.load_record("image_features"), data.load_record("fine_tuning")
    assert list(images["results"]) == list(features.FEATURES)
    for row in images["results"].values():
        assert list(row) == list(features.classifiers(0))
        for column in row.values():
            assert [len(cell["test"]) for cell in column.values()] == [10, 10, 10, 10, 1]
    assert list(tuned["results"]) == list(features.ARMS)
    texts = data.load_record("text_features")["results"]
    for table in (
        *tuned["results"].values(),
        *(task for row in texts.values() for task in row.values()),
    ):
        assert {len(cell["test"]) for cell in table.values()} == {10}


@pytest.mark.parametrize("arm", features.ARMS)
def test_no_rate_of_fine_tuning_was_best_at_the_edge_for_many_labels(arm):
    cells = data.load_record("fine_tuning")["results"][arm]
    inner = features.TUNED_RATES[1:-1]
    assert cells["50"]["rate"] in inner
