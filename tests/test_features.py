"""Codes as features: beside scikit-learn's own rules, and beside chapter 04's class."""

import functools

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from ae_lib import models
from tests.chapter_code import definitions

RNG = np.random.default_rng(0)
X = RNG.random((40, 64), dtype="float32")
Y = np.arange(40) % 2


def small(**options):
    return models.CodeTransformer(**{"code_size": 3, "epochs": 1, "batch_size": 16, **options})


def conv(shape, code_size):
    return models.conv_autoencoder(shape, code_size, filters=(2,))


def test_it_passes_the_checks_of_scikit_learn(monkeypatch):
    """Step by step: tracing a function for each of some hundred fits would take a minute."""
    eager = functools.partialmethod(models.Autoencoder.compile, run_eagerly=True)
    monkeypatch.setattr(models.Autoencoder, "compile", eager)
    results = check_estimator(small(code_size=2), on_fail=None)
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] != "passed"]
    assert not failed
    assert len(results) > 30


@pytest.mark.backend
def test_training_brings_the_codes_of_the_same_seed_only():
    one, same, other = (small(random_state=s).fit(X).transform(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1
    assert (one.shape, one.dtype) == ((40, 3), "float32")
    untrained = small(random_state=1, epochs=0).fit(X).transform(X)
    assert np.abs(one - untrained).max() > 1e-3


@pytest.mark.backend
def test_a_feature_map_becomes_a_row():
    codes = small(build=conv, shape=(8, 8), code_size=None).fit(X)
    assert codes.transform(X).shape == (40, 4 * 4 * 2)
    assert list(codes.get_feature_names_out())[:2] == ["codetransformer0", "codetransformer1"]


def test_it_is_a_step_of_a_search_and_each_fold_trains_its_own():
    pipeline = make_pipeline(small(), LogisticRegression())
    search = GridSearchCV(pipeline, {"codetransformer__code_size": [1, 2]}, cv=2).fit(X, Y)
    assert len(search.cv_results_["params"]) == 2
    assert not hasattr(clone(search.best_estimator_)[0], "model_")


def test_the_chapter_teaches_what_the_library_ships():
    taught = definitions("04", "Codes")["Codes"](models.dense_autoencoder, 3, epochs=1)
    images = RNG.random((70, 784), dtype="float32")
    shipped = models.CodeTransformer(
        models.dense_autoencoder, 3, shape=(28, 28), epochs=1, learning_rate=taught.learning_rate
    )
    seed = np.random.RandomState(0).randint(2**31)  # what scikit-learn makes of random_state=0
    taught.set_params(random_state=int(seed))
    codes = [step.fit(images).transform(images) for step in (taught, shipped)]
    np.testing.assert_allclose(*codes, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"code_size": 0}, ValueError, "code_size"),
        ({"epochs": -1}, ValueError, "epochs"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"learning_rate": 0}, ValueError, "learning_rate"),
        ({"shape": (7, 7)}, ValueError, r"takes 49 numbers, a row has 64"),
        ({"build": 3}, TypeError, "build: expected a function"),
        ({"build": conv((8, 8), 2)}, TypeError, "build: expected a function"),
        ({"build": lambda *_: keras.Sequential()}, TypeError, "must return an autoencoder"),
    ],
)
def test_settings_are_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        small(**options).fit(X)


def test_rows_are_refused_by_name():
    fitted = small().fit(X)
    with pytest.raises(ValueError, match="64 features"):
        fitted.transform(X[:, :9])
    with pytest.raises(ValueError, match="NaN"):
        small().fit(np.where(X > 0.99, np.nan, X))
    with pytest.raises(ValueError, match="minimum of 2"):
        small().fit(X[:1])
    classifier = make_pipeline(small(), LogisticRegression())
    with pytest.raises(ValueError, match="at least 2 classes"):
        classifier.fit(X, np.zeros(40))
    with pytest.raises(ValueError, match="n_splits=50"):
        cross_val_score(classifier, X, Y, cv=50)
