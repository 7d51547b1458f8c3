"""The line from a sentence's code along an attribute, and what its places decode to."""

from numbers import Real

import numpy as np
import traitlets

from ae_lib import text
from ae_lib._checks import brief
from ae_lib.text import _attributes
from ae_lib.widgets._int8 import Int8Model, pack_model
from ae_lib.widgets._static import as_name, payload_text
from ae_lib.widgets.sentence_path import PathExplorer, beside_the_page, decoded, unknown_words

# The shipped model's name, and its file beside the pages.
SHIPPED, PAGE_FILE = "sentence-vae", "sentence_vae.js"
LOW, HIGH, POSITIONS = -1, 2, 13  # as in sentence_path.js


class AttributePath(PathExplorer):
    """Explorer of one attribute of a sentence, live in a notebook and in the published page.

    The reader writes or picks a sentence, an attribute and a value. The sentence's code z, the
    mean of q(z | x), moves to z + strength · (mean code of sentences with the value − mean code
    of those with the sentence's own value), as in ``TextVAE.set_attribute``. What the places
    decode to is computed as in ``SentencePath``, in the reader's browser.

    Args:
        vae: ``ae_lib.pretrained("sentence-vae")`` or another ``ae_lib.text_models.TextVAE``
            that has learnt its attributes, without ``posterior_std``.
        sentences: list of sentences to pick from, at most 100 words and marks each; the first
            is shown at first; None: 24 validation sentences.
        target: name of an attribute and one of its values, such as ``("question", True)``;
            None: the first attribute, and a value that the first sentence does not have.
        name: the explorer's name in the page: lower-case letters, digits and hyphens.
        strength: the place shown at first, in [-1, 2].

    Attributes:
        sentence: str; set it, or ``observe`` it.
        target, strength: as above; likewise.

    Raises:
        TypeError, ValueError: an argument is not as above; the message says how.

    Example:
        >>> from ae_lib import models, text, text_models
        >>> sentences = ["Tom is here.", "Did he not see it?"]
        >>> vocabulary = text.Vocabulary.build(sentences)
        >>> vae = text_models.TextVAE(models.SentenceVAE(len(vocabulary), 8, 8, 4), vocabulary)
        >>> vae.learn_attributes(sentences)
        >>> AttributePath(vae, sentences).target
        ('question', True)
    """

    sentence = traitlets.Unicode().tag(sync=True)
    target = traitlets.Tuple(traitlets.Unicode(), traitlets.Any()).tag(sync=True)
    strength = traitlets.Float().tag(sync=True)

    def __init__(self, vae, sentences=None, *, target=None, name="attribute-path", strength=1.0):
        self._vocabulary, self._attributes = _as_vae(vae).vocabulary, vae.attributes
        self._name, strength = as_name(name, "attribute-path"), _as_strength(strength)
        sentences = self._as_examples(sentences, "sentences")
        if not sentences:
            raise ValueError("sentences: empty; expected at least one sentence")
        own = text.attributes(sentences[0])
        if target is None:
            first, means = next(iter(vae.attributes.items()))
            target = first, [kind for kind, _ in means if kind != own[first]][-1]
        target = attribute, value = self._as_target(target)
        self._as_target((attribute, own[attribute]), "sentences[0]")
        means = {  # as the page has them
            key: [[kind, np.round(mean, 7).tolist()] for kind, mean in pairs]
            for key, pairs in vae.attributes.items()
        }
        to, away = (np.array(dict(means[attribute])[kind]) for kind in (value, own[attribute]))
        self._raw = pack_model(vae)
        model = Int8Model(self._raw)
        code = model.encode(self._vocabulary.encode(sentences[0]))
        places = np.linspace(LOW, HIGH, POSITIONS)
        self._path = decoded(model, self._vocabulary, code, code + to - away, places)
        self._about = f"the code of “{sentences[0]}”, moved to {attribute} = {value}"
        payload = payload_text(
            {
                "name": name,
                "sentence": sentences[0],
                "target": target,
                "strength": strength,
                "path": self._path,
                "unknown": [unknown_words(self._vocabulary, sentences[0])],
                "examples": sentences,
                "attributes": means,
                "patterns": {
                    "negation": _attributes._NEGATION.pattern,
                    "past": _attributes._PAST.pattern,
                },
                "bytes": len(self._raw),
                "weights": beside_the_page(self._raw, SHIPPED, PAGE_FILE),
            }
        )
        super().__init__(sentence=sentences[0], target=target, strength=strength, payload=payload)
        self.on_msg(self._answer)

    @traitlets.validate("sentence", "target", "strength")
    def _readable(self, proposal):
        name = proposal.trait.name
        check = {"sentence": self._as_sentence, "target": self._as_target}.get(name, _as_strength)
        try:
            return check(proposal.value, name)
        except (TypeError, ValueError) as error:
            raise traitlets.TraitError(str(error)) from None

    def _as_target(self, target, what="target"):
        if not isinstance(target, (tuple, list)) or len(target) != 2:
            wanted = "expected an attribute and a value, such as ('question', True)"
            raise TypeError(f"{what}: {wanted}, got {brief(target)}")
        name, value = target
        if not isinstance(name, str) or name not in self._attributes:
            known = ", ".join(map(repr, self._attributes))
            raise ValueError(f"{what}: no attribute {brief(name)}; there is {known}")
        values = [kind for kind, _ in self._attributes[name]]
        if value not in values:
            known = ", ".join(map(repr, values))
            raise ValueError(f"{what}: {name} has no {brief(value)}; there is {known}")
        return name, values[values.index(value)]


def _as_vae(vae):
    from ae_lib.text_models import TextVAE

    if not isinstance(vae, TextVAE):
        wanted = 'expected ae_lib.pretrained("sentence-vae") or another TextVAE'
        raise TypeError(f"vae: {wanted}, got {type(vae).__name__}")
    if not vae.attributes:
        raise ValueError("vae: no attributes; call vae.learn_attributes(training_sentences)")
    if vae.model.normal is not None:
        raise ValueError("vae: has a posterior_std, which the page cannot compute; train without")
    return vae


def _as_strength(strength, name="strength"):
    if isinstance(strength, bool) or not isinstance(strength, Real):
        raise TypeError(f"{name}: expected a number, got {brief(strength)}")
    if not LOW <= strength <= HIGH:
        raise ValueError(f"{name}: expected a number in [{LOW}, {HIGH}], got {brief(strength)}")
    return float(strength)
