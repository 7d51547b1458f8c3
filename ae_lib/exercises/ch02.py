"""Exercises of chapter 02, the dense autoencoder."""

import itertools

import numpy as np

from ae_lib.exercises._core import Exercise, has
from ae_lib.exercises._readers import array, letters, words

# The training images of Fashion-MNIST as the book has them, values 0 to 1.
MEAN, STD = 0.28672, 0.35347


# dense.parameters
def _weights(*widths, biases=True):
    return sum(a * b + biases * b for a, b in itertools.pairwise(widths))


def _parameters(hidden, code_size, values, **how):
    return _weights(values, *hidden, code_size, *hidden[::-1], values, **how)


_CURVES = {"a": "underfit", "b": "overfit", "c": "fine"}


# dense.fair_baseline
def _rows():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(110, 6)) @ rng.normal(size=(6, 12)) + 3 + 0.5 * rng.normal(size=(110, 12))
    return x[:80], x[80:]


def _project(train, held_out, k, *, off=None, on=None, kept=slice(None), centre=True):
    """Principal components of train, with the means that are taken off and put on."""
    mean = train.mean(0)
    off, on = (mean if m is None else m for m in (off, on))
    v = np.linalg.svd(train - mean * centre, full_matrices=False)[2][kept][:k]
    return on + (held_out - off) @ v.T @ v


# dense.choose_size
def _within(sizes, errors, best_of, allowed=lambda best: 1.05 * best):
    """The sizes whose error is within 5 % of the best of others, in their order."""
    return [k for k, e in zip(sizes, errors, strict=True) if e <= allowed(min(best_of))]


def _best(sizes, errors):
    return sizes[int(np.argmin(errors))]


_SIZES = [2, 4, 8, 16, 32, 64]
_VALIDATION = [0.03, 0.02, 0.0150, 0.0103, 0.0101, 0.0100]
_TEST = [0.03, 0.02, 0.0150, 0.0115, 0.0105, 0.0112]
_TABLES = (
    (_SIZES, _VALIDATION, _TEST),
    (_SIZES, [0.03, 0.02, 0.0104, 0.0106, 0.01, 0.0105], [0.03, 0.01, 0.0098, 0.012, 0.011, 0.02]),
    (_SIZES[:5], [0.30, 0.02, 0.0120, 0.0104, 0.0100], [0.30, 0.02, 0.0103, 0.0098, 0.0101]),
    ([64, 8, 2, 32, 4, 16], [0.0100, 0.0150, 0.03, 0.0101, 0.02, 0.0103],
     [0.0112, 0.0150, 0.03, 0.0105, 0.02, 0.0115]),  # the sizes need not come in order
)  # fmt: skip


# dense.anomaly_score
def _images():
    rng = np.random.default_rng(3)
    return rng.random((6, 4, 5)), rng.random((6, 4, 5))


def _score(x, r):
    return ((x - r) ** 2).mean((1, 2))


def _ranks_otherwise(found, x, r):
    """Another order of the images than both sound scores have."""
    sound = _score(x, r), np.abs(x - r).mean((1, 2))
    return found.shape != (6,) or not any(
        (found.argsort() == score.argsort()).all() for score in sound
    )


EXERCISES = [
    Exercise(
        name="dense.two_flaws", expects="two letters, such as 'ab'",
        right="With a narrow hidden layer the decoder cannot beat PCA. A number that nothing "
        "reads misleads whoever changes it.",
        hint="Follow each size from where it is set to the layer that uses it. Then ask of each "
        "layer: is it narrower than it must be?",
        what="the two flaws", read=letters("abcdefg"), reference="cg",
        slips=[
            ("ac", "(a) is wide, and that does no harm: only the code has to be narrow.",
             has("a")),
            ("bc", "(b) is the code itself. It is meant to be narrow, and a linear code may be "
             "any number.", has("b")),
            ("cd", "(d) has no activation. With a squared error a linear output is a fair choice.",
             has("d")),
            ("e", "(e) passes both sizes where they belong.", has("e")),
            ("cf", "(f) is where the effect shows. Which line set the number that it ignores?",
             has("f")),
            ("c", "(c) is one: the decoder's narrow layer. Which number has no effect at all?"),
            ("g", "(g) is one: nothing reads it. Which layer makes the error too large?"),
        ],
    ),
    Exercise(
        name="dense.initial_loss", expects="a number",
        right="A first loss that you can predict is the cheapest test a network has.",
        hint="E(x − ½)² = E(x − m)² + (m − ½)², where m is the mean.",
        what="the loss", tolerance=5e-3, reference=STD**2 + (MEAN - 0.5) ** 2,
        given=f"x_train = np.array([{MEAN - STD}, {MEAN + STD}])  # with its mean and deviation",
        slips=[
            (STD**2, "That is the variance: the error of answering the mean. The model answers ½, "
             "so the distance from ½ to the mean is still missing."),
            ((MEAN - 0.5) ** 2, "That is the error of the average pixel; pixels vary around it."),
            (0.25, "¼ would be right if every pixel were exactly 0 or 1. Most are in between."),
            (STD**2 + MEAN**2, "That is the error of answering 0; a sigmoid of about 0 is ½."),
            (STD + (MEAN - 0.5) ** 2, "You added the standard deviation. What is averaged is a "
             "square, so it is the variance that counts: square the standard deviation."),
            ((STD**2 + (MEAN - 0.5) ** 2) ** 0.5, "That is the root of the loss. The mean squared "
             "error itself was asked for."),
            (0.5 - MEAN, "That is the distance from ½ to the mean. Square it, and add how much "
             "the pixels vary around their mean."),
        ],
        otherwise="Split x − ½ into (x − mean) + (mean − ½), square, and average each part.",
    ),
    Exercise(
        name="dense.parameters", expects="a function of hidden, code_size and values",
        right="Count before you build: nearly all parameters sit where the image meets the first "
        "and the last layer.",
        hint="A dense layer from a to b values has a·b weights and b biases. List all widths in "
        "order, there and back.",
        what="the number of parameters", cases=(([512, 256], 32, 784), ([10], 2, 5), ([], 3, 7)),
        reference=_parameters, tolerance=1e-9,
        before="For hidden={0}, code_size={1}, values={2}: ",
        slips=[
            ({"biases": False}, "you count {found:,.0f}, the weights without the biases."),
            (lambda h, k, v: _weights(v, *h, k), "{found:,.0f} is the encoder without the "
             "decoder."),
            (lambda h, k, v: 2 * _weights(v, *h, k), "twice the encoder is {found:,.0f}, but the "
             "decoder's biases differ: a layer has one bias for each value that it puts out."),
            (lambda h, k, v: _weights(v, *h, k, *h, v), "you count {found:,.0f}: the decoder's "
             "hidden layers stand in the encoder's order. They come the other way round."),
        ],
        otherwise="you count {found:,.0f}, Keras counts {right:,.0f}.",
    ),
    Exercise(
        name="dense.curves", expects="a dict with a verdict for a, b and c",
        right="Read the level first, then the gap, then the direction of the held-out curve.",
        hint="Overfitting: the training loss falls on, and the held-out loss stops falling or "
        "rises. Underfitting: the training loss stays high.",
        reference=_CURVES, read=words("abc", "fine", "overfit", "underfit"),
        slips=[
            (_CURVES | {"a": "overfit"}, "a: both losses are high and equal. A model that "
             "overfits has a low training loss.", lambda found: found["a"] == "overfit"),
            (_CURVES | {"a": "fine"}, "a: training and held-out loss agree, but at a level far "
             "above the other two models.", lambda found: found["a"] == "fine"),
            (_CURVES | {"b": "fine"}, "b: look at the held-out loss alone: where is its minimum, "
             "and what happens after?", lambda found: found["b"] != "overfit"),
            (_CURVES | {"c": "overfit"}, "c: a gap alone is no fault. Its held-out loss is the "
             "lowest, still falling.", lambda found: found["c"] != "fine"),
        ],
    ),
    Exercise(
        name="dense.fair_baseline", expects="a function of train, held_out and k",
        right="A baseline that is fitted on held-out data looks too good, one without the mean "
        "too bad. This one is fair.",
        hint="np.linalg.svd(train - mean, full_matrices=False) returns the components as rows of "
        "its third value.",
        what="the reconstruction", read=array, cases=((*_rows(), 3),), reference=_project,
        slips=[
            ([lambda t, h, k: _project(h, h, k),
              lambda t, h, k: _project(np.concatenate([t, h]), h, k)], "You fitted PCA on "
             "held-out rows. The baseline may see only what the autoencoder sees: fit on train."),
            ({"off": 0, "on": 0, "centre": False}, "You did not subtract the training mean, so "
             "one component is spent on it."),
            ({"on": 0}, "The mean was subtracted but never added back."),
            ([lambda t, h, k: _project(t, h, k, off=h.mean(0), on=h.mean(0)),
             lambda t, h, k: _project(t, h, k, on=h.mean(0))], "You used the held-out rows' own "
             "mean. The mean is part of what PCA has learnt: take that of train."),
            ({"kept": slice(None, None, -1)}, "These are the components of *least* variance: eigh "
             "sorts its eigenvalues upwards, so the last columns count."),
            (lambda t, h, k: _project(t, h, k + 1), "That is one component too many."),
            (lambda t, h, k: _project(t, h, k - 1), "That is one component too few."),
            ({"off": 0, "on": 0}, "The held-out rows were not centred, though train was."),
            (lambda t, h, k: h, "You gave held_out back as it was; k numbers a row may pass."),
        ],
        otherwise="Centre with the training mean, project on k components of train, add the mean.",
    ),
    Exercise(
        name="dense.choose_size", expects="a function of sizes, validation and test",
        right="Choose on validation, prefer the smaller model when it is as good, and use the "
        "test set once, at the end.",
        hint="Find the best validation error, allow 5 % more, and take the smallest size within.",
        what="the chosen size", cases=_TABLES, reference=lambda s, v, t: min(_within(s, v, v)),
        tolerance=1e-9,
        slips=[
            (lambda s, v, t: min(_within(s, v, v, lambda best: best + 0.05)), "You allow 0.05 "
             "more than the best error. 5 % *of* the best error was meant: at most 1.05 times as "
             "much."),
            ([lambda s, v, t: _best(s, t), lambda s, v, t: min(_within(s, t, t))], "You chose by "
             "the test errors. Then the test error of the chosen model is no longer an honest "
             "estimate: choose by validation."),
            ([lambda s, v, t: min(_within(s, v, t)), lambda s, v, t: min(_within(s, t, v))],
             "Your rule compares test errors with validation errors. The test list is not there "
             "for choosing: leave it alone."),
            (lambda s, v, t: _within(s, v, v)[0], "That is the first in the list {0} that is good "
             "enough. The sizes need not come in order: take the smallest."),
            (lambda s, v, t: _best(s, v), "That is the best validation error. A smaller code "
             "within 5 % of it was wanted."),
            (lambda s, v, t: min(s), "That is the smallest size of all. It has to be good enough, "
             "too: within 5 % of the best validation error."),
        ],
        otherwise="For sizes {0} and validation errors {1}, got {found:g}.",
    ),
    Exercise(
        name="dense.interpolate", expects="a function of a, b and steps",
        right="A straight line in code space is the simplest question to ask of a code.",
        hint="np.linspace(0, 1, steps) gives the fractions; make it a column to multiply rows.",
        what="the path", read=array,
        cases=(
            (np.array([0.0, 2.0, -1.0]), np.array([4.0, 0.0, 1.0]), 5),
            (np.array([1.0, -1.0]), np.array([0.0, 3.0]), 4),
        ),
        reference=lambda a, b, steps: np.linspace(a, b, steps),
        slips=[
            (lambda a, b, n: np.linspace(a, b, n).T, "Your path is transposed: one code a row, "
             "shape (5, 3)."),
            (lambda a, b, n: np.linspace(b, a, n), "Your path runs from b to a."),
            (lambda a, b, n: np.linspace(a, b, n, endpoint=False), "Your path starts at a but "
             "does not arrive at b: the last step must be b.",
             lambda found, a, b, n: found.shape == (n, len(a)) and np.allclose(found[0], a)
             and not np.allclose(found[-1], b)),
        ],
        otherwise="Row i should be (1 − t) a + t b, with t from 0 to 1 in equal steps.",
    ),
    Exercise(
        name="dense.anomaly_score", expects="a function of x and reconstruction",
        right="One score an image, larger for stranger ones: all that a ROC curve asks for.",
        hint="x has shape (n, height, width). Which axes belong to one image?",
        what="the score", read=array, cases=(_images(),), reference=_score, unique=False,
        slips=[
            (lambda x, r: ((x - r) ** 2).mean(0), "You averaged over the images and kept the "
             "pixels. Average over the pixels of each image: one score an image.",
             lambda found, x, r: found.shape == (4, 5)),
            (lambda x, r: ((x - r) ** 2).mean(), "One number for the whole batch cannot rank its "
             "images.", lambda found, x, r: found.shape == ()),
            (lambda x, r: ((x - r) ** 2).mean(2), lambda found, *_: "Expected one score for each "
             f"of the 6 images, got shape {found.shape}.", lambda found, *_: found.shape != (6,)),
            ([lambda x, r: (x - r).mean((1, 2)), lambda x, r: np.abs((x - r).mean((1, 2)))],
             "Errors above and below cancel within an image. Take the square, or the absolute "
             "value, of each pixel before you average."),
            (lambda x, r: -_score(x, r), "The sign: a higher score should mean a stranger image."),
            (lambda x, r: np.abs(x - r).max((1, 2)), "The largest single error hangs on one "
             "pixel; average over all of them."),
            (lambda x, r: x.mean((1, 2)), "Square the difference, then average over each image's "
             "own pixels.", _ranks_otherwise),
        ],
    ),
]  # fmt: skip
