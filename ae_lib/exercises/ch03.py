"""Exercises of chapter 03, beyond dense."""

import numpy as np

from ae_lib.exercises._core import Exercise, changed, close, normal
from ae_lib.exercises._readers import array, number


# beyond.overlap
def _overlap(kernel, stride):
    return [len(range(phase, kernel, stride)) for phase in range(stride)]


# beyond.masking
def _two_masks(mask, x, p, seed):
    first, second = (array(mask(x, p, np.random.default_rng(s))) for s in (seed, seed + 1))
    return np.stack([first, second if second.shape == first.shape else first])


def _mask(x, p, rng):
    return np.where(rng.uniform(size=x.shape) < p, 0.0, x)


def _mask_in_place(x, p, rng):
    x[rng.uniform(size=x.shape) < p] = 0
    return x


def _share(found, *_):
    return (found == 0).mean()


def _kept(found, x, factor):
    return all(close(one[one != 0], x[one != 0] * factor, 1e-4) for one in found)


def _whole(axes):
    return lambda found, x, p, seed: p and np.isin((found[0] == 0).mean(axes), (0, 1)).all()


# beyond.target
def _pair(x, sigma, rng, *, give=lambda x, noise: (x + noise, x)):
    return give(x, sigma * rng.normal(size=x.shape))


# beyond.atoms
_CODES, _KERNEL = normal(0, (10, 6), (6, 4))


def _length(D, axis=1):
    return np.linalg.norm(D, axis=axis, keepdims=True)


# beyond.jacobian
def _h(x, W, b):
    return 1 / (1 + np.exp(-(x @ W + b)))


def _jacobian(x, W, b):
    h = _h(x, W, b)
    return (h * (1 - h)) ** 2 @ (W**2).sum(0)


# beyond.copier
def _scores(copying):
    """Of a copy, a projection onto the data's directions, a mirror, and a model of zeros."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(64, 6)))[0]
    x = rng.normal(size=(500, 6)) @ basis.T * 2
    models = (
        lambda a: a + 0.0,
        lambda a: a @ basis @ basis.T,
        lambda a: a[..., ::-1],
        np.zeros_like,
    )
    scores = (copying(model, x.copy(), np.random.default_rng(1)) for model in models)
    return [number(score, "the score") for score in scores]


_BOUNDS = {
    "A plain copy": (0.9, 1.1),
    "A projection onto the data's own 6 of 64 directions": (-9, 0.2),
    "A model that answers each input turned round": (-9, 0.2),
    "A model that always answers zero": (-0.2, 0.2),
}


def _astray(scores):
    """The first score out of its bounds, with the model's name."""
    models = zip(scores, _BOUNDS.items(), strict=True)
    return next(((name, s) for s, (name, (low, high)) in models if not low <= s <= high), None)


def _back(reconstruct, y, of=None):
    return 1 - ((y - reconstruct(y)) ** 2).mean() / ((y if of is None else of) ** 2).mean()


def _stranger(x, rng):
    return rng.normal(size=x.shape) * x.std()


def _energy(reconstruct, x, rng):
    s = _stranger(x, rng)
    return (reconstruct(s) ** 2).mean() / (s**2).mean()


EXERCISES = [
    Exercise(
        name="beyond.receptive", expects="a number of pixels",
        right="1 + 2·1 + 2·2 + 2·4 = 15: with stride 2 each layer about doubles the window, so a "
        "fourth layer would see the whole image.",
        hint="A unit of layer three sees 3 units of layer two, which stand 4 pixels apart and see "
        "7 pixels each.",
        what="the width in pixels", reference=15,
        slips=[
            (7, "7 is the window of two layers. The third adds 2 steps, each as long as the two "
             "strides before it together."),
            (9, "9 = 7 + 2: the third layer does add 2 steps, but each is as long as the two "
             "strides before it together."),
            (27, "27 = 3³ would be windows that do not overlap; with stride 2 they do."),
            (11, "The third layer's steps are 2 · 2 = 4 pixels long: strides multiply."),
        ],
        otherwise="Start at 1 and add (3 − 1) steps for each layer; how long is a step there?",
    ),
    Exercise(
        name="beyond.overlap", expects="a function copies(kernel, stride)",
        right="All phases agree exactly when the stride divides the kernel. Then an even result "
        "is possible; whether it comes about depends on the weights.",
        hint="Write the positions that inputs 0, 1, 2, 3 reach for kernel 3 and stride 2 under "
        "each other, and count the columns.",
        what="the list of copies", read=lambda answer, what: array(answer, what).tolist(),
        cases=((3, 2), (4, 2), (5, 3), (2, 3), (1, 1), (6, 3), (7, 4)), reference=_overlap,
        before="copies({0}, {1}) gives {found}",
        slips=[
            (lambda m, s: [m / s] * s, ": the average. Which positions get one more than others?"),
            (lambda m, s: [-(-m // s)] * s, ": rounded up everywhere. Not every phase gets the "
             "extra copy."),
            (lambda m, s: [m // s] * s, lambda found, right, m, s: ": rounding down everywhere. "
             f"Of the kernel's {m} values, {m % s} would write nowhere: which phases do they "
             "reach?"),
            (lambda m, s: _overlap(m, s)[0], ": one number for each of the {1} values of j mod "
             "{1} is wanted.", lambda found, m, s: np.shape(found) != (s,)),
            (lambda m, s: _overlap(m, s)[::-1], ": the right numbers at other phases. Value t of "
             "the kernel writes to i·s + t: which t have t mod s = 0?",
             lambda found, m, s: sorted(found) == sorted(_overlap(m, s))),
        ],
        otherwise=". Count the t from 0 to {0} − 1 with t mod {1} = the phase.",
    ),
    Exercise(
        name="beyond.masking", expects="a function mask(x, p, rng)",
        right="Masking is the damage of BERT and of masked autoencoders: the model must fill in "
        "from what is around.",
        hint="rng.uniform(size=x.shape) is below p with probability p; np.where chooses.",
        what="the masked array", read=array, unique=False, ask=_two_masks,
        cases=[(np.random.default_rng(0).uniform(0.5, 1.0, (200, 6, 5)), p, 1) for p in (0.2, 0)],
        reference=_mask,
        slips=[
            (_mask_in_place, "Your function changed x itself; the clean images are still needed "
             "as targets.", changed),
            (lambda x, p, rng: _mask(x, p, rng)[0], "The result has another shape than x.",
             lambda found, x, *_: found.shape[1:] != x.shape),
            (lambda x, p, rng: x + 0, "Nothing became zero.",
             lambda found, x, p, seed: p and not _share(found)),
            (lambda x, p, rng: _mask(x, p, rng) / (1 - p), "The values that stay were divided by "
             "1 − p: that is dropout's rescaling. The damaged image should have the brightness it "
             "has.", lambda found, x, p, seed: p and _kept(found, x, 1 / (1 - p))),
            (lambda x, p, rng: _mask(x, p, rng) * 2, "The values that stay must be as they were.",
             lambda found, x, *_: not _kept(found, x, 1)),
            (lambda x, p, rng: x * (rng.uniform(size=(len(x), 1, 1)) >= p), "You mask whole "
             "items; draw a number for each value, of the shape of x.", _whole((1, 2))),
            (lambda x, p, rng: x * (rng.uniform(size=x.shape[1:]) >= p), "You mask the same "
             "places in every item; draw a number for each value, of the shape of x.", _whole(0)),
            (lambda x, p, rng: _mask(x, 1 - p, rng), lambda found, *_: f"{_share(found):.0%} "
             "became zero for p = 0.2: p is the share that *goes*, not stays.",
             lambda found, x, p, seed: p and abs(_share(found) - 0.8) < 0.05),
            (lambda x, p, rng: _mask(x, p**2, rng), lambda found, *_: f"{_share(found):.0%} of "
             "the values became zero; p = 0.2 asks for about 20%.",
             lambda found, x, p, seed: p and abs(_share(found) - p) > 0.03),
            (lambda x, p, rng: _mask(x, p, np.random.default_rng(0)), "Two generators gave one "
             "mask: draw from the rng that you are given.",
             lambda found, x, p, seed: p and np.array_equal(*found)),
            (lambda x, p, rng: _mask(x, 0.2, rng), "With p = 0 nothing may become zero.",
             lambda found, x, p, seed: not p and _share(found)),
        ],
    ),
    Exercise(
        name="beyond.target",
        expects="a function of (x, sigma, rng) that returns (inputs, targets)",
        right="Only the input is damaged. The loss that goes to zero by copying is the sign of "
        "this bug.",
        hint="For which output is the loss zero? Is that what you want the model to do?",
        what=("the inputs", "the targets"), read=array, unique=False,
        cases=((np.random.default_rng(0).uniform(size=(300, 7)), 0.5, np.random.default_rng(1)),),
        reference=_pair,
        slips=[
            ({"give": lambda x, noise: ((x + noise)[0], x[0])}, "Inputs and targets have the "
             "shape of x.", lambda found, x, *_: any(f.shape != x.shape for f in found)),
            ({"give": lambda x, noise: (x + noise, x + noise)}, "Inputs and targets are the same "
             "array, so a perfect copy has no loss. Which of the two should be without noise?",
             lambda found, *_: close(*found)),
            ({"give": lambda x, noise: (x, x + noise)}, "The inputs are clean and the targets "
             "noisy: the model is taught to *add* noise, which it cannot foresee. Turn the pair "
             "round.", lambda found, x, *_: close(found[0], x)),
            ({"give": lambda x, noise: (x + noise, noise)}, "The targets are the noise. A model "
             "can learn that, but then its output is not the image; the autoencoder's target is "
             "x.", lambda found, x, *_: close(found[1], found[0] - x)),
            ({"give": lambda x, noise: (x + noise, x + noise[::-1])}, "The targets still carry "
             "noise, if another one. They should be x itself.",
             lambda found, x, *_: not close(found[1], x)),
            (lambda x, sigma, rng: _pair(x, sigma**2, rng), lambda found, right, x, *_: "The "
             f"noise has standard deviation {(found[0] - x).std():.2f}; sigma was 0.5.",
             lambda found, x, sigma, _: abs((found[0] - x).std() - sigma) > 0.05),
        ],
    ),
    Exercise(
        name="beyond.atoms",
        expects="a function of (z, D) that returns new codes and a new kernel",
        right="With unit atoms a code's size means something, so a penalty on it does, too.",
        hint="(c z_i)(d_i / c) = z_i d_i for each unit i, with c the length of its row.",
        what=("the new codes", "the new kernel"), read=array, unique=False,
        cases=((_CODES, _KERNEL * np.arange(1, 7)[:, None]),),
        reference=lambda z, D: (z * _length(D).T, D / _length(D)),
        slips=[
            (lambda z, D: (z * _length(D).T, D / _length(D, (0, 1)) * np.ones((1, 1, 1))), "The "
             "codes or the kernel have another shape than before.",
             lambda found, z, D: (found[0].shape, found[1].shape) != (z.shape, D.shape)),
            (lambda z, D: (z, D), "The kernel is as it was; its rows should have length one.",
             lambda found, z, D: close(found[1], D)),
            (lambda z, D: (z, D / _length(D, 0)), "The *columns* of the kernel have length one, "
             "one for each pixel. An atom is what one unit writes: a row.",
             lambda found, *_: close(_length(found[1], 0), np.ones((1, 4)))),
            (lambda z, D: (z, D / _length(D) ** 2), "The rows of the new kernel do not have "
             "length one.", lambda found, *_: not close(_length(found[1]), np.ones((6, 1)))),
            (lambda z, D: (z, D / _length(D)), "The atoms are right, but the codes are as before, "
             "so the reconstruction changed. What an atom loses, its code must gain.",
             lambda found, z, D: close(found[0], z)),
            (lambda z, D: (z / _length(D).T, D / _length(D)), "Atom and code were both divided by "
             "the length; one of them must gain.",
             lambda found, z, D: close(found[0], z / _length(D).T)),
            (lambda z, D: (2 * z * _length(D).T, D / _length(D)), "The reconstruction z @ D is "
             "not what it was.", lambda found, z, D: not close(found[0] @ found[1], z @ D)),
        ],
    ),
    Exercise(
        name="beyond.jacobian", expects="a function jacobian_norm(x, W, b)",
        right="No Jacobian is built: n·k numbers do for the whole batch, where the matrices would "
        "be n·k·d.",
        hint="Sum W² over its first axis once; the batch enters only through h.",
        what="the array of norms", read=array, cases=(normal(0, (9, 5), (5, 5), (5,)),),
        reference=_jacobian,
        slips=[
            (lambda x, W, b: _jacobian(x, W, b).mean(), "That is the mean over the batch; one "
             "number for each example is wanted."),
            (lambda x, W, b: _jacobian(x, W, b)[:, None], "A column of shape (9, 1); shape (9,) "
             "is wanted. Drop the last axis."),
            (lambda x, W, b: _jacobian(x, W, 0 * b), "You left out the bias b: the slope h(1 − h) "
             "of each unit depends on it."),
            (lambda x, W, b: np.sqrt(_jacobian(x, W, b)), "That is the norm; square it."),
            (lambda x, W, b: _h(x, W, b) * (1 - _h(x, W, b)) @ (W**2).sum(0), "The derivative h(1 "
             "− h) belongs to every entry of J, so it gets squared too."),
            (lambda x, W, b: (_h(x, W, b) * (1 - _h(x, W, b))) ** 2 @ (W**2).sum(1), "You summed "
             "W² over the units. For each unit, sum over the inputs: W has shape (d, k)."),
            (lambda x, W, b: _h(x, W, b) ** 2 @ (W**2).sum(0), "The sigmoid's derivative is h(1 − "
             "h), not h."),
            (lambda x, W, b: np.full(len(x), (W**2).sum()), "That is the norm of W alone: the "
             "code is not linear, so J depends on x."),
        ],
        otherwise="Build J for one x, entry h_i(1 − h_i)W_ji, and compare its sum of squares.",
    ),
    Exercise(
        name="beyond.copier", expects="a function copying(reconstruct, x, rng)",
        right="On the data a good model and a copier both have a small error. On what are not "
        "data only the copier has.",
        hint="What would a copier give back that a model of garments would not? Make some up with "
        "rng.",
        what="the scores", read=array, unique=False, ask=_scores,
        reference=lambda reconstruct, x, rng: _back(reconstruct, _stranger(x, rng)),
        slips=[
            (lambda r, x, rng: 1 - _back(r, _stranger(x, rng)), lambda found, right: "A copier "
             f"scores {found[0]:.2f} and a model that always answers zero {found[3]:.2f}: that is "
             "an error. Turn it round: the share that *is* given back.",
             lambda found: found[0] < 0.5 < found[3]),
            (lambda r, x, rng: _back(r, x), lambda found, right: "A projection onto 6 of 64 "
             f"directions scores {found[1]:.2f}, like a copier: on x both are perfect. Test with "
             "inputs that are *not* like the data.", lambda found: found[1] > 0.9),
            (lambda r, x, rng: _back(r, x + _stranger(x, rng)), lambda found, right: "A "
             f"projection onto the data's own 6 of 64 directions scores {found[1]:.2f}, where "
             "0.09 of white noise comes through: your inputs still hold the data. Noise alone "
             "does.", lambda found: found[1] > 0.2 and found[0] > 0.9),
            (_energy, lambda found, right: "A model that answers each input turned round scores "
             f"{found[2]:.2f}: its answers are as large as its inputs, and wrong. Measure the "
             "error, not the size.", lambda found: found[2] > 0.2 and found[0] > 0.9),
            (lambda r, x, rng: _back(r, 9 * rng.normal(size=x.shape), of=x), lambda found, right:
             "{} scores {:.2f}. Use 1 − error / (error of answering zero), on inputs that fill "
             "all directions.".format(*_astray(found)), _astray),
        ],
    ),
]  # fmt: skip
