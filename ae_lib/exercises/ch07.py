"""Exercises of chapter 07, the sequence-to-sequence text autoencoder."""

import numpy as np

from ae_lib.exercises._core import Exercise, changed, close, normal
from ae_lib.exercises._readers import array, number

VOCABULARY = 4000


# seq2seq.lstm_step
def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def _lstm(x, h, c, W, U, b, *, order="ifgo", forget=1, gate=_sigmoid, squash=np.tanh,
          out=np.tanh, axis=-1, late=False):  # fmt: skip
    gates = dict(zip(order, np.split(x @ W + h @ U + b, 4, axis=axis), strict=True))
    i, f, o = (gate(gates[name]) for name in "ifo")
    new = f * c * forget + i * squash(gates["g"])
    return o * out(c if late else new), new


# seq2seq.shift
def _shift(ids, bos, eos, *, ends="after", start=None):
    n, inside = len(ids), (ids != 0).sum(1)
    targets = np.pad(ids, ((0, 0), (0, 1)))
    if ends != "never":
        targets[np.arange(n), -1 if ends == "last" else inside] = eos
    if ends == "all":
        targets[targets == 0] = eos
    first = np.full((n, 1), bos if start is None else start)
    return np.concatenate([first, ids], axis=1), targets


# seq2seq.masked_loss
_LOGITS = normal(1, (3, 5, 6))[0]
_LOG_P = _LOGITS - np.log(np.exp(_LOGITS).sum(-1, keepdims=True))
_TARGETS = np.array([[1, 2, 3, 4, 5], [2, 3, 0, 0, 0], [4, 0, 0, 0, 0]])


def _cells(log_p, targets):
    return -np.take_along_axis(log_p, targets[..., None], -1)[..., 0]


# seq2seq.greedy
def _machine(tokens, state):
    """A step whose next word depends on all words so far, through both parts of its state."""
    tokens, (h, c) = np.asarray(tokens), state
    if tokens.shape != (len(h),):
        raise ValueError(f"step takes one token for each of {len(h)} rows, got {tokens.shape}")
    table = np.random.default_rng(0).permutation(64)
    h, c = (5 * h + 3 * tokens[:, None] + c + 1) % 64, (7 * c + h + 2 * tokens[:, None]) % 64
    value = table[(h + c)[:, 0] % 64]
    p = np.full((len(tokens), 8), 0.02)
    p[np.arange(len(tokens)), np.where(value > 50, 3, 4 + value % 4)] = 0.86
    return p, (h, c)


def _greedy(step, state, bos, eos, steps, *, rows=None, carry="all", axis=-1, stop=True,
            eos_to=None, feed=True):  # fmt: skip
    n = len(state[0]) if rows is None else rows(state)
    first = tokens = np.full(n, bos)
    done, written, late = np.zeros(n, bool), [], state
    for _ in range(steps):
        p, new = step(tokens if feed else first, state)
        kept = {"all": new, "none": state, "h": (new[0], state[1]), "late": late}
        late, state = new, kept[carry]
        tokens = np.resize(p.argmax(axis), n)
        shown = eos_to if eos_to is not None else 0 if stop else eos
        written.append(np.where(done, 0, np.where(tokens == eos, shown, tokens)))
        done |= (tokens == eos) & stop
    return np.stack(written, 1)


def _states(n):
    return np.arange(0, 5 * n, 5)[:, None] % 64, np.arange(n)[:, None]


# seq2seq.nucleus
_TIED = np.array([0.2, 0.4, 0.2, 0.2])
_P = np.array([0.05, 0.4, 0.15, 0.3, 0.1])


def _normalised(p, kept):
    return np.where(kept, p, 0) / np.where(kept, p, 0).sum()


def _kept(p, mass, *, crossing=True, order=None):
    order = np.argsort(-p, kind="stable") if order is None else order
    before = np.cumsum(p[order]) - crossing * p[order]
    kept = np.zeros(p.shape, bool)
    kept[order[before < mass - 1e-12 if crossing else before <= mass + 1e-12]] = True
    return kept


def _nucleus(p, mass, **mistake):
    return _normalised(p, _kept(p, mass, **mistake))


def _in_place(p, mass):
    p[~_kept(p, mass)] = 0
    return p / p.sum()


def _ask_nucleus(answer, p, mass):
    """Which of equally likely words is kept is free."""
    found = np.atleast_1d(array(answer(p, mass), "the nucleus"))
    return np.sort(found) if len(p) == len(_TIED) else found


# seq2seq.bleu
ORIGINALS = [
    "The cat sat on the mat and looked at me.", "He left.", "I do not know why she said so.",
]  # fmt: skip
OUTPUTS = ["The cat sat on the mat.", "He left the house.", "I do not know why she said it."]
# What sacrebleu says of them when it is called rightly, and with each mistake.
SCORES = {
    "right": 60.798956, "exchanged": 59.376539, "letters": 0.0, "separate": 63.191456,
    "singles": 48.730957,
}  # fmt: skip


def _bleu(outputs, originals, *, call="right", of=100):
    return SCORES[call] * of / 100


# seq2seq.order
_WORDS = ["we", "saw", "two", "old", "boats", "near", "quiet", "rivers", "under", "grey", "skies"]


def _bag(sentences):
    """A code that counts words and knows no order."""
    return np.array([[s.split().count(w) for w in _WORDS] for s in sentences], float)


def _ordered(sentences):
    """A code that weighs words by their place."""
    places = [[s.split().index(w) if w in s.split() else 99 for w in _WORDS] for s in sentences]
    return 0.5 ** np.array(places)


def _bags(sentences):
    return {tuple(sorted(s.split())) for s in sentences}


def _ask_order(score):
    """How many sentences are new, how many have other words; the scores of four codes."""
    shuffled = np.random.default_rng(0).permutation
    sentences, seen = [" ".join(shuffled(_WORDS)[:7]) for _ in range(40)], []

    def spy(given):
        if isinstance(given, str):
            raise ValueError("encode takes a list of sentences, not one string")
        seen.extend(given)
        return _bag(given)

    codes = spy, _ordered, lambda s: 1000 * _ordered(s), lambda s: _bag(s) + 0.1 * _ordered(s)
    scores = [score(encode, list(sentences), np.random.default_rng(1)) for encode in codes]
    values = [number(value, "the score") for value in scores]
    return [len(set(seen) - set(sentences)), len(_bags(seen) - _bags(sentences)), *values]


def _order(encode, sentences, rng, *, relative=True, letters=False):
    cut, glue = (list, "") if letters else (str.split, " ")
    mixed = [glue.join(rng.permutation(cut(s))) for s in sentences]
    codes, moved = np.asarray(encode(sentences)), np.asarray(encode(mixed))
    own = np.linalg.norm(codes - moved, axis=1).mean()
    return own / np.linalg.norm(codes - np.roll(codes, 1, 0), axis=1).mean() if relative else own


EXERCISES = [
    Exercise(
        name="seq2seq.lstm_step", expects="a function of x, h, c, W, U and b that returns h and c",
        right="Four affine maps, three gates, one memory that is only scaled and added to: that "
        "is all there is in an LSTM.",
        hint="a = x @ W + h @ U + b; np.split(a, 4, axis=-1) gives i, f, g, o before their "
        "squashing functions.",
        what=("the new h", "the new c"), read=array,
        cases=(normal(0, (3, 4), (3, 5), (3, 5), (4, 20), (5, 20), (20,)),), reference=_lstm,
        slips=[
            (lambda *a: _lstm(*a)[::-1], "You return c before h. The order is h, c."),
            ({"forget": 0}, "The old cell state is gone: the forget gate f should keep it."),
            ({"out": np.asarray}, "c is right; the tanh of h = o · tanh(c) is missing."),
            ({"squash": _sigmoid}, "The candidate goes through tanh, not through a sigmoid."),
            ({"squash": np.asarray}, "The candidate goes into c as it is: its tanh is missing."),
            ({"squash": np.asarray, "out": np.asarray}, "Both tanh are missing: the candidate's "
             "and the c's."),
            ({"gate": np.asarray}, "The three gates are used as they are. Each goes through the "
             "sigmoid, which makes it a share between 0 and 1."),
            ({"gate": np.asarray, "squash": np.asarray, "out": np.asarray}, "Neither sigmoid nor "
             "tanh is applied: the gates i, f, o need the sigmoid, the candidate and the new c "
             "tanh."),
            ({"gate": np.tanh}, "The gates go through tanh; they need the sigmoid."),
            ([{"order": order} for order in ("ifog", "figo", "gifo", "fiog", "igfo")], "The "
             "blocks are in another order. Keras's is input gate, forget gate, candidate, output "
             "gate."),
            ({"axis": 0}, "You cut along the batch, axis 0, which np.split does if it is told "
             "nothing. The four blocks are columns: np.split(a, 4, axis=-1)."),
            (lambda x, h, *a: _lstm(x, 0 * h, *a), "The old h is missing: a = xW + hU + b."),
            (lambda *a: _lstm(*a[:5], 0), "The bias b is missing: a = xW + hU + b."),
            ({"late": True}, "c is right; h is the output gate times tanh of the *new* c.",
             lambda found, *case: close(found[1], _lstm(*case)[1])),
        ],
        otherwise="Neither h nor c agrees. First cut a = xW + hU + b into four blocks.",
    ),
    Exercise(
        name="seq2seq.initial_loss", expects="a number of nats",
        right="ln V nats a token. If the first loss is far from it, something is wrong before "
        "training began.",
        hint="Every word is equally likely. What is −log of one of V equal probabilities?",
        what="the loss", tolerance=6e-4, reference=float(np.log(VOCABULARY)),
        slips=[
            (np.log2(VOCABULARY), "That is in bits. Keras's logarithm is natural: nats."),
            (np.log10(VOCABULARY), "That is log base 10. Keras's logarithm is natural."),
            (1 / VOCABULARY, "That is the right word's probability; take −log."),
            (-np.log(VOCABULARY), "Minus the logarithm of a number below one is positive."),
        ],
        otherwise="An untrained model gives each of the V words the probability 1/V. Its −log is?",
    ),
    Exercise(
        name="seq2seq.shift",
        expects="a function of ids, bos and eos that returns inputs and targets",
        right="The input is the target, one step late. A decoder that sees its target learns "
        "nothing, and its training curve looks wonderful.",
        hint="Write the row 5 6 0 by hand: what has the decoder read when it must say 5? And when "
        "it must stop?",
        what=("the decoder's inputs", "its targets"), read=array,
        cases=((np.array([[7, 8, 9], [5, 6, 0], [4, 0, 0]]), 2, 3),), reference=_shift,
        slips=[
            (lambda *a: _shift(*a)[::-1], "The two are exchanged: the input begins with bos."),
            ({"ends": "last"}, "eos stands in the last column, after the padding. It belongs "
             "right after the last word."),
            ({"ends": "all"}, "All the padding of the targets has become eos. One eos ends a "
             "sentence, right after its last word; what follows it stays 0, and is not trained."),
            ({"ends": "never"}, "No target is eos: the model never learns to stop."),
            (lambda ids, bos, eos: (ids, ids), "Input and target are the same: at each step the "
             "decoder is shown the very word that it must predict. It will score 100 % and have "
             "learnt to copy one cell.", lambda found, *_: np.array_equal(*found)),
            (lambda *a: (_shift(*a)[0][:, :-1], a[0]), "With as many columns as before, something "
             "fell off the end. bos makes the input one longer, eos the target: (n, T + 1).",
             lambda found, ids, *_: found[0].shape == ids.shape),
            ({"start": 0}, "The decoder's input must begin with bos: before the first word it "
             "knows none.", lambda found, ids, bos, _: not (found[0][:, 0] == bos).all()),
        ],
        otherwise="For the row 5 6 0 the input is 2 5 6 0 and the target 5 6 3 0.",
    ),
    Exercise(
        name="seq2seq.masked_loss", expects="a function of log_p and targets",
        right="Per real token, in nats: a number that does not change when somebody pads more.",
        hint="np.take_along_axis picks log_p at the targets; targets != 0 says which are real.",
        what="the loss", cases=((_LOG_P, _TARGETS),),
        reference=lambda p, t: _cells(p, t)[t != 0].mean(),
        slips=[
            (lambda p, t: _cells(p, t).mean(), "The mean goes over all 15 cells; 7 of them are "
             "padding. A model that has learnt nothing but to write <pad> would look good."),
            (lambda p, t: (_cells(p, t) * (t != 0)).mean(), "Padding adds nothing to the sum now, "
             "but you still divide by its cells: short sentences get a small loss for free."),
            (lambda p, t: np.mean([e[r].mean() for e, r in zip(_cells(p, t), t != 0)]),  # noqa: B905
             "You average within each sentence first, so a word in a short one counts more. Per "
             "token means: one mean over all tokens."),
            (lambda p, t: _cells(p, t)[t != 0].sum(), "That is the sum; divide by the number of "
             "real tokens."),
            (lambda p, t: -_cells(p, t)[t != 0].mean(), "The sign: the loss is minus log_p."),
        ],
        otherwise="Pick log_p at each cell's target, drop the cells whose target is 0, average.",
    ),
    Exercise(
        name="seq2seq.greedy", expects="a function of step, state, bos, eos and steps",
        right="Carry the state, look along the words, remember who has finished: three lines, and "
        "in each a well-known mistake is possible.",
        hint="p, state = lstm(tokens, state); tokens = p.argmax(axis=-1); done |= tokens == eos.",
        what="the array of tokens", read=array,
        cases=((_machine, _states(12), 2, 3, 9), (_machine, _states(5), 1, 3, 4)),
        reference=_greedy,
        slips=[
            ({"rows": len}, "`state` is a tuple (h, c), so len(state) is 2 for every batch. The "
             "number of rows is len(state[0])."),
            (lambda *a: _greedy(*a).T, "One row a step; one row a sentence is wanted: np.stack(…, "
             "axis=1)."),
            ({"carry": "none"}, "The state is not carried: every step begins from the code again, "
             "so the decoder forgets all but the last word. Give the new state to the next step."),
            ({"carry": "h"}, "Only h is carried; c is still that of the start. Give the next step "
             "the whole state."),
            ({"carry": "late"}, "The state is one step late: give each step the state that the "
             "last one returned."),
            ({"feed": False}, "Every step is given bos; give it the words that it has just "
             "written."),
            ({"stop": False}, "After eos a sentence goes on talking. Once a row has said eos, it "
             "and all that follows should be 0."),
            ({"stop": False, "eos_to": 0}, "After eos a sentence goes on talking: only the eos "
             "itself is 0. All that follows it should be 0, too."),
            ({"eos_to": 3}, "The eos itself is kept; it is no word: put 0 there, too."),
            ({"axis": 0}, "argmax over axis 0 picks, for each word, the sentence that likes it "
             "most. The words are the last axis."),
        ],
        otherwise="Other tokens than expected. Each step: probabilities and new state from the "
        "last tokens and state; argmax over the words; mark who has finished.",
    ),
    Exercise(
        name="seq2seq.nucleus", expects="a function of p and mass",
        right="The nucleus grows where the model is unsure and shrinks where it is sure: that is "
        "what a fixed k cannot do.",
        hint="Sort downwards; keep a word if the sum of those *before* it is still below mass; "
        "put zeros elsewhere; divide by the sum.",
        what="the nucleus", read=array, ask=_ask_nucleus,
        cases=((_P, 0.6), (_P, 0.75), (_P, 0.2), (_TIED, 0.5)), reference=_nucleus,
        slips=[
            (_in_place, "Your function changed p itself.", changed),
            (lambda p, m: np.where(_kept(p, m), p, 0), "The right words, but they sum to less "
             "than 1: divide by their sum."),
            ({"crossing": False}, "For mass {1} the words you keep have less than that together. "
             "The word that crosses the line belongs to the nucleus, or it may even be empty."),
            ([lambda p, m: _normalised(p, p >= m), lambda p, m: np.where(p >= m, p, 0)], "You "
             "keep the words that have {1} or more each, and there may be none. mass is a bound "
             "on the *sum* of the likeliest words, not on each of them."),
            (lambda p, m: _nucleus(p, m, order=np.arange(len(p))), "You add the words up in the "
             "order in which they stand. The likeliest come first: np.argsort(-p)."),
            (lambda p, m: _nucleus(p, m, order=np.argsort(p)), "You begin with the *least* likely "
             "words: np.argsort sorts upwards. Sort -p."),
            (lambda p, m: _normalised(p, p >= p[_kept(p, m)].min()), "Of [0.2, 0.4, 0.2, 0.2], "
             "two words hold 0.5. Others that tie with the last of them are not needed."),
            (lambda p, m: np.sort(_nucleus(p, m))[::-1], "The probabilities are right, but they "
             "have left their words' places.",
             lambda found, p, m: close(np.sort(found), np.sort(_nucleus(p, m)))),
        ],
        otherwise=lambda found, right, p, mass: f"nucleus({p.tolist()}, {mass}) should be "
        f"{np.round(right, 3).tolist()}.",
    ),
    Exercise(
        name="seq2seq.bleu", expects="a function of outputs and originals",
        right="Outputs first, then a list of sets of references; and report it as sacrebleu does, "
        "so that numbers can be compared.",
        hint="help(sacrebleu.corpus_bleu): hypotheses, then references, a list of lists.",
        what="the score", cases=((OUTPUTS, ORIGINALS),), reference=_bleu,
        slips=[
            ({"call": "exchanged"}, "Outputs and originals are exchanged. BLEU is the precision "
             "of the *output*, with a penalty when the output is short; it is not symmetric. "
             "First the outputs."),
            ({"call": "letters"}, "You passed the originals as they are, so each of them was "
             "taken for a set of references, letter by letter. The second argument is a list of "
             "*sets*; you have one set: [originals]."),
            ({"call": "separate"}, "Each original became a set of references of its own. The "
             "second argument is a list of *sets*; you have one set: [originals]."),
            ({"call": "singles"}, "That is the mean of single scores. BLEU counts all texts "
             "together."),
            ({"of": 1}, "sacrebleu's scores go from 0 to 100; leave them so."),
        ],
        otherwise="Call sacrebleu.corpus_bleu(outputs, [originals]) and return its .score.",
    ),
    Exercise(
        name="seq2seq.order", expects="a function of encode, sentences and rng",
        right="Same words in another order: only a code that holds the order moves. Dividing by "
        "the distance of strangers makes the number mean something.",
        hint="Shuffle the words of each sentence with rng.permutation; compare the distance to "
        "the own shuffled code with the distance to another sentence's.",
        what="the scores", read=array, unique=False, ask=_ask_order, reference=_order,
        slips=[
            (lambda encode, s, rng: 0.0 * np.asarray(encode(s)).sum(), "You encode the sentences "
             "as they are. What would only a code with order notice?", lambda found: not found[0]),
            ({"letters": True}, "Your changed sentences have other words, so any code would move. "
             "Change the order of the words and nothing else.", lambda found: found[1]),
            (lambda *a: 1 - _order(*a), lambda found, right: "For a bag of words, which knows no "
             f"order, the score should be 0, not {found[2]:.2f}.",
             lambda found: abs(found[2]) > 1e-6),
            (lambda *a: 0.1 * _order(*a), lambda found, right: "A code that weighs words by their "
             f"place scores {found[3]:.2f}: still near 0.", lambda found: found[3] < 0.1),
            (lambda *a: float(_order(*a) > 1e-6), lambda found, right: "A code with a faint trace "
             f"of order scores {found[5]:.2f}, one made of order {found[3]:.2f}: the more the "
             "order moves the code, the larger the number should be.",
             lambda found: found[5] > 0.7 * found[3]),
            ({"relative": False}, "Multiplying all codes by 1,000 changes your score, and says "
             "nothing about order. Divide by how far apart the codes of different sentences are.",
             lambda found: not close(found[3], found[4], 1e-3)),
        ],
    ),
]  # fmt: skip
