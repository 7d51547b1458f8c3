"""English sentences and their French translations.

Source: the Tatoeba project (tatoeba.org), in the selection of manythings.org/anki of
23 August 2020. Licence: CC BY 2.0 FR; each pair names its sentences' numbers and contributors.
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np

from ae_lib._checks import brief
from ae_lib.data._files import read_checked, read_npz

SHIPPED = "tatoeba_eng_fra.npz"
COMPRESSIONS = "compressions.json"
PARTS = ("train", "validation", "test")
SMALL = 36_500  # sentences in the small training part


class SentencePair(NamedTuple):
    """An English sentence and a French translation, with who contributed them to Tatoeba."""

    english: str
    french: str
    english_id: int
    french_id: int
    english_contributor: str
    french_contributor: str


def load_sentences(split="train", *, size="small"):
    """Load the different English sentences of one part, in their original spelling.

    Sentences have 3 to 10 words. Those about violence and sex, and coarse or unkind ones,
    are left out. No sentence has a near-duplicate in another part: the same but for case,
    punctuation or contractions ("I'm", "I am"), or one word apart. For that, what is close
    to a held-out sentence was removed from the training part, not moved, so held-out
    sentences are a plain random sample of all.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        size: ``"small"`` (36,500 + 1,500 + 2,000 sentences, what most chapters use) or
            ``"full"`` (the same held-out sentences, 103,331 to train on).

    Returns:
        list of str, in an order that says nothing about the sentences. The small
        training part is the beginning of the full one.

    Raises:
        ValueError: ``split`` or ``size`` is none of those names.
        DataError: (an OSError) the file is missing or damaged.

    Example:
        >>> len(load_sentences("test"))
        2000
    """
    return list(_rows(split, size)[1])


def load_pairs(split="train", *, size="small"):
    """Load English sentences with their French translations and those who wrote them.

    Args and errors as ``load_sentences``.

    Returns:
        list of ``SentencePair(english, french, english_id, french_id,
        english_contributor, french_contributor)``, ids being Tatoeba's numbers. The small
        set has one translation a sentence, the full one up to several dozen, one after another.

    Example:
        >>> load_pairs("test")[0].english_contributor
        'CK'
    """
    arrays, rows = _rows(split, size)
    french, names = _lines(arrays["french"]), _lines(arrays["contributors"])
    ids = [arrays[f"{language}_id"].tolist() for language in ("english", "french")]
    by = [arrays[f"{language}_contributor"].tolist() for language in ("english", "french")]
    return [
        SentencePair(english, french[i], ids[0][i], ids[1][i], names[by[0][i]], names[by[1][i]])
        for english, own in rows.items()
        for i in own
    ]


def load_compressions():
    """Load test sentences of 8 to 10 words, each with one short form made by leaving words out.

    A rule proposed the short forms (tools/compressions.py): it leaves out adverbs, openings such
    as "I think", tag questions, and time, place and clause at the end. Then each was looked at,
    and 27 were changed. Half of them are how their sentence begins.

    Returns:
        list of 60 tuples of two str: the sentence, its short form.

    Raises:
        DataError: (an OSError) the file is missing or damaged.

    Example:
        >>> load_compressions()[0]
        ('Let me think it over for a couple of days.', 'Let me think it over.')
    """
    return [tuple(pair) for pair in json.loads(read_checked(COMPRESSIONS))]


def _rows(split, size):
    """The file's arrays, and ``{sentence: its rows in them}`` of one part, in order.

    The order is that of the sentences' SHA-256, by which tools/tatoeba.py splits them.
    """
    if split not in PARTS:
        raise ValueError(f"split: got {brief(split)}; choose one of {', '.join(map(repr, PARTS))}")
    if size not in ("small", "full"):
        raise ValueError(f'size: got {brief(size)}; choose "small" (for the chapters) or "full"')
    arrays = read_npz(SHIPPED)
    english, found = _lines(arrays["english"]), {}
    for i in np.flatnonzero(arrays["part"] == PARTS.index(split)).tolist():
        found.setdefault(english[i], []).append(i)
    order = sorted(found, key=lambda sentence: hashlib.sha256(sentence.encode()).digest())
    if size == "full":
        return arrays, {sentence: found[sentence] for sentence in order}
    return arrays, {sentence: found[sentence][:1] for sentence in order[:SMALL]}


def _lines(array):
    return array.tobytes().decode().split("\n")
