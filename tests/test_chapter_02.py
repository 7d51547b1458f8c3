"""Chapter 02 against the library: the recorded curve is of the same recipe."""

import inspect

import numpy as np
import pytest

from ae_lib import data
from benchmarks import code_size
from tests.chapter_code import definitions


@pytest.fixture(scope="module")
def chapter():
    return definitions("02", "train")


def test_the_recorded_curve_uses_the_chapters_recipe(chapter):
    taught = {k: v.default for k, v in inspect.signature(chapter["train"]).parameters.items()}
    assert taught["peak"] == code_size.RECIPE["peak"]
    assert taught["batch_size"] == code_size.RECIPE["batch_size"]
    assert taught["decay"] == code_size.RECIPE["decay"]
    model = {"hidden": [512, 256], "activation": "silu"}  # the chapter's, as its claim says
    assert code_size.RECIPE | model == code_size.RECIPE
    record = data.load_record("code_size")
    assert record["recipe"] == code_size.RECIPE
    assert np.shape(record["autoencoder"]) == (len(record["seeds"]), len(record["sizes"]))
