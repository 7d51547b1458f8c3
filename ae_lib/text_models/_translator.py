"""Sentences to other sentences, with beam search, and which word came from which."""

import numpy as np
from keras import ops

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
    * of a long text the first 60 pieces are read, or as many as the model has places for.

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

    @property
    def limits(self):
        """Of a text of so many pieces or fewer, <eos> included as many are written at most: dict.

        What is read is filled up to one of these lengths: no text's translation depends on the
        others, and little is compiled.
        """
        edges = {edge: 2 * edge + 10 for edge in (8, 16, 24) if 2 * edge + 10 <= self.longest}
        return edges | {self.longest: self.longest + 1}

    def tokens(self, sentences):
        """The pieces that are read, int32 (n, T), T ≥ 1. TypeError: not a list of str."""
        return _padded(self._rows(sentences))

    def _rows(self, texts, name="sentences"):
        """The ids of the pieces that are read, a list a text."""
        rows = self.vocabulary.encode_all(text.as_texts(texts, name))
        return [row[: self.longest] for row in rows]

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
        return self.vocabulary.decode_all(self._written(self._rows(sentences), width, size))

    def _written(self, rows, width, size=1):
        """The ids that are written for each row of ids read, <eos> included: list of arrays."""
        found, full = [np.zeros(0, "int32")] * len(rows), [i for i, row in enumerate(rows) if row]
        limits = self.limits
        batches = text.bucket_batches([len(rows[i]) for i in full], size, [*limits])
        for edge, places in batches:
            some = [full[place] for place in places]
            read, limit = text.pad([rows[i] for i in some], edge), limits[edge]
            if width == 1:
                words = decoding.greedy(self.model, read, max_length=limit)
            else:
                words = decoding.beam(self.model, read, width=width, max_length=limit)
            for i, own in zip(some, words, strict=True):
                found[i] = own[own != text.PAD]
        return found

    def nats(self, sources, targets):
        """− log p(target | source) of each pair in nats, and of each of its pieces.

        Args:
            sources, targets: lists of str, as many.

        Returns:
            list of float64 arrays, one a pair: the nats of its pieces and of <eos>. Of a text
            with more than ``longest`` pieces, the first ones count alone.

        Raises:
            TypeError, ValueError: no lists of str, or of different length.
        """
        sources, targets = self._rows(sources, "sources"), self._rows(targets, "targets")
        if len(sources) != len(targets):
            raise ValueError(f"targets: {len(targets)} texts, but sources has {len(sources)}")
        found = []
        for start in range(0, len(targets), 64):
            read, written = (rows[start : start + 64] for rows in (sources, targets))
            logits = self.model(text.pairs(_padded(read), _padded(written)))
            logits = ops.convert_to_numpy(logits).astype("float64")
            logits -= logits.max(-1, keepdims=True)
            logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
            for row, own in zip(written, logits, strict=True):
                found.append(-own[np.arange(len(row) + 1), [*row, EOS]])
        return found

    def align(self, source, target):
        """The attention's weights while ``target`` is written.

        Args:
            source, target: str, neither empty.

        Returns:
            float32 (pieces of the target + 1, pieces of the source) array; the last row is that
            of <eos>, and a row sums to 1. ``vocabulary.split`` gives the pieces. One column,
            of ones, if the model's attention is "last".

        Raises:
            TypeError, ValueError: no str, an empty text; a model without such weights.
        """
        if not hasattr(self.model, "align"):
            raise ValueError(
                f"align: a {type(self.model).__name__} has several such weights a layer; "
                "take an AttentionSeq2Seq"
            )
        both = []
        for given, name in ((source, "source"), (target, "target")):
            both.append(_padded(self._rows([given], name)))
            if not both[-1].any():
                raise ValueError(f"{name}: an empty text has no pieces to align")
        read, written = both
        weights = self.model.align(text.pairs(read, written))[0]
        return weights[: written.shape[1] + 1, : read.shape[1]]


def _padded(rows):
    """Lists of ids as int32 (n, T), T ≥ 1."""
    return text.pad(rows, max(map(len, [*rows, [0]])))
