"""A model of text with its vocabulary in one object and one file."""

import hashlib
import json
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import h5py

from ae_lib import text
from ae_lib._files import as_path, in_steps, whole_file
from ae_lib.data import DataError

_FORMAT = "ae-lib text model 2"
_DTYPES = ("float32", "float16", "int8")
_EXTRA, _ARRAYS = "ae_lib.json", "model.weights.h5"  # our member of the archive; Keras's


class TextModel:
    """A Keras model with its vocabulary: what the book's text models share.

    Files are Keras's own, ``*.keras``: ``keras.models.load_model`` gives the model alone. One
    member more, ``ae_lib.json``, has the vocabulary. A subclass says what it is made of:

    * ``model_classes``: names of classes of ``ae_lib.models``;
    * ``vocabulary_class``: the name of a class of ``ae_lib.text``;
    * ``settings``: names of further attributes, and arguments, that JSON can write.
    """

    model_classes: tuple
    vocabulary_class = "Vocabulary"
    settings = ()

    def __init__(self, model, vocabulary):
        if model.vocabulary_size != len(vocabulary):
            raise ValueError(
                f"vocabulary: has {len(vocabulary):,} tokens, but the model was made for "
                f"{model.vocabulary_size:,}; take the one it was trained with"
            )
        self.model = model
        self.vocabulary = vocabulary

    def save(self, path, dtype="float32"):
        """Write model and vocabulary to one file; it is whole or left as it was.

        Args:
            path: of the file, ending in ``.keras``.
            dtype: "float32"; "float16", which halves the file and rounds the weights; or
                "int8", which halves it again: each column of a matrix in whole multiples,
                −63…63, of a power of two, which float16 holds exactly and gzip packs well.

        Raises:
            ValueError: another dtype, another ending.
            DataError: (an OSError) the file cannot be written.
        """
        if dtype not in _DTYPES:
            raise ValueError(f"dtype: expected {', '.join(map(repr, _DTYPES))}, got {dtype!r}")
        path, buffer = _keras_path(path), BytesIO()
        records = {"vocabulary": self.vocabulary.to_record()}
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
                extra |= {name: getattr(self, name) for name in self.settings}
                ours.writestr(_EXTRA, json.dumps(extra, ensure_ascii=False))
        with whole_file(path) as stream:
            stream.write(buffer.getvalue())

    @classmethod
    def load(cls, path, *, sha256=None, vocabulary=None):
        """Read what ``save`` wrote.

        Args:
            path: of the file.
            sha256: what the file's bytes must hash to; None: not checked.
            vocabulary: what the model is to be used with; None: the file's own.

        Raises:
            ValueError: a path that does not end in ``.keras``.
            DataError: (an OSError) no such file, cut short, damaged, another kind of file,
                or a model trained with another vocabulary.
        """
        path = _keras_path(path)
        words, settings = cls._stored(path, sha256)
        own = getattr(text, cls.vocabulary_class).from_record(words, path.name)
        if vocabulary is not None and vocabulary.fingerprint != own.fingerprint:
            raise DataError(
                f"{path.name}: trained with another vocabulary ({len(own):,} tokens, fingerprint "
                f"{own.fingerprint[:12]}…) than the one given ({len(vocabulary):,}, "
                f"{vocabulary.fingerprint[:12]}…): its ids mean other words"
            )
        import keras

        from ae_lib import models

        for name in cls.model_classes:
            getattr(models, name)  # known to Keras from here on
        try:
            return cls(keras.models.load_model(path, compile=False), own, **settings)
        except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
            raise DataError(f"{path.name}: damaged, or of another model: {error}") from error

    @classmethod
    def _stored(cls, path, sha256=None):
        """The vocabulary's record and the settings, of a file whose bytes are whole."""
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
                settings = {name: extra[name] for name in cls.settings}
                return extra["vocabularies"]["vocabulary"], settings
        except Exception as error:  # whatever zipfile, zlib and json make of damaged bytes
            raise DataError(
                f"{path.name}: not a whole {cls.__name__} ({len(raw):,} bytes): cut short, "
                f"damaged, or another kind of file ({error}); copy it again"
            ) from error
        raise DataError(f"{path.name}: holds {found}, expected {wanted}")


class RepairModel(TextModel):
    """A BERT or a BART with its words: reads sentences with hidden words, see ``models``."""

    model_classes = ("MaskedLM", "TransformerSeq2Seq")


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
                if array.dtype.kind == "f":
                    array = in_steps(array) if dtype == "int8" and array.ndim == 2 else array
                    array = array.astype("float16" if dtype == "int8" else dtype)
                packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
                new = ours.create_dataset(name, data=array, **(packed if array.ndim else {}))
            else:
                new = ours.require_group(name)
            new.attrs.update(item.attrs)

        theirs.visititems(copy)
    return buffer.getvalue()
