"""What features bring a classifier: the wide tables of chapter 04.

    python -m benchmarks.features [image_features fine_tuning text_features settings maps]

Every score is a share of right answers. A *draw* is one random choice of labelled examples,
the same for all features and classifiers, so that their differences are paired. Settings are
chosen on validation images by three draws of their own (100 to 102, encoders of seed 100).
Then ten others (0 to 9; draw d takes the encoder of seed d mod 5) are scored on the test
images, once. Finished runs are kept: a script cut off goes on. ``maps`` needs ``umap-learn``.
"""

import argparse
import functools

import keras
import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ae_lib import data, models, pretrained, text, training
from benchmarks.environment import RECORDS, write_record
from benchmarks.kept import Kept

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


# --------------------------------------------------------------------------- text
TASKS, TEXT_PER_CLASS, POOL = ("question", "negation", "past"), (5, 10, 50, 200), 20_000
TEXT_GRID = {
    "scale": ("passthrough", StandardScaler(with_mean=False)),
    "last__C": (1e-3, 1e-2, 0.1, 1, 10, 100),
}


def sentences():
    """Three parts, each its sentences with "." at the end, and their labels by task."""
    parts = data.load_sentences("train")[:POOL], *map(data.load_sentences, ("validation", "test"))
    for part in parts:
        marks = [text.attributes(s) for s in part]
        plain = [s.rstrip("?!. ") + "." for s in part]
        yield plain, {task: np.array([m[task] for m in marks]) for task in TASKS}


def text_encoders():
    """Name: function of sentences that gives features, fitted on no label."""
    code, vae, language = map(
        pretrained, ("text-autoencoder", "sentence-vae", "small-language-model")
    )
    training.set_seed(0)
    fresh = type(code)(type(code.model).from_config(code.model.get_config()), code.vocabulary)
    rng, vectors = np.random.default_rng(0), {}

    def states(batch):
        ids = text.pad(language.vocabulary.encode_all(batch))
        found = np.concatenate(
            [
                keras.ops.convert_to_numpy(language.model.states(ids[i : i + 512]))[:, 1:]
                for i in range(0, len(ids), 512)
            ]
        )
        there = (ids != 0)[..., None]
        return (found * there).sum(1) / there.sum(1)

    def random_vectors(batch):
        """The mean of a random vector of 448 numbers for each word."""

        def vector(word):
            if word not in vectors:
                vectors[word] = rng.normal(size=code.code_size).astype("float32")
            return vectors[word]

        return np.stack([np.mean([vector(w) for w in s.lower().split()], 0) for s in batch])

    return {
        "bag of words": CountVectorizer(binary=True, token_pattern=r"[\w']+"),
        "TF–IDF": TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[\w']+", sublinear_tf=True),
        "random word vectors": random_vectors,
        "untrained autoencoder": fresh.encode,
        "text autoencoder": code.encode,
        "sentence VAE": vae.encode,
        "GPT, mean state": states,
    }


def text_features(kept):
    """Balanced accuracy of a logistic regression by features of sentences and labels per class."""
    parts = list(sentences())
    results, sizes = {}, {}
    for name, encode in text_encoders().items():
        if hasattr(encode, "fit"):
            encode = encode.fit(parts[0][0]).transform  # noqa: PLW2901
        x, x_valid, x_test = (encode(part[0]) for part in parts)
        sizes[name] = x.shape[1]

        def score(task, n, draw, settings, part, x=x, asked=(None, x_valid, x_test)):
            y = parts[0][1][task]
            rows = chosen_rows(y, n, draw)
            steps = [("scale", "passthrough"), ("last", LogisticRegression(max_iter=300))]
            model = Pipeline(steps).set_params(**settings).fit(x[rows], y[rows])
            guess = model.predict(asked[part])
            return float(balanced_accuracy_score(parts[part][1][task], guess))

        for task in TASKS:
            for n in TEXT_PER_CLASS:

                def ten(task=task, n=n, score=score):
                    tried = [
                        (np.mean([score(task, n, draw, settings, 1) for draw in TUNING]), settings)
                        for settings in ParameterGrid(TEXT_GRID)
                    ]
                    settings = max(tried, key=lambda pair: pair[0])[1]
                    scores = [round(score(task, n, draw, settings, 2), 4) for draw in DRAWS]
                    return {"settings": {k: str(v) for k, v in settings.items()}, "test": scores}

                column = results.setdefault(name, {}).setdefault(task, {})
                column[str(n)] = kept.get(f"{name}, {task}, {n}", ten)
    counts = {t: [int(p[1][t].sum()) for p in parts] for t in TASKS}
    return {"per_class": TEXT_PER_CLASS, "sizes": sizes, "positive": counts, "results": results}


# --------------------------------------------------------------------------- choosing settings
RUNGS, SETTING_DRAWS, ROWS = (50, 100, 200, 400, 800, 1600), range(20), 60
LEAK_DRAWS = range(10)  # each trains six autoencoders
TWO = (0, 6)  # T-shirts and shirts


def candidates(seed):
    """Twelve classifiers to choose from."""

    def scaled(last):
        return Pipeline([("scale", StandardScaler()), ("last", last)])

    return {
        **{f"neighbours, k = {k}": KNeighborsClassifier(k) for k in (1, 5, 15)},
        **{
            f"logistic, C = {c:g}": scaled(LogisticRegression(C=c, max_iter=300))
            for c in (1e-3, 0.03, 1)
        },
        **{f"SVM, C = {c:g}": SVC(C=c) for c in (0.3, 1, 10)},
        **{
            f"tree, leaf of {n}": DecisionTreeClassifier(min_samples_leaf=n, random_state=seed)
            for n in (1, 10)
        },
        "forest": RandomForestClassifier(100, random_state=seed),
    }


def learning_curves(draw):
    """Validation accuracy of each candidate at each number of images, and test accuracy last."""
    (x, y), (x_valid, y_valid), (x_test, y_test) = images()
    x, x_valid, x_test = coded("PCA", 0, None)
    order = np.random.default_rng(draw).permutation(len(y))
    result = {}
    for name, model in candidates(draw).items():
        scores = []
        for n in RUNGS:
            model.fit(x[order[:n]], y[order[:n]])
            scores.append(round(float((model.predict(x_valid) == y_valid).mean()), 4))
        result[name] = [*scores, round(float((model.predict(x_test) == y_test).mean()), 4)]
    return result


def leak(draw):
    """Estimates by five folds with a step fitted inside or outside them, and the truth.

    60 images of two classes, with their labels and with random ones. Inside, the step sees the
    48 of the other folds; outside, all 60. For steps that look at no label there is a third
    arm, "as many": the 48 and 12 images that are asked nowhere. The truth: the same pipeline,
    fitted on the 60, on all the other training images of the two classes.
    """
    x, y = images()[0]
    mine = np.flatnonzero(np.isin(y, TWO))
    order = np.random.default_rng(draw).permutation(mine)
    rows, spare, others = order[:ROWS], order[ROWS : ROWS + 12], order[ROWS + 12 :]
    coin = np.random.default_rng(draw).permutation(ROWS) < ROWS // 2
    labels = {"real": y[rows] == TWO[1], "random": coin}
    code = models.CodeTransformer(
        code_size=16, epochs=200, learning_rate=3e-3, random_state=draw
    )  # a step an epoch: 200 steps
    steps = {
        "selection": SelectKBest(k=20),
        "PCA": PCA(16, whiten=True, random_state=draw),
        "autoencoder": code,
    }
    last = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    folds = StratifiedKFold(5, shuffle=True, random_state=draw)
    result = {}
    for name, step in steps.items():
        blind = name != "selection"  # it fits without labels, once for both kinds of them
        for kind, known in labels.items():
            scores = {"inside": [], "outside": [], **({"as many": []} if blind else {})}
            for train, held in folds.split(rows, labels["real"] if blind else known):
                seen = {"inside": rows[train], "outside": rows, "as many": [*rows[train], *spare]}
                for arm, found in scores.items():
                    fitted = _fitted(
                        step, draw, seen[arm], known, train if arm == "inside" else None
                    )
                    z = fitted.transform(x[rows])
                    found.append(last.fit(z[train], known[train]).score(z[held], known[held]))
            scores = {arm: np.mean(found) for arm, found in scores.items()}
            if kind == "real":
                fitted = _fitted(step, draw, rows, known, None)
                z = fitted.transform(x[rows])
                hits = last.fit(z, known).predict(fitted.transform(x[others]))
                scores["truth"] = (hits == (y[others] == TWO[1])).mean()
            result[f"{name}, {kind}"] = {k: round(float(v), 4) for k, v in scores.items()}
    return result


_FITTED = {}


def _fitted(step, draw, seen, known, train):
    """The step fitted on these rows; what looks at no label is fitted once and kept."""
    x = images()[0][0]
    if isinstance(step, SelectKBest):
        return clone(step).fit(x[seen], known if train is None else known[train])
    key = (type(step).__name__, draw, tuple(seen))
    if key not in _FITTED:
        _FITTED[key] = clone(step).fit(x[list(seen)])
    return _FITTED[key]


def nested(draw):
    """The best score of a grid of 25 settings on random labels, and nested cross-validation."""
    x = coded("PCA", 0, None)[0][:, :16]
    rows = np.random.default_rng(draw).permutation(len(x))[:ROWS]
    labels = np.random.default_rng(draw + 1).permutation(ROWS) < ROWS // 2
    grid = {"C": np.logspace(-1, 3, 5), "gamma": np.logspace(-4, 0, 5)}
    inner, outer = (StratifiedKFold(5, shuffle=True, random_state=s) for s in (draw, draw + 1))
    search = GridSearchCV(SVC(), grid, cv=inner)
    best = search.fit(x[rows], labels).best_score_
    return [float(best), float(cross_val_score(search, x[rows], labels, cv=outer).mean())]


def settings(kept):
    """How settings are chosen, and mistaken: learning curves, leaks, nested cross-validation."""
    parts = {
        "curves": (learning_curves, SETTING_DRAWS),
        "leaks": (leak, LEAK_DRAWS),
        "nested": (nested, SETTING_DRAWS),
    }
    found = {
        name: [kept.get(f"{name}, draw {d}", run, d) for d in draws]
        for name, (run, draws) in parts.items()
    }
    return {"images": RUNGS, "rows": ROWS, **found}


# --------------------------------------------------------------------------- maps
MAP_SEEDS, MAP_IMAGES, MAP_EPOCHS, NEAR = range(5), 2000, 40, 10
MAP_SHOWN = 600  # of the images, in the chapter's figure
MAPS_SHOWN = ("chance", "PCA", "dense code", "t-SNE", "UMAP")


def nearest(z, k=NEAR):
    """Rows of each row's k nearest others."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(z).kneighbors(return_distance=False)


def kept_share(a, b):
    """The mean share of the neighbours ``a`` that are among the neighbours ``b``."""
    return float(np.mean([len(set(i) & set(j)) / len(i) for i, j in zip(a, b, strict=True)]))


def map_makers():
    from sklearn.manifold import TSNE
    from sklearn.random_projection import GaussianRandomProjection
    from umap import UMAP

    def code(x, seed):
        build = models.dense_autoencoder
        fitted = models.CodeTransformer(
            build, 2, shape=(28, 28), epochs=MAP_EPOCHS, learning_rate=1e-3, random_state=seed
        )
        return fitted.fit(images()[0][0]).transform(x)

    return {
        "chance": lambda x, seed: np.random.default_rng(seed).normal(size=(len(x), 2)),
        "random projection": lambda x, seed: GaussianRandomProjection(
            2, random_state=seed
        ).fit_transform(x),
        "PCA": lambda x, seed: PCA(2, random_state=seed).fit(images()[0][0]).transform(x),
        "dense code": code,
        "t-SNE": lambda x, seed: TSNE(random_state=seed, init="random").fit_transform(x),
        "t-SNE from PCA": lambda x, seed: TSNE(random_state=seed, init="pca").fit_transform(x),
        "UMAP": lambda x, seed: UMAP(random_state=seed).fit_transform(x),
    }


def maps(kept):
    """Maps of 2,000 images in the plane: what they keep, and how stable they are over seeds."""
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr
    from sklearn.manifold import trustworthiness

    x, labels = (a[:MAP_IMAGES] for a in images()[0])
    true_near, distances = nearest(x), pdist(x[:500])
    results, planes = {}, {}
    for name, make in map_makers().items():
        made = {}

        def plane(seed, make=make, made=made):
            if seed not in made:
                made[seed] = np.asarray(make(x, seed), "float64")
            return made[seed]

        def scores(seed, plane=plane):
            z = plane(seed)
            near = nearest(z)
            guess = np.array([np.bincount(labels[row]).argmax() for row in near])
            return {
                "trustworthiness": float(trustworthiness(x, z, n_neighbors=NEAR)),
                "neighbours kept": kept_share(true_near, near),
                "distances": float(spearmanr(distances, pdist(z[:500])).statistic),
                "class of the neighbours": float((guess == labels).mean()),
            }

        def stability(plane=plane):
            near = [nearest(plane(seed)) for seed in MAP_SEEDS]
            return [kept_share(near[i], near[j]) for i in MAP_SEEDS for j in MAP_SEEDS if i < j]

        rows = [kept.get(f"{name}, seed {seed}", scores, seed) for seed in MAP_SEEDS]
        results[name] = {score: [row[score] for row in rows] for score in rows[0]}
        results[name]["between seeds"] = kept.get(f"{name}, stability", stability)
        if name in MAPS_SHOWN:
            planes[name] = kept.get(
                f"{name}, plane", lambda plane=plane: np.round(plane(0)[:MAP_SHOWN], 2).tolist()
            )
    return {"images": MAP_IMAGES, "neighbours": NEAR, "results": results, "planes": planes}


PARTS = {
    part.__name__: part for part in (image_features, fine_tuning, text_features, settings, maps)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for name in parts:
        kept = Kept(RECORDS / f"{name}.part")
        write_record(
            RECORDS / f"{name}.json",
            f"python -m benchmarks.features {name}",
            what=PARTS[name].__doc__,
            draws=len(DRAWS),
            **PARTS[name](kept),
        )
        kept.remove()


if __name__ == "__main__":
    main()
