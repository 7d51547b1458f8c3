"""The examples in docstrings and in CONTRIBUTING: run, and compared with what they print."""

import doctest
import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import ae_lib

ROOT = Path(ae_lib.__file__).parent.parent
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "ae_lib").rglob("*.py")
    if ">>> " in path.read_text("utf8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_print_what_they_say(name, tmp_path, monkeypatch):
    """With NumPy, Keras, and a small model and its data at hand."""
    monkeypatch.chdir(tmp_path)
    model, x = ae_lib.models.dense_autoencoder((4,), code_size=2), np.zeros((6, 4), "float32")
    model.compile("sgd", "mse")
    given = {
        "ae_lib": ae_lib,
        "keras": keras,
        "np": np,
        "model": model,
        "x": x,
        "decoder": ae_lib.models.dense_autoencoder(code_size=2, hidden=(8,)).decoder,
        "codes": np.random.default_rng(0).normal(size=(6, 2)).astype("float32"),
        "labels": np.arange(6) % 3,
        "names": ["shirt", "bag", "boot"],
    }
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs=given | vars(module), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed


def test_the_exercises_that_the_guide_names_are_there():
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf8")
    named = re.findall(r"""(?:check|hint)\("([^"]+)""", guide)
    assert named
    assert set(named) <= set(ae_lib.exercises.names())
