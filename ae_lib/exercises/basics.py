"""Exercises of chapter 01, "What an autoencoder is, and is not".

Those on losses are in ``_losses``.
"""

import numpy as np

from ae_lib.exercises import _losses
from ae_lib.exercises._core import Exercise, Untouched, Wrong, also, array, close, known_slip

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


def _judge_tied_gradient(answer):
    W, x = _tied_case()
    found = array(answer(W.copy(), x.copy()), W.shape, "the gradient")
    encoder, decoder = _tied_parts(W, x)
    right = encoder + decoder
    if close(found, right, 1e-4):
        also(answer, _tied, W[:3, :1], x[:4, :3])
        return
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
    known_slip(found, slips, 1e-4)
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


def _components_case(kept=(0, 1, 2, 3)):
    """Data, a decoder that spans the kept principal directions, and these, one a column."""
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    scales = np.array([4, 3, 2, 1, 0.3, 0.2, 0.1, 0.05])
    x = rng.normal(size=(400, 8)) * scales @ basis.T
    x -= x.mean(0)
    wanted = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, list(kept)]
    mixing = rng.normal(size=(4, 4)) + 2 * np.eye(4)
    return x, mixing @ wanted.T, wanted


def _components(x, D):
    x, D = np.asarray(x), np.asarray(D)
    q = np.linalg.qr(D.T)[0]
    axes = np.linalg.svd(x @ q, full_matrices=False)[2]
    return q @ axes.T


def _judge_components(answer):
    _judge_directions(answer, *_components_case())
    _judge_directions(answer, *_components_case(kept=(0, 2, 3, 5)))


def _judge_directions(answer, x, D, wanted):
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
        plain = np.linalg.svd(x, full_matrices=False)[2][:4]
        if np.allclose(np.abs(np.diag(plain @ found)), 1, atol=1e-3):
            raise Wrong(
                "These are the principal directions of x, whatever D says: D was not used. This "
                "decoder spans another subspace, and the directions have to lie in it."
            )
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
    (
        "BART",
        "copy",
    ): "BART does write the whole text, but what it is given is a damaged one, so a "
    "copy would be wrong.",
    (
        "T5",
        "copy",
    ): "T5 never writes what it was given: pieces were cut out of its input, and these "
    "are its target.",
    ("GAN", "continue"): "A GAN's generator is given noise, not the beginning of anything.",
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
            critic = "No critic has a part in its training." if word == "fool" else None
            plain = critic or "Ask what goes in, and what has to come out."
            why = _SLIPS.get((model, word), plain)
            raise Wrong(f"{model}: not {word!r}. {why}")


EXERCISES = [
    *_losses.EXERCISES,
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
            "PCA of x, without a look at D": (
                lambda: lambda x, D: np.linalg.svd(x, full_matrices=False)[2][: len(D)].T,
                "D was not used",
            ),
            "in ascending order, as eigh gives": (
                lambda: lambda x, D: _components(x, D)[:, ::-1],
                "not in order",
            ),
        },
        expects="a function of (x, D)",
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
            "BART as a plain autoencoder": (lambda: FAMILIES | {"BART": "copy"}, "damaged one"),
            "T5 as a plain autoencoder": (lambda: FAMILIES | {"T5": "copy"}, "were cut out"),
            "BERT before a critic": (lambda: FAMILIES | {"BERT": "fool"}, "No critic"),
            "a GAN as an autoencoder": (lambda: FAMILIES | {"GAN": "copy"}, "given noise"),
        },
        expects="a dictionary from model to word",
    ),
]
