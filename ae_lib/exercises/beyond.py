"""Exercises of chapter 03, beyond dense; those on convolutions are in ``_convolution``."""

import numpy as np

from ae_lib.exercises import _convolution
from ae_lib.exercises._old import Exercise, Wrong, array, close, number, two

# -- masking -----------------------------------------------------------------------------


def _judge_masking(mask):
    x = np.random.default_rng(0).uniform(0.5, 1.0, (200, 6, 5))
    before = x.copy()
    found = array(mask(x, 0.2, np.random.default_rng(1)), x.shape, "the masked array")
    if not np.array_equal(x, before):
        raise Wrong(
            "Your function changed x itself; the clean images are still needed as targets."
        )
    zero = found == 0
    if not zero.any():
        raise Wrong("Nothing became zero.")
    if close(found[~zero], x[~zero] / 0.8, 1e-4):
        raise Wrong(
            "The values that stay were divided by 1 − p: that is dropout's rescaling. The damaged "
            "image should have the brightness it has."
        )
    if not close(found[~zero], x[~zero]):
        raise Wrong("The values that stay must be as they were.")
    for axes, what in (((1, 2), "whole items"), ((0,), "the same places in every item")):
        if np.isin(zero.mean(axes), (0, 1)).all():
            raise Wrong(f"You mask {what}; draw a number for each value, of the shape of x.")
    share = zero.mean()
    if abs(share - 0.8) < 0.05:
        raise Wrong(f"{share:.0%} became zero for p = 0.2: p is the share that *goes*, not stays.")
    if abs(share - 0.2) > 0.03:
        raise Wrong(f"{share:.0%} of the values became zero; p = 0.2 asks for about 20%.")
    if np.array_equal(array(mask(x, 0.2, np.random.default_rng(2))) == 0, zero):
        raise Wrong("Two generators gave one mask: draw from the rng that you are given.")
    if (array(mask(x, 0.0, np.random.default_rng(3))) == 0).any():
        raise Wrong("With p = 0 nothing may become zero.")


# -- denoising pairs ---------------------------------------------------------------------


def _judge_target(pairs):
    x = np.random.default_rng(0).uniform(size=(300, 7))
    given = two(pairs(x.copy(), 0.5, np.random.default_rng(1)), "inputs, targets")
    inputs, targets = (
        array(a, x.shape, w) for a, w in zip(given, ("inputs", "targets"), strict=True)
    )
    if close(inputs, targets):
        raise Wrong(
            "Inputs and targets are the same array, so a perfect copy has no loss. "
            "Which of the two should be without noise?"
        )
    if close(inputs, x):
        raise Wrong(
            "The inputs are clean and the targets noisy: the model is taught to *add* noise, "
            "which it cannot foresee. Turn the pair round."
        )
    if close(targets, inputs - x):
        raise Wrong(
            "The targets are the noise. A model can learn that, but then its output is not the "
            "image; the autoencoder's target is x."
        )
    if not close(targets, x):
        raise Wrong("The targets still carry noise, if another one. They should be x itself.")
    spread = (inputs - x).std()
    if abs(spread - 0.5) > 0.05:
        raise Wrong(f"The noise has standard deviation {spread:.2f}; sigma was 0.5.")


# -- atoms -------------------------------------------------------------------------------


def _judge_atoms(function):
    rng = np.random.default_rng(0)
    z, D = rng.normal(size=(10, 6)), rng.normal(size=(6, 4)) * np.arange(1, 7)[:, None]
    given = two(function(z.copy(), D.copy()), "the new codes and the new kernel")
    z_new, D_new = array(given[0], z.shape, "codes"), array(given[1], D.shape, "the kernel")
    if close(D_new, D):
        raise Wrong("The kernel is as it was; its rows should have length one.")
    if close(np.linalg.norm(D_new, axis=0), np.ones(4)):
        raise Wrong(
            "The *columns* of the kernel have length one, one for each pixel. An atom is what one "
            "unit writes: a row."
        )
    if not close(np.linalg.norm(D_new, axis=1), np.ones(6)):
        raise Wrong("The rows of the new kernel do not have length one.")
    if close(z_new, z):
        raise Wrong(
            "The atoms are right, but the codes are as before, so the reconstruction changed. "
            "What an atom loses, its code must gain."
        )
    if close(z_new, z / np.linalg.norm(D, axis=1)):
        raise Wrong("Atom and code were both divided by the length; one of them must gain.")
    if not close(z_new @ D_new, z @ D):
        raise Wrong("The reconstruction z @ D is not what it was.")


# -- Jacobian ----------------------------------------------------------------------------


def _h(x, W, b):
    return 1 / (1 + np.exp(-(x @ W + b)))


def _jacobian_norm(x, W, b):
    h = _h(x, W, b)
    return (h * (1 - h)) ** 2 @ (W**2).sum(0)


def _judge_jacobian(function):
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(9, 5)), rng.normal(size=(5, 5)), rng.normal(size=5)
    found = np.asarray(function(x, W, b), dtype="float64")
    wanted = _jacobian_norm(x, W, b)
    if found.size == 1 and close(found.ravel()[0], wanted.mean()):
        raise Wrong("That is the mean over the batch; one number for each example is wanted.")
    if found.shape == (9, 1):
        raise Wrong("A column of shape (9, 1); shape (9,) is wanted. Drop the last axis.")
    found = array(found, (9,), "the norms")
    h = _h(x, W, b)
    if close(found, wanted):
        return
    if close(found, _jacobian_norm(x, W, 0 * b)):
        raise Wrong("You left out the bias b: it moves the units to where they are flat or steep.")
    if close(found, np.sqrt(wanted)):
        raise Wrong("That is the norm; the penalty is its square.")
    if close(found, (h * (1 - h)) @ (W**2).sum(0)):
        raise Wrong("The derivative h(1 − h) belongs to every entry of J, so it gets squared too.")
    if close(found, (h * (1 - h)) ** 2 @ (W**2).sum(1)):
        raise Wrong(
            "You summed W² over the units. For each unit, sum over the inputs: W has shape (d, k)."
        )
    if close(found, h**2 @ (W**2).sum(0)):
        raise Wrong("The derivative of the sigmoid is h(1 − h), not h.")
    if close(found, np.full(9, (W**2).sum())):
        raise Wrong("That is the norm of W alone: the code is not linear, so J depends on x.")
    raise Wrong("Build J for one x, entry h_i(1 − h_i)W_ji, and compare its sum of squares.")


# -- copier ------------------------------------------------------------------------------


def _judge_copier(copying):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(64, 6)))[0]
    x = rng.normal(size=(500, 6)) @ basis.T * 2
    subjects = {
        "a plain copy": (lambda a: np.array(a, dtype="float64"), 0.9, 1.1),
        "a projection onto the data's own 6 of 64 directions": (
            lambda a: a @ basis @ basis.T,
            -9,
            0.2,
        ),
        "a model that answers each input turned round": (lambda a: a[..., ::-1], -9, 0.2),
        "a model that always answers zero": (lambda a: np.zeros_like(a), -0.2, 0.2),
    }
    scores = {
        name: number(copying(model, x.copy(), np.random.default_rng(1)), "the score")
        for name, (model, _, _) in subjects.items()
    }
    copy, projection, turned, zero = scores.values()
    if copy < 0.5 < zero:
        raise Wrong(
            f"A copier scores {copy:.2f} and a model that always answers zero {zero:.2f}: that is "
            "an error. Turn it round: the share that *is* given back."
        )
    if projection > 0.9:
        raise Wrong(
            f"A projection onto 6 of 64 directions scores {projection:.2f}, like a copier: on x "
            "both are perfect. Test with inputs that are *not* like the data."
        )
    if projection > 0.2 and copy > 0.9:
        raise Wrong(
            f"A projection onto the data's own 6 of 64 directions scores {projection:.2f}, where "
            "0.09 of white noise comes through: your inputs still hold the data. Noise alone does."
        )
    if turned > 0.2 and copy > 0.9:
        raise Wrong(
            f"A model that answers each input turned round scores {turned:.2f}: its answers are "
            "as large as its inputs, and wrong. Measure the error, not the size."
        )
    for name, (_, low, high) in subjects.items():
        if not low <= scores[name] <= high:
            raise Wrong(
                f"{name.capitalize()} scores {scores[name]:.2f}. Use 1 − error / (error of "
                "answering zero), on inputs that fill all directions."
            )


# -- wrong answers that readers give -----------------------------------------------------


def _mask_in_place(x, p, rng):
    x[rng.uniform(size=x.shape) < p] = 0
    return x


def _scaled_mask(x, p, rng):
    return np.where(rng.uniform(size=x.shape) < p, 0.0, x / (1 - p))


def _noise(x, sigma, rng):
    return sigma * rng.normal(size=x.shape)


def _noise_as_target(x, sigma, rng):
    e = _noise(x, sigma, rng)
    return x + e, e


def _twice_noisy(x, sigma, rng):
    noisy = x + _noise(x, sigma, rng)
    return noisy, noisy.copy()


def _lengths(D, axis=1):
    return np.linalg.norm(D, axis=axis, keepdims=True)


def _share(reconstruct, y, of=None):
    return 1 - ((y - reconstruct(y)) ** 2).mean() / ((y if of is None else of) ** 2).mean()


def _stranger(x, rng):
    return rng.normal(size=x.shape) * x.std()


def _energy(reconstruct, x, rng):
    s = _stranger(x, rng)
    return (reconstruct(s) ** 2).mean() / (s**2).mean()


EXERCISES = [
    *_convolution.EXERCISES,
    Exercise(
        name="beyond.masking",
        judge=_judge_masking,
        right="Masking is the damage of BERT and of masked autoencoders: the model must fill in "
        "from what is around.",
        hint="rng.uniform(size=x.shape) is below p with probability p; np.where chooses.",
        solution=lambda: lambda x, p, rng: np.where(rng.uniform(size=x.shape) < p, 0.0, x),
        wrong={
            "dropout's rescaling": (lambda: _scaled_mask, "dropout"),
            "p as the share that stays": (
                lambda: lambda x, p, rng: x * (rng.uniform(size=x.shape) < p),
                "goes",
            ),
            "in place": (lambda: _mask_in_place, "changed x itself"),
            "one mask for all": (
                lambda: lambda x, p, rng: x * (rng.uniform(size=x.shape[1:]) >= p),
                "the same places",
            ),
        },
        expects="a function mask(x, p, rng)",
    ),
    Exercise(
        name="beyond.target",
        judge=_judge_target,
        right="Only the input is damaged. The loss that goes to zero by copying is the sign of "
        "this bug.",
        hint="For which output is the loss zero? Is that what you want the model to do?",
        solution=lambda: lambda x, sigma, rng: (x + _noise(x, sigma, rng), x),
        wrong={
            "unchanged": (lambda: _twice_noisy, "same array"),
            "turned round": (
                lambda: lambda x, sigma, rng: (x, x + _noise(x, sigma, rng)),
                "Turn the pair round",
            ),
            "the noise as target": (lambda: _noise_as_target, "targets are the noise"),
            "two different noises": (
                lambda: lambda x, s, rng: (x + _noise(x, s, rng), x + _noise(x, s, rng)),
                "still carry noise",
            ),
        },
        expects="a function of (x, sigma, rng) that returns (inputs, targets)",
    ),
    Exercise(
        name="beyond.atoms",
        judge=_judge_atoms,
        right="With unit atoms a code's size means something, so a penalty on it does, too.",
        hint="(c z_i)(d_i / c) = z_i d_i for each unit i, with c the length of its row.",
        solution=lambda: lambda z, D: (z * _lengths(D).T, D / _lengths(D)),
        wrong={
            "unchanged": (lambda: lambda z, D: (z, D / _lengths(D, 0)), "columns"),
            "atoms only": (lambda: lambda z, D: (z, D / _lengths(D)), "must gain"),
            "both divided": (lambda: lambda z, D: (z / _lengths(D).T, D / _lengths(D)), "both"),
        },
        expects="a function of (z, D) that returns new codes and a new kernel",
    ),
    Exercise(
        name="beyond.jacobian",
        judge=_judge_jacobian,
        right="No Jacobian is built: n·k numbers do for the whole batch, where the matrices would "
        "be n·k·d.",
        hint="Sum W² over its first axis once; the batch enters only through h.",
        solution=lambda: _jacobian_norm,
        wrong={
            "h(1-h) not squared": (
                lambda: lambda x, W, b: _h(x, W, b) * (1 - _h(x, W, b)) @ (W**2).sum(0),
                "gets squared",
            ),
            "W summed over units": (
                lambda: lambda x, W, b: (_h(x, W, b) * (1 - _h(x, W, b))) ** 2 @ (W**2).sum(1),
                "over the units",
            ),
            "the norm, not its square": (
                lambda: lambda x, W, b: np.sqrt(_jacobian_norm(x, W, b)),
                "its square",
            ),
            "no bias": (lambda: lambda x, W, b: _jacobian_norm(x, W, 0 * b), "left out the bias"),
            "a column": (lambda: lambda x, W, b: _jacobian_norm(x, W, b)[:, None], "column"),
            "no sigmoid": (
                lambda: lambda x, W, b: np.full(len(x), (W**2).sum()),
                "not linear",
            ),
        },
        expects="a function jacobian_norm(x, W, b)",
    ),
    Exercise(
        name="beyond.copier",
        judge=_judge_copier,
        right="A test on data alone cannot tell understanding from copying; a test off the data "
        "can.",
        hint="What would a copier give back that a model of garments would not? Make some up with "
        "rng.",
        solution=lambda: lambda r, x, rng: _share(r, _stranger(x, rng)),
        wrong={
            "judged on the data": (lambda: lambda r, x, rng: _share(r, x), "on x"),
            "an error": (
                lambda: lambda r, x, rng: 1 - _share(r, _stranger(x, rng)),
                "Turn it round",
            ),
            "the data with noise": (
                lambda: lambda r, x, rng: _share(r, x + _stranger(x, rng)),
                "still hold the data",
            ),
            "a ratio of sizes": (lambda: _energy, "not the size"),
            "another scale": (
                lambda: lambda r, x, rng: _share(r, 9 * rng.normal(size=x.shape), of=x),
                "error of answering zero",
            ),
        },
        expects="a function copying(reconstruct, x, rng)",
    ),
]
