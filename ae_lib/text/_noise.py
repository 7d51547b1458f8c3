"""Sentences of which a part is hidden, and pairs of what is seen and what should be."""

import numpy as np

from ae_lib._checks import as_list, as_size, as_whole, brief, positive_number, share
from ae_lib.text._vocabulary import PAD, UNK, as_texts


def hidden(tokens, rate, *, seed=0):
    """A copy of the sentences with some words hidden, each with the same chance: <unk> instead.

    Source: Vincent et al. (2008), masking noise; on words, Devlin et al. (2019).

    Args:
        tokens: int (n, T) ids, right-padded with 0; padding stays.
        rate: chance of a word to be hidden, in [0, 1].
        seed: int ≥ 0.

    Returns:
        int32 (n, T).

    Raises:
        TypeError, ValueError: not whole numbers of two axes, a rate out of range, a negative
            seed.

    Example:
        >>> hidden([[7, 8, 9, 0]], 1.0)
        array([[1, 1, 1, 0]], dtype=int32)
    """
    tokens, rate = as_whole(tokens, "tokens", ndim=2, low=0), share(rate, "rate")
    chance = np.random.default_rng(as_size(seed, "seed", least=0)).random(tokens.shape)
    return np.where((tokens != PAD) & (chance < rate), np.int32(UNK), tokens)


def disturbed(sentences, *, seed=0, more=(0.2, 1.0), reach=3.0):
    """Copies of sentences with words of others among their own, in a disturbed order.

    Source: Févry & Phang (2018); the order as in Lample et al. (2018). What a model that writes
    the sentences from these copies learns, to leave words out, compresses sentences.

    Args:
        sentences: list of str, at least two.
        seed: int ≥ 0.
        more: least and greatest number of added words, as a share of the sentence's own; they
            are words of one other sentence, drawn anew for each, its first one left out. Fewer
            are added where it has no more.
        reach: a word's new place is its old one and a random number below this, in order.

    Returns:
        list of str: the number of the sentence's words, a colon, and the disturbed copy.

    Raises:
        TypeError, ValueError: no list of str, fewer than two, a negative seed; ``more`` is no
            pair of rising numbers ≥ 0, ``reach`` no number ≥ 0.

    Example:
        >>> disturbed(["Tom is here.", "I see you."], more=(0, 0), reach=1)[0]
        '3: Tom is here.'
    """
    sentences = as_texts(sentences, "sentences")
    if len(sentences) < 2:
        raise ValueError("sentences: one has no other's words; expected at least two")
    least, most = _pair(more, "more")
    reach = positive_number(reach, "reach", zero=True)
    rng, result = np.random.default_rng(as_size(seed, "seed", least=0)), []
    words = [sentence.split() for sentence in sentences]
    others = (np.arange(len(words)) + rng.integers(1, len(words), len(words))) % len(words)
    for own, other in zip(words, (words[i][1:] for i in others), strict=True):
        count = min(len(other), int(np.ceil(rng.uniform(least, most) * len(own))))
        mixed = list(own)
        for word in rng.permutation(other)[:count].tolist():
            mixed.insert(int(rng.integers(len(mixed) + 1)), word)
        order = np.argsort(np.arange(len(mixed)) + rng.uniform(0, reach, len(mixed)))
        result.append(f"{len(own)}: " + " ".join(mixed[i] for i in order))
    return result


def _pair(values, name):
    numbers = [positive_number(v, name, zero=True) for v in as_list(values, name, "two numbers")]
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise ValueError(f"{name}: expected two numbers that rise, got {brief(numbers)}")
    return numbers


def pairs(seen, tokens):
    """What a model sees and what it should give, in one array.

    Args:
        seen, tokens: int (n, T) and (n, S) ids, right-padded with 0.

    Returns:
        int32 (n, 2, the larger of T and S), right-padded with 0.

    Raises:
        TypeError, ValueError: not whole numbers of two axes, or of different n.

    Example:
        >>> pairs([[7, 1]], [[7, 8, 9]])
        array([[[7, 1, 0],
                [7, 8, 9]]], dtype=int32)
    """
    both = [as_whole(a, n, ndim=2) for a, n in ((seen, "seen"), (tokens, "tokens"))]
    if len(both[0]) != len(both[1]):
        raise ValueError(f"tokens: {len(both[1])} sentences, but seen has {len(both[0])}")
    width = max(a.shape[1] for a in both)
    return np.stack([np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in both], axis=1)
