"""Exercises of chapter 02, the dense autoencoder; those on comparing are in ``_choosing``."""

import itertools

import numpy as np

from ae_lib.data import load_fashion_mnist
from ae_lib.exercises import _choosing
from ae_lib.exercises._old import Exercise, Wrong, array, choice, close, number

# -- two flaws ---------------------------------------------------------------------------

_INNOCENT = {
    "a": "(a) is wide, but width costs nothing here: only the code has to be narrow.",
    "b": "(b) is the code itself. It is meant to be narrow, and a linear code may be any number.",
    "d": "(d) has no activation. With a squared error a linear output is a fair choice.",
    "e": "(e) passes both sizes where they belong.",
    "f": "(f) is where the effect shows. Which line set the number that it ignores?",
}


def _judge_two_flaws(answer):
    letters = {c for c in "".join(map(str, answer)).lower() if c.isalpha()}
    if not letters <= set("abcdefg") or not letters:
        raise Wrong("Answer with letters from a to g, such as 'ab'.")
    for letter in sorted(letters - {"c", "g"}):
        raise Wrong(_INNOCENT[letter])
    if letters == {"c"}:
        raise Wrong("(c) is one: the decoder's narrow layer. Which number has no effect at all?")
    if letters == {"g"}:
        raise Wrong("(g) is one: nothing reads it. Which layer makes the error too large?")


# -- initial loss ------------------------------------------------------------------------


def _moments():
    x = load_fashion_mnist().train.x
    return float(x.mean()), float(x.std())


def _judge_initial_loss(answer):
    value = number(answer, "the loss")
    mean, std = _moments()
    if close(value, std**2 + (mean - 0.5) ** 2, 5e-3):
        return
    if close(value, std**2, 5e-3):
        raise Wrong(
            "That is the variance: the error of answering the mean. The model answers ½, "
            "so the distance from ½ to the mean is still missing."
        )
    if close(value, (mean - 0.5) ** 2, 5e-3):
        raise Wrong("That is only the error of the average pixel; pixels also vary around it.")
    if close(value, 0.25, 5e-3):
        raise Wrong("¼ would be right if every pixel were exactly 0 or 1. Most are in between.")
    if close(value, std**2 + mean**2, 5e-3):
        raise Wrong("That is the error of answering 0 everywhere; a sigmoid of about 0 is ½.")
    raise Wrong("Split x − ½ into (x − mean) + (mean − ½), square, and average each part.")


# -- parameters --------------------------------------------------------------------------


def _parameters(*widths, biases=True):
    """Of dense layers between these widths."""
    return sum(a * b + biases * b for a, b in itertools.pairwise(widths))


def count_parameters(hidden, code_size, values):
    """Weights and biases of a symmetric dense autoencoder."""
    return _parameters(values, *hidden, code_size, *hidden[::-1], values)


def _judge_parameters(answer):
    for hidden, k, values in (((512, 256), 32, 784), ((10,), 2, 5), ((), 3, 7)):
        found = number(answer(list(hidden), k, values), "the number of parameters")
        right = count_parameters(hidden, k, values)
        case = f"For hidden={list(hidden)}, code_size={k}, values={values}"
        half = _parameters(values, *hidden, k)
        weights = 2 * _parameters(values, *hidden, k, biases=False)
        if found == right:
            continue
        if found == weights:
            raise Wrong(f"{case}: you count {found:,.0f}, the weights without the biases.")
        if found == half:
            raise Wrong(f"{case}: you count {found:,.0f}, the encoder without the decoder.")
        if found == 2 * half:
            raise Wrong(
                f"{case}: twice the encoder is {found:,.0f}, but the decoder's biases differ: a "
                "layer has one bias for each value that it puts out."
            )
        raise Wrong(f"{case}: you count {found:,.0f}, Keras counts {right:,}.")


# -- learning curves ---------------------------------------------------------------------

_CURVES = {"a": "underfit", "b": "overfit", "c": "fine"}


def _judge_curves(answer):
    if not isinstance(answer, dict):
        raise Wrong('Answer with a dict such as {"a": "fine", "b": "fine", "c": "fine"}.')
    given = {str(k).lower(): choice(v, ("fine", "overfit", "underfit")) for k, v in answer.items()}
    if set(given) != set(_CURVES):
        raise Wrong("Give one verdict for each of a, b and c.")
    if given["a"] == "overfit":
        raise Wrong(
            "a: both losses are high and equal. A model that overfits has a low training loss."
        )
    if given["a"] != "underfit":
        raise Wrong(
            "a: training and held-out loss agree, but at a level far above the other two models."
        )
    if given["b"] != "overfit":
        raise Wrong(
            "b: look at the held-out loss alone: where is its minimum, and what happens after?"
        )
    if given["c"] != "fine":
        raise Wrong("c: a gap alone is no fault. Its held-out loss is the lowest, still falling.")


# -- interpolation -----------------------------------------------------------------------


def interpolate(a, b, steps):
    """Codes on the straight line from a to b, both ends included: (steps, k)."""
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * a + t * b


def _judge_interpolate(answer):
    a, b = np.array([0.0, 2.0, -1.0]), np.array([4.0, 0.0, 1.0])
    found = array(answer(a, b, 5), what="the path")
    right = interpolate(a, b, 5)
    if found.shape == right.T.shape and close(found, right.T):
        raise Wrong("Your path is transposed: one code a row, shape (5, 3).")
    if found.shape != right.shape:
        raise Wrong(f"Expected shape (5, 3) for steps=5, got {found.shape}.")
    if close(found, right):
        return
    if close(found[0], a) and not close(found[-1], b):
        raise Wrong("Your path starts at a but does not arrive at b: the last step must be b.")
    if close(found, right[::-1]):
        raise Wrong("Your path runs from b to a.")
    raise Wrong("Row i should be (1 − t) a + t b, with t from 0 to 1 in equal steps.")


# -- anomaly score -----------------------------------------------------------------------


def anomaly_score(x, reconstruction):
    """Mean squared error of each image: (n,)."""
    return ((x - reconstruction) ** 2).mean(axis=(1, 2))


def _judge_anomaly_score(answer):
    rng = np.random.default_rng(3)
    x, r = rng.random((6, 4, 5)), rng.random((6, 4, 5))
    found = array(answer(x, r), what="the score")
    error = x - r
    if found.shape == (4, 5):
        raise Wrong("You averaged over the images and kept the pixels: one score for each image.")
    if found.shape == ():
        raise Wrong("One number for the whole batch cannot rank its images.")
    if found.shape != (6,):
        raise Wrong(f"Expected one score for each of the 6 images, got shape {found.shape}.")
    if close(found, error.mean((1, 2))):
        raise Wrong("Errors above and below cancel here. Square them before you average.")
    if close(found, np.abs(error.mean((1, 2)))):
        raise Wrong(
            "The absolute value comes too late: within an image, errors above and below had "
            "already balanced. Take it of each pixel, or square."
        )
    if np.allclose(found, -(error**2).mean((1, 2))):
        raise Wrong("The sign is turned round: a higher score should mean a stranger image.")
    ranks = np.argsort(found)
    sound = (error**2).mean((1, 2)), np.abs(error).mean((1, 2))
    if not any((ranks == np.argsort(score)).all() for score in sound):
        if close(found, np.abs(error).max((1, 2))):
            raise Wrong("The largest single error hangs on one pixel; average over all of them.")
        raise Wrong("Square the difference, then average over each image's own pixels.")


EXERCISES = [
    *_choosing.EXERCISES,
    Exercise(
        name="dense.two_flaws",
        judge=_judge_two_flaws,
        right="A narrow hidden layer in the decoder caps it at PCA; a number that nothing reads "
        "lies to whoever changes it.",
        hint="Follow each size from where it is set to the layer that uses it. Then ask of each "
        "layer: is it narrower than it must be?",
        solution=lambda: "cg",
        wrong={
            "the wide encoder layer": (lambda: "ac", "width costs nothing"),
            "the linear output": (lambda: "cd", "linear output is a fair choice"),
            "only one": (lambda: "c", "no effect at all"),
            "the symptom": (lambda: "cf", "Which line set the number"),
        },
        expects="two letters, such as 'ab'",
    ),
    Exercise(
        name="dense.initial_loss",
        judge=_judge_initial_loss,
        right="A first loss that you can predict is the cheapest test a network has.",
        hint="E(x − ½)² = E(x − m)² + (m − ½)², where m is the mean.",
        solution=lambda: _moments()[1] ** 2 + (_moments()[0] - 0.5) ** 2,
        wrong={
            "the variance alone": (lambda: _moments()[1] ** 2, "That is the variance"),
            "black and white pixels": (lambda: 0.25, "exactly 0 or 1"),
            "the bias alone": (lambda: (_moments()[0] - 0.5) ** 2, "error of the average pixel"),
        },
        expects="a number",
    ),
    Exercise(
        name="dense.parameters",
        judge=_judge_parameters,
        right="Count before you build: nearly all parameters sit where the image meets the "
        "first and the last layer.",
        hint="A dense layer from a to b values has a·b weights and b biases. List all widths in "
        "order, there and back.",
        solution=lambda: count_parameters,
        wrong={
            "no biases": (
                lambda: lambda h, k, v: 2 * _parameters(v, *h, k, biases=False),
                "without the biases",
            ),
            "encoder only": (
                lambda: lambda h, k, v: _parameters(v, *h, k),
                "the encoder without the decoder",
            ),
            "twice the encoder": (
                lambda: lambda h, k, v: 2 * _parameters(v, *h, k),
                "decoder's biases differ",
            ),
        },
        expects="a function of hidden, code_size and values",
    ),
    Exercise(
        name="dense.curves",
        judge=_judge_curves,
        right="Read the level first, then the gap, then the direction of the held-out curve.",
        hint="Overfitting is a held-out loss that rises again; underfitting is a training loss "
        "that stays high.",
        solution=lambda: dict(_CURVES),
        wrong={
            "gap taken for a fault": (
                lambda: {"a": "underfit", "b": "overfit", "c": "overfit"},
                "a gap alone is no fault",
            ),
            "agreement taken for health": (
                lambda: {"a": "fine", "b": "overfit", "c": "fine"},
                "far above the other two",
            ),
            "a high loss taken for overfitting": (
                lambda: {"a": "overfit", "b": "overfit", "c": "fine"},
                "has a low training loss",
            ),
        },
        expects="a dict with a verdict for a, b and c",
    ),
    Exercise(
        name="dense.interpolate",
        judge=_judge_interpolate,
        right="A straight line in code space is the simplest question to ask of a code.",
        hint="np.linspace(0, 1, steps) gives the fractions; make it a column to multiply rows.",
        solution=lambda: interpolate,
        wrong={
            "never arrives": (
                lambda: lambda a, b, n: a + np.arange(n)[:, None] / n * (b - a),
                "does not arrive at b",
            ),
            "transposed": (lambda: lambda a, b, n: interpolate(a, b, n).T, "transposed"),
            "backwards": (lambda: lambda a, b, n: interpolate(b, a, n), "from b to a"),
        },
        expects="a function of a, b and steps",
    ),
    Exercise(
        name="dense.anomaly_score",
        judge=_judge_anomaly_score,
        right="One score an image, larger for stranger ones: all that a ROC curve asks for.",
        hint="x has shape (n, height, width). Which axes belong to one image?",
        solution=lambda: anomaly_score,
        wrong={
            "averaged over images": (
                lambda: lambda x, r: ((x - r) ** 2).mean(axis=0),
                "one score for each image",
            ),
            "errors cancel": (lambda: lambda x, r: (x - r).mean(axis=(1, 2)), "cancel"),
            "absolute value of the mean": (
                lambda: lambda x, r: np.abs((x - r).mean(axis=(1, 2))),
                "comes too late",
            ),
            "one number": (lambda: lambda x, r: ((x - r) ** 2).mean(), "cannot rank"),
        },
        expects="a function of x and reconstruction",
    ),
]
