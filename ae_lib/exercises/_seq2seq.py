"""What judges the answers to the exercises of chapter 07."""

import numpy as np

from ae_lib.exercises._old import Wrong, array, close, number

# -- one step of an LSTM -----------------------------------------------------------------


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def lstm(x, h, c, W, U, b, *, order="ifgo", forget=True, squash=np.tanh, out=np.tanh):
    """One LSTM step, right or with a planted mistake."""
    gates = dict(zip(order, np.split(x @ W + h @ U + b, 4, axis=-1), strict=True))
    i, f, o = (sigmoid(gates[name]) for name in "ifo")
    c = (f * c if forget else 0) + i * squash(gates["g"])
    return o * out(c), c


def judge_lstm_step(answer):
    """One step in NumPy, in Keras's order of the blocks."""
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(size=(3, n)) for n in (4, 5, 5))
    W, U, b = (rng.normal(size=s) for s in ((4, 20), (5, 20), (20,)))
    given = answer(x, h, c, W, U, b)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise Wrong("Return two arrays: the new h and the new c.")
    found = [array(a, (3, 5), w) for a, w in zip(given, ("the new h", "the new c"), strict=True)]

    def same(**mistake):
        return all(map(close, found, lstm(x, h, c, W, U, b, **mistake)))

    if same():
        return
    if close(found[0], lstm(x, h, c, W, U, b)[1]):
        raise Wrong("You return c before h. The order is h, c.")
    if same(forget=False):
        raise Wrong("The old cell state is gone: the forget gate f should scale it and keep it.")
    if same(out=lambda a: a):
        raise Wrong("c is right, but h = o · tanh(c): the tanh is missing on the way out.")
    if same(squash=sigmoid):
        raise Wrong("The candidate goes through tanh, not through the sigmoid of the gates.")
    for order in ("ifog", "figo", "gifo", "fiog", "igfo"):
        if same(order=order):
            raise Wrong(
                "The four blocks are taken in another order. Keras stores them as input gate, "
                "forget gate, candidate, output gate."
            )
    if close(found[1], lstm(x, h, c, W, U, b)[1]):
        raise Wrong("c is right; h is the output gate times tanh of the *new* c.")
    raise Wrong(
        "Neither h nor c agrees. First a = xW + hU + b, cut into four blocks of u columns."
    )


# -- the loss at the start ---------------------------------------------------------------

VOCABULARY = 4000


def judge_initial_loss(answer):
    """ln V nats."""
    value = number(answer, "the loss")
    if abs(value - np.log(VOCABULARY)) < 0.01:
        return
    if abs(value - np.log2(VOCABULARY)) < 0.01:
        raise Wrong("That is the answer in bits. Keras's logarithm is natural: nats.")
    if abs(value - np.log10(VOCABULARY)) < 0.01:
        raise Wrong("That is log base 10. Keras's cross-entropy uses the natural logarithm.")
    if abs(value - 1 / VOCABULARY) < 1e-4:
        raise Wrong("1/V is the probability of the right word. The loss is minus its logarithm.")
    if abs(value + np.log(VOCABULARY)) < 0.01:
        raise Wrong("Minus the logarithm of a number below one is positive.")
    raise Wrong("An untrained model gives each of the V words the probability 1/V. Its −log is?")


# -- what the decoder reads --------------------------------------------------------------


def shift(ids, bos, eos):
    """Teacher forcing for rows padded with 0: what goes in, what must come out."""
    ids = np.asarray(ids)
    n = len(ids)
    inputs = np.concatenate([np.full((n, 1), bos), ids], axis=1)
    targets = np.concatenate([ids, np.zeros((n, 1), ids.dtype)], axis=1)
    targets[np.arange(n), (ids != 0).sum(1)] = eos
    return inputs, targets


def judge_shift(function):
    """Inputs begin with bos, targets end with eos, right after the last word."""
    ids = np.array([[7, 8, 9], [5, 6, 0], [4, 0, 0]])
    given = function(ids.copy(), 2, 3)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise Wrong("Return two arrays: the decoder's inputs, its targets.")
    inputs, targets = (np.asarray(a) for a in given)
    want_in, want_out = shift(ids, 2, 3)
    if np.array_equal(inputs, want_in) and np.array_equal(targets, want_out):
        return
    if inputs.shape == targets.shape and np.array_equal(inputs, targets):
        raise Wrong(
            "Input and target are the same: at each step the decoder is shown the very word that "
            "it must predict. It will score 100 % and have learnt to copy one cell."
        )
    if np.array_equal(inputs, want_out) and np.array_equal(targets, want_in):
        raise Wrong("The two are exchanged: the input is late by one step, and begins with bos.")
    if np.array_equal(inputs, want_in) and targets.shape == want_out.shape:
        if (targets == 3).sum(1).tolist() == [1, 1, 1] and (targets[:, -1] == 3).all():
            raise Wrong(
                "eos stands in the last column of every row, after the padding. It belongs right "
                "after the last word."
            )
        if not (targets == 3).any():
            raise Wrong("The inputs are right, but no target is eos: nobody learns to stop.")
    if inputs.shape == (3, 3):
        raise Wrong(
            "With as many columns as before, something fell off the end. bos makes the input one "
            "longer, eos the target: (n, T + 1)."
        )
    if inputs.ndim == 2 and not (inputs[:, 0] == 2).all():
        raise Wrong(
            "The decoder's input must begin with bos: before the first word it knows none."
        )
    raise Wrong("For the row 5 6 0 the input is 2 5 6 0 and the target 5 6 3 0.")


# -- the loss of what is there -----------------------------------------------------------


def judge_masked_loss(loss):
    """One mean over the tokens that are not padding."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(3, 5, 6))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    targets = np.array([[1, 2, 3, 4, 5], [2, 3, 0, 0, 0], [4, 0, 0, 0, 0]])
    value = number(loss(log_p.copy(), targets.copy()), "the loss")
    each = -np.take_along_axis(log_p, targets[..., None], -1)[..., 0]
    real = targets != 0
    if close(value, each[real].mean(), 1e-6):
        return
    if close(value, each.mean(), 1e-6):
        raise Wrong(
            "The mean goes over all 15 cells; 7 of them are padding. A model that has learnt "
            "nothing but to write <pad> would look good."
        )
    if close(value, (each * real).mean(), 1e-6):
        raise Wrong(
            "Padding adds nothing to the sum now, but it still counts in the number you divide "
            "by: a batch of short sentences gets a small loss for free."
        )
    if close(value, np.mean([e[r].mean() for e, r in zip(each, real, strict=True)]), 1e-6):
        raise Wrong(
            "You average within each sentence first, so a word in a short sentence counts more "
            "than one in a long sentence. Per token means: one mean over all tokens."
        )
    if close(value, each[real].sum(), 1e-6):
        raise Wrong("That is the sum in nats; divide by the number of real tokens.")
    if close(value, -each[real].mean(), 1e-6):
        raise Wrong("The sign: log-probabilities are negative, the loss is positive.")
    raise Wrong(
        "Pick log_p at the target of each cell, drop the cells whose target is 0, average."
    )


# -- greedy decoding ---------------------------------------------------------------------


def machine(seed=0):
    """A step whose next word depends on all words so far, through its state."""
    rng = np.random.default_rng(seed)
    table = rng.permutation(64)

    def step(tokens, state):
        tokens, state = np.asarray(tokens), np.asarray(state)
        if tokens.shape != state.shape:
            raise ValueError(
                f"step takes one token for each of {len(state)} rows, got shape {tokens.shape}"
            )
        state = (5 * state + 3 * tokens + 1) % 64
        chosen = 4 + table[state] % 4
        chosen = np.where(table[state] > 50, 3, chosen)
        p = np.full((len(tokens), 8), 0.02)
        p[np.arange(len(tokens)), chosen] = 0.86
        return p, state

    return step


def greedy(step, state, bos, eos, steps, *, carry=True, axis=-1, stop=True):
    """Rows of ids; eos and what follows it are 0."""
    tokens = np.full(len(state), bos)
    done, rows = np.zeros(len(state), bool), []
    for _ in range(steps):
        p, new = step(tokens, state)
        state = new if carry else state
        tokens = p.argmax(axis) if axis == -1 else np.resize(p.argmax(axis), len(tokens))
        done |= (tokens == eos) & stop
        rows.append(np.where(done, 0, tokens))
    return np.stack(rows, 1)


def judge_greedy(answer):
    """The state carried, the last axis searched, what has ended kept still."""
    state = np.arange(0, 60, 5)
    step = machine()
    found = array(answer(step, state.copy(), 2, 3, 9), what="the tokens")
    want = greedy(step, state, 2, 3, 9)
    if found.shape != want.shape:
        if found.shape == want.T.shape:
            raise Wrong("One row a step; wanted is one row a sentence: np.stack(…, axis=1).")
        raise Wrong(
            f"Expected shape {want.shape}, a row a sentence and a column a step, "
            f"got {found.shape}."
        )
    if np.array_equal(found, want):
        return
    if np.array_equal(found, greedy(step, state, 2, 3, 9, carry=False)):
        raise Wrong(
            "The state is not carried: every step begins from the code again, so the decoder "
            "forgets all but the last word. Give the new state to the next step."
        )
    loose = greedy(step, state, 2, 3, 9, stop=False)
    if np.array_equal(found, loose) or np.array_equal(found, np.where(loose == 3, 0, loose)):
        raise Wrong(
            "After eos a sentence goes on talking. Once a row has said eos, it and all that "
            "follows should be 0."
        )
    if np.array_equal(np.where(found == 3, 0, found), want):
        raise Wrong("The eos itself is kept; it is a signal, not a word: put 0 there, too.")
    if np.array_equal(found, greedy(step, state, 2, 3, 9, axis=0)):
        raise Wrong(
            "argmax over axis 0 picks, for each word, the sentence that likes it most. The words "
            "are the last axis."
        )
    raise Wrong(
        "Other tokens than expected. Each step: probabilities and new state from the last tokens "
        "and the state; argmax over the words; mark who has finished."
    )


# -- nucleus sampling --------------------------------------------------------------------


def nucleus(p, mass, *, keep_crossing=True, renormalise=True, ordered=False):
    """Keep the fewest likeliest words that reach the mass, right or with a planted mistake."""
    order = np.argsort(-p, kind="stable")
    below = np.cumsum(p[order]) - (p[order] if keep_crossing else 0)
    kept = order[below < mass - 1e-12] if keep_crossing else order[below <= mass + 1e-12]
    result = np.zeros_like(p)
    result[kept] = p[kept]
    if ordered:
        result = np.sort(result)[::-1]
    return result / result.sum() if renormalise and result.sum() else result


def judge_nucleus(answer):
    """The word that crosses the line stays, and the sum is one."""
    p = np.array([0.05, 0.4, 0.15, 0.3, 0.1])
    for mass in (0.6, 0.75, 0.2):
        found = array(answer(p.copy(), mass), p.shape, f"nucleus(p, {mass})")
        if close(found, nucleus(p, mass)):
            continue
        if close(found, nucleus(p, mass, renormalise=False)):
            raise Wrong(
                "The right words stay, but what is left sums to less than 1: divide by it."
            )
        if close(found, nucleus(p, mass, keep_crossing=False)):
            raise Wrong(
                f"For mass {mass} the words you keep have less than that together. The word that "
                "crosses the line belongs to the nucleus, or it may even be empty."
            )
        if close(np.sort(found), np.sort(nucleus(p, mass))):
            raise Wrong("The probabilities are right, but they have left their words' places.")
        if close(found, np.where(p >= mass, p, 0) / max(p[p >= mass].sum(), 1e-9)):
            raise Wrong(
                "mass is a bound on the *sum* of the likeliest words, not on each of them."
            )
        raise Wrong(
            f"nucleus([0.05, 0.4, 0.15, 0.3, 0.1], {mass}) should be "
            f"{np.round(nucleus(p, mass), 3).tolist()}."
        )
    tied = array(answer(np.array([0.2, 0.4, 0.2, 0.2]), 0.5), (4,), "nucleus of ties")
    if np.count_nonzero(tied) != 2:
        raise Wrong(
            "Of [0.2, 0.4, 0.2, 0.2], two words hold 0.5 and more. Those that tie with the last "
            "one you need are not needed."
        )
    before = p.copy()
    answer(p, 0.6)
    if not np.array_equal(p, before):
        raise Wrong("Your function changed p itself.")


# -- BLEU --------------------------------------------------------------------------------

_ORIGINALS = [
    "The cat sat on the mat and looked at me.",
    "He left.",
    "I do not know why she said so.",
]
_OUTPUTS = ["The cat sat on the mat.", "He left the house.", "I do not know why she said it."]


def bleu(outputs, references):
    """Corpus BLEU, 0 to 100."""
    import sacrebleu

    return sacrebleu.corpus_bleu(outputs, references).score


def judge_bleu(score):
    """Outputs first, then one set of references."""
    value = number(score(list(_OUTPUTS), list(_ORIGINALS)), "the score")
    if close(value, bleu(_OUTPUTS, [_ORIGINALS]), 1e-6):
        return
    if close(value, bleu(_ORIGINALS, [_OUTPUTS]), 1e-6):
        raise Wrong(
            "Outputs and originals are exchanged. BLEU is the precision of the *output*, with a "
            "penalty when the output is short; it is not symmetric. First the outputs."
        )
    if close(value, bleu(_OUTPUTS, [[text] for text in _ORIGINALS]), 1e-6):
        raise Wrong(
            "Each original became a set of references of its own. The second argument is a list "
            "of *sets*; you have one set: [originals]."
        )
    if close(
        value, np.mean([bleu([o], [[r]]) for o, r in zip(_OUTPUTS, _ORIGINALS, strict=True)])
    ):
        raise Wrong("That is the mean of single scores. BLEU counts over the whole corpus first.")
    if close(100 * value, bleu(_OUTPUTS, [_ORIGINALS]), 1e-4):
        raise Wrong("sacrebleu's scores go from 0 to 100; leave them so, that others can compare.")
    raise Wrong("Call sacrebleu.corpus_bleu(outputs, [originals]) and return its .score.")


# -- is order in the code? ---------------------------------------------------------------

_WORDS = [
    "we",
    "saw",
    "two",
    "old",
    "boats",
    "near",
    "the",
    "quiet",
    "river",
    "under",
    "a",
    "grey",
    "sky",
]


def some_sentences(rng, n=40):
    """Seven of twelve words each, in random order."""
    return [" ".join(rng.permutation(_WORDS)[:7]) for _ in range(n)]


def bag(sentences):
    """A code that counts words and knows no order."""
    return np.array([[s.split().count(w) for w in _WORDS] for s in sentences], float)


def ordered(sentences):
    """A code that weighs words by their place."""
    weights = 0.5 ** np.arange(12)
    return np.array(
        [np.sum([weights[i] * (np.array(_WORDS) == w) for i, w in enumerate(s.split())], 0)
         for s in sentences]
    )  # fmt: skip


def order_score(encode, sentences, rng, *, relative=True, letters=False):
    """How far shuffling moves a code, relative to strangers, or with a planted mistake."""
    cut = list if letters else str.split
    glue = "" if letters else " "
    mixed = [glue.join(rng.permutation(cut(s))) for s in sentences]
    codes, moved = np.asarray(encode(sentences)), np.asarray(encode(mixed))
    own = np.linalg.norm(codes - moved, axis=1).mean()
    other = np.linalg.norm(codes - np.roll(codes, 1, 0), axis=1).mean()
    return own / other if relative else own


def judge_order(score):
    """Zero for a bag of words, more for a code with order, whatever its scale."""
    sentences = some_sentences(np.random.default_rng(0))
    seen = []

    def spy(given):
        if isinstance(given, str):
            raise ValueError("encode takes a list of sentences, not one string")
        seen.append(list(given))
        return bag(given)

    value = number(score(spy, list(sentences), np.random.default_rng(1)), "the score")
    flat = [s for group in seen for s in group]
    new = [s for s in flat if s not in sentences]
    bags = {tuple(sorted(s.split())) for s in sentences}
    if not new:
        raise Wrong(
            "You encode the sentences as they are. What would only a code with order notice?"
        )
    if any(tuple(sorted(s.split())) not in bags for s in new):
        raise Wrong(
            "Your changed sentences have other words, so any code would move. Change the order "
            "of the words and nothing else."
        )
    if abs(value) > 1e-6:
        raise Wrong(
            f"For a bag of words, which knows no order, the score should be 0, not {value:.2f}."
        )
    values = [
        number(score(lambda s, k=k: k * ordered(s), list(sentences), np.random.default_rng(2)))
        for k in (1, 1000)
    ]
    if values[0] < 0.1:
        raise Wrong(
            f"A code that weighs words by their place scores {values[0]:.2f}: still near 0."
        )
    faint = number(
        score(lambda s: bag(s) + 0.1 * ordered(s), list(sentences), np.random.default_rng(2))
    )
    if faint > 0.7 * values[0]:
        raise Wrong(
            f"A code with a faint trace of order scores {faint:.2f}, one made of order "
            f"{values[0]:.2f}: the more the order moves the code, the larger the number should be."
        )
    if not close(values[0], values[1], 1e-3):
        raise Wrong(
            "Multiplying all codes by 1,000 changes your score, and says nothing about order. "
            "Divide by how far apart the codes of different sentences are."
        )
