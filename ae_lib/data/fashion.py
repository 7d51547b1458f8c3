"""Fashion-MNIST: a balanced subset that ships with the book, the full set on request.

Source: Xiao, Rasul & Vollgraf (2017), "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms". Licence: MIT.
"""

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ae_lib.data._files import DataError, cache_folder, download, read_npz, write_npz

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
FULL_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# name, MD5 of the published .gz (from the authors' page), SHA-256 of its contents
FULL_FILES = {
    "train_images": (
        "train-images-idx3-ubyte.gz",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train_labels": (
        "train-labels-idx1-ubyte.gz",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "test_images": (
        "t10k-images-idx3-ubyte.gz",
        "bef4ecab320f06d8554ea6380940ec79",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "test_labels": (
        "t10k-labels-idx1-ubyte.gz",
        "bb300cfdad3c16e7a12a480ee83cd310",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
VALIDATION_OF_FULL = 5_000
_KEYS = [f"{kind}_{part}" for part in ("train", "validation", "test") for kind in "xy"]


class Split(NamedTuple):
    """Images ``x``, float32 (n, 28, 28) in [0, 1], and labels ``y``, int64 (n,) in 0…9."""

    x: np.ndarray
    y: np.ndarray


class FashionMNIST(NamedTuple):
    """Three splits made before anything else: fit on one, choose on one, report on one."""

    train: Split
    validation: Split
    test: Split


def load_fashion_mnist(size="small", *, cache=None, base_url=FULL_URL, timeout=30.0):
    """Load Fashion-MNIST, split into train, validation and test.

    Args:
        size: ``"small"`` (ships with the book: 10,000 + 1,000 + 2,000 images, balanced
            over the classes, works offline) or ``"full"`` (55,000 + 5,000 + 10,000,
            downloaded once, about 30 MB, and kept in the cache).
        cache: folder for the download; default: ``$AE_LIB_CACHE``, else the user's cache.
        base_url: where the four files of the full set lie.
        timeout: seconds to wait for the server before giving up.

    Returns:
        ``FashionMNIST`` of three ``Split(x, y)``: ``x`` float32 (n, 28, 28) in [0, 1],
        ``y`` int64 (n,).

    Raises:
        ValueError: ``size`` is neither name.
        DataError: (an OSError) a file is missing, damaged, or cannot be fetched or kept.

    Example:
        >>> fashion = load_fashion_mnist()
        >>> fashion.train.x.shape
        (10000, 28, 28)
    """
    if size == "small":
        arrays = read_npz("fashion_mnist_small.npz")
    elif size == "full":
        arrays = _full(cache_folder(cache), base_url, timeout)
    else:
        raise ValueError(f'size: got {size!r}; choose "small" (ships with the book) or "full"')
    return FashionMNIST(*(_split(arrays, part) for part in FashionMNIST._fields))


def _split(arrays, part):
    x = arrays[f"x_{part}"].astype("float32") / np.float32(255)
    return Split(x, arrays[f"y_{part}"].astype("int64"))


def _full(folder, base_url, timeout):
    kept = folder / "fashion_mnist_full.npz"
    if kept.exists():
        try:
            with np.load(kept) as stored:
                return {key: stored[key] for key in _KEYS}
        except Exception:  # a damaged cache is fetched again, never trusted
            kept.unlink(missing_ok=True)
    parts = {}
    for key, (name, md5, sha256) in FULL_FILES.items():
        advice = 'load_fashion_mnist("small") needs no network'
        url = f"{base_url.rstrip('/')}/{name}"
        path = download(url, f"md5:{md5}", folder, timeout=timeout, advice=advice)
        parts[key] = read_idx(path, sha256)
    x, y = parts["train_images"], parts["train_labels"]
    order = np.random.default_rng(2026).permutation(len(x))
    held, rest = order[:VALIDATION_OF_FULL], order[VALIDATION_OF_FULL:]
    arrays = {
        "x_train": x[rest],
        "y_train": y[rest],
        "x_validation": x[held],
        "y_validation": y[held],
        "x_test": parts["test_images"],
        "y_test": parts["test_labels"],
    }
    write_npz(kept, arrays)
    return arrays


def read_idx(path, sha256):
    """Read one gzipped IDX file (LeCun's format) after checking its contents' SHA-256.

    Returns:
        uint8 array, (n, 28, 28) for images, (n,) for labels.

    Raises:
        DataError: the file is not gzip, is cut short, or is not the published one.
    """
    path = Path(path)
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path.name}: not a whole gzip file ({error}); delete it and load again"
        ) from error
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise DataError(
            f"{path.name}: contents have SHA-256 {found[:12]}…, the published file has "
            f"{sha256[:12]}…; delete it and load again"
        )
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">i4", dimensions, offset=4)
    return np.frombuffer(raw, "uint8", offset=4 + 4 * dimensions).reshape(shape)
