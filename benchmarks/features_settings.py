"""Learning curves, leaks, nested cross-validation: a part of ``benchmarks.features``."""

import itertools

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from ae_lib import models
from benchmarks.features import coded, images

RUNGS, SETTING_DRAWS, ROWS = (50, 100, 200, 400, 800, 1600), range(20), 60
LEAK_DRAWS = range(10)  # each trains eleven autoencoders
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
        for kinds in (("real", "random"),) if blind else (("real",), ("random",)):
            known = labels[kinds[0]]
            whole = clone(step).fit(x[rows], known)
            scores = {kind: {} for kind in kinds}
            for train, held in folds.split(rows, known):
                inside = clone(step).fit(x[rows[train]], known[train])
                fitted = {"inside": inside, "outside": whole}
                if blind:
                    fitted["as many"] = clone(step).fit(x[[*rows[train], *spare]])
                for arm, kind in itertools.product(fitted, kinds):
                    z, own = fitted[arm].transform(x[rows]), labels[kind]
                    hits = last.fit(z[train], own[train]).score(z[held], own[held])
                    scores[kind].setdefault(arm, []).append(hits)
            means = {k: {arm: np.mean(found) for arm, found in scores[k].items()} for k in kinds}
            if "real" in means:
                hits = last.fit(whole.transform(x[rows]), known).predict(
                    whole.transform(x[others])
                )
                means["real"]["truth"] = (hits == (y[others] == TWO[1])).mean()
            for kind, row in means.items():
                result[f"{name}, {kind}"] = {k: round(float(v), 4) for k, v in row.items()}
    return result


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
