"""Exercises of chapter 01, "What an autoencoder is, and is not"."""

import numpy as np

from ae_lib.exercises._core import Exercise, Untouched, Wrong, array, close, number

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
    slips = {
        right / d: "You averaged over the values of an item; a likelihood is a product over "
        "them, so its logarithm is a sum. Sum over values, then average over items.",
        right * n: "You summed over the items too; average over them (the first axis).",
        distance: "The normaliser is missing: each value adds log(2b), which matters as soon as "
        "b is fitted.",
        -right: "That is the log-likelihood; the loss is minus it.",
        distance + np.log(2 * b): "The normaliser log(2b) belongs to each value, so it comes d "
        "times an item; you added it once.",
        squares / b + constant: "You squared the differences: that exponent belongs to the "
        "Gaussian. Laplace has |x − x̂| / b.",
        squares / (2 * b**2) + d * np.log(b * np.sqrt(2 * np.pi)): "That is the Gaussian. "
        "Laplace's density is exp(−|x − x̂| / b) / (2b).",
        distance * b + constant: "The absolute error has to be divided by the width b.",
    }
    if close(found, right, 1e-4):
        _only_one_case(answer, _laplace, x[:3, :2] * 2, x_hat[:3, :2], 1.9)
        return
    for value, message in slips.items():
        if close(found, value, 1e-4):
            raise Wrong(message)
    raise Wrong(
        f"For a test batch of shape (5, 7) with b = 0.7 expected {right:.4f} nats, got "
        f"{found:.4f}. Write −log of exp(−|x − x̂| / b) / (2b), sum over values, average over "
        "items."
    )


def _only_one_case(answer, reference, *arguments):
    """Ask once more with other arguments, so that a constant does not pass."""
    found, right = answer(*arguments), reference(*arguments)
    if not close(np.asarray(found, "float64"), right, 1e-4):
        raise Wrong(
            f"Right for one batch, not for another of shape {arguments[0].shape}: take every "
            "size from the arguments."
        )


def _laplace_averaged(x, x_hat, b):
    return np.mean(np.abs(x - x_hat) / b + np.log(2 * b))


def _laplace_unnormalised(x, x_hat, b):
    return np.abs(x - x_hat).sum(1).mean() / b


# -- basics.tied_gradient ----------------------------------------------------------------


def _tied_case():
    rng = np.random.default_rng(2)
    return rng.normal(size=(5, 2)), rng.normal(size=(9, 5))


def _tied_parts(W, x):
    W, x = np.asarray(W), np.asarray(x)
    error = x @ W @ W.T - x
    g = 2 * error / error.size
    return x.T @ g @ W, g.T @ x @ W


def _tied(W, x):
    return sum(_tied_parts(W, x))


def _tied_encoder(W, x):
    return _tied_parts(W, x)[0]


def _tied_decoder(W, x):
    return _tied_parts(W, x)[1]


def _judge_tied_gradient(answer):
    W, x = _tied_case()
    found = array(answer(W.copy(), x.copy()), W.shape, "the gradient")
    encoder, decoder = _tied_parts(W, x)
    right = encoder + decoder
    slips = [
        (encoder, "That is the path through the encoder alone. W is used twice, so the decoder's "
         "path adds its own term."),
        (decoder, "That is the path through the decoder alone. W is used twice, so the encoder's "
         "path adds its own term."),
        (2 * encoder, "The two paths do not contribute the same: one is xᵀGW, the other Gᵀ(xW)."),
        (2 * decoder, "The two paths do not contribute the same: one is xᵀGW, the other Gᵀ(xW)."),
        (right / 2, "Half of it: the derivative of the square brings a factor 2."),
        (right * x.size, "Right for the sum of squares; the loss is a mean over all n·d values."),
        (right * x.shape[1], "The mean is over all n·d values; you divided by n alone."),
        (-right, "The sign is turned: the error is reconstruction minus input."),
    ]  # fmt: skip
    if close(found, right, 1e-4):
        _only_one_case(answer, _tied, W[:3, :1], x[:4, :3])
        return
    for value, message in slips:
        if close(found, value, 1e-4):
            raise Wrong(message)
    step = 1e-5
    moved = W.copy()
    moved[0, 0] += step
    slope = (_tied_loss(moved, x) - _tied_loss(W, x)) / step
    raise Wrong(
        f"Finite differences disagree: moving W[0, 0] of a test case changes the loss at a rate "
        f"of {slope:.4f}; your gradient says {found[0, 0]:.4f}."
    )


def _tied_loss(W, x):
    return ((x @ W @ W.T - x) ** 2).mean()


# -- basics.components -------------------------------------------------------------------


def _components_case():
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    scales = np.array([4, 3, 2, 1, 0.3, 0.2, 0.1, 0.05])
    x = rng.normal(size=(400, 8)) * scales @ basis.T
    x -= x.mean(0)
    wanted = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :4]
    mixing = rng.normal(size=(4, 4)) + 2 * np.eye(4)
    return x, mixing @ wanted.T, wanted


def _components(x, D):
    x, D = np.asarray(x), np.asarray(D)
    q = np.linalg.qr(D.T)[0]
    axes = np.linalg.svd(x @ q, full_matrices=False)[2]
    return q @ axes.T


def _judge_components(answer):
    x, D, wanted = _components_case()
    found = array(answer(x.copy(), D.copy()), what="the directions")
    if found.shape == wanted.T.shape:
        raise Wrong("Expected one direction a column, shape (8, 4) in the test; yours are rows.")
    found = array(found, wanted.shape, "the directions")
    lengths = np.linalg.norm(found, axis=0)
    if np.abs(lengths - 1).max() > 1e-3:
        raise Wrong(
            f"Directions have length 1; yours have lengths {lengths.min():.2f} to "
            f"{lengths.max():.2f}."
        )
    if np.abs(found.T @ found - np.eye(4)).max() > 1e-3:
        raise Wrong(
            "Your columns are not orthogonal to each other. Make an orthonormal basis of the "
            "decoder's row space first (np.linalg.qr of D.T)."
        )
    overlap = np.abs(wanted.T @ found)
    if np.abs(np.diag(overlap) - 1).max() < 1e-3:
        return
    if np.linalg.norm(wanted.T @ found) < 2 - 1e-3:
        raise Wrong(
            "Your directions leave the decoder's row space; every one must be a mixture of the "
            "rows of D."
        )
    if np.allclose(overlap.max(0), 1, atol=1e-3):
        raise Wrong(
            "These are the principal directions, but not in order: the one along which the data "
            "vary most comes first."
        )
    raise Wrong(
        "An orthonormal basis of the right subspace, but still rotated inside it. Look at the "
        "covariance of the data *in* that basis, x @ q, and turn the basis until it is diagonal."
    )


def _components_svd(x, D):
    reconstructed = np.asarray(x) @ np.linalg.pinv(D) @ D
    return np.linalg.svd(reconstructed, full_matrices=False)[2][: len(D)].T


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
                f"Your test rejects {name}, which is a sound objective: nothing beats x̂ = x, and "
                "its value there may be anything. Compare losses; do not ask for zero."
            )
    for name, loss in BAD_LOSSES.items():
        if _verdict(answer(loss)):
            raise Wrong(
                f"Your test lets {name} pass. Try reconstructions that are too bright, too dark, "
                "shuffled: each must cost more than x̂ = x."
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


# -- basics.causal_mask ------------------------------------------------------------------


def _causal_mask(d):
    return np.triu(np.ones((d, d)), 1)


def _judge_causal_mask(answer):
    for d in (5, 1, 8):
        mask = array(answer(d), (d, d), "the mask")
        right = _causal_mask(d)
        if np.array_equal(mask, right):
            continue
        if np.array_equal(mask, right + np.eye(d)):
            raise Wrong(
                "The diagonal is still open: output t sees input t, copies it, and the loss "
                "falls to nothing. Close it (k=1)."
            )
        if np.array_equal(mask, np.tril(np.ones((d, d)))):
            raise Wrong(
                "That is the mask with both bugs. In x @ (W * mask) the row is the input, the "
                "column the output: which half lets input s reach output t only when s < t?"
            )
        if np.array_equal(mask, right.T):
            raise Wrong(
                "The diagonal is closed, but the arrow of time is reversed: in x @ W the row is "
                "the input. This lets output t see only what comes after it."
            )
        if np.array_equal(mask, 1 - right):
            raise Wrong("Turned inside out: 1 lets a weight through, 0 blocks it.")
        raise Wrong(
            f"For d = {d} expected mask[s, t] = 1 where s < t and 0 elsewhere; "
            f"{int((mask != right).sum())} of {d * d} entries differ."
        )


# -- basics.families ---------------------------------------------------------------------

FAMILIES = {
    "PCA": "copy",
    "BERT": "repair",
    "BART": "repair",
    "T5": "repair",
    "GPT": "continue",
    "GAN": "fool",
}
_SLIPS = {
    ("GPT", "copy"): "GPT is never asked for what it was given: its target at each place is the "
    "next token, which a causal mask keeps out of its sight.",
    ("GPT", "repair"): "Nothing is damaged on its way into GPT; the future is hidden instead.",
    ("BERT", "continue"): "BERT sees the words on both sides of a gap, so it cannot continue a "
    "text; it fills in what was blanked out.",
    ("BERT", "copy"): "BERT's input is damaged first, and only the damaged places are scored.",
    ("BART", "continue"): "BART's decoder does write from left to right, but what it is trained "
    "to write is the undamaged form of a damaged input.",
    ("T5", "continue"): "T5's decoder writes from left to right, but what it writes are the "
    "pieces that were cut out of its input.",
    ("GAN", "copy"): "A GAN's generator is given noise, never an example, so it has nothing to "
    "copy.",
    ("GAN", "repair"): "A GAN's generator is given noise, never a damaged example.",
    ("PCA", "repair"): "PCA's input is not damaged: it projects, and gives back what is left.",
}


def _judge_families(answer):
    if not isinstance(answer, dict):
        raise Wrong('Answer with a dictionary, {"PCA": "copy", …}.')
    given = {str(k).strip().upper(): v for k, v in answer.items()}
    if all(v is ... or v is None for v in given.values()):
        raise Untouched
    for model, right in FAMILIES.items():
        value = given.get(model.upper())
        if value is None or value is ...:
            raise Wrong(f"{model} has no answer yet.")
        word = str(value).strip().lower()
        if word not in FAMILIES.values():
            raise Wrong(f'{model}: choose "copy", "repair", "continue" or "fool", got {value!r}.')
        if word != right:
            why = _SLIPS.get((model, word), "Ask what goes in, and what has to come out.")
            raise Wrong(f"{model}: not {word!r}. {why}")


EXERCISES = [
    Exercise(
        name="basics.bce_floor",
        judge=_judge_bce_floor,
        right="A grey pixel is its own fair bet: the floor is its entropy, not zero. So a BCE "
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
        name="basics.tied_gradient",
        judge=_judge_tied_gradient,
        right="A weight that is used twice collects a gradient from each use. The same rule "
        "trains convolutions and recurrent networks, which use one weight at every place.",
        hint="Call the two uses A and B, x̂ = x A Bᵀ. Find the gradient for A, then for B, with "
        "the four-step formulas; put A = B = W and add.",
        solution=lambda: _tied,
        wrong={
            "the encoder's path only": (
                lambda: lambda W, x: _tied_parts(W, x)[0],
                "encoder alone",
            ),
            "the decoder's path only": (
                lambda: lambda W, x: _tied_parts(W, x)[1],
                "decoder alone",
            ),
            "of the sum instead of the mean": (
                lambda: lambda W, x: _tied(W, x) * x.size,
                "sum of squares",
            ),
        },
        expects="a function of (W, x)",
    ),
    Exercise(
        name="basics.components",
        judge=_judge_components,
        right="Everything PCA knows was in the autoencoder; only the naming of the axes was "
        "missing, and the variances of the codes supply it.",
        hint="Two steps: np.linalg.qr(D.T) gives an orthonormal basis q of the subspace; the "
        "SVD of x @ q gives the axes inside it, sorted.",
        solution=lambda: _components,
        wrong={
            "an orthonormal basis, not turned": (
                lambda: lambda x, D: np.linalg.qr(D.T)[0],
                "still rotated",
            ),
            "the decoder's rows, made unit length": (
                lambda: lambda x, D: (D / np.linalg.norm(D, axis=1, keepdims=True)).T,
                "not orthogonal",
            ),
            "in ascending order, as eigh gives": (
                lambda: lambda x, D: _components(x, D)[:, ::-1],
                "not in order",
            ),
        },
        expects="a function of (x, D)",
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
    Exercise(
        name="basics.causal_mask",
        judge=_judge_causal_mask,
        right="A loss that falls to nothing is the usual symptom of a leak: the model sees its "
        "target. The same two slips are made in Transformers' attention masks.",
        hint="Print the mask for d = 3. In x @ (W * mask), entry [s, t] carries input s to output "
        "t. Which entries must be 1?",
        solution=lambda: _causal_mask,
        wrong={
            "the right half, diagonal open": (
                lambda: lambda d: np.triu(np.ones((d, d))),
                "diagonal is still open",
            ),
            "diagonal closed, time reversed": (
                lambda: lambda d: np.tril(np.ones((d, d)), -1),
                "arrow of time",
            ),
            "as it was": (lambda: lambda d: np.tril(np.ones((d, d))), "both bugs"),
        },
        expects="a function of d",
    ),
    Exercise(
        name="basics.families",
        judge=_judge_families,
        right="Names mislead, training pairs do not: to place a model you have never heard of, "
        "ask what goes in and what has to come out.",
        hint="Who is given noise? Who is given damaged text? Who must not see what comes next?",
        solution=lambda: dict(FAMILIES),
        wrong={
            "GPT as an autoencoder": (lambda: FAMILIES | {"GPT": "copy"}, "the next token"),
            "BERT as a language model": (lambda: FAMILIES | {"BERT": "continue"}, "both sides"),
            "a GAN as an autoencoder": (lambda: FAMILIES | {"GAN": "copy"}, "given noise"),
        },
        expects="a dictionary from model to word",
    ),
]
