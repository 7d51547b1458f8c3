"""Sentences to other sentences, with beam search, and which word came from which."""

import numpy as np

from ae_lib import decoding, text
from ae_lib._checks import as_size
from ae_lib.text import EOS
from ae_lib.text_models._model import TextModel

LONGEST = 60  # pieces that are read; what follows is not


class Translator(TextModel):
    """What is read to what is written, by a model that was trained on such pairs.

    Args:
        model: ``ae_lib.models.AttentionSeq2Seq`` or ``TransformerSeq2Seq``.
        vocabulary: ``ae_lib.text.Subwords`` of as many tokens, of both languages.

    Raises:
        ValueError: model and vocabulary differ in size.

    What comes back, on purpose:

    * an empty text, or one of white space: ``""``;
    * any other text has pieces, at worst its bytes, so that a language that the model never
      saw, or emoji, gives a guess that means nothing; nothing is refused;
    * of a long text the first 60 pieces are read, or as many as the model has places for;
      ``reads`` says whether that is all.

    Example:
        >>> import ae_lib
        >>> translator = ae_lib.pretrained("translate-en-fr")
        >>> translator.translate(["Tom is here."])
        ['Tom est ici.']
    """

    model_classes = ("AttentionSeq2Seq", "TransformerSeq2Seq")
    vocabulary_class = "Subwords"

    @property
    def longest(self):
        """Pieces that are read of a text, and written at most, <eos> left out."""
        return min(LONGEST, getattr(self.model, "length", LONGEST + 1) - 1)

    def reads(self, sentences):
        """Whether each text is read to its end: list of bool. TypeError: not a list of str."""
        rows = self.vocabulary.encode_all(text.as_texts(sentences, "sentences"))
        return [len(row) <= self.longest for row in rows]

    def tokens(self, sentences):
        """The pieces that are read, int32 (n, T), T ≥ 1. TypeError: not a list of str."""
        rows = self.vocabulary.encode_all(text.as_texts(sentences, "sentences"))
        rows = [row[: self.longest] for row in rows]
        return text.pad(rows, max(1, *map(len, rows), 1))

    def translate(self, sentences, beam_width=4, *, batch_size=128):
        """The best translation that a beam search finds (Wu et al. 2016).

        Args:
            sentences: list of str.
            beam_width: hypotheses kept, ≥ 1; 1: the most probable piece at each step.
            batch_size: sentences translated side by side, of like length.

        Returns:
            list of as many str.

        Raises:
            TypeError, ValueError: no list of str, a size below 1.
        """
        width, size = as_size(beam_width, "beam_width"), as_size(batch_size, "batch_size")
        sentences = text.as_texts(sentences, "sentences")
        rows = [row[: self.longest] for row in self.vocabulary.encode_all(sentences)]
        found = [""] * len(rows)
        order = sorted((i for i, row in enumerate(rows) if row), key=lambda i: len(rows[i]))
        for start in range(0, len(order), size):
            some = order[start : start + size]
            read = text.pad([rows[i] for i in some])
            limit = min(self.longest + 1, 2 * read.shape[1] + 10)
            if width == 1:
                words = decoding.greedy(self.model, read, max_length=limit)
            else:
                words = decoding.beam(self.model, read, width=width, max_length=limit)
            for i, sentence in zip(some, self.vocabulary.decode_all(words), strict=True):
                found[i] = sentence
        return found

    def nats(self, sources, targets):
        """− log p(target | source) of each pair in nats, and of each of its pieces.

        Args:
            sources, targets: lists of str, as many.

        Returns:
            list of float64 arrays, one a pair: the nats of its pieces and of <eos>.

        Raises:
            TypeError, ValueError: no lists of str, or of different length.
        """
        pairs = text.pairs(self.tokens(sources), self.tokens(targets))
        found, lengths = [], (pairs[:, 1] != text.PAD).sum(1)
        for start in range(0, len(pairs), 256):
            logits = np.asarray(self.model.predict_on_batch(pairs[start : start + 256]), "float64")
            logits -= logits.max(-1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
            for row, length, own in zip(
                pairs[start : start + 256, 1], lengths[start : start + 256], logits, strict=True
            ):
                pieces = [*row[:length], EOS]
                found.append(-own[np.arange(length + 1), pieces])
        return found

    def align(self, source, target):
        """The attention's weights while ``target`` is written.

        Args:
            source, target: str, neither empty.

        Returns:
            float32 (pieces of the target + 1, pieces of the source) array; the last row is that
            of <eos>, and a row sums to 1. ``vocabulary.split`` gives the pieces.

        Raises:
            TypeError, ValueError: no str, an empty text; a model without such weights.
        """
        if not hasattr(self.model, "align"):
            raise ValueError(
                f"align: a {type(self.model).__name__} has several such weights a layer; "
                "take an AttentionSeq2Seq"
            )
        read, written = self.tokens([source]), self.tokens([target])
        for tokens, name in ((read, "source"), (written, "target")):
            if not tokens.any():
                raise ValueError(f"{name}: an empty text has no pieces to align")
        weights = self.model.align(text.pairs(read, written))[0]
        return weights[: written.shape[1] + 1, : read.shape[1]]
