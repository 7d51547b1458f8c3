"""Held-out error against code size: the dense autoencoder of chapter 02 beside PCA.

    python -m benchmarks.code_size

Trains six code sizes with three seeds each by the chapter's recipe and writes
``ae_lib/data/records/code_size.json``, which the chapter draws. Every finished run is kept
in the record at once, so an interrupted script continues where it stopped.
"""

import json

import keras
import numpy as np
from sklearn.decomposition import PCA

from ae_lib import data, metrics, models, training
from benchmarks.environment import RECORDS, write_record
from benchmarks.kept import Kept

SIZES = (2, 4, 8, 16, 32, 64)
SEEDS = (0, 1, 2)
# The recipe of chapters/02_dense.ipynb; tests/test_chapter_02.py holds the two together.
RECIPE = {
    "hidden": [512, 256],
    "activation": "silu",
    "epochs": 30,  # over the training images and their mirror images
    "batch_size": 256,
    "peak": 5e-3,
    "decay": 0.1,
}
TARGET = RECORDS / "code_size.json"


def train(code_size, seed, fashion, recipe=RECIPE):
    """Train one autoencoder; returns its mean squared error on the validation images."""
    training.set_seed(seed)
    model = models.dense_autoencoder(
        code_size=code_size, hidden=recipe["hidden"], activation=recipe["activation"]
    )
    x = np.concatenate([fashion.train.x, fashion.train.x[:, :, ::-1]])
    epochs, batch_size = recipe["epochs"], recipe["batch_size"]
    rate = training.cosine_schedule(
        recipe["peak"], epochs * training.steps_per_epoch(len(x), batch_size)
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=recipe["decay"]), "mse")
    training.fit(model, x, epochs=epochs, batch_size=batch_size, label=f"{code_size}, {seed}")
    return metrics.mse(fashion.validation.x, model.reconstruct(fashion.validation.x))


def pca_error(code_size, fashion):
    """The mean squared error of PCA on the same split."""
    fit_on, held_out = (part.x.reshape(len(part.x), -1) for part in fashion[:2])
    pca = PCA(code_size, svd_solver="covariance_eigh").fit(fit_on)
    return metrics.mse(held_out, pca.inverse_transform(pca.transform(held_out)))


def main():
    fashion = data.load_fashion_mnist()
    kept, recipe = Kept(TARGET.with_suffix(".part")), sorted(RECIPE.items())
    errors = [
        [kept.get(f"{size}/{seed}/{recipe}", train, size, seed, fashion) for size in SIZES]
        for seed in SEEDS
    ]
    record = write_record(
        TARGET,
        "python -m benchmarks.code_size",
        what="validation MSE of Fashion-MNIST (small) by code size",
        sizes=SIZES,
        seeds=SEEDS,
        autoencoder=errors,
        pca=[pca_error(k, fashion) for k in SIZES],
        recipe=RECIPE,
    )
    kept.remove()
    print(json.dumps(record["autoencoder"]), record["pca"])


if __name__ == "__main__":
    main()
