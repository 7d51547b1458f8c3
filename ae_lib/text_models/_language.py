"""A language model with its vocabulary: how probable texts are, and what comes next."""

import keras
import numpy as np
from keras import ops

from ae_lib import decoding, text
from ae_lib._checks import as_size
from ae_lib.text import BOS, EOS, PAD, UNK
from ae_lib.text_models._model import TextModel

_GRAIN = 8  # lengths are filled up to multiples of it, so that few shapes are compiled


class LanguageModel(TextModel):
    """Probabilities of sentences, and of what comes next.

    Args:
        model: ``ae_lib.models.TransformerLM`` or ``RecurrentLM``.
        vocabulary: ``ae_lib.text.Subwords`` of as many tokens: any text has pieces.

    Raises:
        ValueError: model and vocabulary differ in size.

    A sentence is normalised (``text.normalise``), cut into pieces, and ends with <eos>, which
    stands for its line end. A text may be cut into pieces in several ways; its probability
    here is that of one, the vocabulary's own, so that the bits are never too few. The model
    reads at most ``context`` pieces.

    Example:
        >>> from ae_lib import models
        >>> vocabulary = text.Subwords.build(["Tom is here."], 270)
        >>> model = models.TransformerLM(len(vocabulary), width=16, layers=2, heads=2)
        >>> LanguageModel(model, vocabulary).log_probability(["Tom is here.", ""]).shape
        (2,)
    """

    model_classes = ("TransformerLM", "RecurrentLM")
    vocabulary_class = "Subwords"

    @property
    def context(self):
        """Pieces that the model can read at most, <bos> not counted; infinite for an LSTM."""
        return getattr(self.model, "length", np.inf) - 1

    def log_probability(self, sentences, batch_size=256):
        """The logarithm of each sentence's probability, its end included.

        Args:
            sentences: list of str, each of at most ``context`` pieces; an empty one is the
                probability that nothing comes before the end.
            batch_size: sentences at a time.

        Returns:
            float64 (n,), in nats, all below 0; (0,) for an empty list.

        Raises:
            TypeError: one string instead of a list, or something in it that is no string.
            ValueError: a sentence of too many pieces; a size below 1.
        """
        batch_size = as_size(batch_size, "batch_size")
        rows = self.vocabulary.encode_all(text.as_texts(sentences, "sentences"))
        for i, row in enumerate(rows):
            self._check_length(row, f"sentences: item {i}", "cut it into sentences")
        found = np.zeros(len(rows))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), batch_size):
            some = order[start : start + batch_size]
            tokens = text.pad([rows[i] for i in some], self._width(len(rows[some[-1]])))
            target = np.zeros((len(some), tokens.shape[1] + 1), "int32")
            target[:, :-1] = tokens
            target[np.arange(len(some)), (tokens != PAD).sum(1)] = EOS
            logp = ops.log_softmax(self.model(tokens), axis=-1)
            logp = ops.convert_to_numpy(ops.take_along_axis(logp, target[:, :, None], axis=2))
            found[some] = np.where(target == PAD, 0, logp[:, :, 0].astype("float64")).sum(1)
        return found

    def bits_per_byte(self, texts, batch_size=256):
        """Bits that the model needs for the texts, over their bytes.

        Both are sums over all texts. The bytes are those of the normalised text in UTF-8 and
        one for its line end, which <eos> stands for.

        Args, errors: as for ``log_probability``; also ValueError: no texts.

        Returns:
            float; fewer are better. A model that knows nothing needs 8 and more.
        """
        texts = text.as_texts(texts, "texts")
        if not texts:
            raise ValueError("texts: empty; bits per byte need at least one text")
        count = sum(len(text.normalise(t).encode()) + 1 for t in texts)
        return float(-self.log_probability(texts, batch_size).sum() / np.log(2) / count)

    def sample(self, n=1, seed=0, prompt="", *, temperature=1.0, top_k=None, top_p=None):
        """Sentences that the model writes.

        Args:
            n: how many.
            seed: int ≥ 0.
            prompt: str, how each begins; it is normalised and cut into pieces.
            temperature, top_k, top_p: see ``ae_lib.decoding.sample``.

        Returns:
            list of n str, the prompt included; one that has not ended after 48 pieces more,
            or where the context ends, stops there.

        Raises:
            TypeError, ValueError: the prompt is no string, or has more than ``context``
                pieces; a number out of range.
        """
        n, ids = as_size(n, "n", least=0), self._prompt(prompt)
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        begun = np.tile(text.pad([[BOS, *ids]], self._width(len(ids)) + 1), (max(n, 1), 1))
        room = int(min(decoding.MAX_LENGTH, self.context + 1 - len(ids)))
        drawn = decoding.sample(self._continued(), begun, max_length=room, **settings)
        return [self.vocabulary.decode([*ids, *row]) for row in drawn[:n]]

    def next_words(self, prompt="", k=10):
        """The most probable next pieces of words.

        Args:
            prompt: str, what comes before; "" is the beginning of a sentence.
            k: how many.

        Returns:
            list of ``(piece, probability)``, the most probable first: a piece as text, its space
            before it included; ``"<eos>"`` is the end. All the vocabulary's sum to 1.

        Raises:
            TypeError, ValueError: as for ``sample``; k below 1.
        """
        ids, k = self._prompt(prompt), as_size(k, "k")
        tokens = text.pad([ids], self._width(len(ids)))
        logits = ops.convert_to_numpy(self.model(tokens))[0, len(ids)].astype("float64")
        logits[[PAD, UNK, BOS]] = -np.inf  # no text has them
        p = np.exp(logits - logits.max())
        p /= p.sum()
        best = np.argsort(-p, kind="stable")[: min(k, len(p) - 3)]
        return [(self._shown(i), float(p[i])) for i in best.tolist()]

    def _shown(self, i):
        return "<eos>" if i == EOS else self.vocabulary.decode([i])

    def _prompt(self, prompt):
        """The prompt's pieces."""
        if not isinstance(prompt, str):
            raise TypeError(f"prompt: expected one string, got {type(prompt).__name__}")
        ids = self.vocabulary.encode(prompt)
        self._check_length(ids, "prompt", "leave out its beginning")
        return ids

    def _check_length(self, ids, name, advice):
        if len(ids) > self.context:
            raise ValueError(
                f"{name} has {len(ids)} pieces, and the model reads at most {self.context}; "
                f"{advice}"
            )

    def _width(self, pieces):
        """Columns for so many pieces: a few different numbers."""
        return int(min(self.context, max(1, -(-pieces // _GRAIN)) * _GRAIN))

    def _continued(self):
        if not hasattr(self, "_after"):
            self._after = _Continued(self.model)
        return self._after


class _Continued(keras.Model):
    """A language model whose conditioning is how each sentence begins: see ``decoding``.

    The beginnings are int (n, P), <bos> and words, as many in each row, right-padded with 0.
    """

    def __init__(self, model):
        super().__init__(name="continued")
        self.model = model
        self.built = True

    def initial_state(self, begun):
        """The model's state before the last word of each beginning, and that word."""
        begun = ops.cast(begun, "int32")
        last = ops.sum(ops.cast(begun != PAD, "int32"), axis=1) - 1

        def feed(t, state):
            return self.model.step(state, ops.take(begun, t, axis=1))[1]

        state = self.model.initial_state(ops.shape(begun)[0])
        state = ops.fori_loop(0, last[0], feed, state)
        return state, ops.take_along_axis(begun, last[:, None], axis=1)[:, 0]

    def step(self, state, tokens):
        """As the model's; where it is given <bos>, it takes the beginning's last word."""
        state, last = state
        logits, state = self.model.step(state, ops.where(tokens == BOS, last, tokens))
        return logits, (state, last)
