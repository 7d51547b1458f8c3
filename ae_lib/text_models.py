"""Models of text with their vocabulary in one object and one file; the shipped ones by name."""

import hashlib
import json
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np

from ae_lib import decoding, text
from ae_lib._checks import as_size, to_array
from ae_lib._files import as_path, whole_file
from ae_lib.data import DataError

WEIGHTS = Path(__file__).parent / "weights"
_FORMAT = "ae-lib text model 2"
_EXTRA, _ARRAYS = "ae_lib.json", "model.weights.h5"  # our member of the archive; Keras's


class TextModel:
    """A Keras model with its vocabularies: what the book's text models share.

    Files are Keras's own, ``*.keras``: ``keras.models.load_model`` gives the model alone. One
    member more, ``ae_lib.json``, has the vocabularies. A subclass says what it is made of:

    * ``model_class``: name of a class of ``ae_lib.models``;
    * ``vocabularies``: names of its attributes, and arguments besides the model, that are
      ``ae_lib.text.Vocabulary``.
    """

    model_class: str
    vocabularies = ("vocabulary",)

    def save(self, path, dtype="float32"):
        """Write model and vocabularies to one file; it is whole or left as it was.

        Args:
            path: of the file, ending in ``.keras``.
            dtype: "float32", or "float16", which halves the file and rounds the weights.

        Raises:
            ValueError: another dtype, another ending.
            DataError: (an OSError) the file cannot be written.
        """
        if dtype not in ("float32", "float16"):
            raise ValueError(f"dtype: expected 'float32' or 'float16', got {dtype!r}")
        path, buffer = _keras_path(path), BytesIO()
        records = {name: getattr(self, name).to_record() for name in self.vocabularies}
        plain = type(self.model).from_config(self.model.get_config())  # without an optimizer
        plain.set_weights(self.model.get_weights())
        with tempfile.TemporaryDirectory() as folder:
            plain.save(Path(folder) / "model.keras")
            with (
                zipfile.ZipFile(Path(folder) / "model.keras") as theirs,
                zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as ours,
            ):
                for name in theirs.namelist():
                    raw = theirs.read(name)
                    ours.writestr(name, _smaller(raw, dtype) if name == _ARRAYS else raw)
                extra = {"format": _FORMAT, "class": type(self).__name__, "vocabularies": records}
                ours.writestr(_EXTRA, json.dumps(extra, ensure_ascii=False))
        with whole_file(path) as stream:
            stream.write(buffer.getvalue())

    @classmethod
    def load(cls, path, *, sha256=None, **vocabularies):
        """Read what ``save`` wrote.

        Args:
            path: of the file.
            sha256: what the file's bytes must hash to; None: not checked.
            vocabularies: by name, what the model is to be used with; none: the file's own.

        Raises:
            ValueError: a path that does not end in ``.keras``.
            DataError: (an OSError) no such file, cut short, damaged, another kind of file,
                or a model trained with another vocabulary.
        """
        path = _keras_path(path)
        records = cls._records(path, sha256)
        make = text.Vocabulary.from_record
        own = {name: make(records[name], path.name) for name in cls.vocabularies}
        for name, given in vocabularies.items():
            found = own[name]
            if given.fingerprint != found.fingerprint:
                raise DataError(
                    f"{path.name}: trained with another vocabulary ({len(found):,} tokens, "
                    f"fingerprint {found.fingerprint[:12]}…) than the one given ({len(given):,}, "
                    f"{given.fingerprint[:12]}…): its ids mean other words"
                )
        import keras

        from ae_lib import models

        getattr(models, cls.model_class)  # known to Keras from here on
        try:
            return cls(keras.models.load_model(path, compile=False), **own)
        except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
            raise DataError(f"{path.name}: damaged, or of another model: {error}") from error

    @classmethod
    def _records(cls, path, sha256=None):
        """The vocabularies' records, of a file whose bytes are whole."""
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
            with zipfile.ZipFile(BytesIO(raw)) as archive:
                if broken := archive.testzip():  # every member has a checksum
                    raise ValueError(f"{broken}: wrong checksum")
                extra = json.loads(archive.read(_EXTRA))
            found, wanted = (extra["format"], extra["class"]), (_FORMAT, cls.__name__)
            if found == wanted:
                return {name: extra["vocabularies"][name] for name in cls.vocabularies}
        except Exception as error:  # whatever zipfile, zlib and json make of damaged bytes
            raise DataError(
                f"{path.name}: not a whole {cls.__name__} ({len(raw):,} bytes): cut short, "
                f"damaged, or another kind of file ({error}); copy it again"
            ) from error
        raise DataError(f"{path.name}: holds {found}, expected {wanted}")


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

    model_class = "Seq2SeqAutoencoder"

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


# Name: file in ``WEIGHTS``, and the class that loads it. A new model registers with a line.
SHIPPED = {"text-autoencoder": ("text_autoencoder.keras", TextAutoencoder)}


def pretrained(name):
    """A model that ships with the book, trained and ready.

    Args:
        name: "text-autoencoder": sentences of 3 to 10 words, trained on all the English
            Tatoeba sentences outside the held-out parts by tools/train_text_autoencoder.py.

    Returns:
        what the name's class in ``SHIPPED`` makes: ``TextAutoencoder``.

    Raises:
        ValueError: no such model.
        DataError: (an OSError) its file is missing or damaged.
    """
    sha256 = record(name)["sha256"]
    return SHIPPED[name][1].load(shipped_file(name), sha256=sha256)


def shipped_file(name):
    """Path of a shipped model's file; its record is the ``.json`` beside it.

    Raises:
        ValueError: no such model.
    """
    if name not in SHIPPED:
        raise ValueError(f"no model is named {name!r}; there is {', '.join(SHIPPED)}")
    return WEIGHTS / SHIPPED[name][0]


def record(name):
    """How a shipped model was trained: dict with data, seeds, seconds, curve and scores.

    Raises:
        ValueError: no such model.
        DataError: (an OSError) the record is missing or damaged.
    """
    path = shipped_file(name).with_suffix(".json")
    try:
        return json.loads(path.read_text("utf8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name}: missing or damaged ({error}); reinstall ae_lib") from error


def named_weights(model):
    """``{name: weight}``: a layer's as "layer.weight", the model's own by their names."""
    parts = {f"{part.name}.{w.name}": w for part in model.layers for w in part.weights}
    known = {id(w) for w in parts.values()}
    return {**{w.name: w for w in model.weights if id(w) not in known}, **parts}


def _keras_path(path):
    path = as_path(path)
    if path.suffix != ".keras":
        raise ValueError(f"path: expected a name that ends in .keras, got {path.name!r}")
    return path


def _smaller(raw, dtype):
    """Keras's HDF5 file, its arrays compressed and those of real numbers as ``dtype``."""
    buffer = BytesIO()
    with h5py.File(BytesIO(raw), "r") as theirs, h5py.File(buffer, "w") as ours:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                array = item[()]
                array = array.astype(dtype) if array.dtype.kind == "f" else array
                packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
                new = ours.create_dataset(name, data=array, **(packed if array.ndim else {}))
            else:
                new = ours.require_group(name)
            new.attrs.update(item.attrs)

        theirs.visititems(copy)
    return buffer.getvalue()
