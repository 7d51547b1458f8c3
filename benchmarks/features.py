"""What features bring a classifier: the wide tables of chapter 04.

    python -m benchmarks.features [image_features fine_tuning text_features settings maps]

Every score is a share of right answers. A *draw* is one random choice of labelled examples,
the same for all features and classifiers, so that their differences are paired. Settings are
chosen on validation images by three draws of their own (100 to 102, encoders of seed 100).
Then ten others (0 to 9; draw d takes the encoder of seed d mod 5) are scored on the test
images, once. Finished runs are kept: a script cut off goes on. ``maps`` needs ``umap-learn``.
"""

import functools

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ae_lib import data, models, training
from benchmarks.kept import measure_parts

PER_CLASS, DRAWS, TUNING, ENCODERS = (1, 5, 10, 50), range(10), range(100, 103), 5
CODE, EPOCHS, BATCH, RATES = 64, 10, 64, (1e-3, 3e-3)


# --------------------------------------------------------------------------- features
def _conv(shape, k):
    return models.conv_autoencoder(shape, k)


def _denoising(shape, k):
    return models.conv_autoencoder(shape, None, corruption=keras.layers.GaussianNoise(0.3))


def _sparse(shape, k):
    """512 units, 32 of them at work; one layer on each side."""
    layers, volume = keras.layers, int(np.prod(shape))
    encoder = [keras.Input(shape), layers.Flatten(), layers.Dense(512), models.KSparse(32)]
    decoder = [keras.Input((512,)), layers.Dense(volume, "sigmoid"), layers.Reshape(shape)]
    return models.Autoencoder(keras.Sequential(encoder), keras.Sequential(decoder))


FEATURES = {  # name: function that builds the autoencoder, and its numbers
    "pixels": (None, 784),
    "PCA": (None, CODE),
    "random convolution, map": (_denoising, 1568),
    "random convolution, code": (_conv, CODE),
    "dense": (models.dense_autoencoder, CODE),
    "convolutional": (_conv, CODE),
    "denoising, map": (_denoising, 1568),
    "sparse": (_sparse, 512),
    "variational": (models.dense_vae, CODE),
}


def transformer(name, seed, rate=None):
    """A transformer of rows of 784 pixels, not fitted."""
    if name == "pixels":
        return FunctionTransformer()
    if name == "PCA":
        return PCA(CODE, random_state=seed)
    return models.CodeTransformer(
        FEATURES[name][0],
        CODE,
        shape=(28, 28),
        epochs=0 if "random" in name else EPOCHS,
        batch_size=BATCH,
        learning_rate=rate or RATES[0],
        random_state=seed,
    )


@functools.cache
def images():
    """Rows and labels of the three parts."""
    return [(part.x.reshape(-1, 784), part.y) for part in data.load_fashion_mnist()]


@functools.lru_cache(maxsize=8)
def coded(name, seed, rate):
    """Features of the three parts, by a transformer fitted on the training images."""
    if name in ("pixels", "PCA"):
        seed = 0
    fitted = transformer(name, seed, rate).fit(images()[0][0])
    return [fitted.transform(x) for x, _ in images()]


# --------------------------------------------------------------------------- classifiers
def classifiers(seed):
    """Name: a classifier, and the grid of its settings."""
    scale = {"scale": ("passthrough", StandardScaler())}

    def scaled(last):
        return Pipeline([("scale", StandardScaler()), ("last", last)])

    boosting = HistGradientBoostingClassifier(
        max_iter=50, max_features=0.3, early_stopping=False, random_state=seed
    )
    return {
        "logistic regression": (
            scaled(LogisticRegression(max_iter=300)),
            {**scale, "last__C": (1e-3, 1e-2, 0.1, 1, 10)},
        ),
        "support vector machine": (scaled(SVC()), {**scale, "last__C": (1, 10)}),
        "nearest neighbours": (
            scaled(KNeighborsClassifier()),
            {**scale, "last__n_neighbors": (1, 5)},
        ),
        "tree": (DecisionTreeClassifier(random_state=seed), {"min_samples_leaf": (1, 5)}),
        "random forest": (RandomForestClassifier(200, random_state=seed), {}),
        "gradient boosting": (boosting, {"min_samples_leaf": (1, 20)}),
    }


def chosen_rows(labels, per_class, draw):
    """Rows of ``per_class`` labelled examples of each class; a larger number holds a smaller."""
    rng = np.random.default_rng(draw)
    orders = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    return np.concatenate([order[:per_class] for order in orders])


def right(classifier, x, y, rows, x_asked, y_asked):
    """Which of the asked examples it gets right after training on ``rows``."""
    return classifier.fit(x[rows], y[rows]).predict(x_asked) == y_asked


def best_settings(name, classifier, rate, per_class, draws):
    """The settings with the highest mean on the validation images, and that mean."""
    y, y_valid = images()[0][1], images()[1][1]
    found = []
    for settings in ParameterGrid(classifiers(0)[classifier][1]):
        scores = []
        for draw in draws:
            x, x_valid, _ = coded(name, 100, rate)
            model = classifiers(draw)[classifier][0].set_params(**settings)
            rows = chosen_rows(y, per_class, draw)
            scores.append(right(model, x, y, rows, x_valid, y_valid).mean())
        found.append((float(np.mean(scores)), settings))
    return max(found, key=lambda pair: pair[0])


def cell(name, classifier, rate, per_class):
    """One cell of the table: ten draws; of all labels, one, with what it got right."""
    (x_all, y), _, (_, y_test) = images()
    everything = per_class is None
    few = (300, TUNING[:1]) if everything else (per_class, TUNING)
    valid, settings = best_settings(name, classifier, rate, *few)
    result = {"settings": {k: str(v) for k, v in settings.items()}, "validation": round(valid, 4)}
    scores = []
    for draw in DRAWS[:1] if everything else DRAWS:
        x, _, x_test = coded(name, draw % ENCODERS, rate)
        model = classifiers(draw)[classifier][0].set_params(**settings)
        rows = np.arange(len(y)) if everything else chosen_rows(y, per_class, draw)
        hits = right(model, x, y, rows, x_test, y_test)
        scores.append(round(float(hits.mean()), 4))
    if everything:
        result["hits"] = np.packbits(hits).tobytes().hex()
    return result | {"test": scores}


def encoder_rate(kept, name):
    """The learning rate whose codes serve a logistic regression best, on validation images."""

    def score(rate):
        return best_settings(name, "logistic regression", rate, 10, TUNING)[0]

    return max(RATES, key=lambda rate: kept.get(f"{name}, rate {rate:g}", score, rate))


def image_features(kept):
    """Accuracy by features, classifier and labels per class."""
    table, rates = {}, {}
    for name, (build, _) in FEATURES.items():
        rates[name] = encoder_rate(kept, name) if build and "random" not in name else None
        table[name] = {}
        # Encoder after encoder: eight stay in memory, so each is trained once.
        for per_class in (*PER_CLASS, None):
            for classifier in classifiers(0):
                column = table[name].setdefault(classifier, {})
                column[str(per_class or "all")] = kept.get(
                    f"{name}, {classifier}, {per_class}",
                    cell, name, classifier, rates[name], per_class,
                )  # fmt: skip
        coded.cache_clear()
    sizes = {name: size for name, (_, size) in FEATURES.items()}
    return {"per_class": PER_CLASS, "sizes": sizes, "rates": rates, "results": table}


# --------------------------------------------------------------------------- fine-tuning
ARMS = ("frozen", "fine-tuned", "from scratch")
TUNED_RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
STEPS, TUNED_PER_CLASS = 300, (1, 5, 10, 50, 200)


@functools.lru_cache(maxsize=6)
def _encoder_weights(seed, trained, rate):
    epochs = EPOCHS if trained else 0
    fitted = transformer("convolutional", seed, rate).set_params(epochs=epochs)
    return fitted.fit(images()[0][0]).model_.encoder.get_weights()


def network_accuracy(arm, per_class, draw, rate, pretrained_at, part):
    """An encoder with ten outputs, trained on a draw's labels for 300 steps; its accuracy."""
    x, y = images()[0]
    seed = 100 if draw >= 100 else draw % ENCODERS
    weights = _encoder_weights(seed, arm != "from scratch", pretrained_at)
    training.set_seed(draw)
    encoder = _conv((28, 28), CODE).encoder
    encoder.set_weights(weights)
    encoder.trainable = arm != "frozen"
    inputs = [keras.Input((784,)), keras.layers.Reshape((28, 28))]
    model = keras.Sequential([*inputs, encoder, keras.layers.Dense(10)])
    rows = chosen_rows(y, per_class, draw)
    schedule = keras.optimizers.schedules.CosineDecay(rate, STEPS)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule), loss)
    rng = np.random.default_rng(draw)
    batch = min(64, len(rows))
    for _ in range(STEPS):
        picked = rng.choice(rows, batch, replace=False)
        model.train_on_batch(x[picked], y[picked])
    x_asked, y_asked = images()[part]
    return float((model.predict(x_asked, batch_size=500, verbose=0).argmax(1) == y_asked).mean())


# Images that train the encoder; the table's has seen 10,000, in as many steps.
UNLABELLED = (100, 1000)
UNLABELLED_DRAWS = range(5)


def unlabelled_accuracy(n, draw, rate):
    """Ten labels per class; the encoder has seen ``n`` images, the labelled ones among them."""
    (x, y), _, (x_test, y_test) = images()
    rows = chosen_rows(y, 10, draw)
    others = np.random.default_rng(draw).permutation(np.setdiff1d(np.arange(len(y)), rows))
    seen = np.concatenate([rows, others[: n - len(rows)]])
    steps = EPOCHS * -(-len(y) // BATCH)
    epochs = round(steps / -(-n // BATCH))
    codes = transformer("convolutional", draw, rate).set_params(epochs=epochs).fit(x[seen])
    settings = best_settings("convolutional", "logistic regression", rate, 10, TUNING)[1]
    model = classifiers(draw)["logistic regression"][0].set_params(**settings)
    hits = model.fit(codes.transform(x[rows]), y[rows]).predict(codes.transform(x_test)) == y_test
    return round(float(hits.mean()), 4)


def fine_tuning(kept):
    """Accuracy of one network: its encoder frozen, fine-tuned, or trained from scratch."""
    pretrained_at, results = encoder_rate(kept, "convolutional"), {}
    for per_class in TUNED_PER_CLASS:
        for arm in ARMS:

            def run(draw, rate, part, arm=arm, n=per_class):
                name = f"{arm}, {n}, draw {draw}, rate {rate:g}"
                return kept.get(name, network_accuracy, arm, n, draw, rate, pretrained_at, part)

            tried = {r: np.mean([run(d, r, 1) for d in TUNING[:2]]) for r in TUNED_RATES}
            rate = max(tried, key=tried.get)
            scores = [round(run(draw, rate, 2), 4) for draw in DRAWS]
            shown = {f"{r:g}": float(v) for r, v in tried.items()}
            column = results.setdefault(arm, {})
            column[str(per_class)] = {"rate": rate, "tried": shown, "test": scores}
    unlabelled = {
        str(n): [
            kept.get(f"{n} unlabelled, draw {draw}", unlabelled_accuracy, n, draw, pretrained_at)
            for draw in UNLABELLED_DRAWS
        ]
        for n in UNLABELLED
    }
    return {
        "per_class": TUNED_PER_CLASS,
        "steps": STEPS,
        "results": results,
        "unlabelled": unlabelled,
    }


def main():
    from benchmarks import features_settings, features_unlabelled

    parts = (
        image_features,
        fine_tuning,
        features_unlabelled.text_features,
        features_settings.settings,
        features_unlabelled.maps,
    )
    measure_parts(parts, "benchmarks.features", __doc__, draws=len(DRAWS))


if __name__ == "__main__":
    main()
