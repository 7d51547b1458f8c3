"""Chapter 02 against the library: the same model, the same recipe, the same answers."""

import inspect
import re

import numpy as np
import pytest

from ae_lib import data, models
from benchmarks import code_size
from tests.chapter_code import definitions


@pytest.fixture(scope="module")
def chapter():
    return definitions("02", "build", "train")


def test_chapter_and_library_build_the_same_model(chapter):
    taught = chapter["build"](32)
    recipe = code_size.RECIPE
    library = models.dense_autoencoder(
        code_size=32, hidden=recipe["hidden"], activation=recipe["activation"]
    )
    library.set_weights(taught.get_weights())
    x = data.load_fashion_mnist().validation.x[:20]
    np.testing.assert_allclose(taught.reconstruct(x), library.reconstruct(x), atol=1e-6)


def test_the_recorded_curve_uses_the_chapters_recipe(chapter):
    taught = {k: v.default for k, v in inspect.signature(chapter["train"]).parameters.items()}
    assert taught["peak"] == code_size.RECIPE["peak"]
    assert taught["batch_size"] == code_size.RECIPE["batch_size"]
    assert taught["decay"] == code_size.RECIPE["decay"]
    live = int(re.search(r"small=dict\(epochs=(\d+)", _source("02", "small=dict"))[1])
    assert live < code_size.RECIPE["epochs"]  # shorter, and otherwise the same
    record = data.load_record("code_size")
    assert record["recipe"] == code_size.RECIPE
    assert np.shape(record["autoencoder"]) == (len(record["seeds"]), len(record["sizes"]))


def _source(chapter, fragment):
    import json

    from tests.chapter_code import CHAPTERS

    (path,) = CHAPTERS.glob(f"{chapter}_*.ipynb")
    cells = json.loads(path.read_text("utf8"))["cells"]
    return next(s for s in ("".join(c["source"]) for c in cells) if fragment in s)
