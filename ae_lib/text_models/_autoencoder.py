"""Sentences to codes and back, and new ones: the model, its vocabulary, texts in and out."""

import numpy as np

from ae_lib import decoding, text
from ae_lib._checks import as_size, brief, positive_number, to_array
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
        return self.model.encode(text.pad(rows), batch_size)

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


class TextVAE(TextAutoencoder):
    """Sentences to codes and back; new sentences; sentences changed in one attribute.

    Args:
        model: ``ae_lib.models.SentenceVAE``.
        vocabulary: ``ae_lib.text.Vocabulary`` of as many tokens.
        attributes: what ``learn_attributes`` found; None: nothing yet.

    Raises:
        ValueError: model and vocabulary differ in size.

    ``encode`` gives the means of q(z | x), ``decode`` the greedy sentence of a code.

    Example:
        >>> from ae_lib import models
        >>> vocabulary = text.Vocabulary.build(["Tom is here.", "Is Tom here?"])
        >>> vae = TextVAE(models.SentenceVAE(len(vocabulary), 8, 8, 4), vocabulary)
        >>> len(vae.interpolate("Tom is here.", "Is Tom here?", steps=5))
        5
    """

    model_classes = ("SentenceVAE",)
    settings = ("attributes",)

    def __init__(self, model, vocabulary, attributes=None):
        super().__init__(model, vocabulary)
        self.attributes = {} if attributes is None else attributes

    def sample(self, n, seed=0, *, temperature=1.0, batch_size=512):
        """New sentences: codes from the prior, words from the model's distribution.

        Args:
            n: how many, ≥ 0.
            seed: int ≥ 0; of codes and words.
            temperature: of the words, > 0; see ``ae_lib.decoding.sample``. Near 0 each sentence
                is its code's greedy one, which hides how sure the model is of its words.

        Returns:
            list of n str.

        Raises:
            TypeError, ValueError: a number out of range.
        """
        n, seed = as_size(n, "n", least=0), as_size(seed, "seed", least=0)
        temperature = positive_number(temperature, "temperature")
        if not n:
            return []
        codes = np.random.default_rng([seed, 1]).standard_normal((n, self.code_size), "float32")
        drawn = decoding.sample(
            self.model, codes, seed=seed, temperature=temperature, batch_size=batch_size
        )
        return self.vocabulary.decode_all(drawn)

    def interpolate(self, a, b, steps=7):
        """Sentences of codes at equal distances on the line from ``a``'s to ``b``'s, both too.

        Args:
            a, b: str.
            steps: how many, at least 2.

        Returns:
            list of ``steps`` str.

        Raises:
            TypeError, ValueError: no string; ``steps`` below 2.
        """
        share = np.linspace(0, 1, as_size(steps, "steps", least=2), dtype="float32")[:, None]
        first, last = self.encode([a, b])
        return self.decode((1 - share) * first + share * last)

    def learn_attributes(self, sentences):
        """Keep the mean code of the sentences with each value of each of ``text.attributes``.

        Args:
            sentences: list of str; of the training part alone.

        Raises:
            TypeError, ValueError: no strings; an attribute of which all have one value.
        """
        codes, found = self.encode(sentences), {}
        labels = [text.attributes(s) for s in sentences]
        for name in text.attributes(""):
            values = [label[name] for label in labels]
            if len(kinds := sorted(set(values))) < 2:
                raise ValueError(f"sentences: {name} is {brief(kinds)} for all of them")
            means = [codes[[v == kind for v in values]].mean(0).tolist() for kind in kinds]
            found[name] = [list(pair) for pair in zip(kinds, means, strict=True)]
        self.attributes = found

    def set_attribute(self, sentences, name, value, strength=1.0):
        """Sentences whose codes are moved by the difference of two mean codes.

        From the mean code of the training sentences that have the sentence's own value to that
        of those with ``value`` (attribute vectors, as in Larsen et al. 2016).

        Args:
            sentences: list of str; an empty list gives one.
            name: of an attribute that ``text.attributes`` finds and ``learn_attributes`` knows.
            value: one of its values.
            strength: of the move; 1: the difference, 0: none.

        Returns:
            list of str, one a sentence.

        Raises:
            TypeError, ValueError: an unknown attribute or value, also one that a sentence has.
        """
        sentences = text.as_texts(sentences, "sentences")
        if name not in self.attributes:
            known = ", ".join(map(repr, self.attributes)) or "none: learn_attributes first"
            raise ValueError(f"name: no attribute {brief(name)}; there is {known}")
        means = {kind: np.array(mean, "float32") for kind, mean in self.attributes[name]}
        own = [text.attributes(s)[name] for s in sentences]
        for kind in {value, *own}:
            if kind not in means:
                known = ", ".join(map(repr, means))
                raise ValueError(f"value: {name} has no {brief(kind)}; there is {known}")
        moves = [float(strength) * (means[value] - means[kind]) for kind in own]
        codes = self.encode(sentences)
        return self.decode(codes + np.array(moves, "float32").reshape(codes.shape))
