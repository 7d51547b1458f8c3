"""Exercises of chapter 06, text as numbers."""

import numpy as np

from ae_lib.exercises._core import Exercise, close, has
from ae_lib.exercises._readers import Wrong, letters, number, truth

# Of the sentences that ship: how many there are, places in a row, words; and the mean number of
# tokens of the first 10,000, <eos> not counted.
ARRAY = 36_500, 20, 8563
MEAN_TOKENS = 7.4862


# text.one_word_apart
def _apart(a, b):
    a, b = sorted((a, b), key=len)
    same = 0
    while same < len(a) and a[same] == b[same]:
        same += 1
    if len(a) == len(b):
        return a[same + 1 :] == b[same + 1 :]
    return len(b) - len(a) == 1 and a[same:] == b[same + 1 :]


_PAIRS = {
    ("I saw Tom", "I saw Tom"): "The same words are no difference at all",
    ("I saw Tom", "I saw Mary"): "one word was replaced",
    ("We saw Tom", "I saw Tom"): "one word was replaced, the first",
    ("I saw poor Tom", "I saw Tom"): "one word was dropped",
    ("I saw Tom", "I saw Tom there"): "one word was added",
    ("Yes I saw Tom", "I saw Tom"): "one word was dropped, the first",
    ("I saw Tom", "I met Mary"): "two words were replaced",
    ("Tom saw Mary", "Mary saw Tom"): "the same words in another order are not the same",
    ("I saw Tom", "I saw Tom over there"): "two words were added",
    ("I saw Tom", "We saw Tom there"): "one word was replaced and one was added",
    ("I", "Tom saw"): "one word was replaced and one was added",
}


def _why_apart(found, right, *pair):
    a, b = map(" ".join, pair)
    return f"{a!r} and {b!r}: expected {right}; {_PAIRS.get((a, b)) or _PAIRS[b, a]}."


# text.merge
def _merge(symbols, pair, most=99):
    merged, i = [], 0
    while i < len(symbols):
        both = tuple(symbols[i : i + 2]) == tuple(pair) and i - len(merged) < most
        merged.append("".join(pair) if both else symbols[i])
        i += 1 + both
    return merged


def _merge_overlapping(symbols, pair):
    """A symbol serves two merges."""
    merged = []
    for i, symbol in enumerate(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            merged.append("".join(pair))
        elif i == 0 or tuple(symbols[i - 1 : i + 1]) != tuple(pair):
            merged.append(symbol)
    return merged


_MERGES = {
    ("l o w e r", "e r"): "",
    ("l o w", "e r"): " The pair does not occur, so nothing changes.",
    ("b a n a n a", "a n"): " Both places are to be merged.",
    ("a a a", "a a"): " Merge from the left; a symbol that was used is gone.",
    ("a b c", "b c"): " The pair may stand at the end.",
    ("ab c", "b c"): " 'ab' is one symbol: its 'b' cannot be taken out of it.",
    ("a b", "ab c"): " The symbols must equal the pair's, not begin like them.",
    ("x", "x y"): " One symbol alone has no neighbour.",
}


def _symbols(answer, what):
    if isinstance(answer, str):
        raise Wrong("Return the list of symbols, not one text.")
    if not all(isinstance(symbol, str) for symbol in answer):
        raise Wrong("Return the list of symbols, each of them a text.")
    return list(answer)


def _why_merged(found, right, symbols, pair):
    why = _MERGES[" ".join(symbols), " ".join(pair)]
    return f"{symbols} with {pair} gave {found!r}.{why}"


# text.one_hot and text.silent
def _size(entry, *units):
    """So many bytes for each entry of one array, in these units."""
    return [float(entry) * ARRAY[0] * ARRAY[1] * ARRAY[2] / unit for unit in units]


def _gigabytes(answer, what):
    """The number; a right one in units of 2³⁰ bytes is taken, a wrong one in bytes converted."""
    value = number(answer, what)
    if close(value, _size(12, 2**30)[0], 0.01):
        return value * 2**30 / 1e9
    return value / 1e9 if value > 1e6 and not close(value, _size(12, 1)[0], 0.01) else value


def _part(answer, what):
    value = number(answer, what)
    return value / 100 if value > 1 else value


# text.masked_accuracy and text.waste
_TARGETS = np.array([[5, 6, 3, 0, 0, 0], [7, 3, 0, 0, 0, 0], [4, 5, 6, 7, 8, 3]])
_PREDICTIONS = np.array([[5, 9, 3, 0, 0, 0], [0, 3, 0, 0, 9, 0], [4, 5, 6, 0, 0, 3]])


def _accuracy(t, p):
    return (t == p)[t != 0].mean()


def _groups(lengths, size):
    return [lengths[i : i + size] for i in range(0, len(lengths), size)]


def _waste(lengths, size):
    return 1 - sum(lengths) / sum(len(g) * max(g) for g in _groups(lengths, size))


# text.leaks
_LINES = letters("abcdef")


def _leaks(answer, what):
    """(c) cuts what (a) has shuffled and mixed: it may stand for (a), or beside it."""
    return _LINES(answer, what).replace("ac", "a").replace("c", "a")


_leaks.letters = _LINES.letters


EXERCISES = [
    Exercise(
        name="text.one_word_apart", expects="a function of two lists of words",
        right="A split that is checked this way measures what was learnt, not what was "
        "remembered.",
        hint="Walk along both lists while they agree. What must be true of the two rests?",
        what="for the two lists", read=truth,
        cases=[(a.split(), b.split()) for p in _PAIRS for a, b in (p, p[::-1])], reference=_apart,
        slips=[
            ([lambda a, b: len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) < 2,
             lambda a, b: len(set(a) ^ set(b)) <= 2, lambda a, b: abs(len(a) - len(b)) <= 1],
             _why_apart),
        ],
        otherwise=_why_apart,
    ),
    Exercise(
        name="text.leaks", expects="two letters, such as 'ab'",
        right="Split first, by sentence; then let the training part alone decide, down to which "
        "words exist.",
        hint="Which lines look at sentences that will be held out? And is a row a sentence?",
        what="the two leaks",
        read=_leaks, reference="ad",
        slips=[
            ("bd", "(b) shuffles. The order of the rows does no harm; what matters is which rows "
             "there are.", has("b")),
            ("e", "(e) turns training sentences into ids, and touches nothing else.", has("e")),
            ("df", "(f) pads the training sentences to their own longest one. No harm.", has("f")),
            ("a", "One leak is found. The other makes every held-out word a known one: from "
             "which sentences was the list of words made?"),
            ("d", "(d) is one. For the other: a sentence has several translations. How many rows "
             "does it get, and on which sides may they fall?"),
        ],
    ),
    Exercise(
        name="text.merge", expects="a function of symbols and pair",
        right="This function, some thousands of times over, is all that byte pair encoding is.",
        hint="Go from left to right with an index; after a merge, step over both symbols.",
        what="the list of symbols", read=_symbols,
        cases=[(symbols.split(), tuple(pair.split())) for symbols, pair in _MERGES],
        reference=_merge,
        slips=[
            ([_merge_overlapping, {"most": 1},
              lambda s, pair: " ".join(s).replace(" ".join(pair), "".join(pair)).split()],
             _why_merged),
        ],
        otherwise=_why_merged,
    ),
    Exercise(
        name="text.fair", expects="a function of nats_per_token, tokens and characters",
        right="A loss per token depends on how much text a token holds; bits per character do "
        "not.",
        hint="The whole text costs nats_per_token × tokens. Then change the unit, then share it "
        "out over the characters.",
        what="the bits per character", cases=((4.0, 700, 2800), (1.5, 5000, 5000), (5.5, 90, 300)),
        reference=lambda nats, t, c: nats * t / np.log(2) / c,
        before="for {0} nats, {1} tokens, {2} characters: ",
        slips=[
            (lambda nats, t, c: nats * t / c, "those are nats per character; a bit is ln 2 of "
             "them."),
            (lambda nats, t, c: nats / np.log(2), "those are bits per token, which cannot be "
             "compared."),
            (lambda nats, t, c: nats / np.log(2) * c / t, "multiply by tokens, divide by "
             "characters."),
            (lambda nats, t, c: nats * np.log(2) * t / c, "a nat is 1.443 bits: divide by ln 2."),
        ],
        otherwise="you have {found:.4g}; what does the whole text cost, in bits?",
    ),
    Exercise(
        name="text.one_hot", expects="a number of gigabytes",
        right="No laptop holds that. The ids say the same in a few megabytes.",
        hint="sentences × steps × words is one array. How many arrays, and how many bytes an "
        "entry?",
        what="the size", read=_gigabytes, tolerance=0.01, reference=_size(12, 1e9)[0],
        given=f"ids, steps, vocabulary = range({ARRAY[0]}), {ARRAY[1]}, range({ARRAY[2]})",
        slips=[
            (_size(12, 1, 1e6, 2**20), "The right size in other units: answer in GB, 10⁹ bytes."),
            (_size(4, 1e9)[0], "That is one array; there are three: two inputs and a target."),
            (_size(3, 1e9)[0], "You counted entries. Each is a float32, four bytes."),
            (_size(24, 1)[0], "You counted eight bytes an entry; Keras's float32 has four."),
            (_size(12 / ARRAY[2], 1e9)[0], "Every step holds a row as long as the vocabulary."),
        ],
        otherwise="Multiply sentences, steps, words, four bytes and three arrays; answer in GB.",
    ),
    Exercise(
        name="text.silent", expects="a number between 0 and 1",
        right="So an accuracy a little above this one may be padding and nothing else.",
        hint="A sentence of 7 words and an <eos> fills 8 of the 40 places.",
        what="the accuracy", read=_part, tolerance=0.0075, reference=1 - (MEAN_TOKENS + 1) / 40,
        given=f"mean_tokens = {MEAN_TOKENS}",
        slips=[
            ((MEAN_TOKENS + 1) / 40, "That is the share of real targets: exactly those that the "
             "silent model misses."),
            (1 - MEAN_TOKENS / 40, "Close: every sentence also has an <eos> to be predicted, "
             "which is no padding."),
            (1 - 8 / 40, "Close: 8 places are those of a sentence of 7 words. The mean sentence "
             f"has {MEAN_TOKENS:.2f}, and an <eos>."),
            (0, "It is wrong about every word; but the metric counts other places, too.",
             lambda found: found < 0.05),
        ],
        otherwise="Of a row's 40 places, how many hold <pad>? The silent model is right there.",
    ),
    Exercise(
        name="text.masked_accuracy", expects="a function of targets and predictions",
        right="Mask by the target, and divide by what is left.",
        hint="Choose the real places first, of targets and predictions alike; then take a mean.",
        what="the accuracy", cases=((_TARGETS, _PREDICTIONS), (_TARGETS, 0 * _TARGETS)),
        reference=_accuracy,
        slips=[
            (lambda t, p: (t == p).mean(), "Padding still counts as success."),
            (lambda t, p: (t == p).sum() / (t != 0).sum(), "More than 1 is no share: padding is "
             "among the hits, not among the targets."),
            (lambda t, p: ((t == p) & (t != 0)).mean(), "Padding no longer counts as success, but "
             "it is still divided by."),
            (lambda t, p: (t == p)[p != 0].mean() if p.any() else 0.0, "You left out the places "
             "where the model *says* <pad>: then the model decides which places count."),
            (lambda t, p: np.mean([_accuracy(*row) for row in zip(t, p, strict=True)]), "You "
             "averaged over sentences first, so a word in a short one counts for more."),
            (lambda t, p: _accuracy(t, p) if p.any() else 1.0, "A model that only says <pad> gets "
             "{found:.2f}; expected 0.", lambda found, t, p: not p.any()),
        ],
        otherwise="{found:.3f} on a case where 8 of 11 real targets are hit.",
    ),
    Exercise(
        name="text.waste", expects="a function of lengths and batch_size",
        right="Now you can say what an order of the sentences costs before you train on it.",
        hint="Count places batch by batch: its items times its longest. What is not a token is "
        "padding.",
        what="the share", cases=(([3, 5, 2, 10, 4], 2), ([1, 1, 9, 9, 1, 1], 2), ([7, 7, 7], 3)),
        reference=_waste, before="for lengths {0} in batches of {1}: ",
        slips=[
            (lambda n, size: 1 - _waste(n, size), "that is the share of real tokens."),
            (lambda n, size: np.mean([_waste(g, size) for g in _groups(n, size)]), "you averaged "
             "the batches' shares, but long batches hold more."),
            (lambda n, size: _waste(n, len(n)), "pad to the longest of the batch, not of all."),
            (lambda n, size: 1 - sum(n) / sum(size * max(g) for g in _groups(n, size)), "the last "
             "batch is smaller than the others."),
            (lambda n, size: _waste(sorted(n), size), "you sorted; keep the given order."),
        ],
        otherwise="you have {found:.3f}, expected {right:.3f}.",
    ),
]  # fmt: skip
