"""The exercises of chapter 02 that are about fair comparison and choice."""

import numpy as np

from ae_lib.exercises._old import Exercise, Wrong, array, close, known_slip, number

# -- a fair baseline ---------------------------------------------------------------------


def _toy():
    rng = np.random.default_rng(7)
    basis = rng.normal(size=(6, 12))
    train = rng.normal(size=(80, 6)) @ basis + 3 + 0.5 * rng.normal(size=(80, 12))
    return train, rng.normal(size=(30, 6)) @ basis + 3 + 0.5 * rng.normal(size=(30, 12))


def _project(fit_on, held_out, k, centre=True):
    mean = fit_on.mean(0) if centre else 0.0
    _, _, v = np.linalg.svd(fit_on - mean, full_matrices=False)
    return mean + (held_out - mean) @ v[:k].T @ v[:k]


def _least_components(train, held_out, k):
    """By the first columns of eigh, which are those of least variance."""
    mean = train.mean(0)
    v = np.linalg.eigh(np.cov(train.T))[1][:, :k]
    return mean + (held_out - mean) @ v @ v.T


def pca_reconstruct(train, held_out, k):
    """Reconstruct held-out rows by the k principal components of the training rows."""
    return _project(train, held_out, k)


def _judge_fair_baseline(answer):
    train, held_out = _toy()
    found = array(answer(train, held_out, 3), held_out.shape, "the reconstruction")
    if close(found, _project(train, held_out, 3)):
        return
    if close(found, _project(held_out, held_out, 3)):
        raise Wrong(
            "You fitted PCA on the held-out rows. The baseline may see only what the "
            "autoencoder sees: fit on train."
        )
    if close(found, _project(train, held_out, 3, centre=False)):
        raise Wrong("You did not subtract the training mean, so one component is spent on it.")
    if close(found, _project(train, held_out, 3) - train.mean(0)):
        raise Wrong("The mean was subtracted but never added back.")
    mean, own = train.mean(0), held_out.mean(0)
    right = _project(train, held_out, 3) - mean
    v = np.linalg.svd(train - mean, full_matrices=False)[2]
    slips = [
        (_project(train, held_out - own + mean, 3) - mean + own, "You centred the held-out rows "
         "with their own mean. The mean is part of what PCA has learnt: take that of train."),
        (mean + (held_out - mean) @ v[-3:].T @ v[-3:], "These are the components of *least* "
         "variance: eigh sorts its eigenvalues upwards, so the last columns count."),
        (_project(np.concatenate([train, held_out]), held_out, 3), "You fitted PCA on train and "
         "held_out together. The baseline may see only what the autoencoder sees: train."),
        (mean + (held_out - mean) @ v[:4].T @ v[:4], "That is one component too many."),
        (mean + (held_out - mean) @ v[:2].T @ v[:2], "That is one component too few."),
        (held_out @ v[:3].T @ v[:3], "The held-out rows were not centred, though train was."),
        (right + own, "The mean to be added back is that of train, not of the held-out rows."),
        (held_out, "You gave held_out back as it was: only k numbers a row may get through."),
    ]  # fmt: skip
    known_slip(found, slips)
    raise Wrong("Centre with the training mean, project on k components of train, add the mean.")


# -- choosing a code size ----------------------------------------------------------------


def smallest_good_size(sizes, validation, test):
    """The smallest size whose validation error is within 5 % of the best validation error."""
    allowed = 1.05 * min(validation)
    return min(k for k, v in zip(sizes, validation, strict=True) if v <= allowed)


def _best(sizes, errors):
    return sizes[int(np.argmin(errors))]


_SIZES = [2, 4, 8, 16, 32, 64]
_VALIDATION = [0.03, 0.02, 0.0150, 0.0103, 0.0101, 0.0100]
_TEST = [0.03, 0.02, 0.0150, 0.0115, 0.0105, 0.0112]
_MIXED = [5, 2, 0, 4, 1, 3]  # the sizes need not come in order
_CASES = (
    (_SIZES, _VALIDATION, _TEST),
    (
        _SIZES,
        [0.03, 0.02, 0.0104, 0.0106, 0.0100, 0.0105],
        [0.03, 0.01, 0.0098, 0.0120, 0.0110, 0.0120],
    ),
    tuple([values[i] for i in _MIXED] for values in (_SIZES, _VALIDATION, _TEST)),
)


def _within(sizes, errors, best_of):
    """The sizes whose error is within 5 % of the best of others, in their order."""
    return [k for k, e in zip(sizes, errors, strict=True) if e <= 1.05 * min(best_of)]


def _judge_choose_size(answer):
    for sizes, validation, test in _CASES:
        found = number(answer(list(sizes), list(validation), list(test)), "the chosen size")
        if found == smallest_good_size(sizes, validation, test):
            continue
        if found in (_best(sizes, test), min(_within(sizes, test, test))):
            raise Wrong(
                "You chose by the test error. Then the test error of the chosen model is no "
                "longer an honest estimate: choose by validation."
            )
        mixed = _within(sizes, test, validation), _within(sizes, validation, test)
        if found in map(min, mixed):
            raise Wrong(
                "Your rule compares test errors with validation errors. The test list is not "
                "there for choosing: leave it alone."
            )
        if found == _within(sizes, validation, validation)[0]:
            raise Wrong(
                f"That is the first in the list {sizes} that is good enough. The sizes need not "
                "come in order: take the smallest."
            )
        if found == _best(sizes, validation):
            raise Wrong(
                "That is the best validation error. A smaller code within 5 % of it was wanted."
            )
        raise Wrong(f"For sizes {sizes} and validation errors {validation}, got {found:g}.")


EXERCISES = [
    Exercise(
        name="dense.fair_baseline",
        judge=_judge_fair_baseline,
        right="A baseline that peeks at held-out data flatters itself; one without the mean is "
        "a straw man. This one is fair.",
        hint="np.linalg.svd(train - mean, full_matrices=False) returns the components as rows "
        "of its third value.",
        solution=lambda: pca_reconstruct,
        wrong={
            "fitted on the held-out rows": (
                lambda: lambda train, held, k: _project(held, held, k),
                "fitted PCA on the held-out rows",
            ),
            "not centred": (
                lambda: lambda train, held, k: _project(train, held, k, centre=False),
                "did not subtract the training mean",
            ),
            "the held-out rows' own mean": (
                lambda: (
                    lambda train, held, k: (
                        _project(train, held - held.mean(0) + train.mean(0), k)
                        - train.mean(0)
                        + held.mean(0)
                    )
                ),
                "with their own mean",
            ),
            "the smallest eigenvectors": (lambda: _least_components, "least"),
            "mean not added back": (
                lambda: lambda train, held, k: _project(train, held, k) - train.mean(0),
                "never added back",
            ),
        },
        expects="a function of train, held_out and k",
    ),
    Exercise(
        name="dense.choose_size",
        judge=_judge_choose_size,
        right="Choose on validation, prefer the smaller model when it is as good, and let the "
        "test set speak once.",
        hint="Find the best validation error, allow 5 % more, and take the smallest size within.",
        solution=lambda: smallest_good_size,
        wrong={
            "by the test error": (lambda: lambda s, v, t: _best(s, t), "chose by the test error"),
            "half by the test error": (
                lambda: lambda s, v, t: min(_within(s, v, t)),
                "leave it alone",
            ),
            "the first in the list": (
                lambda: lambda s, v, t: _within(s, v, v)[0],
                "need not come in order",
            ),
            "best validation": (lambda: lambda s, v, t: _best(s, v), "best validation error"),
        },
        expects="a function of sizes, validation and test",
    ),
]
