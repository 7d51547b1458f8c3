"""What the exercises of chapter 06 are judged by: solutions, judges, likely mistakes."""

from functools import cache

import numpy as np

from ae_lib.exercises._old import Wrong, close, number

# -- one word apart ----------------------------------------------------------------------


def one_word_apart(a, b):
    """Whether two lists of words are equal or one replaced, added or dropped word apart."""
    if len(a) > len(b):
        a, b = b, a
    same = 0
    while same < len(a) and a[same] == b[same]:
        same += 1
    if len(a) == len(b):
        return a[same + 1 :] == b[same + 1 :]
    return len(b) - len(a) == 1 and a[same:] == b[same + 1 :]


_PAIRS = (
    ("I saw Tom", "I saw Tom", True, "The same words are no difference at all"),
    ("I saw Tom", "I saw Mary", True, "one word was replaced"),
    ("We saw Tom", "I saw Tom", True, "one word was replaced, the first"),
    ("I saw poor Tom", "I saw Tom", True, "one word was dropped"),
    ("I saw Tom", "I saw Tom there", True, "one word was added"),
    ("Yes I saw Tom", "I saw Tom", True, "one word was dropped, the first"),
    ("I saw Tom", "I met Mary", False, "two words were replaced"),
    ("Tom saw Mary", "Mary saw Tom", False, "the same words in another order are not the same"),
    ("I saw Tom", "I saw Tom over there", False, "two words were added"),
    ("I saw Tom", "We saw Tom there", False, "one word was replaced and one was added"),
    ("I", "Tom saw", False, "one word was replaced and one was added"),
)


def judge_apart(answer):
    """Judge ``one_word_apart``."""
    for a, b, right, why in _PAIRS:
        for one, other in ((a, b), (b, a)):
            found = answer(one.split(), other.split())
            if not isinstance(found, (bool, np.bool_)):
                raise Wrong(f"Return True or False, not {type(found).__name__}.")
            if found != right:
                raise Wrong(f"{one!r} and {other!r}: expected {right}; {why}.")


def replaced_only(a, b):
    """A likely mistake: replacements alone."""
    return len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) <= 1


def as_sets(a, b):
    """A likely mistake: no order."""
    return len(set(a) ^ set(b)) <= 2


# -- two leaks ---------------------------------------------------------------------------

_INNOCENT = {
    "b": "(b) shuffles. That is harmless, as long as what is shuffled may be divided anywhere.",
    "e": "(e) turns training sentences into ids, and touches nothing else.",
    "f": "(f) pads the training sentences to their own longest one. No harm.",
}


def judge_leaks(answer):
    """Judge the two letters."""
    letters = {c for c in "".join(map(str, answer)).lower() if c.isalpha()}
    if not letters or not letters <= set("abcdef"):
        raise Wrong("Answer with letters from a to f, such as 'ab'.")
    for letter in sorted(letters & set(_INNOCENT)):
        raise Wrong(_INNOCENT[letter])
    if "d" not in letters:
        raise Wrong(
            "One leak is found. The other makes every held-out word a known one: who was "
            "allowed to vote on which words exist?"
        )
    if letters == {"d"}:
        raise Wrong(
            "(d) is one. For the other: a sentence has several translations. How many rows does "
            "it get, and on which sides may they fall?"
        )


# -- merging -----------------------------------------------------------------------------


def merge(symbols, pair):
    """Replace each occurrence of a pair of neighbours by the two as one symbol."""
    merged, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


_MERGES = (
    ("l o w e r", "e r", "l o w er", ""),
    ("l o w", "e r", "l o w", "The pair does not occur, so nothing changes"),
    ("b a n a n a", "a n", "b an an a", "Both places are to be merged"),
    ("a a a", "a a", "aa a", "Merge from the left; a symbol that was used is gone"),
    ("a b c", "b c", "a bc", "The pair may stand at the end"),
    ("ab c", "b c", "ab c", "'ab' is one symbol: its 'b' cannot be taken out of it"),
    ("a b", "ab c", "a b", "The symbols must equal the pair's, not begin like them"),
    ("x", "x y", "x", "One symbol alone has no neighbour"),
)


def judge_merge(answer):
    """Judge ``merge``."""
    for symbols, pair, right, why in _MERGES:
        found = answer(symbols.split(), tuple(pair.split()))
        if isinstance(found, str):
            raise Wrong("Return the list of symbols, not one text.")
        if list(found) != right.split():
            why = f" {why}." if why else ""
            raise Wrong(f"{symbols.split()} with {tuple(pair.split())} gave {list(found)!r}.{why}")


def merge_overlapping(symbols, pair):
    """A likely mistake: a symbol serves two merges."""
    merged = []
    for i, symbol in enumerate(symbols):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            merged.append("".join(pair))
        elif i == 0 or tuple(symbols[i - 1 : i + 1]) != tuple(pair):
            merged.append(symbol)
    return merged


def merge_by_replacing(symbols, pair):
    """A likely mistake: symbols are cut."""
    return " ".join(symbols).replace(" ".join(pair), "".join(pair)).split()


def merge_once(symbols, pair):
    """A likely mistake: only the first place."""
    for i in range(len(symbols) - 1):
        if tuple(symbols[i : i + 2]) == tuple(pair):
            return [*symbols[:i], "".join(pair), *symbols[i + 2 :]]
    return list(symbols)


# -- a fair comparison -------------------------------------------------------------------


def bits_per_character(nats_per_token, tokens, characters):
    """What a token model's loss comes to, in bits for each character of the same text."""
    return nats_per_token * tokens / np.log(2) / characters


def judge_fair(answer):
    """Judge ``bits_per_character``."""
    for nats, tokens, characters in ((4.0, 700, 2800), (1.5, 5000, 5000), (5.5, 90, 300)):
        found = number(answer(nats, tokens, characters), "the bits per character")
        right = bits_per_character(nats, tokens, characters)
        case = f"for {nats} nats, {tokens} tokens, {characters} characters: "
        if close(found, right):
            continue
        if close(found, nats * tokens / characters):
            raise Wrong(case + "those are nats per character; a bit is fewer of them, by ln 2.")
        if close(found, nats / np.log(2)):
            raise Wrong(case + "those are bits per token, which is just what cannot be compared.")
        if close(found, nats / np.log(2) * characters / tokens):
            raise Wrong(case + "a token costs more than a character, so divide the other way.")
        if close(found, right * np.log(2) ** 2):
            raise Wrong(case + "one nat is more than one bit: 1.443 of them.")
        raise Wrong(case + f"you have {found:.4g}; what does the whole text cost, in bits?")


# -- one-hot arrays ----------------------------------------------------------------------


@cache
def listing_sizes():
    """``(sentences, steps, words)`` of the corpus that ships, in the listing's arrays."""
    from ae_lib import data, text

    train = data.load_sentences("train")
    vocabulary = text.Vocabulary.build(train)
    return len(train), max(map(len, vocabulary.encode_all(train))) + 1, len(vocabulary)


def judge_one_hot(answer):
    """Judge the size of the arrays."""
    value = number(answer, "the size")
    n, steps, words = listing_sizes()
    size = 4 * 3 * n * steps * words
    if any(close(value, size / unit, 0.02) for unit in (1e9, 2**30)):
        return
    if any(close(value, size / unit, 0.02) for unit in (1, 1e6, 2**20)):
        raise Wrong("The right size, in other units: answer in gigabytes, 10⁹ bytes.")
    value = value / 1e9 if value > 1e6 else value
    if close(value, size / 3e9, 0.02):
        raise Wrong("That is one array; the listing passes three: two inputs and a target.")
    if close(value, size / 4e9, 0.02):
        raise Wrong("You counted entries. Each is a float32, four bytes.")
    if close(value, 2 * size / 1e9, 0.02):
        raise Wrong("Eight bytes an entry is NumPy's default; Keras asks for float32, four.")
    if close(value, size / words / 1e9, 0.02):
        raise Wrong("Every step holds a whole row, as long as the vocabulary.")
    raise Wrong("Multiply sentences, steps, words, four bytes and three arrays; answer in GB.")


# -- the silent model --------------------------------------------------------------------

SILENT_STEPS = 40


@cache
def mean_tokens():
    """Mean tokens of the corpus's training sentences, ``<eos>`` not counted."""
    from ae_lib import data, text

    train = data.load_sentences("train")[:10_000]
    vocabulary = text.Vocabulary.build(train)
    return float(np.mean([len(ids) for ids in vocabulary.encode_all(train)]))


def judge_silent(answer):
    """Judge the accuracy of silence."""
    value = number(answer, "the accuracy")
    value = value / 100 if value > 1 else value
    tokens = mean_tokens()
    right = 1 - (tokens + 1) / SILENT_STEPS
    if close(value, right, 0.012):
        return
    if close(value, 1 - right, 0.012):
        raise Wrong(
            "That is the share of real targets: exactly those that the silent model misses."
        )
    if close(value, 1 - tokens / SILENT_STEPS, 0.012):
        raise Wrong(
            "Close: every sentence also has an <eos> to be predicted, which is no padding."
        )
    if value < 0.05:
        raise Wrong("It is wrong about every word; but the metric counts other places, too.")
    raise Wrong("Of the 40 places of a row, how many hold <pad>? The silent model is right there.")


# -- accuracy behind a mask --------------------------------------------------------------


def masked_accuracy(targets, predictions):
    """Share of the real targets (not 0) that were predicted."""
    real = targets != 0
    return float((targets == predictions)[real].mean())


_TARGETS = np.array([[5, 6, 3, 0, 0, 0], [7, 3, 0, 0, 0, 0], [4, 5, 6, 7, 8, 3]])
_PREDICTIONS = np.array([[5, 9, 3, 0, 0, 0], [0, 3, 0, 0, 9, 0], [4, 5, 6, 0, 0, 3]])


def judge_masked(answer):
    """Judge ``masked_accuracy``."""
    targets, predictions = _TARGETS.copy(), _PREDICTIONS.copy()
    found = number(answer(targets, predictions), "the accuracy")
    hits, real = targets == predictions, targets != 0
    if close(found, masked_accuracy(_TARGETS, _PREDICTIONS)):
        silent = number(answer(targets, np.zeros_like(targets)), "the accuracy")
        if silent != 0:
            raise Wrong(f"A model that only says <pad> gets {silent:.2f}; expected 0.")
        return
    if close(found, hits.mean()):
        raise Wrong("Padding still counts as success.")
    if close(found, hits.sum() / real.sum()):
        raise Wrong("More than 1 is no share: padding is among the hits, not among the targets.")
    if close(found, (hits & real).mean()):
        raise Wrong("Padding no longer counts as success, but it is still divided by.")
    if close(found, hits[predictions != 0].mean()):
        raise Wrong(
            "You left out the places where the model *says* <pad>: it chooses its own exam."
        )
    if close(found, np.mean([h[r].mean() for h, r in zip(hits, real, strict=True)])):
        raise Wrong("You averaged over sentences first, so a word in a short one counts for more.")
    raise Wrong(f"{found:.3f} on a case where 8 of 11 real targets are hit.")


# -- waste -------------------------------------------------------------------------------


def waste(lengths, batch_size):
    """Share of padding when consecutive items form batches, padded to their longest."""
    batches = [lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size)]
    places = sum(len(batch) * max(batch) for batch in batches)
    return 1 - sum(lengths) / places


def judge_waste(answer):
    """Judge ``waste``."""
    for lengths, size in (([3, 5, 2, 10, 4], 2), ([1, 1, 9, 9, 1, 1], 2), ([7, 7, 7], 3)):
        found = number(answer(list(lengths), size), "the share")
        right = waste(lengths, size)
        case = f"for lengths {lengths} in batches of {size}: "
        groups = [lengths[i : i + size] for i in range(0, len(lengths), size)]
        shares = [1 - sum(g) / (len(g) * max(g)) for g in groups]
        full = sum(size * max(g) for g in groups)
        if close(found, right):
            continue
        if close(found, 1 - right):
            raise Wrong(case + "that is the share of real tokens; the rest is padding.")
        if close(found, np.mean(shares)):
            raise Wrong(case + "you averaged the batches' shares, but long batches hold more.")
        if close(found, 1 - sum(lengths) / (len(lengths) * max(lengths))):
            raise Wrong(case + "you padded all to the longest of all, not to that of the batch.")
        if close(found, 1 - sum(lengths) / full):
            raise Wrong(case + "the last batch is smaller than the others.")
        if close(found, waste(sorted(lengths), size)):
            raise Wrong(case + "keep the given order; whether to sort is the caller's choice.")
        raise Wrong(case + f"you have {found:.3f}, expected {right:.3f}.")


def groups(lengths, size):
    """Consecutive items in batches."""
    return [lengths[i : i + size] for i in range(0, len(lengths), size)]
