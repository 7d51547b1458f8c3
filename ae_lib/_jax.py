"""Right products from JAX on a CPU, or an error: never wrong numbers in silence.

jaxlib 0.7.2, which Colab has, 0.8.0 and 0.8.1 hand large products on a CPU to the library XNNPACK,
which on processors with AVX-512 goes on with the second factor of an earlier call when another
lies at the same address. Trainings on JAX are then wrong from their second step. A flag turns
XNNPACK off; jaxlib 0.8.2 to 0.10.1 were found right without it.
"""

import os
from functools import cache
from importlib import metadata

_WRONG = ("0.7.2", "0.8.0", "0.8.1")
_FLAG = "--xla_cpu_use_xnnpack=false"


@cache
def ensure_right_products():
    """If Keras runs on JAX and a CPU: turn the fault off, then multiply, once a process.

    It is called where models are made and trained. The flag counts if JAX has computed nothing
    yet; importing it does no harm.

    Raises:
        RuntimeError: a product came out wrong; the message says what to do.
    """
    import keras

    if keras.backend.backend() != "jax":
        return
    version = metadata.version("jaxlib")
    flags = os.environ.get("XLA_FLAGS", "")
    if version in _WRONG and "xnnpack" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}".strip()

    if jax_platforms() == {"cpu"} and not _multiplies_rightly():
        raise RuntimeError(
            f"JAX multiplies wrongly on this processor (jaxlib {version}): a product was that of "
            "an earlier matrix, so every training would be wrong. Start Python again with the "
            f"environment variable XLA_FLAGS={_FLAG}, or use another jaxlib (0.10.1, say)"
        )


def jax_platforms():
    """What JAX computes on, such as ``{"cpu"}``; or RuntimeError, in words."""
    import jax

    try:
        return {device.platform for device in jax.devices()}
    except Exception as error:  # of many types, some without a word
        asked = f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}"
        advice = "Start Python again with JAX_PLATFORMS=cpu, or without that variable"
        raise RuntimeError(f"JAX finds no device to compute on: {asked}. {advice}") from error


def _multiplies_rightly():
    """Whether x · (−w) is −(x · w), to the bit, when −w takes the place of w in memory."""
    import jax
    import numpy as np

    rng = np.random.default_rng(0)
    x, w = (jax.numpy.array(rng.normal(size=s), "float32") for s in ((128, 784), (784, 512)))
    multiply = jax.jit(lambda x, w: x @ w)
    negate = jax.jit(lambda w: -w, donate_argnums=0)
    first = np.asarray(multiply(x, w))
    return np.array_equal(np.asarray(multiply(x, negate(w))), -first)
