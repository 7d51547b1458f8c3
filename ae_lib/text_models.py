"""A text model, its vocabulary and its decoding in one object; the shipped one by name."""

import hashlib
import json
from pathlib import Path

import numpy as np

from ae_lib import _weights, decoding, text
from ae_lib.data import DataError
from ae_lib.data._files import whole_file

WEIGHTS = Path(__file__).parent / "weights"
_FORMAT = "ae-lib text autoencoder 1"
# File by name, and the SHA-256 that tools/train_text_autoencoder.py noted.
_SHIPPED = {"text-autoencoder": "text_autoencoder"}


class TextAutoencoder:
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
        >>> autoencoder = ae_lib.pretrained("text-autoencoder")
        >>> autoencoder.reconstruct(["Tom is here."])
        ['Tom is here.']
    """

    def __init__(self, model, vocabulary):
        if model.vocabulary_size != len(vocabulary):
            raise ValueError(
                f"vocabulary: has {len(vocabulary):,} tokens, but the model was made for "
                f"{model.vocabulary_size:,}; take the one it was trained with"
            )
        self.model = model
        self.vocabulary = vocabulary

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
        """
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
            TypeError, ValueError: not numbers, NaN, or of another width.
        """
        if np.shape(codes) == (0, self.code_size):
            return []
        codes = self.model.check_codes(codes)
        words = decoding.greedy(self.model, codes, max_length=max_length, batch_size=batch_size)
        return self.vocabulary.decode_all(words)

    def reconstruct(self, sentences, *, max_length=decoding.MAX_LENGTH, batch_size=512):
        """``decode(encode(sentences))``, a list of str; an empty text gives ``""``.

        Raises:
            TypeError: one string instead of a list, or something in it that is no string.
        """
        sentences = text.as_texts(sentences, "sentences")
        codes = self.encode(sentences)
        result = self.decode(codes, max_length=max_length, batch_size=batch_size)
        return [r if text.normalise(s) else "" for s, r in zip(sentences, result, strict=True)]

    def save(self, path, dtype="float32"):
        """Write model and vocabulary to one file; it is whole or left as it was.

        Args:
            path: of the file; ``keras.Model.load_weights`` reads one that ends in
                ``.weights.h5``.
            dtype: "float16" halves the file and rounds the weights.

        Raises:
            DataError: (an OSError) the file cannot be written.
        """
        header = {
            "format": _FORMAT,
            "config": _settings(self.model),
            "vocabulary": self.vocabulary.to_record(),
        }
        arrays = {name: _numpy(w).astype(dtype) for name, w in named_weights(self.model).items()}
        with whole_file(path) as stream:
            stream.write(_weights.pack(header, arrays))

    @classmethod
    def load(cls, path, vocabulary=None, sha256=None):
        """Read what ``save`` wrote.

        Args:
            path: of the file.
            vocabulary: what the model is to be used with; None: the file's own.
            sha256: what the file's bytes must hash to; None: not checked.

        Raises:
            DataError: (an OSError) no such file, cut short, damaged, another kind of file,
                or a model trained with another vocabulary.
        """
        path = Path(path)
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path.name}: cannot be read ({error.strerror})") from error
        found = hashlib.sha256(raw).hexdigest()
        if sha256 and found != sha256:
            raise DataError(
                f"{path.name}: damaged: {len(raw):,} bytes with SHA-256 {found[:12]}…, expected "
                f"{sha256[:12]}…; reinstall ae_lib"
            )
        try:
            header, arrays = _weights.unpack(raw)
            right = header["format"] == _FORMAT
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path.name}: not a whole text autoencoder ({len(raw):,} bytes): cut short, "
                f"damaged, or another kind of file ({error}); copy it again"
            ) from error
        if not right:
            raise DataError(f"{path.name}: format {header['format']!r}, expected {_FORMAT!r}")
        own = text.Vocabulary.from_record(header["vocabulary"], path.name)
        if vocabulary is not None and vocabulary.fingerprint != own.fingerprint:
            raise DataError(
                f"{path.name}: trained with another vocabulary ({len(own):,} tokens, fingerprint "
                f"{own.fingerprint[:12]}…) than the one given ({len(vocabulary):,}, "
                f"{vocabulary.fingerprint[:12]}…): its ids mean other words"
            )
        return cls(_model(header["config"], arrays, path.name), own)


def pretrained(name):
    """A model that ships with the book, trained and ready.

    Args:
        name: "text-autoencoder": sentences of 3 to 10 words, trained on all the English
            Tatoeba sentences outside the held-out parts by tools/train_text_autoencoder.py.

    Returns:
        ``TextAutoencoder``.

    Raises:
        ValueError: no such model.
        DataError: (an OSError) its file is missing or damaged.
    """
    if name not in _SHIPPED:
        raise ValueError(f"no model is named {name!r}; there is {', '.join(_SHIPPED)}")
    stem = _SHIPPED[name]
    return TextAutoencoder.load(WEIGHTS / f"{stem}.weights.h5", sha256=record(name)["sha256"])


def record(name):
    """How a shipped model was trained: dict with data, seeds, seconds, curve and scores.

    Raises:
        ValueError: no such model.
        DataError: (an OSError) the record is missing or damaged.
    """
    if name not in _SHIPPED:
        raise ValueError(f"no model is named {name!r}; there is {', '.join(_SHIPPED)}")
    path = WEIGHTS / f"{_SHIPPED[name]}.json"
    try:
        return json.loads(path.read_text("utf8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name}: missing or damaged ({error}); reinstall ae_lib") from error


def _settings(model):
    """What the model is made again with."""
    config = model.get_config()
    names = ("vocabulary_size", "units", "embedding_size", "code_size", "word_dropout")
    return {name: config[name] for name in names}


def _numpy(weight):
    import keras

    return keras.ops.convert_to_numpy(weight)


def named_weights(model):
    """The model's weights by the names they have in the file."""
    own = {"embedding": model.embedding, "word_bias": model.word_bias}
    parts = {f"{part.name}.{w.name}": w for part in model.layers for w in part.weights}
    return {**own, **parts}


def _model(config, arrays, name):
    from ae_lib.models import Seq2SeqAutoencoder

    try:
        model = Seq2SeqAutoencoder(**config)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: damaged: {error}") from error
    weights = named_weights(model)
    if set(weights) != set(arrays):
        wrong = ", ".join(sorted(set(weights) ^ set(arrays)))
        raise DataError(f"{name}: damaged, or of another model: weights {wrong}")
    for key, weight in weights.items():
        if tuple(weight.shape) != arrays[key].shape:
            raise DataError(
                f"{name}: {key} has shape {arrays[key].shape}, expected {tuple(weight.shape)}"
            )
        weight.assign(arrays[key].astype("float32"))
    return model
