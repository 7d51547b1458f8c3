"""Exercises of chapter 01, "What an autoencoder is, and is not"."""

import numpy as np

from ae_lib.exercises._core import Exercise, normal
from ae_lib.exercises._readers import array, truth, words

FLOOR = float(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2)))


# basics.tied_gradient
def _paths(W, x):
    error = x @ W @ W.T - x
    g = 2 * error / error.size
    return x.T @ g @ W, g.T @ x @ W


def _tied(W, x):
    return sum(_paths(W, x))


# basics.components
def _data_and_decoder(kept):
    """Data, and a decoder that spans the kept principal directions."""
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    x = rng.normal(size=(400, 8)) * [4, 3, 2, 1, 0.3, 0.2, 0.1, 0.05] @ basis.T
    x -= x.mean(0)
    directions = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, list(kept)]
    return x, (rng.normal(size=(4, 4)) + 2 * np.eye(4)) @ directions.T


def _components(x, D):
    q = np.linalg.qr(D.T)[0]
    return q @ np.linalg.svd(x @ q, full_matrices=False)[2].T


def _unsigned(answer, what):
    """Each direction with its largest value positive."""
    found = array(answer, what)
    axis = int(found.ndim == 2 and found.shape[0] < found.shape[1])
    largest = np.take_along_axis(found, np.abs(found).argmax(axis, keepdims=True), axis)
    return found * np.where(largest < 0, -1, 1)


def _lengths(found):
    return np.linalg.norm(found, axis=0)


def _outside(found, x, D):
    q = np.linalg.qr(D.T)[0]
    return np.abs(q @ q.T @ found - found).max() > 1e-3


def _permuted(found, x, D):
    return np.allclose(np.abs(_components(x, D).T @ found).max(0), 1, atol=1e-3)


# basics.good_loss
def _bce(x, x_hat):
    p = np.clip(x_hat, 1e-7, 1 - 1e-7)
    return float(-(x * np.log(p) + (1 - x) * np.log(1 - p)).mean())


GOOD_LOSSES = {
    "the mean squared error": lambda x, r: ((x - r) ** 2).mean(),
    "the sum of squared errors": lambda x, r: ((x - r) ** 2).sum(),
    "the mean absolute error": lambda x, r: np.abs(x - r).mean(),
    "the binary cross-entropy, whose floor is not zero": _bce,
    "the squared error minus 3, negative at its minimum": lambda x, r: ((x - r) ** 2).mean() - 3,
}
BAD_LOSSES = {
    "mean(x̂²), in which the data are missing": lambda x, r: (r**2).mean(),
    "mean(ReLU(x − x̂)), which forgives overshooting": lambda x, r: np.maximum(x - r, 0).mean(),
    "mean(ReLU(x̂ − x)), which forgives undershooting": lambda x, r: np.maximum(r - x, 0).mean(),
    "mean(x − x̂), which falls for ever": lambda x, r: (x - r).mean(),
    "|mean(x) − mean(x̂)|, in which errors cancel": lambda x, r: abs(x.mean() - r.mean()),
    "a constant": lambda x, r: 1.0,
}
LOSSES = GOOD_LOSSES | BAD_LOSSES
_X = np.random.default_rng(0).uniform(0.1, 0.9, (20, 6))
_OTHERS = [_X + 0.05, _X - 0.05, 0 * _X, 0 * _X + 1, _X[:, ::-1], np.clip(2 * _X - 0.5, 0, 1)]


def _called(loss):
    return next(name for name, other in LOSSES.items() if other is loss)


def _sound(loss, keys=slice(None)):
    return all(loss(_X, _X) < loss(_X, other) - 1e-9 for other in _OTHERS[keys])


# basics.families
FAMILIES = {
    "PCA": "copy", "BERT": "repair", "BART": "repair", "T5": "repair", "GPT": "continue",
    "GAN": "fool",
}  # fmt: skip
_MISTAKEN = {
    ("GPT", "copy"): "Its target at each place is the next token, which a causal mask hides.",
    ("GPT", "repair"): "Nothing in its input is damaged; the future is hidden instead.",
    ("BERT", "continue"): "It sees the words on both sides of a gap, and fills it in.",
    ("BERT", "copy"): "Its input is damaged first, and only the damaged places are scored.",
    ("BART", "continue"): "Its decoder does write from left to right, but what it is trained to "
    "write is the undamaged form of a damaged input.",
    ("BART", "copy"): "It does write the whole text, but its input is a damaged one, so a copy "
    "would be wrong.",
    ("T5", "copy"): "Pieces were cut out of its input, and these are its target.",
    ("T5", "continue"): "Its decoder writes from left to right, but what it writes are the "
    "pieces that were cut out of its input.",
    ("GAN", "continue"): "Its generator is given noise, not the beginning of anything.",
    ("GAN", "copy"): "Its generator is given noise, never an example to copy.",
    ("GAN", "repair"): "Its generator is given noise, never a damaged example.",
    ("PCA", "repair"): "Its input is not damaged: it projects, and gives back what is left.",
    ("PCA", "continue"): "Nothing comes next: its input is one whole example.",
    **{(model, "fool"): "No critic has a part in its training." for model in FAMILIES},
}


EXERCISES = [
    Exercise(
        name="basics.bce_floor", expects="a number of nats",
        right="For a grey pixel the floor is its entropy, not zero. So a BCE that stops falling "
        "well above zero may be perfect; compare it with the floor.",
        hint="The reconstruction is perfect, so x̂ = 0.8 too. Neither log 0.8 nor log 0.2 is 0.",
        what="the loss in nats", reference=FLOOR, tolerance=5e-3,
        slips=[
            (0.0, "Zero is the floor of the squared error. Put x = 0.8 and x̂ = 0.8 into the "
             "formula: both terms are there, and neither logarithm is zero."),
            (-np.log(0.8), "That is −log 0.8, as if the pixel were 1. A grey pixel keeps both "
             "terms: weigh −log x̂ by x and −log(1 − x̂) by 1 − x."),
            (FLOOR / np.log(2), "That is in bits. For nats, multiply by log 2."),
            (-FLOOR, "The size is right, the sign is not: the loss is minus the log-likelihood."),
        ],
        otherwise="Put x = 0.8 and x̂ = 0.8 into −x log x̂ − (1 − x) log(1 − x̂), natural logs.",
    ),
    Exercise(
        name="basics.laplace_nll", expects="a function of (x, x_hat, b)",
        right="So the absolute error belongs to a likelihood too: that of noise with heavier "
        "tails. A single large error costs it less than it costs the squared error.",
        hint="−log(exp(−a) / c) = a + log c. Do that for one value, sum over the values of an "
        "item, then average over the items.",
        what="the mean number of nats an item",
        cases=((*normal(1, (5, 7), (5, 7)), 0.7), (*normal(2, (3, 2), (3, 2)), 1.9)),
        reference=lambda x, h, b: (np.abs(x - h) / b + np.log(2 * b)).sum(1).mean(),
        tolerance=1e-4,
        slips=[
            (lambda x, h, b: (np.abs(x - h) / b + np.log(2 * b)).mean(), "You averaged over the "
             "values of an item; a likelihood is a product over them, so its logarithm is a sum. "
             "Sum over values, then average over items."),
            (lambda x, h, b: (np.abs(x - h) / b + np.log(2 * b)).sum(), "You summed over the "
             "items too; average over them (the first axis)."),
            (lambda x, h, b: (np.abs(x - h) / b).sum(1).mean(), "The normaliser is missing: each "
             "value adds log(2b), which matters as soon as b is fitted."),
            (lambda x, h, b: -(np.abs(x - h) / b + np.log(2 * b)).sum(1).mean(), "That is the "
             "log-likelihood; the loss is minus it."),
            (lambda x, h, b: (np.abs(x - h) / b).sum(1).mean() + np.log(2 * b), "The normaliser "
             "log(2b) belongs to each value, so it comes d times an item; you added it once."),
            ([lambda x, h, b: ((x - h) ** 2 / b + np.log(2 * b)).sum(1).mean(),
              lambda x, h, b: (((x - h) / b) ** 2 + np.log(2 * np.pi * b**2)).sum(1).mean() / 2],
             "You squared the differences: that is the Gaussian. Laplace's density is "
             "exp(−|x − x̂| / b) / (2b)."),
            (lambda x, h, b: (np.abs(x - h) + np.log(2 * b)).sum(1).mean(), "The absolute error "
             "has to be divided by the width b."),
        ],
        otherwise="For a test batch of shape {0.shape} with b = {2} expected {right:.4f} nats, "
        "got {found:.4f}. Write −log of exp(−|x − x̂| / b) / (2b), sum over values, average over "
        "items.",
    ),
    Exercise(
        name="basics.good_loss", expects="a function of a loss",
        right="Your test compares one perfect answer with several wrong ones of different kinds. "
        "A formula should pass it before anyone trains with it.",
        hint="Make a small x inside (0, 1) and several wrong x_hat: brighter, darker, all zero, "
        "shuffled. What must hold between loss(x, x) and loss(x, x_hat)?",
        what="one for the whole loss", read=truth, cases=[(loss,) for loss in LOSSES.values()],
        reference=_sound,
        slips=[
            (lambda loss: loss(_X, _X) == 0, lambda found, right, loss: "Your test rejects "
             f"{_called(loss)}. That is a sound objective: nothing beats x̂ = x, and its value "
             "there may be anything. Compare losses; do not ask for zero.",
             lambda found, loss: not found),
            (lambda loss: _sound(loss, slice(1, 2)), lambda found, right, loss: "Your test lets "
             f"this pass: {_called(loss)}. Try reconstructions that are too bright, too dark, "
             "shuffled: each must cost more than x̂ = x.", lambda found, loss: found),
        ],
    ),
    Exercise(
        name="basics.tied_gradient", expects="a function of (W, x)",
        right="A weight that is used twice collects a gradient from each use. The same rule "
        "trains convolutions and recurrent networks, which use one weight at every place.",
        hint="Call the two uses A and B, x̂ = x A Bᵀ. Find the gradient for A, then for B, by "
        "the chain rule; put A = B = W and add.",
        what="the gradient", read=array,
        cases=(normal(2, (5, 2), (9, 5)), normal(4, (3, 1), (4, 3))), reference=_tied,
        tolerance=1e-4,
        slips=[
            (lambda W, x: _paths(W, x)[0], "That is the path through the encoder alone. W is used "
             "twice, so the decoder's path adds its own term."),
            (lambda W, x: _paths(W, x)[1], "That is the path through the decoder alone. W is used "
             "twice, so the encoder's path adds its own term."),
            ([lambda W, x: 2 * _paths(W, x)[0], lambda W, x: 2 * _paths(W, x)[1]], "The two paths "
             "do not contribute the same: one is xᵀGW, the other Gᵀ(xW)."),
            (lambda W, x: _tied(W, x) / 2, "Half of it: the square's derivative brings a factor "
             "2."),
            (lambda W, x: _tied(W, x) * x.size, "Right for a sum; the loss is a mean over n·d "
             "values."),
            (lambda W, x: _tied(W, x) * x.shape[1], "The mean is over n·d values; you divided by "
             "n."),
            (lambda W, x: -_tied(W, x), "The sign: the error is reconstruction minus input."),
        ],
        otherwise="Finite differences disagree: moving W[0, 0] of a test case changes the loss at "
        "a rate of {right[0][0]:.4f}; your gradient says {found[0][0]:.4f}.",
    ),
    Exercise(
        name="basics.components", expects="a function of (x, D)",
        right="The subspace was in the decoder already. Only the axes in it were missing, and "
        "the variances of the codes give them.",
        hint="Two steps: np.linalg.qr(D.T) gives an orthonormal basis q of the subspace; the SVD "
        "of x @ q gives the axes inside it, sorted.",
        what="the directions", read=_unsigned,
        cases=(_data_and_decoder((0, 1, 2, 3)), _data_and_decoder((0, 2, 3, 5))),
        reference=_components, tolerance=1e-3,
        slips=[
            (lambda x, D: _components(x, D).T, "Expected one direction a column, shape (8, 4) in "
             "the test; yours are rows."),
            (lambda x, D: np.linalg.svd(x, full_matrices=False)[2][: len(D)].T, "These are the "
             "principal directions of x, whatever D says: D was not used. This decoder spans "
             "another subspace, and the directions have to lie in it."),
            (lambda x, D: D.T, lambda found, right, *_: "Directions have length 1; yours have "
             f"lengths {_lengths(found).min():.2f} to {_lengths(found).max():.2f}.",
             lambda found, *_: np.abs(_lengths(found) - 1).max() > 1e-3),
            (lambda x, D: (D / np.linalg.norm(D, axis=1, keepdims=True)).T, "Your columns are not "
             "orthogonal to each other. Make an orthonormal basis of the decoder's row space "
             "first (np.linalg.qr of D.T).",
             lambda found, *_: np.abs(found.T @ found - np.eye(4)).max() > 1e-3),
            (lambda x, D: np.eye(8)[:, :4], "Your directions leave the decoder's row space; every "
             "one must be a mixture of the rows of D.", _outside),
            (lambda x, D: _components(x, D)[:, ::-1], "These are the principal directions, but "
             "not in order: the one along which the data vary most comes first.", _permuted),
            (lambda x, D: np.linalg.qr(D.T)[0], "An orthonormal basis of the right subspace, but "
             "still rotated inside it. Look at the covariance of the data *in* that basis, x @ q, "
             "and turn the basis until it is diagonal.",
             lambda found, x, D: found.shape == D.T.shape),
        ],
    ),
    Exercise(
        name="basics.causal_mask", expects="a function of d",
        right="A loss that falls to nothing is the usual symptom of a leak: the model sees its "
        "target. The same two slips are made in Transformers' attention masks.",
        hint="Print the mask for d = 3. In x @ (W * mask), entry [s, t] carries input s to output "
        "t. Which entries must be 1?",
        what="the mask", read=array, cases=((5,), (1,), (8,)),
        reference=lambda d: np.triu(np.ones((d, d)), 1),
        slips=[
            (lambda d: np.triu(np.ones((d, d))), "The diagonal is still open: output t sees input "
             "t, copies it, and the loss falls to nothing. Close it (k=1)."),
            (lambda d: np.tril(np.ones((d, d))), "That is the mask with both bugs. In x @ (W * "
             "mask) the row is the input, the column the output: which half lets input s reach "
             "output t only when s < t?"),
            (lambda d: np.tril(np.ones((d, d)), -1), "The diagonal is closed, but the order is "
             "reversed: in x @ W the row is the input. Output t sees only what comes after it."),
        ],
        otherwise=lambda found, right, d: f"For d = {d} expected mask[s, t] = 1 where s < t and 0 "
        f"elsewhere; {int((found != right).sum())} of {d * d} entries differ.",
    ),
    Exercise(
        name="basics.families", expects="a dictionary from model to word",
        right="Names can mislead. To place a model that you do not know, ask what goes in and "
        "what has to come out.",
        hint="Who is given noise? Who is given damaged text? Who must not see what comes next?",
        reference=FAMILIES, read=words(list(FAMILIES), "copy", "repair", "continue", "fool"),
        slips=[
            (FAMILIES | {model: word}, f"{model}: not {word!r}. {why}",
             lambda found, model=model, word=word: found[model] == word)
            for (model, word), why in _MISTAKEN.items() if FAMILIES[model] != word
        ],
    ),
]  # fmt: skip
