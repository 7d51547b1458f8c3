"""An n-gram model with the smoothing of Kneser and Ney: what a neural language model must beat.

Why not ``nltk.lm``: its ``KneserNeyInterpolated`` has one discount that is given, 0.1 for every
order and count, where Chen and Goodman estimate three an order; and it works in Python, word by
word. ``KenLM`` has the right method, but must be compiled, and is asked word by word, too.
"""

import numpy as np

from ae_lib import text
from ae_lib._checks import as_size
from ae_lib.text import BOS, EOS, PAD, UNK

_FALLBACK = np.array([0, 0.5, 1.0, 1.5])  # discounts where a corpus is too small to say


class KneserNey:
    """Interpolated Kneser–Ney smoothing with modified discounts.

    Source: Chen & Goodman (1999), *An empirical study of smoothing techniques for language
    modeling*. Their equations hold for every order: the highest one counts how often an n-gram
    stands in the text; a lower one counts how many different tokens stand before it. An n-gram
    that begins with <bos> has nothing before it and keeps its plain count. Below single tokens
    comes the uniform distribution. Where a corpus has no n-gram of some count up to 4, the
    discounts are 0.5, 1 and 1.5.

    Args:
        vocabulary: ``ae_lib.text.Subwords``; with 260 entries its pieces are the bytes.
        order: the n of the longest n-grams.

    Raises:
        TypeError, ValueError: ``order`` is no whole number ≥ 1.

    Example:
        >>> sentences = ["Tom is here.", "Tom is there.", "Is Tom here?"]
        >>> model = KneserNey(text.Subwords.build(sentences, 270), order=3).fit(sentences)
        >>> bool(model.bits_per_byte(["Tom is here."]) < 2 < model.bits_per_byte(["Zebra!"]))
        True
    """

    def __init__(self, vocabulary, order=5):
        self.vocabulary, self.order = vocabulary, as_size(order, "order")
        self._tables = None

    def fit(self, sentences):
        """Count the n-grams of a list of str; returns the model itself.

        Raises:
            TypeError: one string instead of a list, or something in it that is no string.
            ValueError: no sentences.
        """
        words, place = self._tokens(text.as_texts(sentences, "sentences"))
        if not len(words):
            raise ValueError("sentences: empty; n-grams need at least one sentence")
        # An n-gram is a pair: the number of the (n − 1)-gram before its last token, and that
        # token. Column n of ``grams`` has the number of the n-gram that ends at each place.
        grams, keys, first = np.zeros((len(words), self.order + 1), "int64"), [], []
        for n in range(1, self.order + 1):
            there = np.flatnonzero(place >= n - 1)
            pairs = grams[there - 1, n - 1] * len(self.vocabulary) + words[there]
            found, at, grams[there, n] = np.unique(pairs, return_index=True, return_inverse=True)
            keys.append(found)
            first.append(there[at])
        self._tables = []
        for n in range(1, self.order + 1):
            count = np.bincount(grams[place >= n - 1, n])
            if n < self.order:  # first places of the (n + 1)-grams: different tokens before
                before = np.bincount(grams[first[n], n], minlength=len(count))
                count = np.where(before, before, count)
            if n == 1:
                count[keys[0] == BOS] = 0  # it is seen, but never written
            contexts = len(keys[n - 2]) if n > 1 else 1
            self._tables.append(_Table(keys[n - 1], count, len(self.vocabulary), contexts))
        return self

    def log_probability(self, sentences):
        """The logarithm of each sentence's probability, its end included.

        Args:
            sentences: list of str.

        Returns:
            float64 (n,), in nats, all below 0; (0,) for an empty list.

        Raises:
            TypeError: one string instead of a list, or something in it that is no string.
            RuntimeError: ``fit`` was not called.
        """
        words, place = self._tokens(text.as_texts(sentences, "sentences"))
        nats = np.log(self._probability(words, place))
        nats[place == 0] = 0
        return np.bincount(np.cumsum(place == 0) - 1, nats) if len(words) else np.zeros(0)

    def bits_per_byte(self, texts):
        """Bits that the model needs for the texts, over their bytes: as ``LanguageModel``'s.

        Raises:
            TypeError, RuntimeError: as ``log_probability``; ValueError: no texts.
        """
        nats = self.log_probability(texts)
        count = sum(len(text.normalise(t).encode()) + 1 for t in texts)
        if not count:
            raise ValueError("texts: empty; bits per byte need at least one text")
        return float(-nats.sum() / np.log(2) / count)

    def start(self, n):
        """The state before the first of n sentences' tokens, for ``step``: nothing is known."""
        return (np.full((as_size(n, "n", least=0), self.order), -1),)

    def step(self, state, tokens):
        """Read one token more of each sentence.

        Args:
            state: from ``start`` or the step before.
            tokens: int (n,), the tokens before; <bos> at first.

        Returns:
            ``(p, state)``: float64 (n, V), the probability of each token, and the state after.
            It is made of single sums, products and quotients alone, which are the same on every
            machine.

        Raises:
            RuntimeError: ``fit`` was not called.
        """
        (before,), tables = state, self._fitted()
        grams = np.zeros_like(before)  # column k: the number of the k-gram that ends here
        for k in range(1, self.order):
            grams[:, k] = tables[k - 1].find(before[:, k - 1] if k > 1 else 0 * tokens, tokens)
        p = np.full((len(tokens), len(self.vocabulary)), 1 / (len(self.vocabulary) - 3))
        p[:, [PAD, UNK, BOS]] = 0
        for table, context in zip(tables, grams.T, strict=True):
            table.spread(context, p)
        return p, (grams,)

    def _probability(self, words, place):
        """Of each token after those before it, float64; of <bos> any number."""
        p = np.full(len(words), 1 / (len(self.vocabulary) - 3))  # not <pad>, <unk>, <bos>
        context = np.zeros(len(words), "int64")
        for n, table in enumerate(self._fitted(), 1):
            gram = table.find(context, words)
            p = table.mixed(context, gram, p)
            context = np.where(place > n - 1, np.roll(gram, 1), -1)  # of the next token
        return p

    def _tokens(self, sentences):
        """All sentences' tokens with <bos> and <eos>, and the place of each in its sentence."""
        rows = [np.array([BOS, *r, EOS]) for r in self.vocabulary.encode_all(sentences)]
        places = [np.arange(len(row)) for row in rows]
        return tuple(np.concatenate([*x, np.zeros(0, "int64")]).astype("int64")
                     for x in (rows, places))  # fmt: skip

    def _fitted(self):
        if self._tables is None:
            raise RuntimeError("the model has no counts yet; call fit(sentences) first")
        return self._tables


class _Table:
    """The n-grams of one n: their keys, sorted, and counts; what follows from them."""

    def __init__(self, keys, counts, size, contexts):
        self.keys, self.size = keys, size
        few = np.minimum(counts, 3)
        n = np.bincount(np.minimum(counts, 5), minlength=5)[1:5].astype(float)
        discounts = _FALLBACK
        if n.all():
            y = n[0] / (n[0] + 2 * n[1])
            discounts = np.array([0, *(k - (k + 1) * y * n[k] / n[k - 1] for k in (1, 2, 3))])
            discounts = np.maximum(discounts, 0)
        self.left = counts - discounts[few]
        self.total = np.bincount(keys // size, counts, contexts)
        taken = np.bincount(keys // size, discounts[few], contexts)
        self.back = taken / np.maximum(self.total, 1)

    def find(self, context, words):
        """The n-grams' numbers, −1 for one that is not there."""
        wanted = context * self.size + words
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((context >= 0) & (self.keys[at] == wanted), at, -1)

    def mixed(self, context, gram, lower):
        """The probability of this order, from that of the order below."""
        known = (context >= 0) & (self.total[context] > 0)
        own = np.where(gram >= 0, self.left[gram], 0) / np.maximum(self.total[context], 1)
        return np.where(known, own + self.back[context] * lower, lower)

    def spread(self, context, p):
        """Turn the probabilities (n, V) of the order below into those of this one, in place."""
        rows = np.flatnonzero((context >= 0) & (self.total[context] > 0))
        here = context[rows]
        first, end = np.searchsorted(self.keys, [here * self.size, (here + 1) * self.size])
        count = end - first
        each = np.repeat(np.arange(len(rows)), count)
        at = np.arange(len(each)) - np.repeat(np.cumsum(count) - count, count) + first[each]
        p[rows] *= self.back[here][:, None]
        p[rows[each], self.keys[at] % self.size] += self.left[at] / self.total[here[each]]
