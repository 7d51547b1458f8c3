"""What a small GPT expects next, and where its heads look, computed in the reader's browser."""

import json

import numpy as np
import traitlets

from ae_lib._files import column_steps
from ae_lib.widgets._explorer import Explorer
from ae_lib.widgets._int8 import merges_of
from ae_lib.widgets._static import as_name, base64_text, payload_text

_MOST = 700_000  # weights; a byte each, as text in the page a third more
_SHOWN = 8


class NextWords(Explorer):
    """Explorer of a language model, live in a notebook and in the published page.

    The reader writes a beginning and sees the pieces that the model reads, the most probable
    next pieces, one of which a click appends, and how much each head attends to each piece.
    All is computed in the browser by a copy of the model whose weights have 8 bits: those of
    a matrix's column are whole multiples, −63…63, of a power of two, as in a file saved with
    ``dtype="int8"``. Of a model from such a file the copy is exact.

    Args:
        language_model: ``ae_lib.pretrained("small-language-model")``, or another
            ``ae_lib.text_models.LanguageModel`` of a ``TransformerLM`` of at most 700,000
            weights.
        prompt: the beginning shown at first, at most ``language_model.context`` pieces.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.

    Attributes:
        prompt: the beginning, a str; set it, or ``observe`` it.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> from ae_lib import models, text, text_models
        >>> vocabulary = text.Subwords.build(["Tom is here."], 270)
        >>> model = models.TransformerLM(len(vocabulary), width=16, layers=2, heads=2)
        >>> explorer = NextWords(text_models.LanguageModel(model, vocabulary), "Tom")
        >>> explorer.prompt = "Tom is"
    """

    _kind = "next-words"
    prompt = traitlets.Unicode().tag(sync=True)

    def __init__(self, language_model, prompt="", *, name="next-words"):
        packed = pack(language_model)
        self._name, self._model = as_name(name, "next-words"), language_model
        self._expected = language_model.next_words(prompt, _SHOWN)
        payload = payload_text({"name": name, "prompt": prompt, "shown": _SHOWN, **packed})
        super().__init__(prompt=prompt, payload=payload)

    @traitlets.validate("prompt")
    def _readable(self, proposal):
        try:
            self._model.next_words(proposal.value, 1)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return proposal.value

    def _description(self):
        prompt = json.loads(self.payload)["prompt"]
        pieces = ", ".join(f"“{piece}” {p:.0%}" for piece, p in self._expected)
        return (
            f"what a small GPT expects after “{prompt}”, namely "
            f"{pieces}, and what its heads attend to."
        )

    def __repr__(self):
        model = self._model.model
        return (
            f"<NextWords {self._name!r}: {model.depth} layers of {model.heads} heads, "
            f"{model.count_params():,} weights, {model.vocabulary_size:,} pieces>"
        )


def pack(language_model):
    """What the JavaScript is given, a dict ready for JSON, the same for the same model.

    ``sizes``; ``merges``: of the byte pairs, two numbers (uint16) each; ``matrices``: whole
    numbers (int8), row by row; ``steps``: logarithms to the base 2 of each column's step (int8);
    ``vectors``: float32. All but the first in base64, little-endian, in Keras's order.
    """
    from keras.ops import convert_to_numpy

    model = _as_transformer(language_model).model
    if (count := model.count_params()) > _MOST:
        raise ValueError(
            f"language_model: expected at most {_MOST:,} weights, which the page carries, got "
            f"{count:,}; take a narrower one"
        )
    weights = [convert_to_numpy(w).astype("float32") for w in model.weights]
    if not all(np.isfinite(w).all() for w in weights):
        raise ValueError("language_model: some weights are NaN or infinite")
    matrices = [w for w in weights if w.ndim == 2]
    steps = [column_steps(matrix) for matrix in matrices]
    whole = [
        np.rint(m / step).astype("i1").tobytes() for m, step in zip(matrices, steps, strict=True)
    ]
    names = {"vocabulary": "vocabulary_size", "layers": "depth"}
    sizes = ("vocabulary", "width", "layers", "heads", "length")
    merges = merges_of(language_model.vocabulary.to_record())
    return {
        "sizes": {name: getattr(model, names.get(name, name)) for name in sizes},
        "merges": base64_text(merges.astype("<u2").tobytes()),
        "matrices": base64_text(b"".join(whole)),
        "steps": base64_text(np.log2(np.concatenate(steps)).astype("i1").tobytes()),
        "vectors": base64_text(
            b"".join(w.astype("<f4").tobytes() for w in weights if w.ndim == 1)
        ),
    }


def _as_transformer(language_model):
    from ae_lib.models import TransformerLM
    from ae_lib.text_models import LanguageModel

    inner = language_model.model if isinstance(language_model, LanguageModel) else language_model
    if inner is language_model or not isinstance(inner, TransformerLM):
        raise TypeError(
            'language_model: expected ae_lib.pretrained("small-language-model") or another '
            f"LanguageModel of a TransformerLM, got {type(inner).__name__}"
        )
    return language_model
