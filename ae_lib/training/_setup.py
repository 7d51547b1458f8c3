"""Before training: seeds, the device, and the preset of sizes a chapter runs with."""

import os
from types import SimpleNamespace

from ae_lib._checks import as_size, brief
from ae_lib._jax import ensure_right_products, jax_platforms

PRESETS = ("small", "large")


def set_seed(seed):
    """Seed Python, NumPy and the Keras backend, and ask it for repeatable kernels.

    Args:
        seed: int ≥ 0.
    """
    import keras

    ensure_right_products()
    keras.utils.set_random_seed(as_size(seed, "seed", least=0))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        tf.get_logger().setLevel("ERROR")  # its advice on retracing is not for a page


def has_gpu():
    """Whether the Keras backend sees a GPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        return "gpu" in jax_platforms()
    import torch

    return torch.cuda.is_available()


def preset(small, large=None):
    """Choose a chapter's sizes: small on a CPU, large on a GPU.

    The variable ``AE_PRESET`` (``small`` or ``large``) overrides the choice.

    Args:
        small, large: dicts of settings; ``large`` needs to name only what differs.

    Returns:
        ``SimpleNamespace`` of the settings, with ``name`` added.

    Raises:
        ValueError: ``AE_PRESET`` is neither name, or ``large`` has a setting ``small`` lacks.

    Example:
        >>> preset = preset(small=dict(epochs=20), large=dict(epochs=100))
    """
    large = large or {}
    unknown = sorted(set(large) - set(small))
    if unknown:
        raise ValueError(f"large: settings {brief(unknown)} are not in small")
    name = os.environ.get("AE_PRESET") or ("large" if has_gpu() else "small")
    if name not in PRESETS:
        raise ValueError(f"AE_PRESET: got {brief(name)}; expected one of {', '.join(PRESETS)}")
    return SimpleNamespace(name=name, **{**small, **(large if name == "large" else {})})
