"""Wrong products of JAX on a CPU are turned off, or noticed before they reach a reader."""

import os
import subprocess
import sys

import keras
import pytest

from ae_lib import _jax, training


@pytest.fixture
def anew(monkeypatch):
    """As in a process that has not looked yet."""
    _jax.ensure_right_products.cache_clear()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    yield monkeypatch
    _jax.ensure_right_products.cache_clear()


@pytest.mark.parametrize(
    "version, before, after",
    [
        ("0.7.2", "", "--xla_cpu_use_xnnpack=false"),
        ("0.8.1", "--xla_dump_to=/a", "--xla_dump_to=/a --xla_cpu_use_xnnpack=false"),
        ("0.7.2", "--xla_cpu_use_xnnpack=true", "--xla_cpu_use_xnnpack=true"),
        ("0.10.1", "", ""),
    ],
)
def test_the_flag_is_set_for_the_versions_that_need_it(anew, version, before, after):
    anew.setattr(_jax.metadata, "version", lambda name: version)
    anew.setattr(_jax, "_multiplies_rightly", lambda: True)
    anew.setenv("XLA_FLAGS", before)
    _jax.ensure_right_products()
    assert os.environ["XLA_FLAGS"] == after


def test_a_wrong_product_stops_a_reader_with_what_to_do(anew):
    anew.setenv("XLA_FLAGS", "")
    anew.setattr(_jax, "_multiplies_rightly", lambda: False)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="XLA_FLAGS=--xla_cpu_use_xnnpack=false"):
            training.set_seed(1)


def test_this_jax_multiplies_rightly_and_the_flag_comes_in_time():
    code = (
        "import keras, os; from ae_lib import models; models.Autoencoder; "
        "from ae_lib import _jax; print(_jax._multiplies_rightly())"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout.decode().strip() == "True", done.stderr.decode()[-800:]
