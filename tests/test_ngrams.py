"""Kneser–Ney smoothing against its equations, word by word in Python; and bad input."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from ae_lib import data, text
from ae_lib.ngrams import KneserNey
from ae_lib.text import BOS, EOS

CORPUS = ["ab ab abc", "abc ab", "ab", "cab", "b", "ab ab abd", "bad cab", "acab"] * 2 + ["dab"]
HELD_OUT = ["ab ab", "abc", "", "zzz é", "cab bad dad ab abc"]


@pytest.fixture(scope="module")
def vocabulary():
    return text.Subwords.build(CORPUS, 264)


def by_the_equations(vocabulary, order, sentences):
    """A function of a context (a tuple) and a word: equations 2 and 4 of Chen & Goodman."""
    counts = [Counter() for _ in range(order + 1)]
    for row in vocabulary.encode_all(sentences):
        row = (BOS, *row, EOS)
        for n in range(1, order + 1):
            counts[n].update(row[i : i + n] for i in range(len(row) - n + 1))
    del counts[1][(BOS,)]
    for n in range(1, order):
        before = Counter(gram[1:] for gram in counts[n + 1])
        counts[n] = Counter({gram: before[gram] or counts[n][gram] for gram in counts[n]})
    tables = []
    for n in range(1, order + 1):
        seen = [sum(c == k for c in counts[n].values()) for k in (1, 2, 3, 4)]
        cut = [0.5, 1.0, 1.5]
        if all(seen):
            y = seen[0] / (seen[0] + 2 * seen[1])
            cut = [max(k - (k + 1) * y * seen[k] / seen[k - 1], 0) for k in (1, 2, 3)]
        after = defaultdict(dict)
        for gram, count in counts[n].items():
            after[gram[:-1]][gram[-1]] = count
        tables.append((after, cut))

    def probability(context, word):
        p = 1 / (len(vocabulary) - 3)
        for n, (after, cut) in enumerate(tables):
            if n > len(context) or not (row := after.get(tuple(context[len(context) - n :]))):
                break
            total, count = sum(row.values()), row.get(word, 0)
            gamma = sum(cut[min(c, 3) - 1] for c in row.values()) / total
            own = (count - cut[min(count, 3) - 1]) / total if count else 0
            p = own + gamma * p
        return p

    return probability


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_what_the_equations_say(vocabulary, order):
    model = KneserNey(vocabulary, order).fit(CORPUS)
    probability = by_the_equations(vocabulary, order, CORPUS)
    expected = []
    for row in vocabulary.encode_all(HELD_OUT):
        row = (BOS, *row, EOS)
        expected.append(sum(np.log(probability(row[:i], row[i])) for i in range(1, len(row))))
    np.testing.assert_allclose(model.log_probability(HELD_OUT), expected, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 3, 5])
def test_probabilities_sum_to_one(order):
    """After contexts that were seen, seen in part and never."""
    sentences = data.load_sentences("train")[:500]
    vocabulary = text.Subwords.build(sentences, 400)
    model = KneserNey(vocabulary, order).fit(sentences)
    sayable = np.arange(EOS, len(vocabulary))
    for begun in ("", "Tom is", "Tom is the zqx", "\u4f60"):
        row = np.array([BOS, *vocabulary.encode(begun)])
        words = np.concatenate([np.append(row, word) for word in sayable])
        places = np.tile(np.arange(len(row) + 1), len(sayable))
        found = model._probability(words, places).reshape(len(sayable), -1)[:, -1]
        assert (found > 0).all()
        assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda m: KneserNey(m.vocabulary, 0), ValueError, "order: expected a whole number"),
        (lambda m: m.fit([]), ValueError, "sentences: empty"),
        (lambda m: m.fit("ab"), TypeError, "sentences: expected a list of texts, got one"),
        (lambda m: m.log_probability([3]), TypeError, "sentences: expected texts, but item 0"),
        (lambda m: m.bits_per_byte([]), ValueError, "texts: empty"),
        (lambda m: KneserNey(m.vocabulary).log_probability(["ab"]), RuntimeError, "call fit"),
    ],
)
def test_bad_input_is_named(vocabulary, ask, error, words):
    model = KneserNey(vocabulary, 2).fit(CORPUS)
    assert model.log_probability([]).shape == (0,)
    with pytest.raises(error, match=re.escape(words)):
        ask(model)
