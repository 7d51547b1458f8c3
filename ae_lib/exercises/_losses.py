"""The exercises of chapter 01 that are about losses."""

import numpy as np

from ae_lib.exercises._core import Exercise, Wrong, also, close, known_slip, number

# -- basics.bce_floor --------------------------------------------------------------------

FLOOR = float(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2)))


def _judge_bce_floor(answer):
    value = number(answer, "the loss in nats")
    if abs(value - FLOOR) < 5e-3:
        return
    if abs(value) < 5e-3:
        raise Wrong(
            "Zero is the floor of the squared error. Put x = 0.8 and x̂ = 0.8 into the formula: "
            "both terms are there, and neither logarithm is zero."
        )
    if abs(value + np.log(0.8)) < 5e-3:
        raise Wrong(
            "That is −log 0.8, as if the pixel were 1. A grey pixel keeps both terms: weigh "
            "−log x̂ by x and −log(1 − x̂) by 1 − x."
        )
    if abs(value - FLOOR / np.log(2)) < 5e-3:
        raise Wrong("That is in bits. The natural logarithm gives nats: multiply by log 2.")
    if abs(value + FLOOR) < 5e-3:
        raise Wrong("The size is right, the sign is not: the loss is minus the log-likelihood.")
    raise Wrong("Put x = 0.8 and x̂ = 0.8 into −x log x̂ − (1 − x) log(1 − x̂), natural logs.")


# -- basics.laplace_nll ------------------------------------------------------------------


def _laplace_case():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 7))
    return x, x + rng.normal(size=(5, 7)), 0.7


def _laplace(x, x_hat, b):
    x, x_hat = np.asarray(x), np.asarray(x_hat)
    nats = np.abs(x - x_hat) / b + np.log(2 * b)
    return nats.reshape(len(x), -1).sum(1).mean()


def _judge_laplace_nll(answer):
    x, x_hat, b = _laplace_case()
    found = number(answer(x, x_hat, b), "the mean number of nats an item")
    right, n, d = _laplace(x, x_hat, b), *x.shape
    distance, constant = np.abs(x - x_hat).sum() / n / b, d * np.log(2 * b)
    squares = ((x - x_hat) ** 2).sum() / n
    if close(found, right, 1e-4):
        also(answer, _laplace, x[:3, :2] * 2, x_hat[:3, :2], 1.9)
        return
    slips = [
        (right / d, "You averaged over the values of an item; a likelihood is a product over "
         "them, so its logarithm is a sum. Sum over values, then average over items."),
        (right * n, "You summed over the items too; average over them (the first axis)."),
        (distance, "The normaliser is missing: each value adds log(2b), which matters as soon as "
         "b is fitted."),
        (-right, "That is the log-likelihood; the loss is minus it."),
        (distance + np.log(2 * b), "The normaliser log(2b) belongs to each value, so it comes d "
         "times an item; you added it once."),
        (squares / b + constant, "You squared the differences: that exponent belongs to the "
         "Gaussian. Laplace has |x − x̂| / b."),
        (squares / (2 * b**2) + d * np.log(b * np.sqrt(2 * np.pi)), "That is the Gaussian. "
         "Laplace's density is exp(−|x − x̂| / b) / (2b)."),
        (distance * b + constant, "The absolute error has to be divided by the width b."),
    ]  # fmt: skip
    known_slip(found, slips, 1e-4)
    raise Wrong(
        f"For a test batch of shape (5, 7) with b = 0.7 expected {right:.4f} nats, got "
        f"{found:.4f}. Write −log of exp(−|x − x̂| / b) / (2b), sum over values, average over "
        "items."
    )


def _laplace_averaged(x, x_hat, b):
    return np.mean(np.abs(x - x_hat) / b + np.log(2 * b))


def _laplace_unnormalised(x, x_hat, b):
    return np.abs(x - x_hat).sum(1).mean() / b


# -- basics.good_loss --------------------------------------------------------------------


def _bce(x, x_hat):
    p = np.clip(x_hat, 1e-7, 1 - 1e-7)
    return float(-(x * np.log(p) + (1 - x) * np.log(1 - p)).mean())


GOOD_LOSSES = {
    "the mean squared error": lambda x, x_hat: float(((x - x_hat) ** 2).mean()),
    "the sum of squared errors": lambda x, x_hat: float(((x - x_hat) ** 2).sum()),
    "the mean absolute error": lambda x, x_hat: float(np.abs(x - x_hat).mean()),
    "the binary cross-entropy, whose floor is not zero": _bce,
    "the squared error minus 3, which is negative at its minimum": (
        lambda x, x_hat: float(((x - x_hat) ** 2).mean() - 3)
    ),
}
BAD_LOSSES = {
    "mean(x̂²), in which the data are missing": lambda x, x_hat: float((x_hat**2).mean()),
    "mean(ReLU(x − x̂)), which forgives overshooting": (
        lambda x, x_hat: float(np.maximum(x - x_hat, 0).mean())
    ),
    "mean(ReLU(x̂ − x)), which forgives undershooting": (
        lambda x, x_hat: float(np.maximum(x_hat - x, 0).mean())
    ),
    "mean(x − x̂), which falls for ever": lambda x, x_hat: float((x - x_hat).mean()),
    "|mean(x) − mean(x̂)|, in which errors cancel": (
        lambda x, x_hat: float(abs(x.mean() - x_hat.mean()))
    ),
    "a constant": lambda x, x_hat: 1.0,
}


def _judge_good_loss(answer):
    for name, loss in GOOD_LOSSES.items():
        if not _verdict(answer(loss)):
            raise Wrong(
                f"Your test rejects {name}. That is a sound objective: nothing beats x̂ = x, and "
                "its value there may be anything. Compare losses; do not ask for zero."
            )
    for name, loss in BAD_LOSSES.items():
        if _verdict(answer(loss)):
            raise Wrong(
                f"Your test lets this pass: {name}. Try reconstructions that are too bright, too "
                "dark, shuffled: each must cost more than x̂ = x."
            )


def _verdict(value):
    if isinstance(value, (bool, np.bool_)) or (np.ndim(value) == 0 and value in (0, 1)):
        return bool(value)
    raise Wrong(f"Return True or False, one for the whole loss; got {type(value).__name__}.")


def _good_loss(loss):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.9, (20, 6))
    wrong = [x + 0.05, x - 0.05, 0 * x, 0 * x + 1, x[:, ::-1], np.clip(2 * x - 0.5, 0, 1)]
    return all(loss(x, x) < loss(x, x_hat) - 1e-9 for x_hat in wrong)


def _zero_at_x(loss):
    x = np.random.default_rng(0).uniform(0.1, 0.9, (20, 6))
    return loss(x, x) == 0


def _only_too_dark(loss):
    x = np.random.default_rng(0).uniform(0.1, 0.9, (20, 6))
    return loss(x, x) < loss(x, x - 0.05)


EXERCISES = [
    Exercise(
        name="basics.bce_floor",
        judge=_judge_bce_floor,
        right="For a grey pixel the floor is its entropy, not zero. So a BCE "
        "that stops falling well above zero may be perfect; compare it with the floor.",
        hint="The reconstruction is perfect, so x̂ = 0.8 too. Neither log 0.8 nor log 0.2 is 0.",
        solution=lambda: FLOOR,
        wrong={
            "zero, as for the squared error": (lambda: 0.0, "floor of the squared error"),
            "only the first term": (lambda: -np.log(0.8), "as if the pixel were 1"),
            "in bits": (lambda: FLOOR / np.log(2), "in bits"),
        },
        expects="a number of nats",
    ),
    Exercise(
        name="basics.laplace_nll",
        judge=_judge_laplace_nll,
        right="So the absolute error is a likelihood too: that of noise with heavier tails, "
        "which is why it is less afraid of outliers.",
        hint="−log(exp(−a) / c) = a + log c. Do that for one value, sum over the values of an "
        "item, then average over the items.",
        solution=lambda: _laplace,
        wrong={
            "averaged over the values": (lambda: _laplace_averaged, "averaged over the values"),
            "no normaliser": (lambda: _laplace_unnormalised, "normaliser is missing"),
            "the log-likelihood": (lambda: lambda x, h, b: -_laplace(x, h, b), "minus it"),
        },
        expects="a function of (x, x_hat, b)",
    ),
    Exercise(
        name="basics.good_loss",
        judge=_judge_good_loss,
        right="One perfect answer, and several wrong ones of different kinds: that is the test a "
        "formula should pass before anyone trains with it.",
        hint="Make a small x inside (0, 1) and several wrong x_hat: brighter, darker, all zero, "
        "shuffled. What must hold between loss(x, x) and loss(x, x_hat)?",
        solution=lambda: _good_loss,
        wrong={
            "asks for zero at x": (lambda: _zero_at_x, "do not ask for zero"),
            "tries only too dark": (lambda: _only_too_dark, "forgives overshooting"),
            "accepts everything": (lambda: lambda loss: True, "data are missing"),
        },
        expects="a function of a loss",
    ),
]
