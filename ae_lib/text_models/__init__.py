"""Models of text with their vocabulary in one object and one file; the shipped ones by name."""

import hashlib
import json
from pathlib import Path

from ae_lib.data import DataError
from ae_lib.text_models._autoencoder import TextAutoencoder, TextVAE
from ae_lib.text_models._language import LanguageModel
from ae_lib.text_models._model import RepairModel, TextModel, named_weights
from ae_lib.text_models._translator import Translator

__all__ = [
    "LanguageModel",
    "RepairModel",
    "TextAutoencoder",
    "TextModel",
    "TextVAE",
    "Translator",
    "export",
    "named_weights",
    "pretrained",
    "record",
    "shipped_file",
]

WEIGHTS = Path(__file__).parent.parent / "weights"
# Name: file in ``WEIGHTS``, and the class that loads it. A new model registers with a line.
SHIPPED = {
    "text-autoencoder": ("text_autoencoder.keras", TextAutoencoder),
    "sentence-vae": ("sentence_vae.keras", TextVAE),
    "translate-en-fr": ("translate_en_fr.keras", Translator),
    "compress": ("compress.keras", Translator),
    "bert": ("bert.keras", RepairModel),
    "bart": ("bart.keras", RepairModel),
    "language-model": ("language_model.keras", LanguageModel),
    "small-language-model": ("small_language_model.keras", LanguageModel),
}


def pretrained(name):
    """A model that ships with the book, trained and ready.

    Args:
        name: one of these. The first six are trained on all the English Tatoeba sentences, of
            3 to 10 words, outside the held-out parts; the last two on 8,000 short ones of them:

            * "text-autoencoder": a ``TextAutoencoder`` (tools/train_text_autoencoder.py);
            * "sentence-vae": a ``TextVAE`` with its attributes, its weights in 8 bits
              (tools/train_sentence_vae.py);
            * "language-model": a ``LanguageModel`` over 2,000 pieces of words, its weights in
              8 bits (tools/train_language_model.py);
            * "small-language-model": the same as a GPT so small that a page can run it
              (``ae_lib.widgets.NextWords``);
            * "translate-en-fr", "compress": a ``Translator``, trained with the sentences' French
              translations, or on the English alone (``benchmarks/translation.py``);
            * "bert", "bart": a ``RepairModel`` of a thousand words, its weights in 8 bits
              (``python -m benchmarks.transformer_parts ship``).

    Returns:
        what the name's class in ``SHIPPED`` makes.

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


def export(name, model):
    """Write a model that is to ship, in 8-bit numbers; what its record says of the file: dict.

    Raises:
        ValueError: no such name.
        DataError: (an OSError) the file cannot be written.
    """
    path, words = shipped_file(name), model.vocabulary
    model.save(path, "int8")
    raw = path.read_bytes()
    return {
        "what": f"what ae_lib.pretrained({name!r}) reads",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "bytes": len(raw),
        "parameters": model.model.count_params(),
        "vocabulary": {"tokens": len(words), "fingerprint": words.fingerprint},
    }


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
