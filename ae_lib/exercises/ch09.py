"""Exercises of chapter 09, translation and summaries."""

from collections import Counter

import numpy as np

from ae_lib.exercises._core import Exercise, normal
from ae_lib.exercises._readers import Wrong, array, kind_of, letters, word

# translation.which_score
_WHICH = {"zero": "ab", "highest": "c", "thanks": "f"}


def _ask_which(answer):
    return tuple(answer.get(key) for key in _WHICH) if isinstance(answer, dict) else answer


# translation.references
_REFERENCES = (
    ([["Il est là .", "Il est ici ."], ["Merci .", "Merci bien .", "Je te remercie ."],
      ["Je l'ignore ."]],),
    ([["Oui .", "Si ."], ["Viens !", "Venez !", "Venez donc !", "Viens ici !"]],),
)  # fmt: skip


def _read_streams(answer, what):
    answer = answer.tolist() if isinstance(answer, np.ndarray) else answer
    if not isinstance(answer, (list, tuple)):
        raise Wrong(f"Expected {what} as a list of lists, got {kind_of(answer)}.")
    for stream in answer:
        listed = isinstance(stream, (list, tuple))
        if not listed or not all(entry is None or isinstance(entry, str) for entry in stream):
            raise Wrong("Each stream is a list with a str or None for each sentence.")
    return [list(stream) for stream in answer]


def _streams(references, *, transposed=True, fill=lambda own: None, size=max):
    count = size(map(len, references))
    rows = [[*own, *[fill(own)] * (count - len(own))][:count] for own in references]
    return [list(stream) for stream in zip(*rows, strict=True)] if transposed else rows


# translation.attention
def _words(seed, lengths, size, scale=1.0):
    """Questions, words' vectors, and where there is a word; padding has vectors, too."""
    question, vectors = normal(seed, (len(lengths), size), (len(lengths), max(lengths), size))
    there = np.arange(max(lengths)) < np.array(lengths)[:, None]
    vectors += np.where(there, 0, 2.0)[:, :, None] * question[:, None]  # which asks for padding
    return scale * question, vectors, there


def _attend(question, vectors, there, *, far=-np.inf, late=False, axis=-1, root=False, safe=True,
            mix=lambda weights, vectors: np.einsum("nt,ntd->nd", weights, vectors)):  # fmt: skip
    scores = np.einsum("nd,ntd->nt", question, vectors) / (len(question[0]) ** 0.5 if root else 1)
    scores = scores if far is None else np.where(there, scores, far)
    powers = np.exp(scores - (scores.max(axis, keepdims=True) if safe else 0))
    weights = powers / powers.sum(axis, keepdims=True) * (there if late else 1)
    return weights, mix(weights, vectors)


# translation.vocabularies
def _ids(tokens):
    return {token: i for i, token in enumerate(tokens.split())}


# As in the chapter's cell. <bos> and <eos> have other ids in French.
_ENGLISH = _ids("<pad> <unk> <bos> <eos> Tom is not here . He late")
_FRENCH = _ids("<pad> <bos> <eos> <unk> Il est en retard . Tom ici")
_PAIRS = (("He is late .", "Il est en retard ."), ("Tom is here .", "Tom est ici ."))


# How a reader may look up what a vocabulary lacks: an error, None, <unk>, 0.
_LOOKS = [dict.__getitem__, dict.get, lambda ids, t: ids.get(t, ids["<unk>"]),
          lambda ids, t: ids.get(t, 0)]  # fmt: skip


def _prepare(english, french, english_ids, french_ids, *, look=dict.__getitem__, start=True,
             end=True, close_input=False, open_target=False, special=None):  # fmt: skip
    read = [look(english_ids, token) for token in english.split()]
    written = [look(french_ids, token) for token in french.split()]
    bos, eos = ([(special or french_ids)[token]] for token in ("<bos>", "<eos>"))
    return (read, bos * start + written + eos * close_input,
            bos * open_target + written + eos * end)  # fmt: skip


# translation.bleu
_CORPORA = (
    (["the the cat sat on the mat", "he is here now"],
     ["the cat sat on the red mat today", "he is here now with us"]),
    (["I do not know why the the man left .", "Thank you .", "Tom is my friend , I think ."],
     ["I do not know why the man left .", "Thanks .", "Tom is my friend , I think so ."]),
    (["Tom is here .", "She sings well ."], ["Tom is there .", "She can sing ."]),
)  # fmt: skip


def _runs(sentence, n):
    tokens = sentence.split()
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def _short(own, human):
    return min(1, np.exp(1 - human.sum() / own.sum()))


def _bleu(outputs, references, *, clip=min, penalty=_short, orders=(1, 2, 3, 4), of=100,
          shares=lambda found, written: found.sum(0) / np.maximum(written.sum(0), 1),
          mean=lambda shares: np.exp(np.log(shares).mean())):  # fmt: skip
    runs = [[(_runs(o, n), _runs(r, n)) for n in orders]
            for o, r in zip(outputs, references, strict=True)]  # fmt: skip
    found = [[sum(clip(k, r[run]) for run, k in o.items()) for o, r in row] for row in runs]
    written = [[sum(o.values()) for o, _ in row] for row in runs]
    lengths = [np.array([len(s.split()) for s in texts]) for texts in (outputs, references)]
    return of * penalty(*lengths) * mean(shares(np.array(found), np.array(written)))


# translation.true_alignment
def _alignments(seed, targets, sources):
    """Weights and falls that agree in part; both like some source piece in general."""
    a, b = normal(seed, (targets, sources), (targets, sources))
    liked = np.where(np.arange(sources) == 1, 1.5, 0)
    powers, fall = np.exp(2 * a + liked), a + 0.7 * b + liked
    fall[0, 0] = -6.0  # erasing helps
    return powers / powers.sum(1, keepdims=True), fall


def _best(a):
    return a.argmax(1)


def _true(weights, fall, *, looks=_best, costs=_best, chance=lambda w, f: 1 / w.shape[1]):
    return (looks(weights) == costs(fall)).mean(), chance(weights, fall)


def _ask_alignment(answer, weights, fall):
    """The two numbers; a chance from random permutations, near enough, counts as the exact one."""
    found = answer(weights, fall)
    found = found.tolist() if isinstance(found, np.ndarray) else found
    if isinstance(found, (float, int, np.number)):  # the share alone
        return found, np.nan
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        return found
    exact, (share, chance) = 1 / weights.shape[1], found
    near = isinstance(chance, (float, int, np.number)) and abs(chance - exact) < 0.03
    return share, exact if near else chance


def _rows_moved(weights, fall):
    """What random permutations of the rows give."""
    return (_best(weights)[:, None] == _best(fall)).mean()


EXERCISES = [
    Exercise(
        name="translation.which_score",
        expects='a dict with letters for "zero", "highest" and "thanks"',
        right="BLEU counts shared runs of up to four tokens, not meaning: 55 for c and 27 for d. "
        "And without smoothing, no output under four tokens can score above 0 by itself.",
        hint="BLEU is a geometric mean of four precisions. What is it if one of them is 0? Count "
        "the runs of four tokens that an output shares with its reference.",
        what=("zero", "highest", "thanks"), ask=_ask_which,
        read=(letters("abcd", least=0), word(*"abcd"), word(*"efg")),
        reference=_WHICH,
        slips=[
            (("abd", "c", "f"), 'zero: d shares "où il habite ." with its reference. With this '
             "run of four tokens, none of the four precisions is 0."),
            ([("b", "c", "f"), ("a", "c", "f"), ("", "c", "f")], "zero: a and b share single "
             "tokens with the references, such as Tom, but no run of two, three or four. One "
             "precision of 0 makes the geometric mean 0, so both belong to the answer."),
            ([("abc", "c", "f"), ("abcd", "c", "f")], "zero: c shares runs of four tokens with "
             "its references: its first sentence is the reference."),
            (("ab", "d", "f"), "highest: d is best for a reader. BLEU asks for runs that "
             "stand in the reference, and d chose other words and another order."),
            ([("ab", "a", "f"), ("ab", "b", "f")], "highest: a and b share no run of two tokens "
             "with the references."),
            (("ab", "c", "e"), "thanks: every token and pair is right, but two tokens have no run "
             "of four. That precision is 0 of 0, which counts as 0. So the geometric mean is 0."),
            (("ab", "c", "g"), "thanks: the score is 0, but the brevity penalty is 1: the output "
             "is as long as its reference. Look at the runs of four tokens."),
        ],
        otherwise="zero: which outputs share no run of four tokens with their references?",
    ),
    Exercise(
        name="translation.references",
        expects="a function of references that returns the streams",
        right="A stream is one translation of the whole test set. sacrebleu raises no error for "
        "the other nesting. It gives another number.",
        hint="How many streams does the example need, and how long is each? Write the first one "
        "by hand.",
        what="the streams", read=_read_streams, cases=_REFERENCES, reference=_streams,
        slips=[
            (lambda references: references, "That is what came in: a list a sentence. sacrebleu "
             "would take the references of the first sentence for a translation of the whole set. "
             "A stream has one entry a sentence."),
            ([{"transposed": False}, {"transposed": False, "fill": lambda own: ""}], "Still a "
             "list a sentence, only filled up to one length. A stream has one entry for each "
             "sentence: exchange rows and columns. And what is missing is None."),
            ({"fill": lambda own: ""}, 'The streams are right, but "" is a reference of length 0. '
             "BLEU compares an output's length with the nearest reference's, so the brevity "
             "penalty becomes too mild. A missing reference is None."),
            ([{"size": min}, {"transposed": False, "size": min},
              lambda references: [[own[0] for own in references]]], "Human translations are lost. "
             "zip, for one, stops at the sentence with the fewest. Fill up with None."),
            ([{"fill": lambda own: own[0]}, {"fill": lambda own: own[-1]}], "You repeat a "
             "reference where one is missing. BLEU does not change by it, but who counts the "
             "references will count too many. Put None."),
        ],
        otherwise="For references {0} the streams should be {right}.",
    ),
    Exercise(
        name="translation.attention",
        expects="a function of question, vectors and there that returns weights and answer",
        right="The scores of padding become −∞ before the softmax. So its weights are exactly 0, "
        "the others sum to 1, and more padding changes nothing.",
        hint="Four steps: scores, mask, softmax, weighted mean. e to the −∞ is 0. A softmax does "
        "not change if one number is subtracted from all scores of a row.",
        what=("the weights", "the answer"), read=array, reference=_attend,
        cases=(_words(0, [5, 3, 4, 2], 3), _words(1, [4, 2, 1], 3, 1000.0)),
        slips=[
            ({"far": None}, "Padding is attended to: the mask is not used. The weights of a "
             "sentence would change with the other sentences in its batch."),
            ({"far": None, "late": True}, "You mask after the softmax. Padding has 0, but it took "
             "its part of the sum before, so the rows sum to less than 1. Mask the scores."),
            ({"far": 0}, "You set the scores of padding, or its vectors, to 0. e to the 0 is 1, "
             "so it still has weights. A score that must not count is −∞."),
            ([{"axis": 0}, {"axis": None}], "The softmax goes over the sentences, or over all "
             "scores together. The weights of one question sum to 1: over its T words, axis 1."),
            ({"root": True}, "The scores are divided by √d, as a Transformer does. Here a score "
             "is the plain product of question and vector."),
            ([{"mix": lambda w, v: v.mean(1)}, {"mix": lambda w, v: (w[..., None] * v).mean(1)}],
             "The weights are right. The answer is the sum of the vectors times their weights, "
             "not a plain mean: the weights sum to 1 already."),
            ({"safe": False}, "For large scores the result is not finite: e to the 800 is ∞ for "
             "a computer, and e to the −800 is 0. Subtract the row's largest score first, that "
             "of a word that is there.",
             lambda found, q, v, there: abs(q).max() > 100 and not np.isfinite(found[0]).all()),
        ],
        otherwise="scores = question · vector; −∞ where there is no word; softmax over T; the "
        "weighted sum of the vectors.",
    ),
    Exercise(
        name="translation.vocabularies",
        expects="a function of english, french, english_ids and french_ids",
        right="Ids of the wrong vocabulary are numbers like the others, so no error is raised. "
        "Decode a batch before you train, each part with the vocabulary of its layer.",
        hint="Which sentence does the encoder read? When the decoder must say the first token, "
        "what has it read? And after the last one, what must it say?",
        what=("the source", "the decoder's input", "the target"), read=array,
        cases=tuple((*pair, _ENGLISH, _FRENCH) for pair in _PAIRS), reference=_prepare,
        slips=[
            (lambda e, f, ei, fi: _prepare(f, e, fi, ei), "The two languages are exchanged: the "
             "encoder gets French ids. Its table has rows for English words, so it reads other "
             "words, and nothing raises an error."),
            ([lambda e, f, ei, fi: _prepare(e, f, ei, ei),
              *(lambda e, f, ei, fi, look=look: _prepare(e, f, fi, ei, look=look)
                for look in _LOOKS)], "You look tokens up in the other language's "
             "vocabulary. It lacks most of them, and gives others, such as Tom, another id."),
            ({"start": False, "end": False}, "Source: right. The decoder's input is its target: "
             "at each step it is shown the token that it must say. The input begins with <bos>, "
             "the target ends with <eos>."),
            ([{"start": False}, {"start": False, "close_input": True}], "The decoder's input is "
             "not shifted. Before the first token it has read only <bos>: put that first."),
            ({"end": False}, "The target has no <eos>: the model never learns to stop."),
            ([{"close_input": True, "open_target": True}, {"open_target": True},
              lambda *case: [_prepare(*case)[i] for i in (0, 2, 1)]], "The target begins with "
             "<bos>, which nobody has to say. It is the sentence and <eos>; <bos> opens the "
             "decoder's input."),
            ({"close_input": True}, "The decoder's input ends with <eos>, so it is one longer "
             "than the target. After <eos> nothing more is said, so nobody reads it."),
            ([lambda *case: _prepare(*case, special=case[2]),
              lambda *case: _prepare(*case, special={"<bos>": 2, "<eos>": 3})], "The ids of <bos> "
             'and <eos> are not those of the French vocabulary: french_ids["<bos>"]. They may '
             "differ from the English ones."),
        ],
        otherwise='For "{0}" and "{1}" it should be {right}.',
    ),
    Exercise(
        name="translation.bleu", expects="a function of outputs and references that returns BLEU",
        right="All counts are added over the corpus, then divided, once. So a sentence without a "
        "shared run of four tokens does not make the score 0.",
        hint="Counter(zip(*(tokens[i:] for i in range(n)))) counts the runs of n tokens, and "
        "a & b keeps the smaller count of each run. Add up first, divide last.",
        what="BLEU", cases=_CORPORA, reference=_bleu,
        slips=[
            ([lambda *case: np.mean([_bleu([o], [r]) for o, r in zip(*case, strict=True)]),
              {"shares": lambda found, written: (found / np.maximum(written, 1)).mean(0)}],
             "You average over sentences. One without a shared run of four tokens then counts as "
             "0, and a run in a short one counts more. Add all counts before you divide."),
            ({"clip": lambda own, human: own * (human > 0)}, "A run counts as often as the output "
             'has it. So "the the the" is all right by one "the". Count a run at most as '
             "often as its reference has it."),
            ({"penalty": lambda own, human: 1}, "There is no brevity penalty. An output that "
             "stops early keeps its precision; the penalty is for what it leaves out."),
            ([{"penalty": lambda own, human: np.minimum(1, np.exp(1 - human / own)).mean()},
              {"penalty": lambda own, human: np.exp(1 - human.sum() / own.sum())},
              {"penalty": lambda own, human: _short(human, own)}], "The brevity penalty is one "
             "number, from the sums of the lengths: 1 where the outputs are longer than the "
             "references in all, below 1 where they are shorter."),
            ([lambda o, r: _bleu(r, o),
              lambda o, r: _bleu(r, o, penalty=lambda own, human: _short(human, own))], "You "
             "divide by the references' runs. A precision divides by those of the outputs."),
            ({"mean": np.mean}, "You take the plain mean of the four precisions. BLEU takes the "
             "geometric one, which is 0 if one of them is 0."),
            ([{"orders": (1,)}, {"orders": (4,)}, {"orders": (1, 2, 3)}], "Runs of some lengths "
             "are missing. BLEU takes those of 1, 2, 3 and 4 tokens."),
            ({"of": 1}, "The number is right as a share. BLEU goes from 0 to 100."),
        ],
        otherwise="For outputs {0} and references {1} BLEU is {right:.2f}, not {found:.2f}.",
    ),
    Exercise(
        name="translation.true_alignment",
        expects="a function of weights and fall that returns a share and its chance",
        right="A share says little without its chance. And erasing is a test of its own: it "
        "changes the model's input, while the weights are only looked at.",
        hint="Where does a target piece look most, and which source piece does it need most? Both "
        "are an argmax. How often do they meet if the columns stand in random order?",
        what=("the share", "chance"), ask=_ask_alignment, reference=_true,
        cases=(_alignments(23, 7, 4), _alignments(25, 9, 5)),
        slips=[
            ({"looks": lambda w: w.argmax(0), "costs": lambda f: f.argmax(0)}, "You compare "
             "columns: for each source piece, the target piece that looks at it most. A row is a "
             "target piece, and its weights sum to 1: argmax over axis 1."),
            (lambda w, f: (np.corrcoef(w.ravel(), f.ravel())[0, 1], 1 / w.shape[1]), "That is the "
             "correlation of all entries. The many small ones count in it, too. Asked is a share "
             "of target pieces: do the two largest entries of a row meet?"),
            (lambda w, f: _true(w, f)[0], "Chance is missing. A share of 0.4 is much with 40 "
             "source pieces and nothing with two. Return both."),
            ([{"costs": lambda f: f.argmin(1)}, {"costs": lambda f: abs(f).argmax(1)}], "The sign "
             "of a fall counts. Above 0, the piece was needed; below 0, the model is surer "
             "without it. Take the largest fall itself."),
            (lambda w, f: (w[np.arange(len(w)), _best(f)].mean(), 1 / w.shape[1]), "That is the "
             "mean weight on the piece that is needed most. It mixes how true the weights "
             "are with how sharp they are. Asked is a share of target pieces."),
            (lambda w, f: _true(w, f)[::-1], "The order is: the share, then chance."),
            ([{"chance": lambda w, f: 1 / len(w)}, {"chance": lambda w, f: 1 / w.size}], "The "
             "share is right. For chance, count again among how many source pieces a target "
             "piece chooses: it is not S, and not S·T."),
            ({"chance": _rows_moved}, "The share is right. For chance you put rows in another "
             "order. That keeps which source pieces are liked by all, so it asks something else. "
             "Here the columns are put in random order.",
             lambda found, w, f: abs(found[0] - _true(w, f)[0]) < 1e-9
             and abs(found[1] - _rows_moved(w, f)) < 0.03),
        ],
        otherwise=lambda found, right, weights, fall: f"With {len(fall)} target and "
        f"{len(fall[0])} source pieces you return {found[0]:.2f} and {found[1]:.2f}; it should be "
        f"{right[0]:.2f} and {right[1]:.2f}. Chance is the mean over 1,000 random orders or more.",
    ),
]  # fmt: skip
