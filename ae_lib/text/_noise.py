"""Sentences of which a part is hidden, and pairs of what is seen and what should be."""

import numpy as np

from ae_lib._checks import as_size, as_whole, share
from ae_lib.text._vocabulary import PAD, UNK


def hidden(tokens, rate, *, seed=0, sign=UNK):
    """A copy of the sentences with some words hidden, each with the same chance.

    Source: Vincent et al. (2008), masking noise; on words, Devlin et al. (2019).

    Args:
        tokens: int (n, T) ids, right-padded with 0; padding stays.
        rate: chance of a word to be hidden, in [0, 1].
        seed: int ≥ 0.
        sign: the id that stands for a hidden word.

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
    sign = np.int32(as_size(sign, "sign", least=0))
    return np.where((tokens != PAD) & (chance < rate), sign, tokens)


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
