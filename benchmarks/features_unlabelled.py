"""Sentences as features, and maps in the plane: a part of ``benchmarks.features``."""

from functools import partial

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ae_lib import data, models, pretrained, text, training
from benchmarks.features import DRAWS, TUNING, chosen_rows, images

TASKS, TEXT_PER_CLASS, POOL = ("question", "negation", "past"), (5, 10, 50, 200), 20_000
TEXT_GRID = {
    "scale": ("passthrough", StandardScaler(with_mean=False)),
    "last__C": (1e-3, 1e-2, 0.1, 1, 10, 100),
}


def sentences():
    """Three parts, each its sentences without their last mark, and their labels by task."""
    parts = data.load_sentences("train")[:POOL], *map(data.load_sentences, ("validation", "test"))
    for part in parts:
        marks = [text.attributes(s) for s in part]
        plain = [s.rstrip("?!. ") for s in part]
        yield plain, {task: np.array([m[task] for m in marks]) for task in TASKS}


def words(sentence):
    """As the book's vocabulary splits them ("didn't" is "did" and "n't"), in small letters."""
    return [word.lower() for word in text.split_words(sentence)]


def text_encoders():
    """Name: function of sentences that gives features, fitted on no label."""
    code, vae, language = map(
        pretrained, ("text-autoencoder", "sentence-vae", "small-language-model")
    )
    rng, vectors = np.random.default_rng(0), {}
    split = {"tokenizer": words, "token_pattern": None, "lowercase": False}

    def untrained(trained):
        training.set_seed(0)
        model = type(trained.model).from_config(trained.model.get_config())
        return type(trained)(model, trained.vocabulary)

    def states(gpt, batch, last=False):
        """The mean over the words of GPT's states, or the state of the last word."""
        ids = text.pad(gpt.vocabulary.encode_all(batch))
        found = np.concatenate(
            [
                keras.ops.convert_to_numpy(gpt.model.states(ids[i : i + 512]))[:, 1:]
                for i in range(0, len(ids), 512)
            ]
        )
        there = ids != 0
        if last:
            return found[np.arange(len(ids)), there.sum(1) - 1]
        return (found * there[..., None]).sum(1) / there.sum(1, keepdims=True)

    def random_vectors(batch):
        """The mean of a random vector of 448 numbers for each word."""

        def vector(word):
            if word not in vectors:
                vectors[word] = rng.normal(size=code.code_size).astype("float32")
            return vectors[word]

        return np.stack([np.mean([vector(w) for w in words(s)], 0) for s in batch])

    return {
        "bag of words": CountVectorizer(binary=True, **split),
        "TF–IDF": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **split),
        "random word vectors": random_vectors,
        "untrained autoencoder": untrained(code).encode,
        "text autoencoder": code.encode,
        "untrained VAE": untrained(vae).encode,
        "sentence VAE": vae.encode,
        "untrained GPT, mean state": partial(states, untrained(language)),
        "GPT, last state": partial(states, language, last=True),
        "GPT, mean state": partial(states, language),
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
