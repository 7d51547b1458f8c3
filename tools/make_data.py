"""Rebuild the data that ship with ae_lib, bit for bit, from their published sources.

    python tools/make_data.py [--fashion DIR]

DIR holds the four IDX files of Fashion-MNIST, as Debian's package
``dataset-fashion-mnist`` installs them. Prints the SHA-256 of what it wrote and
updates ``ae_lib/data/manifest.json``.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from ae_lib.data.fashion import FULL_FILES, read_idx

DATA = Path(__file__).resolve().parent.parent / "ae_lib" / "data"
SIZES = {"train": 10_000, "validation": 1_000, "test": 2_000}


def fashion_subset(source):
    """Draw class-balanced subsets: train and validation from the 60,000, test from the 10,000."""
    parts = {key: read_idx(source / name, sha) for key, (name, _, sha) in FULL_FILES.items()}
    rng = np.random.default_rng(2026)

    def draw(labels, sizes):
        """Disjoint balanced index sets of the given sizes, each in random order."""
        order = [rng.permutation(np.flatnonzero(labels == c)) for c in range(10)]
        start = 0
        for size in sizes:
            per_class = size // 10
            chosen = np.concatenate([o[start : start + per_class] for o in order])
            start += per_class
            yield rng.permutation(chosen)

    x, y = parts["train_images"], parts["train_labels"]
    train, validation = draw(y, [SIZES["train"], SIZES["validation"]])
    (test,) = draw(parts["test_labels"], [SIZES["test"]])
    return {
        "x_train": x[train],
        "y_train": y[train],
        "x_validation": x[validation],
        "y_validation": y[validation],
        "x_test": parts["test_images"][test],
        "y_test": parts["test_labels"][test],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fashion", type=Path, default="/usr/share/datasets/fashion-mnist")
    args = parser.parse_args()
    target = DATA / "fashion_mnist_small.npz"
    np.savez_compressed(target, **fashion_subset(args.fashion))
    entry = {
        "file": target.name,
        "bytes": target.stat().st_size,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "contents": "10,000 training, 1,000 validation and 2,000 test images, 28 × 28, "
        "balanced over ten classes",
        "origin": "Fashion-MNIST (Zalando SE, 2017), as in Debian's package dataset-fashion-mnist",
        "licence": "MIT",
        "made_by": "tools/make_data.py",
    }
    (DATA / "manifest.json").write_text(json.dumps({"files": [entry]}, indent=1) + "\n")
    print(entry["file"], entry["bytes"], entry["sha256"])


if __name__ == "__main__":
    main()
