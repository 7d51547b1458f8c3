"""A sentence, its French translation and the attention, computed in the reader's browser."""

import json

import numpy as np

from ae_lib import text
from ae_lib.widgets._explorer import SentenceExplorer
from ae_lib.widgets._int8 import ATTENTIONS, pack_model
from ae_lib.widgets._static import as_name, payload_text
from ae_lib.widgets.sentence_path import PathExplorer, beside_the_page

# The shipped model's name, and its file beside the pages.
SHIPPED, PAGE_FILE = "translate-en-fr", "translate_en_fr.js"
_BEAM, _PENALTY = 4, 0.6  # as in ``Translator.translate``
_CHARACTERS = 1000


class Translate(SentenceExplorer):
    """Explorer of a translator, live in a notebook and in the published page.

    The reader writes or picks an English sentence and sees its French translation and the
    attention: of each piece written, the weights of the pieces read. All is computed in the
    browser, by the beam search of ``Translator.translate``, with a copy of the model whose
    weights have 8 bits and which comes when it is asked for. Of a model from a file of 8 bits
    the copy is exact; of another it may translate some sentences in another way. Before it has
    come, the translations of ``sentences``, computed here, can be looked at. In the published
    page the copy is the shipped model's: an explorer of another model has there the stored
    translations alone.

    Args:
        translator: ``ae_lib.pretrained("translate-en-fr")``, or another
            ``ae_lib.text_models.Translator`` from English to French of an ``AttentionSeq2Seq``
            with the attention "dot", "general" or "additive".
        sentences: list of English sentences to pick from, of at most 1,000 characters each;
            the first is shown at first.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        sentence: str; set it, or ``observe`` it.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> from ae_lib import models, text, text_models
        >>> vocabulary = text.Subwords.build(["Tom is here.", "Tom est ici."], 270)
        >>> model = models.AttentionSeq2Seq(len(vocabulary), units=8, embedding_size=8)
        >>> explorer = Translate(text_models.Translator(model, vocabulary), ["Tom is here."])
        >>> explorer.sentence
        'Tom is here.'
    """

    _kind, _most = "translate", _CHARACTERS
    _answer = PathExplorer._answer  # the browser asks for the weights

    def __init__(self, translator, sentences, *, name="translate"):
        self._name = as_name(name, "translate")
        sentences = self._as_sentences(sentences)
        self._raw = pack_model(_as_translator(translator))
        stored = [_translated(translator, s) for s in dict.fromkeys(sentences)]
        payload = payload_text(
            {
                "name": name,
                "stored": stored,
                "width": _BEAM,
                "penalty": _PENALTY,
                "limits": list(translator.limits.items()),
                "characters": _CHARACTERS,
                "bytes": len(self._raw),
                "weights": beside_the_page(self._raw, SHIPPED, PAGE_FILE),
            }
        )
        super().__init__(sentence=sentences[0], payload=payload)
        self.on_msg(self._answer)

    def _description(self):
        found = [f"“{one['text']}” – “{one['translation']}”" for one in self._stored()]
        return (
            "sentences, their translations and the attention between "
            f"their pieces. The translations are: {'; '.join(found)}."
        )

    def __repr__(self):
        first, count = self._stored()[0], len(self._stored())
        return (
            f"<Translate {self._name!r}: {count} sentences, {first['text']!r} "
            f"to {first['translation']!r}>"
        )

    def _stored(self):
        return json.loads(self.payload)["stored"]


def _as_translator(translator):
    from ae_lib.models import AttentionSeq2Seq
    from ae_lib.text_models import Translator

    if not isinstance(translator, Translator):
        wanted = 'expected ae_lib.pretrained("translate-en-fr") or another Translator'
        raise TypeError(f"translator: {wanted}, got {type(translator).__name__}")
    if not isinstance(translator.model, AttentionSeq2Seq):
        raise ValueError(
            f"translator: a {type(translator.model).__name__} has several attentions a layer; "
            "take one of an AttentionSeq2Seq"
        )
    if (kind := translator.model.attention) not in ATTENTIONS:
        known = ", ".join(map(repr, ATTENTIONS))
        raise ValueError(
            f"translator: its attention, {kind!r}, does not choose among pieces; expected {known}"
        )
    return translator


def _translated(translator, sentence):
    """What the page shows of a sentence, ready for JSON; None among the pieces is <eos>."""
    decode, pieces = translator.vocabulary.decode, translator.vocabulary.encode(sentence)
    read = pieces[: translator.longest]
    (words,) = translator._written([read], _BEAM)
    count = max(len(read), len(words))
    shape = min(n for n in translator.limits.values() if n >= count)  # few, little to compile
    pair = text.pairs(text.pad([read], shape), text.pad([words[words != text.EOS]], shape))
    weights = translator.model.align(pair)[0, : len(words), : len(read)]
    return {
        "text": sentence,
        "pieces": len(pieces),
        "read": [decode([i]) for i in read],
        "written": [None if i == text.EOS else decode([i]) for i in words],
        "weights": np.round(weights.astype("float64"), 3).tolist(),
        "translation": decode(words),
    }
