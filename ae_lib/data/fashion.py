"""Fashion-MNIST: a subset, balanced over the classes.

Source: Xiao, Rasul & Vollgraf (2017), "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms". Licence: MIT.
"""

from typing import NamedTuple

import numpy as np

from ae_lib.data._files import read_npz

CLASS_NAMES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class Split(NamedTuple):
    """Images ``x``, float32 (n, 28, 28) in [0, 1], and labels ``y``, int64 (n,) in 0…9."""

    x: np.ndarray
    y: np.ndarray


class FashionMNIST(NamedTuple):
    """Three splits made before anything else: fit on one, choose on one, report on one."""

    train: Split
    validation: Split
    test: Split


def load_fashion_mnist():
    """Load a subset of Fashion-MNIST, split into train, validation and test.

    Returns:
        ``FashionMNIST`` of three ``Split(x, y)`` with 10,000, 1,000 and 2,000 images:
        ``x`` float32 (n, 28, 28) in [0, 1], ``y`` int64 (n,).

    Raises:
        DataError: (an OSError) the file is missing or damaged.

    Example:
        >>> fashion = load_fashion_mnist()
        >>> fashion.train.x.shape
        (10000, 28, 28)
    """
    arrays = read_npz("fashion_mnist_small.npz")
    return FashionMNIST(
        *(
            Split(
                arrays[f"x_{part}"].astype("float32") / np.float32(255),
                arrays[f"y_{part}"].astype("int64"),
            )
            for part in FashionMNIST._fields
        )
    )
