"""Sentences to codes and back: the model, its vocabulary, texts in and out."""

import numpy as np

from ae_lib import decoding, text
from ae_lib._checks import as_size, to_array
from ae_lib.text_models._model import TextModel


class TextAutoencoder(TextModel):
    """Sentences to codes and back.

    Args:
        model: ``ae_lib.models.Seq2SeqAutoencoder``.
        vocabulary: ``ae_lib.text.Vocabulary`` of as many tokens.

    Raises:
        ValueError: model and vocabulary differ in size.

    What comes back, on purpose:

    * a sentence in the vocabulary: the sentence, capitals and punctuation included, unless
      the model errs;
    * an unknown word: ``<unk>``, or whatever word the model writes in its place;
    * an empty text, or one of white space: ``""``;
    * other white space, quotation marks and the like: as ``text.normalise`` writes them;
    * a text far longer than those of the training: a code all the same, and from it the
      model's best guess, of at most ``max_length`` tokens.

    Example:
        >>> import ae_lib
        >>> autoencoder = ae_lib.pretrained("text-autoencoder")
        >>> autoencoder.reconstruct(["Tom is here."])
        ['Tom is here.']
    """

    model_classes = ("Seq2SeqAutoencoder",)

    @property
    def code_size(self):
        """Values in a code, d."""
        return self.model.code_size

    def encode(self, sentences, batch_size=256):
        """Codes of sentences.

        Args:
            sentences: list of str, of any length and script; unknown words are <unk>.

        Returns:
            float32 (n, d) NumPy array; (0, d) for an empty list.

        Raises:
            TypeError: one string instead of a list, or something in it that is no string.
            TypeError, ValueError: ``batch_size`` is no whole number ≥ 1.
        """
        batch_size = as_size(batch_size, "batch_size")
        rows = self.vocabulary.encode_all(text.as_texts(sentences, "sentences"))
        if not rows:
            return np.zeros((0, self.code_size), "float32")
        codes = np.zeros((len(rows), self.code_size), "float32")
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), batch_size):
            some = order[start : start + batch_size]
            codes[some] = self.model.encode(text.pad([rows[i] for i in some]), batch_size)
        return codes

    def decode(self, codes, *, max_length=decoding.MAX_LENGTH, batch_size=512):
        """Sentences from codes, by greedy decoding.

        Args:
            codes: float (n, d); (0, d) gives an empty list.
            max_length: tokens at most, the end included.

        Returns:
            list of n str.

        Raises:
            TypeError, ValueError: not numbers, NaN, or of another width; a size below 1.
        """
        sizes = {"max_length": max_length, "batch_size": batch_size}
        sizes = {name: as_size(size, name) for name, size in sizes.items()}
        codes = to_array(codes, "codes")
        if codes.shape == (0, self.code_size):
            return []
        codes = self.model.check_codes(codes)
        words = decoding.greedy(self.model, codes, **sizes)
        return self.vocabulary.decode_all(words)

    def reconstruct(self, sentences, *, max_length=decoding.MAX_LENGTH, batch_size=512):
        """``decode(encode(sentences))``, a list of str; an empty text gives ``""``.

        Raises:
            TypeError, ValueError: as for ``encode`` and ``decode``.
        """
        sentences = text.as_texts(sentences, "sentences")
        codes = self.encode(sentences)
        result = self.decode(codes, max_length=max_length, batch_size=batch_size)
        return [r if text.normalise(s) else "" for s, r in zip(sentences, result, strict=True)]
